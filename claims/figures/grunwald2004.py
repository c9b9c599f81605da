"""What stands on top of the page of Grünwald (2004)."""

from __future__ import annotations

from repro import Drawn, Figure

PLACES = (("at 0", 0), ("at 3", 3), ("at the highest", 10))

THEME = "theory and complexity"
HEADLINE = "order-is-found[two-part]"
FIGURES = (
    Figure(
        place="Section 2.4.2",
        says="Of a chain of order 3, likelihood is shortest at the highest order on offer; codes that pay for their "
        "parameters, and predictions one by one, are shortest at the true one.",
        kind="lines",
        x="order",
        y="bits an outcome",
        log="y",
        draws=(
            Drawn("likelihood-overfits", "length", label="likelihood in hindsight"),
            *(
                Drawn(f"order-is-found[{code}]", name, label=label, x=order)
                for code, label in (("two-part", "two-part code"), ("plug-in", "plug-in code"))
                for name, order in PLACES
            ),
        ),
    ),
)
