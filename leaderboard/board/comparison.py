"""Implementations of a paper compared claim by claim: where they differ, and where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboard.board.lines import Line, Section

Relation = Literal["first", "same", "overlap", "apart", "verdict", "version", "silent"]
"""How a verdict compares with the first one's, in this order: the first itself; the same; the same, with intervals that
overlap or do not; another outcome; on another version of the claim, so not compared; or one of the two is missing."""
DIFFERENT = ("apart", "verdict")


@dataclass(frozen=True, kw_only=True)
class ComparedClaim:
    """What one implementation answers to a claim, and how that compares with the first one's answer."""

    line: Line | None
    relation: Relation


@dataclass(frozen=True, kw_only=True)
class ClaimComparison:
    """A claim and row with the answers of all implementations that are compared, the first one's first.

    Attributes:
        about: a line of it, for its words: the reference's where there is one.
    """

    about: Line
    answers: tuple[ComparedClaim, ...]

    @property
    def differs(self) -> bool:
        """Whether any answer differs from the first one's."""
        return any(answer.relation in DIFFERENT for answer in self.answers)


def relation(first: Line | None, other: Line | None) -> Relation:
    """How a line compares with that of the first implementation."""
    if first is None or other is None:
        return "silent"
    if not other.comparable(first):
        return "version"
    if other.outcome != first.outcome:
        return "verdict"
    if first.low is None or first.high is None or other.low is None or other.high is None or first.unit != other.unit:
        return "same"
    return "apart" if first.high < other.low or other.high < first.low else "overlap"


def compared(section: Section, names: Sequence[str]) -> list[ClaimComparison]:
    """The claims that any of some implementations answers, in the order of the board.

    Args:
        section: the paper with all lines of these implementations, and the reference's.
        names: as `queries.label` says them; the first is what the others are compared with.
    """
    own = {(one.implementation, one.case): one for one in section.lines}
    cases = dict.fromkeys(one.case for one in section.lines if one.implementation in names)
    found = []
    for case in cases:
        lines = [own.get((name, case)) for name in names]
        about = section.reference.get(case) or next(one for one in lines if one is not None)
        others = (ComparedClaim(line=one, relation=relation(lines[0], one)) for one in lines[1:])
        found.append(ClaimComparison(about=about, answers=(ComparedClaim(line=lines[0], relation="first"), *others)))
    return found
