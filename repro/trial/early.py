"""When a control may stop: as soon as it is certain that the criterion rejects it.

A control is only asked whether it is rejected, so it need not run all that the claim runs. Its seeds are looked at in
steps, and the criterion's level is divided among the steps (Bonferroni), so that all of them together err no more often
than one look at all seeds would; half of the level is kept for the last look, which has all seeds. An exact criterion
needs no division: what violates it at one seed violates it at all. Of a compound criterion one part that fails decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from repro.claim.claim import Claim, MeasurementRefs
from repro.criterion.comparisons import AllOf, Criterion
from repro.criterion.exact import Equals, Holds

LOOKS = (3, 4, 6, 8, 12, 16, 24)  # seeds after which a statistical criterion is looked at
SHARE = 0.5  # of the level, for all looks before the last together


class Step(NamedTuple):
    """What is run and judged at once: `draws` at the `seeds`, by a criterion that takes them."""

    seeds: tuple[int, ...]
    criterion: Criterion
    draws: MeasurementRefs


def whole(claim: Claim, seeds: Sequence[int]) -> Step:
    """All of a claim, at its own level."""
    return Step(tuple(seeds), claim.criterion, claim.measurements())


def steps(claim: Claim, seeds: Sequence[int]) -> list[Step]:
    """The steps in which a control of the claim is judged; the last has all parts and all seeds."""
    rule, draws = claim.criterion, claim.measurements()
    counts = [count for count in (LOOKS if rule.statistical else (1,)) if count < len(seeds)]
    looks = [(count, at_share(rule, SHARE / len(counts))) for count in counts]
    looks.append((len(seeds), at_share(rule, 1 - SHARE) if counts else rule))
    return [
        Step(tuple(seeds[:count]), *stage)
        for count, look in looks
        for stage in _stages(look, draws, compound=not claim.known_refutation)
    ]


def at_share(criterion: Criterion, share: float) -> Criterion:
    """The same rule, each of its tests at a share of its level."""
    if isinstance(criterion, Holds | Equals):
        return criterion
    if isinstance(criterion, AllOf):
        return AllOf(parts=tuple(at_share(part, share) for part in criterion.parts))
    return msgspec.structs.replace(criterion, level=criterion.level * share)


def _stages(rule: Criterion, draws: MeasurementRefs, *, compound: bool) -> list[tuple[Criterion, MeasurementRefs]]:
    """A rule; one of several parts that must all hold grows by a part each time."""
    if not compound or not isinstance(rule, AllOf) or not isinstance(draws, tuple):
        return [(rule, draws)]
    return [(AllOf(parts=rule.parts[:end]), draws[:end]) for end in range(1, len(draws) + 1)]
