"""Papers and the numbers they report."""

from __future__ import annotations

import re

import msgspec

KEY = r"[a-z]+([12][0-9]{3}|[0-9]{3})[a-z]?"
"""A surname and a year, with a letter on a clash; for a course's notes its number, as in cs231n."""
PLACES = ("Table", "Figure", "Section", "Abstract", "Appendix", "Eq.", "Footnote")


class Paper(msgspec.Struct, frozen=True, kw_only=True):
    """A publication, keyed by first author and year, or the notes of a course, keyed by its number.

    Raises:
        ValueError: if `key` is neither a lower-case surname and a year (and a letter on a clash) nor a course's number.
    """

    key: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str = ""
    arxiv: str = ""  # identifier with the version that was read
    url: str = ""
    story: str = ""  # what the paper says and what became of it, for the paper's page

    def __post_init__(self) -> None:
        if not re.fullmatch(KEY, self.key):
            raise ValueError(
                f"paper key {self.key!r} is no lower-case surname and year, such as he2015, or course, such as cs231n"
            )


class Reported(msgspec.Struct, frozen=True):
    """A number that a paper states, with its unit and the place where it stands.

    Raises:
        ValueError: if `place` does not begin with Table, Figure, Section, Abstract, Appendix, Eq. or Footnote.
    """

    value: float
    unit: str
    place: str
    verified: bool = True  # False where the number was not read in the paper itself

    def __post_init__(self) -> None:
        if not self.unit or not self.place.startswith(PLACES):
            raise ValueError(f"a reported number needs a unit and a place in the paper, got {self!r}")
