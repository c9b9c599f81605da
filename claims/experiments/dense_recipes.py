"""What the paper prints of how dilated networks are trained, against the presets of yu2016."""

from __future__ import annotations

from typing import Any

from claims.experiments.yu2016 import DensePredictor
from repro import Measurements, Setting, cases

RECIPES: dict[str, dict[str, Any]] = {
    "basic": {"classes": 21, "padding": 33, "start": "identity", "rate": 1e-3},
    "large": {"classes": 21, "padding": 33, "start": "identity", "rate": 1e-3},
    "front-end": {"classes": 21, "mode": "reflection", "batch": 14, "rate": 1e-3, "momentum": 0.9, "updates": 60_000},
    "front-end-camvid": {
        "classes": 11, "mode": "reflection", "batch": 8, "rate": 1e-4, "momentum": 0.99, "updates": 20_000,
        "size": (480, 640),
    },
    "dilation7": {"classes": 11, "start": "identity", "batch": 1, "rate": 1e-5, "momentum": 0.99, "updates": 20_000},
    "dilation8": {"classes": 11, "start": "identity", "batch": 1, "rate": 1e-5, "momentum": 0.9, "size": (60, 80)},
    "dilation10": {
        "classes": 19, "start": "identity", "batch": 100, "rate": 1e-4, "momentum": 0.99, "updates": 24_000,
        "size": (128, 256),
    },
}  # fmt: skip
"""What Sections 4 and 5 and Appendix A print of how each network is trained; sizes of maps are an eighth of images'."""


def recipe(network: DensePredictor, setting: Setting) -> Measurements:
    """Fields of presets that differ from what is printed, and noise of Eq. 5 as a share of its smallest entry."""
    presets = network.CONFIGS
    other = [getattr(presets[key], name) != due for key, fields in RECIPES.items() for name, due in fields.items()]
    contexts = [config for config in presets.values() if config.network == "context"]
    noise = [config.noise * max(config.multiples) for config in contexts]
    return {"other": cases(other, 0, "fields"), "noise": cases(noise, 0.1, "of C / c")}
