"""Which way a measurement gets worse, and on which scale it is compared: from the criterion, else from the sample.

A bound decides: under `at_most` more is worse. A comparison of two samples does not: whether `a` is lower than `b` says
nothing of how good `b` is by itself. There the measurement decides, by its `better`, in every arm alike; only where it
has none, worse is what weakens the comparison. What neither bounds nor compares and has no `better` is neutral.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from harness.gate.protocol import SampleRole, Worse
from repro.claim.claim import Claim, leaves
from repro.claim.contract import Contract
from repro.criterion.comparisons import AllOf, AtLeast, AtMost, Criterion, Higher, Lower, Matches, Ordered
from repro.criterion.measurement import Better

RATIO_UNITS = {"perplexity", "s", "J", "W"}  # values in these are compared by their ratio
WORSE: dict[Better | None, Worse] = {"lower": "up", "higher": "down", None: "neither"}


class Aspect(NamedTuple):
    """How one sample of a claim is compared."""

    worse: Worse
    log: bool


def aspect_of(role: SampleRole, better: Better | None, unit: str) -> Aspect:
    """How a sample is compared, given its role in the claim, which way it improves, and its unit."""
    worse = WORSE[better] if role.worse == "neither" else role.worse
    return Aspect(role.weakens if worse == "neither" else worse, role.log or unit in RATIO_UNITS)


def sample_roles(claim: Claim, contract: Contract | None) -> tuple[SampleRole, ...]:
    """What a claim's criterion, and its paper's contract, say of each sample that the claim returns."""
    names = [ref.measurement for ref in leaves(claim.measurements())]
    clocked = contract.clocked if contract is not None else ()
    return tuple(
        msgspec.structs.replace(role, clocked=name.partition(" ")[0] in clocked)
        for name, role in zip(names, roles(claim.criterion, len(names)), strict=True)
    )


def roles(criterion: Criterion, count: int) -> tuple[SampleRole, ...]:
    """The role of each of `count` samples in a criterion; no role where it is open which part judges which sample."""
    parts = criterion.parts if isinstance(criterion, AllOf) else (criterion,)
    sizes = [_sample_count(part) for part in parts]
    known = sum(size for size in sizes if size is not None)
    if sizes.count(None) > 1 or (None not in sizes and known != count):
        return (SampleRole(),) * count
    taken = [count - known if size is None else size for size in sizes]
    return tuple(role for part, size in zip(parts, taken, strict=True) for role in _roles_of_part(part, size))


def _sample_count(part: Criterion) -> int | None:
    """How many samples a part takes; None if that is open."""
    if isinstance(part, AllOf):
        inner = [_sample_count(member) for member in part.parts]
        return None if None in inner else sum(size for size in inner if size is not None)
    return part.arity


def _roles_of_part(part: Criterion, count: int) -> tuple[SampleRole, ...]:
    log = bool(getattr(part, "log", False))
    up, down, none = SampleRole(weakens="up", log=log), SampleRole(weakens="down", log=log), SampleRole(log=log)
    match part:
        case AllOf():
            return roles(part, count)
        case _ if not part.statistical:
            return (SampleRole(exact=True),) * count
        case AtMost():
            return (SampleRole(worse="up"),)
        case AtLeast():
            return (SampleRole(worse="down"),)
        case Matches():
            return (SampleRole(worse="either", log=log),)
        case Lower():
            return (up, down)
        case Higher():
            return (down, up)
        case Ordered():
            return (up, *[none] * (count - 2), down)
        case _:
            return (none,) * count


def transformed(values: Sequence[float | None], *, log: bool) -> list[float]:
    """The finite values, or their logarithms."""
    finite = [value for value in values if value is not None]
    return [math.log(value) for value in finite] if log else finite
