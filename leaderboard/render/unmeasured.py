"""The page of a claim that nobody has run: all that is known of it, and that there is no number."""

from __future__ import annotations

from html import escape

from leaderboard.board.catalogue import ListedClaim
from leaderboard.render import claim, style
from leaderboard.render.components import heading, needs
from leaderboard.render.parts import Code, Html, PagePart
from repro.criterion.comparisons import AllOf


def page(one: ListedClaim) -> list[PagePart]:
    """The whole page."""
    return [Html(head(one)), Html(body(one)), heading("Run it"), Code(one.listed.command)]


def head(one: ListedClaim) -> str:
    """Where we are, the statement, and what is missing."""
    known = one.part.expected_refuted
    finding = f"<p><b>Known not to hold.</b> {escape(known)}</p>" if known else ""
    return claim.claim_head(one.part, one.paper) + style.wrap(
        f'<div class="panel absent"><div class="marks">{style.absent(large=True)}</div>'
        "<p>Nobody has run this yet: no number, no verdict.</p>"
        f'<div class="soft small">evidence {escape(one.evidence)} · tier {escape(one.tier)}</div>{finding}</div>'
    )


def body(one: ListedClaim) -> str:
    """What the paper states, what it takes to run the claim, and the rule that will judge it."""
    takes = f'<span class="value many">tier {escape(one.tier)}</span><span class="sub">{escape(needs(one))}</span>'
    none = '<span class="value soft">not measured</span>'
    cards = claim.side_by_side({"Published": claim.published(one), "Measured": none, "Needs": takes})
    rule, listed = one.part.criterion, one.listed
    parts = [part.says() for part in rule.parts] if isinstance(rule, AllOf) else []
    says = f"<ul>{''.join(f'<li>{escape(part)}</li>' for part in parts)}</ul>" if parts else ""
    facts = (
        ("seeds", f"{listed.seeds} for each arm" if rule.statistical else "none decides: every case counts"),
        ("controls", ", ".join(f'<span class="mono">{escape(name)}</span>' for name in listed.controls)),
        ("claim digest", f'<span class="mono soft">{escape(one.part.digest)}</span>'),
    )
    return style.wrap(
        f"{cards}{style.part('Criterion')}"
        f"<p>{'All of these:' if says else escape(rule.says())}</p>{says}{style.facts(facts)}"
    )
