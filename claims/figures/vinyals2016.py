"""What stands on top of the page of Vinyals, Bengio and Kudlur (2016)."""

from __future__ import annotations

from repro import Drawn, Figure, Reported

NONE = Reported(65, "%", "Table 1, N = 5, P = 0, no glimpse")
FIVE = Reported(88, "%", "Table 1, N = 5, P = 5, no glimpse")
GLIMPSE = Reported(84, "%", "Table 1, N = 5, P = 0, one glimpse")

FIGURES = (
    Figure(
        place="Table 1, N = 5",
        says="Processing steps sort more sets of five numbers, and so does a glimpse before pointing. Hollow: the "
        "paper's networks; ours are of reduced size.",
        kind="lines",
        x="processing steps",
        y="sets sorted, %",
        draws=(
            Drawn("processing-helps", "accuracy", arm="P = 0", label="no glimpse", x=0, published=NONE),
            Drawn("processing-helps", "accuracy", arm="P = 5", label="no glimpse", x=5, published=FIVE),
            Drawn("glimpses-help", "accuracy", arm="P = 0, a glimpse", label="a glimpse", x=0, published=GLIMPSE),
        ),
    ),
)
