"""Implementations of a paper beside one another, claim by claim: where they differ, and where nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboard.queries import Line, Section

Relation = Literal["first", "same", "overlap", "apart", "verdict", "version", "silent"]
"""What a verdict is beside the first one's: the first itself; the same; as it, with intervals that overlap, or do not;
another outcome; of another version of the claim, so that they are not compared; or there is none of one of them."""
DIFFERENT = ("apart", "verdict")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one implementation says of a claim, and how that stands to what the first one says."""

    line: Line | None
    relation: Relation


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A claim and row with the answers of all implementations that are compared, the first one's first.

    Attributes:
        about: a line of it, for its words: the reference's where there is one.
    """

    about: Line
    answers: tuple[Answer, ...]

    @property
    def differs(self) -> bool:
        """Whether any answer differs from the first one's."""
        return any(answer.relation in DIFFERENT for answer in self.answers)


def relation(first: Line | None, other: Line | None) -> Relation:
    """What a line is beside that of the first implementation."""
    if first is None or other is None:
        return "silent"
    if not other.comparable(first):
        return "version"
    if other.outcome != first.outcome:
        return "verdict"
    if None in (first.low, first.high, other.low, other.high) or first.unit != other.unit:
        return "same"
    return "apart" if _apart(first, other) else "overlap"


def _apart(one: Line, other: Line) -> bool:
    """Whether two intervals have no number in common; false where there is no interval."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low


def compared(section: Section, names: Sequence[str]) -> list[Beside]:
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
        others = (Answer(line=one, relation=relation(lines[0], one)) for one in lines[1:])
        found.append(Beside(about=about, answers=(Answer(line=lines[0], relation="first"), *others)))
    return found
