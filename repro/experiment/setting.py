"""Experiments: the suite's measuring code, run once per arm and seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import isfunction
from typing import Any, ClassVar

from repro.criterion.exhibit import Exhibit
from repro.criterion.measurement import Measurement
from repro.data import Dataset
from repro.task import Device

Measurements = Mapping[str, Measurement | Exhibit]
"""What an experiment returns: by name what is judged, and what is for pictures."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one trial is run with.

    Attributes:
        config: the implementation's own config, a frozen dataclass with the arm's overrides applied.
        seed: the trial's seed; the only source of randomness.
        device: "cpu", "cuda" or "mps".
        data: the dataset the arm names, or None for generated data.
        untrained: opens the implementation in one more process, which has trained nothing; None where it runs here.
    """

    config: Any
    seed: int
    device: Device
    data: Dataset | None = None
    untrained: Callable[[], AbstractContextManager[Any]] | None = None

    @property
    def dataset(self) -> Dataset:
        """The dataset, for experiments that cannot do without one.

        Raises:
            ValueError: if the arm names none.
        """
        if self.data is None:
            raise ValueError("this experiment needs a dataset: name one in run(..., data=...)")
        return self.data


@dataclass(frozen=True)
class Experiment(ABC):
    """The suite's measuring code: a frozen dataclass whose fields say what is measured, called once per arm and seed.

    Attributes:
        needs_gpu: whether a claim of tier `cluster` must run it on GPUs.
        passes_config_on: whether the implementation gets the setting's config untouched, so that a control that only
            changes configs shares the trials of the reference.
    """

    needs_gpu: ClassVar[bool] = True
    passes_config_on: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Measure an implementation at one seed."""
        ...

    @property
    def name(self) -> str:
        """What a claim's digest counts it by."""
        return repr(self)

    @property
    def code(self) -> Any:
        """What a trial's key counts the source of."""
        return self


@dataclass(frozen=True)
class Measuring(Experiment):
    """An experiment that is a plain function `(implementation, setting) -> measurements`.

    Raises:
        TypeError: for anything else.
    """

    function: Callable[[Any, Setting], Measurements]

    def __post_init__(self) -> None:
        if not isfunction(self.function):
            raise TypeError(f"an experiment is a function or derives from Experiment; {self.function!r} does neither")

    def __call__(self, implementation: Any, setting: Setting) -> Measurements:
        """Call the function."""
        return self.function(implementation, setting)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__qualname__

    @property
    def code(self) -> Any:
        """The function."""
        return self.function
