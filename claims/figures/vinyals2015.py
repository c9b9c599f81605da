"""What stands on top of the page of Vinyals et al. (2015)."""

from __future__ import annotations

from repro import Drawn, Figure

LONGER = "longer-than-in-training"

THEME = "attention, memory and relations"
HEADLINE = "pointing-beats-attention"
FIGURES = (
    Figure(
        place="Table 1",
        says="Trained on 5 to 8 points, a Ptr-Net finds fewer and fewer hulls exactly, yet what it outlines among 16 "
        "covers nearly all of the hull.",
        kind="lines",
        x="points",
        y="share",
        draws=(
            *(Drawn(LONGER, f"accuracy {n}", label="hulls found exactly", x=n) for n in (5, 8, 16)),
            Drawn(LONGER, "area 16", label="area covered", x=16),
        ),
    ),
    Figure(
        place="Table 1",
        says="A Ptr-Net learns to find a fifth of the hulls of one length sooner than an LSTM with attention.",
        kind="bars",
        y="updates",
        draws=(Drawn("pointing-beats-attention", "updates"),),
    ),
)
