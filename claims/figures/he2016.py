"""What stands on top of the page of He et al. (2016)."""

from __future__ import annotations

from repro import Drawn, Figure

IDENTITIES = "shortcuts-must-be-identities"
SHORTCUTS = ("constant-scaling-0.5-1", "constant-scaling-0.5-0.5", "convolutional-shortcut", "dropout-shortcut")

FIGURES = (
    Figure(
        place="Table 1",
        says="Whatever a shortcut does beside carrying its input on, training suffers: identity shortcuts on top, small "
        "images of digits.",
        kind="bars",
        y="training error at the end",
        draws=(
            Drawn(f"{IDENTITIES}[dropout-shortcut]", "train_error", arm="original", label="identity"),
            Drawn("gates-must-start-open", "train_error", arm="shortcut-gating-6", label="gate, open at the start"),
            Drawn("gates-must-start-open", "train_error", arm="shortcut-gating-0", label="gate, half open at the start"),
            *(Drawn(f"{IDENTITIES}[{name}]", "train_error", arm=name) for name in SHORTCUTS),
        ),
    ),
)
