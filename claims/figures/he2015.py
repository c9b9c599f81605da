"""What stands on top of the page of He et al. (2015)."""

from __future__ import annotations

from repro import Drawn, Figure

THEME = "vision"
HEADLINE = "plain-degrades"
FIGURES = (
    Figure(
        place="Figure 6 (left, middle)",
        says="Deeper plain networks end with a higher training error, deeper residual networks do not: here with 20 "
        "and 44 layers on small images of digits.",
        kind="lines",
        x="layers",
        y="training error at the end",
        draws=(
            Drawn("plain-degrades", "train_error", arm="plain, 20 layers", label="plain", x=20),
            Drawn("plain-degrades", "train_error", arm="plain, 44 layers", label="plain", x=44),
            Drawn("residual-gains-from-depth", "train_error", arm="residual, 20 layers", label="residual", x=20),
            Drawn("residual-gains-from-depth", "train_error", arm="residual, 44 layers", label="residual", x=44),
        ),
    ),
)
