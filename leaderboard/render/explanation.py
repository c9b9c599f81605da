"""Why a finding does not hold: the paper's words, both settings, and a calculation that a reader can redo."""

from __future__ import annotations

from html import escape

from leaderboard.render import style
from repro.claim.finding import Explanation


def explanation(why: Explanation | None) -> str:
    """The parts of an explanation; nothing for a record that was made before findings had them."""
    if why is None:
        return ""
    quotes = "".join(
        f'<blockquote>{escape(quote.words)}<span class="sub">{escape(quote.place)}</span></blockquote>'
        for quote in why.quotes
    )
    settings = (("The paper's", escape(why.paper_setting)), ("Ours", escape(why.our_setting)))
    steps = [
        (escape(step.what), f'<span class="mono">{escape(step.expression)}</span>', escape(step.result))
        for step in why.steps
    ]
    calculation = style.table(("Step", "Arithmetic", "Result"), steps)
    return (
        f"{quotes}{style.table(('Setting', 'Description'), settings)}"
        f"<details open><summary>The calculation</summary>{calculation}</details>"
    )
