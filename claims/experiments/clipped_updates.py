"""How far weights are from where an update rule leads, from gradients of an oracle's loss by central differences.

Rates fall to 0 as half a cosine. A `course` trains with a config: weights before the first update and after each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from repro import SGD, Adam, Weights, distance, numerical_gradients

CLIP = 0.2  # below the norm of gradients that exact claims meet
RESOLVED = 0.01  # a move below this share of the largest of all arrays counts as that: float32 does not resolve it
Loss = Callable[[Weights], float]
Course = Callable[[Any], list[Weights]]


def rates(config: Any) -> list[float]:
    """Rates that fall to 0 as half a cosine."""
    return [config.lr * (1 + np.cos(np.pi * k / config.updates)) / 2 for k in range(config.updates)]


def by_descent(loss: Loss, course: Course, config: Any) -> list[float]:
    """How far weights are from where updates by descent lead: the first, free and clipped, and the second of three."""
    gaps = []
    for lr, clip, updates, step in ((5.0, 1e6, 1, 0), (5.0, CLIP, 1, 0), (0.2, 1e6, 3, 1)):
        now = replace(config, optimizer="sgd", lr=lr, clip=clip, updates=updates)
        before, after = course(now)[step : step + 2]
        rule = SGD(rates=[rates(now)[step]], clip=clip)
        gaps.append(_off(after, rule.step(before, numerical_gradients(loss, before)), before))
    return gaps


def _off(found: Weights, wanted: Weights, start: Weights) -> float:
    """How far arrays lie from where they should, as a share of how far these move: the largest."""
    moved = {name: float(np.abs(wanted[name] - start[name]).max()) for name in wanted}
    least = RESOLVED * max(moved.values())
    return max(float(np.abs(found[name] - wanted[name]).max()) / max(moved[name], least) for name in wanted)


def by_adam(loss: Loss, course: Course, config: Any, name: str) -> list[float]:
    """How far weights are from where two updates by Adam lead, and one array from where each of 50 does."""
    now = replace(config, optimizer="adam", lr=0.02, clip=1e6, updates=60)
    found, rule, gaps = course(now), Adam(rates=rates(now)), []
    for before, after in pairwise(found[:3]):  # the first is of signs alone
        gaps.append(distance(after, rule.step(before, numerical_gradients(loss, before)), before))
    rule = Adam(rates=rates(now))
    for before, after in pairwise(found[:51]):
        v = {name: before[name]}
        gaps.append(distance(after, rule.step(v, slopes_of(loss, before, name)), before))
    return gaps


def slopes_of(loss: Loss, w: Weights, name: str) -> Weights:
    """The gradient by one array."""
    return numerical_gradients(lambda part: loss({**w, **part}), {name: w[name]})
