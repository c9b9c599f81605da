"""What a page consists of. The app draws these parts with Streamlit, the static export draws the same as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from leaderboard.charts.picture import Picture, Vector


@dataclass(frozen=True)
class Html:
    """HTML under the style sheet, with every text of a record escaped."""

    body: str


@dataclass(frozen=True)
class Code:
    """Text to copy, on as many lines as it has.

    Attributes:
        height: pixels of a box that scrolls; None for all of the text.
    """

    text: str
    height: int | None = None


@dataclass(frozen=True)
class Table:
    """Columns of equal length, for people to sort and search; None where a cell has no value.

    Attributes:
        decimals: how many decimals the numbers of a column have; a column that is not named is shown as it is.
    """

    columns: Mapping[str, Sequence[object]]
    decimals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file to download.

    Attributes:
        name: of the file; the static export links to the file of this name.
        content: makes it, when somebody asks for it.
    """

    label: str
    name: str
    mime: str
    content: Callable[[], str | bytes]


@dataclass(frozen=True)
class Fold:
    """Parts that unfold when their title is clicked."""

    title: str
    parts: Sequence[PagePart]


@dataclass(frozen=True)
class Place:
    """A stable container for parts whose number depends on the address.

    Streamlit shows what moves twice until a page is whole; what follows a container does not move.
    """

    parts: Sequence[PagePart]


@dataclass(frozen=True)
class SideBySide:
    """Parts next to one another."""

    parts: Sequence[PagePart]


@dataclass(frozen=True)
class Control:
    """The place of the widgets of this name, which the app supplies.

    Attributes:
        instead: what stands there in the static export, where nothing can be chosen.
    """

    name: str
    instead: Sequence[PagePart] = ()


PagePart = Html | Picture | Vector | Code | Table | Download | Fold | Place | SideBySide | Control
