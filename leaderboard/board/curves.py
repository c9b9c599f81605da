"""Which of the curves in its records a paper's page shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from leaderboard.board.catalogue import with_row
from repro.record.record import Record, SamplePart

MOST = 4
SHORTEST = 3  # points: two make a line of anything
LONG = 10  # points: curves of fewer are mostly a quantity over a few sizes


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A record with a curve in it, and what it is called."""

    record: str
    name: str


def telling(records: Iterable[Record], most: int = MOST) -> list[Curve]:
    """The claims whose samples are the most telling curves, each curve once.

    Long ones go before short ones; among those what is known not to hold goes first, then one
    quantity of several arms.
    """
    ranked = sorted(
        (one for one in records if any(map(is_curve, one.samples))), key=lambda record: (_rank(record), record.claim.id)
    )
    seen: set[tuple[str, str]] = set()
    found = []
    for record in ranked:
        own = {(part.arm, part.measurement) for part in record.samples if is_curve(part)}
        if not own <= seen and len(found) < most:
            seen |= own
            found.append(Curve(record=record.id, name=with_row(record.claim.name, record.claim.row)))
    return found


def is_curve(part: SamplePart) -> bool:
    """Whether a sample runs over a grid, with no case that exact reasoning demands."""
    return part.x is not None and len(part.x) >= SHORTEST and part.expected is None


def only(record: Record) -> Record:
    """A record with its curves and no other samples, to be drawn."""
    return msgspec.structs.replace(record, samples=tuple(filter(is_curve, record.samples)))


def _rank(record: Record) -> tuple[bool, bool, bool, int]:
    own = [part for part in record.samples if is_curve(part)]
    points = max(len(part.x or ()) for part in own)
    several = len({(part.arm, part.measurement) for part in own}) > len({part.measurement for part in own})
    return points < LONG, record.claim.expected_refuted is None, not several, -points
