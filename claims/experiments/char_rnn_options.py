"""Options of train.lua, and what the post prints of its networks, against the presets of karpathy2015."""

from __future__ import annotations

from typing import Any

from claims.experiments.character_models import CharacterModel
from repro import Measurements, Setting, cases

RECIPES: dict[str, dict[str, Any]] = {
    "char-rnn": {
        "cell": "lstm", "layers": 2, "hidden": 128, "init": 0.08, "forget_bias": 1.0, "dropout": 0.0, "batch": 50,
        "unroll": 50, "epochs": 50, "lr": 2e-3, "constant_epochs": 10, "decay": 0.97, "smoothing": 0.95,
        "epsilon": 1e-8, "clip": 5.0, "precision": "float32",
    },
    "paul-graham": {"cell": "lstm", "layers": 2, "hidden": 512, "dropout": 0.5, "batch": 100, "unroll": 100},
    "linux": {"cell": "lstm", "layers": 3, "hidden": 700},
}  # fmt: skip
"""Options of train.lua that are in force if none is given, and what the post and the README print of others."""


def recipe(implementation: CharacterModel, setting: Setting) -> Measurements:
    """Fields of presets that differ from what is printed."""
    presets = implementation.CONFIGS
    other = [getattr(presets[key], name) != due for key, fields in RECIPES.items() for name, due in fields.items()]
    return {"other": cases(other, 0, "fields")}
