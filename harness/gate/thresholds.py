"""How much dearer a change may be: `time<1.05, memory<1.10, energy<1.10`, each a ratio of new to old."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from repro.errors import ReproError, unknown

COSTS = ("time", "memory", "energy")
EXAMPLE = 'Write it as "time<1.05, memory<1.10": names are time, memory and energy, numbers are ratios of new to old.'


class Threshold(NamedTuple):
    """The ratio of new to old that a cost must stay below."""

    cost: str
    below: float

    def __str__(self) -> str:
        return f"{self.cost} < {self.below:g}"


def parse(text: str) -> tuple[Threshold, ...]:
    """The thresholds of an expression; none for an empty one.

    Raises:
        ReproError: for what is not `name<number`, an unknown name, a name twice, or a number that is no ratio.
    """
    return _checked([_one(part.strip(), text) for part in text.split(",")]) if text.strip() else ()


def _one(part: str, text: str) -> Threshold:
    found = re.fullmatch(r"([A-Za-z_]+)\s*<\s*([0-9.eE+-]+)", part)
    if found is None:
        raise ReproError(f"{part!r} in the thresholds {text!r} cannot be read", EXAMPLE)
    name, digits = found.groups()
    if name not in COSTS:
        raise unknown("cost in the thresholds", name, COSTS)
    try:
        below = float(digits)
    except ValueError:
        below = math.nan
    if not 0 < below < math.inf:
        raise ReproError(f"{digits!r} in the thresholds {text!r} is not a ratio", EXAMPLE)
    return Threshold(name, below)


def _checked(found: Sequence[Threshold]) -> tuple[Threshold, ...]:
    names = [threshold.cost for threshold in found]
    for name in names:
        if names.count(name) > 1:
            raise ReproError(f"{name} stands twice in the thresholds", "Give one threshold for each cost.")
    return tuple(found)
