"""What stands on top of the page of He et al. (2016)."""

from __future__ import annotations

from repro import Drawn, Figure

IDENTITIES = "shortcuts-must-be-identities"
SHORTCUTS = {
    "constant-scaling-0.5-1": "scaled by 0.5",
    "constant-scaling-0.5-0.5": "scaled by 0.5, as the branch",
    "convolutional-shortcut": "1 x 1 convolution",
    "dropout-shortcut": "dropout",
}

THEME = "vision"
HEADLINE = "shortcuts-must-be-identities[constant-scaling-0.5-0.5]"
FIGURES = (
    Figure(
        place="Table 1",
        says="Training suffers from whatever a shortcut does beside carrying its input on: here on small images of "
        "digits.",
        kind="bars",
        y="training error at the end",
        draws=(
            Drawn(f"{IDENTITIES}[dropout-shortcut]", "train_error", arm="original", label="identity"),
            Drawn("gates-must-start-open", "train_error", arm="shortcut-gating-6", label="gate, open at first"),
            Drawn("gates-must-start-open", "train_error", arm="shortcut-gating-0", label="gate, half open at first"),
            *(Drawn(f"{IDENTITIES}[{arm}]", "train_error", arm=arm, label=name) for arm, name in SHORTCUTS.items()),
        ),
    ),
)
