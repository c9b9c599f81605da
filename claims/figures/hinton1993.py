"""What stands on top of the page of Hinton and van Camp (1993)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "theory and complexity"
HEADLINE = "penalty-beats-none[noisy weights]"
FIGURES = (
    Figure(
        place="Section 10",
        says="Paying for the information in weights lowers the error on new cases where inputs are many and cases few; "
        "without a penalty a network fits the cases and errs more than their mean would. Peptides are made up.",
        kind="bars",
        y="error, of that of the mean",
        draws=(
            Drawn("penalty-beats-none[noisy weights]", "relative_error", arm="no penalty", label="no penalty"),
            Drawn("penalty-beats-none[noisy weights]", "relative_error", arm="rising penalty", label="noisy weights"),
            Drawn(
                "penalty-beats-none[weight decay]",
                "relative_error",
                arm="tuned on the test cases",
                label="weight decay, tuned on the test cases",
            ),
        ),
    ),
)
