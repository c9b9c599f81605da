"""The page of a claim that nobody has run, as HTML: all that is known of it, and that there is no number."""

from __future__ import annotations

from html import escape

from leaderboard import sheet, style
from leaderboard.blocks import needs
from leaderboard.catalogue import Stated
from repro.criterion import AllOf


def head(one: Stated) -> str:
    """Where we are, the statement, and what is missing."""
    known = one.part.expected_refuted
    finding = f"<p><b>Known not to hold.</b> {escape(known)}</p>" if known else ""
    return sheet.claim_head(one.part, one.paper) + style.wrap(
        f'<div class="panel absent"><div class="marks">{style.absent(large=True)}</div>'
        "<p>Nobody has run this yet: no number, no verdict.</p>"
        f'<div class="soft small">evidence {escape(one.evidence)} · tier {escape(one.tier)}</div>{finding}</div>'
    )


def body(one: Stated) -> str:
    """What the paper states, what it takes to run the claim, and the rule that will judge it."""
    stated = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported)
    stated = stated or f'<span class="value many">a statement</span><span class="sub">{escape(one.place)}</span>'
    takes = f'<span class="value many">tier {escape(one.tier)}</span><span class="sub">{escape(needs(one))}</span>'
    sides = (("Published", stated), ("Measured", '<span class="value soft">not measured</span>'), ("Needs", takes))
    cards = "".join(f'<div class="side"><b>{name}</b>{card}</div>' for name, card in sides)
    rule, listed = one.part.criterion, one.listed
    parts = [part.says() for part in rule.parts] if isinstance(rule, AllOf) else []
    says = f"<ul>{''.join(f'<li>{escape(part)}</li>' for part in parts)}</ul>" if parts else ""
    facts = (
        ("seeds", f"{listed.seeds} for each arm" if rule.statistical else "none decides: every case counts"),
        ("controls", ", ".join(f'<span class="mono">{escape(name)}</span>' for name in listed.controls)),
        ("claim digest", f'<span class="mono soft">{escape(one.part.digest)}</span>'),
    )
    return style.wrap(
        f'<div class="sides">{cards}</div>{style.part("Criterion")}'
        f"<p>{'All of these:' if says else escape(rule.says())}</p>{says}{style.facts(facts)}"
    )
