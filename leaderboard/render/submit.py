"""The page on submissions: how to make one, what happens to it, and where the existing ones stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from leaderboard.board.lines import Section, Standing, counts
from leaderboard.render import style
from leaderboard.render.components import name
from leaderboard.render.links import page_link
from leaderboard.render.parts import Code, Html, PagePart

LISTED = 100  # submissions that the page lists


TEXT = Path(__file__).with_name("submit.html")
COMMAND = re.compile("<pre>(.*)</pre>")


def page(sections: Iterable[Section]) -> list[PagePart]:
    """The whole page: `submit.html` with its commands to copy, the badges, and the submissions that there are."""
    divisions = [(style.division(key), escape(one.meaning)) for key, one in style.DIVISIONS.items()]
    runners = [(style.runner(key), escape(one.meaning)) for key, one in style.RUNNERS.items()]
    body = TEXT.read_text().replace("{divisions}", _pairs(divisions))
    text = COMMAND.split(body.replace("{runners}", _pairs(runners)))
    steps = zip(text[::2], text[1::2], strict=False)  # in between the commands is what they do
    parts = [part for says, command in steps for part in (Html(style.wrap(says)), Code(command))]
    return [*parts, Html(style.wrap(text[-1])), Html(status(sections))]


def status(sections: Iterable[Section]) -> str:
    """Where the submissions with records stand: all, or the newest `LISTED` of them."""
    found = [(one, section) for section in sections for one in section.standings if not one.newest.is_reference]
    shown = found
    if len(found) > LISTED:
        shown = sorted(found, key=lambda pair: pair[0].newest.created, reverse=True)[:LISTED]
    rows = [_standing(*pair) for pair in shown]
    heads = ("Submission", "Paper", "Standing", "Verdicts", "Newest record")
    body = style.table(heads, rows) if rows else '<p class="soft">No submission has been judged here yet.</p>'
    cut = f"The newest {len(rows)} of {len(found):,} are shown; a paper's page of implementations lists all of its own."
    note = f'<p class="soft small">{cut}</p>' if len(found) > len(rows) else ""
    return style.wrap(style.part("Submissions and where they stand") + body + note)


def _standing(one: Standing, section: Section) -> Sequence[str]:
    verdicts = style.tallies(counts(one.lines))
    notes = f"{len(one.outdated)} outdated: another version of the claim" if one.outdated else ""
    left = f"{len(one.unanswered)} of {len(section.reference)} claims not answered" if one.unanswered else ""
    marks = style.runner(one.runner) + style.division(one.newest.division) + (style.unjailed() if one.trusted else "")
    key = escape(section.paper.key)
    return (
        f"<b>{name(one.newest)}</b>",
        f'<a href="{page_link("implementations", section.paper.key)}"><span class="mono unbroken">{key}</span></a>',
        f'<div class="marks">{marks}</div>',
        f'<div class="marks">{verdicts}</div>' + "".join(f'<span class="sub">{x}</span>' for x in (notes, left) if x),
        f'<span class="unbroken">{style.day(one.newest.created)}</span>',
    )


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return '<dl class="facts">' + "".join(f"<dt>{head}</dt><dd>{says}</dd>" for head, says in rows) + "</dl>"
