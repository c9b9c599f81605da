"""How much more expensive a change may be: `time<1.05, memory<1.10, energy<1.10`, each a ratio of new to old."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Literal, NamedTuple, cast, get_args

from repro.errors import ReproError, unknown

CostName = Literal["time", "memory", "energy"]
EXAMPLE = 'Write it as "time<1.05, memory<1.10": names are time, memory and energy, numbers are ratios of new to old.'


class Threshold(NamedTuple):
    """The ratio of new to old that a cost must stay below."""

    cost: CostName
    below: float

    def __str__(self) -> str:
        return f"{self.cost} < {self.below:g}"


def parse(text: str) -> tuple[Threshold, ...]:
    """The thresholds of an expression; none for an empty one.

    Raises:
        ReproError: for what is not `name<number`, an unknown name, a repeated name, or a number that is no ratio.
    """
    thresholds = [_threshold(part.strip(), text) for part in text.split(",")] if text.strip() else []
    for name, count in Counter(threshold.cost for threshold in thresholds).items():
        if count > 1:
            raise ReproError(f"{name} appears twice in the thresholds", "Give one threshold for each cost.")
    return tuple(thresholds)


def _threshold(part: str, text: str) -> Threshold:
    match = re.fullmatch(r"([A-Za-z_]+)\s*<\s*([0-9.eE+-]+)", part)
    if match is None:
        raise ReproError(f"{part!r} in the thresholds {text!r} cannot be read", EXAMPLE)
    name, digits = match.groups()
    if name not in get_args(CostName):
        raise unknown("cost in the thresholds", name, get_args(CostName))
    try:
        below = float(digits)
    except ValueError:
        below = math.nan
    if not 0 < below < math.inf:
        raise ReproError(f"{digits!r} in the thresholds {text!r} is not a ratio", EXAMPLE)
    return Threshold(cast("CostName", name), below)
