"""The page of findings: what papers state that does not hold, and who showed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from leaderboard.board.lines import Line, Section
from leaderboard.render import components, style
from leaderboard.render.links import line_link, page_link
from leaderboard.render.parts import Html, PagePart
from repro.claim.finding import Explanation

LISTED = 12  # submissions that a finding lists


def page(sections: Sequence[Section]) -> list[PagePart]:
    """The whole page, of papers with all lines."""
    head = (
        '<h1>Findings</h1><p class="lead">Claims that later literature, their own authors or plain arithmetic '
        "contradict. Each is judged as the paper states it, and is expected to be refuted.</p>"
    )
    found = [Html(_paper(one)) for one in sections if one.findings]
    none = components.notice("No findings yet", 'Nothing on <a href="./">the board</a> is known not to hold.')
    return [Html(style.wrap(head)), *(found or [Html(none)])]


def _paper(section: Section) -> str:
    about = section.paper
    facts = f'<h2>{escape(about.title)}</h2><div class="soft">{style.authors(about)} · {about.year}</div>'
    return style.wrap(f'<section class="paper">{facts}{findings(section)}</section>')


def findings(section: Section) -> str:
    """The findings of one paper."""
    return "".join(finding(one, others) for one, others in section.findings)


def finding(one: Line, others: Iterable[Line] = ()) -> str:
    """A claim that does not hold, with the source that shows it, and what came of it on other implementations."""
    link, found = line_link(one), list(others)
    badges = "".join(
        f'<a href="{line_link(x)}">{style.badge(x.outcome)} {components.name(x)}</a>' for x in found[:LISTED]
    )
    if len(found) > LISTED:
        badges += f'<a href="{page_link("implementations", one.paper.key)}">{LISTED} of {len(found)} shown</a>'
    listed = f'<div class="marks small"><span class="soft">On submissions:</span>{badges}</div>' if badges else ""
    return (
        f'<div class="panel {one.outcome}">{style.badge(one.outcome)}'
        f'<p><a class="statement" href="{link}">{style.row_tag(one.row)}{escape(one.says)}</a></p>'
        f'<p class="soft small">{escape(one.place)} · {escape(one.name)}@{one.version}</p>'
        f"<p><b>Source.</b> {escape(one.known)}</p>{explanation(one.why)}"
        f'<p class="num small">{escape(one.reason)}</p>{listed}</div>'
    )


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
