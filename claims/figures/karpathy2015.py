"""What stands on top of the page of Karpathy (2015)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "sequence"
HEADLINE = "gates-beat-plain-cells"
FIGURES = (
    Figure(
        place="Section Visualizing the neuron firings",
        says="A cell found by search, over a text that it was not found on: on within quotations, off outside.",
        kind="exhibit",
        draws=(Drawn("one-cell-follows-quotations", "activation"),),
    ),
)
