"""Figures: which measurements of a paper's claims, or which exhibit, stand drawn on top of its page.

A figure holds no measured number. It names what records hold, so that nothing is drawn but what was measured:

    FIGURES = (
        Figure(
            place="Figure 6 (left)",
            says="A deeper plain network has the higher training error.",
            kind="bars",
            draws=(
                Drawn("plain-degrades", "train_error", arm="plain, 44 layers"),
                Drawn("plain-degrades", "train_error", arm="plain, 20 layers"),
            ),
        ),
    )
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from repro.claim.catalogue import load_file
from repro.errors import ReproError
from repro.paper import PLACES, Reported

MOST = 24  # measurements of one figure
LETTERS = 240  # of a text

FigureKind = Literal["lines", "bars", "exhibit"]


class Drawn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A measurement of a claim, or an exhibit that one of its trials recorded.

    Attributes:
        claim: the claim's name, with "[row]" for a row of a table.
        measurement: its name, as in the claim's samples; or the name of an exhibit.
        arm: the arm's label; "" for all arms that have it.
        label: what it is called in the figure; "" for the arm's own label. Of lines, single numbers with equal labels
            are joined.
        x: of lines, where a single number stands; None for a curve, which has its own grid.
        published: the number that the paper has in its place, which is marked beside it.
    """

    claim: str
    measurement: str
    arm: str = ""
    label: str = ""
    x: float | None = None
    published: Reported | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A figure of the paper, redrawn from what records hold.

    Attributes:
        place: where the paper has it, such as "Figure 6 (left)".
        says: in a sentence, what is to be seen.
        kind: "lines" over a grid, "bars" of single numbers, or "exhibit", whose own kind decides.
        draws: what is drawn, in this order; all in one unit.
        x: of lines, what runs across, such as "layers"; "" for the name that the measurement gives it.
        y: of lines and bars, what is measured; "" for the name of the measurement.
        log: the axes that are logarithmic, "x", "y" or "xy".

    Raises:
        ValueError: if the place is none, or there is nothing to draw, or too much.
    """

    place: str
    says: str
    kind: FigureKind
    draws: Annotated[tuple[Drawn, ...], msgspec.Meta(min_length=1, max_length=MOST)]
    x: str = ""
    y: str = ""
    log: Literal["", "x", "y", "xy"] = ""

    def __post_init__(self) -> None:
        if not self.place.startswith(PLACES):
            raise ValueError(f"a figure needs a place in the paper, such as 'Figure 6 (left)', not {self.place!r}")
        if not self.says or len(self.says) > LETTERS:
            raise ValueError(f"a figure says in 1 to {LETTERS} letters what is to be seen")
        if not 0 < len(self.draws) <= MOST:
            raise ValueError(f"a figure draws 1 to {MOST} measurements, not {len(self.draws)}")


THEMES = (
    "vision",
    "sequence",
    "attention, memory and relations",
    "theory and complexity",
    "scale and systems",
    "retrieval and language models",
)
"""What papers are grouped by, in the order of the board."""


class Showcase(msgspec.Struct, frozen=True, kw_only=True):
    """How the board presents a paper, from claims/figures/<key>.py.

    Attributes:
        figures: `FIGURES`, the best known first.
        theme: `THEME`, one of `THEMES`.
        headline: `HEADLINE`, the claim that the paper is known for: its name, with its row in brackets if it has rows.
    """

    figures: tuple[Figure, ...] = ()
    theme: str = ""
    headline: str = ""


def showcase(key: str, root: Path) -> Showcase:
    """How the board presents a paper; nothing of it where there is no file.

    Raises:
        ReproError: if the file cannot be imported, FIGURES holds anything but figures, or THEME is unknown.
    """
    path = root / "claims" / "figures" / f"{key}.py"
    if not path.is_file():
        return Showcase()
    module = load_file(path, f"claims.figures.{key}")
    found = getattr(module, "FIGURES", None)
    if not isinstance(found, tuple) or not found or not all(isinstance(one, Figure) for one in found):
        raise ReproError(f"claims/figures/{key}.py has no FIGURES", "State a tuple of Figure(...).")
    theme, headline = getattr(module, "THEME", ""), getattr(module, "HEADLINE", "")
    if theme and theme not in THEMES:
        raise ReproError(f"claims/figures/{key}.py has the unknown THEME {theme!r}", f"Choose of: {'; '.join(THEMES)}.")
    return Showcase(figures=found, theme=theme, headline=headline)
