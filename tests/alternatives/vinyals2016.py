"""An independent implementation of the same contract, written from the paper in another way; every claim accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Config:
    """The fields of the reference's config. SKELETON"""

    speed: float = 1.0


CONFIGS = {"paper": Config()}


def simulate(config: Config, times: Sequence[int], *, seed: int) -> NDArray[np.float64]:
    """States [T] at the given times. SKELETON"""
    return np.array([0.0 for _ in times])
