"""What trials cost before, and what others like them will therefore cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

import msgspec

from repro.machine.environment import Machine, device_class
from repro.machine.telemetry import Usage
from repro.record.record import Record
from repro.task import Device


class Estimate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The median of past trials of the same arm.

    Attributes:
        wall_s: seconds.
        on: the class of device that they ran on, such as "cpu x86_64 AVX512" or a GPU's name.
        trials: how many there were.
        of: the implementation that they were of: for a control that never ran, the reference.
    """

    wall_s: float
    on: str
    trials: int
    of: str


class Past:
    """Seconds of past trials, by claim, implementation, arm and class of device; each trial counts once."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}

    @classmethod
    def of(cls, records: Iterable[Record]) -> Past:
        """What records of references say."""
        past = cls()
        for record in records:
            if record.implementation.kind != "reference":
                continue
            for trial in record.trials:
                made = record.machine if trial.machine is msgspec.UNSET else trial.machine
                on = _class_of(made, trial.usage)
                past.add(record.claim.id, "reference", trial.arm, on, trial.key, trial.usage.wall_s)
        return past

    def add(self, claim: str, implementation: str, arm: str, on: str, key: str, wall_s: float) -> None:
        """Count a trial that took `wall_s` seconds; a trial that is known already, by its key, is not counted twice."""
        self._seconds.setdefault((claim, implementation, arm), {}).setdefault(on, {})[key] = wall_s

    def estimate(self, claim: str, implementation: str, arm: str, device: Device) -> Estimate | None:
        """What a trial of this arm will cost; None where nothing is known.

        Trials on this machine's class of device count; where there are none, those on the class with the most.
        A control of which nothing is known is taken to cost what the reference does.
        """
        for of in (implementation, "reference"):
            found = self._seconds.get((claim, of, arm), {})
            alike = {on: walls for on, walls in found.items() if on.startswith("cpu ") == (device == "cpu")}
            if alike:
                here = device_class(device)
                on = here if here in alike else max(sorted(alike), key=lambda name: len(alike[name]))
                walls = alike[on].values()
                return Estimate(wall_s=statistics.median(walls), on=on, trials=len(walls), of=of)
        return None


def _class_of(made: Machine, usage: Usage) -> str:
    """The class of device of a recorded trial, named as `repro.machine.environment.device_class` does."""
    if usage.gpu_peak_method and made.gpu is not None:
        return made.gpu
    return f"cpu {made.arch} {made.isa}".rstrip()
