"""Experiments: the suite's measuring code, run once per arm and seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from repro.data import Dataset
from repro.measurement import Measurements
from repro.task import Device


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one trial is run with.

    Attributes:
        config: the implementation's own config, a frozen dataclass with the arm's overrides applied.
        seed: the trial's seed; the only source of randomness.
        device: "cpu", "cuda" or "mps".
        data: the dataset the arm names, or None for generated data.
    """

    config: Any
    seed: int
    device: Device
    data: Dataset | None = None

    @property
    def dataset(self) -> Dataset:
        """The dataset, for experiments that cannot do without one.

        Raises:
            ValueError: if the arm names none.
        """
        if self.data is None:
            raise ValueError("this experiment needs a dataset: name one in run(..., data=...)")
        return self.data


Experiment = Callable[[Any, Setting], Measurements]
"""`(implementation, setting) -> measurements`: a plain function, or a frozen dataclass that is callable."""
