"""What stands on top of the page of Gilmer et al. (2017)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "attention, memory and relations"
HEADLINE = "long-range-helps"
FIGURES = (
    Figure(
        place="Table 10",
        says="Messages that know distances between atoms, here in bins, tell the extent of a molecule better than "
        "bonds alone; here of generated molecules.",
        kind="bars",
        y="error, of a target's spread",
        draws=(
            Drawn("distances-tell-the-extent", "error", arm="bonds", label="bonds alone"),
            Drawn("distances-tell-the-extent", "error", arm="bins", label="distances in bins"),
        ),
    ),
)
