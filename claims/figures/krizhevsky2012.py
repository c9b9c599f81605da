"""What stands on top of the page of Krizhevsky et al. (2012)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "vision"
HEADLINE = "dropout-curbs-overfitting"
FIGURES = (
    Figure(
        place="Figure 1",
        says="Rectifiers reach a training error of 25 % in a fraction of the updates that saturating units need; "
        "here on small images of digits.",
        kind="bars",
        y="updates",
        draws=(
            Drawn("rectifiers-learn-sooner", "updates", arm="rectifiers"),
            Drawn("rectifiers-learn-sooner", "updates", arm="logistic", label="logistic units"),
        ),
    ),
    Figure(
        place="Section 4.2",
        says="Dropout lowers the test error of a network that fits few images, some of them labelled wrongly.",
        kind="bars",
        y="test error",
        draws=(
            Drawn("dropout-curbs-overfitting", "test_error", arm="dropout", label="with dropout"),
            Drawn("dropout-curbs-overfitting", "test_error", arm="without", label="without dropout"),
        ),
    ),
)
