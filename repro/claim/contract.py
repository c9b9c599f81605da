"""What a paper asks of an implementation: its contract, and the small setting in which that is tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Contract:
    """Stated once in a claims file, as CONTRACT.

    Attributes:
        protocol: the paper's protocol, derived from one of `repro.task`.
        preset: the preset that audits run on.
        data: the dataset they train on, or None for generated data.
        generate: makes training pairs (`repro.task.Pairs`) from a seed, for a contract without a dataset.
        overrides: fields of the preset to replace, so that training takes about a second.
        counted: presets whose layers may be counted against what they learn, with what to replace in them so that a
            network is made of 8 images and not trained.
        timed: name of the claim whose first arm is timed beside the reference; by default the first statistical one.
        clocked: first words of the names of measurements that depend on the speed of the machine; gates compare the
            verdicts on them, and not their values.
    """

    protocol: type
    preset: str
    data: str | None = None
    generate: Callable[[int], Any] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    counted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timed: str = ""
    clocked: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What an implementation must define, sorted: CONFIGS and the functions of the protocol."""
        kinds = [kind for kind in self.protocol.__mro__ if kind.__module__ not in ("builtins", "typing")]
        return tuple(sorted({"CONFIGS", *(name for kind in kinds for name in vars(kind) if not name.startswith("_"))}))
