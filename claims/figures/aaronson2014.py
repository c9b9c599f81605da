"""What stands on top of the page of Aaronson, Carroll and Ouellette (2014)."""

from __future__ import annotations

from repro import Drawn, Figure

MODELS = ("interacting", "non-interacting")

THEME = "theory and complexity"
HEADLINE = "complexity-rises-and-falls[interacting]"
FIGURES = (
    Figure(
        place="Figure 2",
        says="While coffee and cream mix, the complexity of the coarse-grained picture rises and falls.",
        kind="lines",
        log="x",
        y="complexity",
        draws=tuple(Drawn(f"complexity-rises-and-falls[{one}]", "complexity", label=one) for one in MODELS),
    ),
    Figure(
        place="Figure 2",
        says="Entropy, the size of the compressed cup, rises until the cup is mixed.",
        kind="lines",
        log="x",
        y="entropy",
        draws=tuple(Drawn(f"entropy-rises[{one}]", "entropy", label=one) for one in MODELS),
    ),
)
