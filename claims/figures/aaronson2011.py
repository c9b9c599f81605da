"""What stands on top of the page of Aaronson (2011)."""

from __future__ import annotations

from repro import Drawn, Figure

ROWS = "exclusion-has-row-profiles-only"

THEME = "theory and complexity"
HEADLINE = "complextropy-rises-and-falls"
FIGURES = (
    Figure(
        place="Section on the conjecture",
        says="In a cup that is stirred, complextropy is small at first, large while threads of cream fold, and small "
        "when all is mixed (our proxy).",
        kind="lines",
        log="x",
        y="complextropy",
        draws=(Drawn("complextropy-rises-and-falls", "complextropy", label="stirred"),),
    ),
    Figure(
        place="Section on the conjecture",
        says="Shuffling rows takes the peak away where the cup is stirred, and changes nothing in exclusion coffee.",
        kind="bars",
        y="largest complextropy",
        draws=(
            Drawn(ROWS, "peak", arm="stirred", label="stirred"),
            Drawn(ROWS, "peak_shuffled", arm="stirred", label="stirred, rows shuffled"),
            Drawn(ROWS, "peak", arm="exclusion", label="exclusion"),
            Drawn(ROWS, "peak_shuffled", arm="exclusion", label="exclusion, rows shuffled"),
        ),
    ),
)
