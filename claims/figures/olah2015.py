"""What stands on top of the page of Olah (2015)."""

from __future__ import annotations

from repro import Drawn, Figure

FIGURES = (
    Figure(
        place="Section The Problem of Long-Term Dependencies",
        says="How much of a gradient is left 50 steps back, before anything is learnt: in a tanh layer, and in LSTMs "
        "whose forget gates start with a bias of 0 or of 3.",
        kind="bars",
        y="norm of the gradient",
        log="y",
        draws=tuple(
            Drawn("gradient-survival", "left", arm=arm, label=label)
            for arm, label in (("tanh layer", "tanh layer"), ("bias 0", "forget bias 0"), ("bias 3", "forget bias 3"))
        ),
    ),
)
