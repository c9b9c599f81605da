"""What stands on top of the page of Zaremba et al. (2014)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "sequence"
HEADLINE = "dropout-helps"
FIGURES = (
    Figure(
        place="Table 1 and Section 3.2",
        says="Dropout on the connections between layers lowers the perplexity of text that was not trained on; "
        "on those from one step to the next as well, it does not.",
        kind="bars",
        y="validation perplexity",
        draws=(
            Drawn("dropout-helps", "validation_perplexity", arm="dropout", label="dropout between layers"),
            Drawn("dropout-helps", "validation_perplexity", arm="no dropout"),
            Drawn(
                "recurrent-dropout-is-worse",
                "validation_perplexity",
                arm="recurrent dropout",
                label="dropout between steps as well",
            ),
        ),
    ),
)
