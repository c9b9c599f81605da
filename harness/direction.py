"""Which way a measurement gets worse, and on which scale it is compared: from its name, else from the criterion."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from repro.criterion import AllOf, AtLeast, AtMost, Criterion, Higher, Holds, Lower, Matches, Ordered

Worse = Literal["up", "down", "either"]

UP = {"error", "errors", "loss", "losses", "perplexity", "updates", "seconds", "bytes", "over", "invalid", "divergence"}
DOWN = {"accuracy", "area", "r2", "agreement", "valid", "f1", "bleu", "auc", "reward", "score"}
CLOCK = {"efficiency", "speed", "throughput", "waited", "unit"}  # first words of what is measured by the clock
LOGARITHMIC = {"perplexity", "s", "J", "W"}  # units whose values are compared by their ratio


class Aspect(NamedTuple):
    """How one sample of a claim is compared.

    `exact` ones are not: their violations are counted. Nor are `clocked` ones, which depend on the machine and on what
    else it does: the verdict on them counts, and times themselves are compared side by side, as costs.
    """

    worse: Worse
    log: bool
    exact: bool = False
    clocked: bool = False


def aspects(criterion: Criterion, measurements: Sequence[tuple[str, str]]) -> list[Aspect]:
    """How each sample that a claim draws is compared.

    A measurement that says by its name what is good (an error, an accuracy) gets worse the same way in every arm, also
    in the arm that a claim only compares with. Where the name says nothing, worse is what weakens the claim; where that
    says nothing either (a matched value, a curve), any change is.

    Args:
        criterion: the claim's.
        measurements: name and unit of each sample, in the order in which the claim draws them.
    """
    roles = _roles(criterion, len(measurements))
    found = []
    for (name, unit), role in zip(measurements, roles, strict=True):
        log = role.log or unit in LOGARITHMIC
        clocked = name.partition(" ")[0].lower() in CLOCK
        found.append(Aspect(_by_name(name, unit) or role.worse, log, role.exact, clocked))
    return found


def _by_name(name: str, unit: str) -> Worse | None:
    """By the words of a measurement's name and its unit; None if they say nothing, or both."""
    words = {*re.split(r"[^a-z0-9]+", name.lower()), unit.lower()}
    up, down = bool(words & UP), bool(words & DOWN)
    return None if up == down else "up" if up else "down"


def _roles(criterion: Criterion, count: int) -> list[Aspect]:
    """The part of each of `count` samples in the criterion."""
    parts = criterion.parts if isinstance(criterion, AllOf) else (criterion,)
    sizes = [_samples(part) for part in parts]
    known = sum(size for size in sizes if size is not None)
    if sizes.count(None) > 1 or (None not in sizes and known != count):
        return [Aspect("either", False)] * count
    return [role for part, size in zip(parts, sizes, strict=True) for role in _of(part, _or(size, count - known))]


def _or(size: int | None, rest: int) -> int:
    return rest if size is None else size


def _samples(part: Criterion) -> int | None:
    """How many samples a part takes; None if that is open."""
    if isinstance(part, AllOf):
        inner = [_samples(member) for member in part.parts]
        return None if None in inner else sum(size for size in inner if size is not None)
    return part.arity


def _of(part: Criterion, count: int) -> list[Aspect]:
    if isinstance(part, AllOf):
        return _roles(part, count)
    if isinstance(part, Holds):
        return [Aspect("either", False, True)] * count
    log = bool(getattr(part, "log", False))
    between: list[Worse] = ["either"] * (count - 2)
    ways: dict[type, list[Worse]] = {
        AtMost: ["up"],
        AtLeast: ["down"],
        Lower: ["up", "down"],
        Higher: ["down", "up"],
        Ordered: ["up", *between, "down"],
        Matches: ["either"],
    }
    found = ways.get(type(part), ["either"] * count)
    return [Aspect(worse, log) for worse in found]


def transformed(values: Sequence[float | None], *, log: bool) -> list[float]:
    """The finite values, or their logarithms."""
    finite = [value for value in values if value is not None]
    return [math.log(value) for value in finite] if log else finite
