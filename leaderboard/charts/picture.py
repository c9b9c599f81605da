"""What charts have in common: colours, labels, and how their layers become a chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

LABEL = 44  # letters of a label
INK = "#8b8f97"  # rules and labels: readable on light and on dark ground
PALETTE = ["#2a9d8f", "#e07a3f", "#8f83e3", "#c2a200", "#3d8fd1", "#c55a8a", "#7f8c8d"]  # distinct to most eyes


@dataclass(frozen=True, kw_only=True)
class Vector:
    """A drawing that needs no script, with what it shows in words, for people who cannot see it.

    Attributes:
        draw: makes the SVG for a width in pixels.
    """

    draw: Callable[[int], str]
    alt: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart with what it shows in words, for people who cannot see it.

    Attributes:
        make: draws it, which takes longer than all else on a page.
        vector: the same without scripts, for files; None where the words must do.
    """

    make: Callable[[], alt.LayerChart]
    alt: str
    vector: Vector | None = None

    @property
    def chart(self) -> alt.LayerChart:
        """The chart, drawn at each call."""
        return self.make()


def layered(layers: Sequence[Any], height: int, **properties: Any) -> alt.LayerChart:
    """Layers as one chart, as wide as its place and `height` pixels high."""
    chart = alt.LayerChart(layer=list(layers)).properties(height=height, width="container", **properties)
    return chart.configure_view(strokeWidth=0)


def short(text: str, most: int = LABEL) -> str:
    """A label that fits a phone."""
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
