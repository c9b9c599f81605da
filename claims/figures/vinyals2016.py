"""What stands on top of the page of Vinyals, Bengio and Kudlur (2016)."""

from __future__ import annotations

from repro import Drawn, Figure, Reported

NONE = Reported(65, "%", "Table 1, N = 5, P = 0, no glimpse")
GLIMPSE = Reported(84, "%", "Table 1, N = 5, P = 0, one glimpse")

THEME = "attention, memory and relations"
HEADLINE = "glimpses-help"
FIGURES = (
    Figure(
        place="Table 1, N = 5",
        says="A glimpse before pointing sorts more sets of five numbers. Hollow: the paper's networks; ours are of "
        "reduced size.",
        kind="bars",
        y="sets sorted, %",
        draws=(
            Drawn("glimpses-help", "accuracy", arm="P = 0", label="no glimpse", published=NONE),
            Drawn("glimpses-help", "accuracy", arm="P = 0, a glimpse", label="a glimpse", published=GLIMPSE),
        ),
    ),
)
