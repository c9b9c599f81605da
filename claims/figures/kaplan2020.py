"""What stands on top of the page of Kaplan et al. (2020)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "scale and systems"
HEADLINE = "loss-falls-with-size"
FIGURES = (
    Figure(
        place="Figure 1 (right)",
        says="The test loss is a power law of the number of weights, embeddings left out: straight on these axes.",
        kind="lines",
        x="weights",
        y="test loss",
        log="xy",
        draws=(Drawn("loss-falls-with-size", "loss", label="two layers"),),
    ),
    Figure(
        place="Figure 1 (middle)",
        says="With early stopping the test loss is a power law of the amount of text.",
        kind="lines",
        x="characters of text",
        y="test loss",
        log="xy",
        draws=(Drawn("loss-falls-with-data", "loss", label="two layers, 16 wide"),),
    ),
)
