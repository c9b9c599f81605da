"""What stands on top of the page of Legg (2008)."""

from __future__ import annotations

from repro import Drawn, Figure

LEARNERS = (("hl_mean", "HL(1)"), ("slow_mean", "TD at .07"), ("fast_mean", "TD at .13"), ("tuned_mean", "TD, tuned"))
AGENTS = (("random", "Random"), ("freq", "Freq"), ("q", "Q"), ("hlq", "HLQ"))

THEME = "theory and complexity"
HEADLINE = "aiq-order"
FIGURES = (
    Figure(
        place="Figure 6.2",
        says="On a chain of 21 states HL, which sets its own rate, errs less over 10,000 steps than TD at any rate.",
        kind="bars",
        y="mean error of values",
        draws=tuple(Drawn("small-chain", name, label=label) for name, label in LEARNERS),
    ),
    Figure(
        place="Section 4.3",
        says="Among random programs agents that learn more of their environment earn more (AIQ; Legg and Veness 2011).",
        kind="bars",
        y="AIQ",
        draws=tuple(Drawn("aiq-order", name, label=label) for name, label in AGENTS),
    ),
)
