"""What stands on top of the page of Olah (2015)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "sequence"
HEADLINE = "gradient-survival"
FIGURES = (
    Figure(
        place="Section The Problem of Long-Term Dependencies",
        says="How much of a gradient is left 50 steps back, before anything is learnt: in a tanh layer, and in LSTMs "
        "whose forget gates start with biases of 0 to 3.",
        kind="bars",
        y="norm of the gradient",
        log="y",
        draws=(
            Drawn("gradient-survival", "left", arm="tanh layer", label="tanh layer"),
            *(Drawn("gradient-survival", "left", arm=f"bias {b}", label=f"forget bias {b}") for b in range(4)),
        ),
    ),
)
