"""What stands on top of the page of Huang et al. (2019)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "scale and systems"
HEADLINE = "speed-is-near-linear"
FIGURES = (
    Figure(
        place="Section 3",
        says="Micro-batches in a pipeline of real processes reach the speedup that the bubble leaves, which is 1 here.",
        kind="bars",
        y="speedup over that of the bubble",
        draws=(
            Drawn("speed-is-near-linear", "efficiency 2,2", label="2 accelerators, 2 micro-batches"),
            Drawn("speed-is-near-linear", "efficiency 4,4", label="4 accelerators, 4 micro-batches"),
        ),
    ),
)
