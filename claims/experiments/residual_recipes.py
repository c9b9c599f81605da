"""What the papers on residual networks share: their recipe, read from presets, and a tiny network; costs on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repro import Experiment, Measurements, Setting, cases
from repro.task import Counted

SGD_RULE = (("lr", 0.1), ("momentum", 0.9), ("weight_decay", 1e-4))
CIFAR = (*SGD_RULE, ("batch", 128), ("iterations", 64_000), ("milestones", (32_000, 48_000)))
"""Fields of presets, as both papers state them: see `Recipe`."""

SMALL: dict[str, Any] = {"image": 8, "channels": 1, "augment": "none"}
SMALLEST: dict[str, Any] = SMALL | {
    "depth": 8,
    "widths": (2, 3, 4),
    "classes": 3,
    "batch": 8,
    "lr": 0.05,
    "weight_decay": 0.1,
}
"""A network of 532 weights."""
HALVED: dict[str, Any] = SMALL | {"widths": (8, 16, 32), "batch": 64}
"""Networks of half the filters, for 8x8 digits."""


@dataclass(frozen=True)
class Recipe(Experiment):
    """What a preset's fields say of a network and its training, against the paper.

    Attributes:
        fields: name and value of each, a number or a sequence of numbers.

    Measures:
        numbers: of the fields, in their order.
    """

    fields: tuple[tuple[str, Any], ...]

    def __call__(self, implementation: Counted, setting: Setting) -> Measurements:
        """Read one preset."""
        found = [float(x) for name, _ in self.fields for x in np.ravel(getattr(setting.config, name))]
        return {"numbers": cases(found, [float(x) for _, value in self.fields for x in np.ravel(value)], "1")}


def on_a_gpu(time: str, seeds: int = 3) -> dict[str, Any]:
    """How a claim at the paper's full size is run, and what it costs."""
    return {"tier": "gpu", "seeds": seeds, "cost": f"an estimated {time} on one H200, as much for the control"}


def on_a_cluster(time: str) -> dict[str, Any]:
    """How a claim on ImageNet is run, and what it costs."""
    beside = "on one H200 beside 16 decoding cores, as much for the control"
    return {"tier": "cluster", "seeds": 3, "cost": f"an estimated {time} a network and seed {beside}"}
