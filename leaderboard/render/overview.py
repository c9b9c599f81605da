"""All papers at a glance: the headlines first, then a row for each paper, by theme."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import groupby

from leaderboard.board.catalogue import BoardCatalogue
from leaderboard.board.lines import Line, Section, counts
from leaderboard.board.units import several
from leaderboard.render import components, style
from leaderboard.render.links import line_link, page_link
from leaderboard.render.style import Badge
from repro.claim.figure import THEMES

HEADS = ("Paper", "Verdicts", "Headline", "Last verified")
FIRST = ("he2015", "krizhevsky2012", "zaremba2014", "vinyals2015", "kaplan2020", "huang2019", "aaronson2014")
"""Papers whose headlines stand on top of the board."""
OTHER = "other papers"
OUTDATED = Badge("↺", "outdated", "judged in an earlier form, which is not counted", hollow=True)
SORTS: Mapping[str, Callable[[Section], object]] = {
    "theme": lambda one: one.paper.key,
    "title": lambda one: one.paper.title.lower(),
    "year": lambda one: (one.paper.year, one.paper.key),
    "last verified": lambda one: [-ord(sign) for sign in _newest(one)],
    "share judged": lambda one: (-one.judged / max(one.known, 1), one.paper.key),
}
"""What rows can be sorted by; by theme they are grouped."""


def headlines(sections: Iterable[Section], catalogue: BoardCatalogue) -> str:
    """A card for each headline that has a verdict: the statement, the published number, ours, and the evidence."""
    known = {one.paper.key: one for one in sections}
    found = [line for key in FIRST if key in known and (line := headline_of(known[key], catalogue)) is not None]
    if not found:
        return ""
    return style.wrap(f'<h2>Headlines</h2><div class="cards">{"".join(map(_card, found))}</div>')


def headline_of(section: Section, catalogue: BoardCatalogue) -> Line | None:
    """The reference's verdict on the claim that a paper is known for, if it counts for today's claim."""
    name = catalogue.headlines.get(section.paper.key, "")
    return next((one for one in section.reference.values() if one.short == name and not one.past), None)


def _card(line: Line) -> str:
    about = line.paper
    published = components.published(line, 1) if line.reported else ""
    return (
        f'<div class="card"><div class="marks">{style.badge(line.outcome)}'
        f'<span class="sub">{style.EVIDENCE[line.evidence]}</span></div>'
        f'<a class="statement" href="{line_link(line)}">{escape(line.says)}</a>'
        f'<span class="sub">{style.authors(about, 1)}, {about.year}</span>'
        f"<dl>{_fact('Published', published)}{_fact('Measured', components.measured(line))}</dl></div>"
    )


def _fact(name: str, body: str) -> str:
    return f"<div><dt>{name}</dt><dd>{body}</dd></div>" if body else ""


def overview(
    sections: Sequence[Section],
    others: Mapping[str, Sequence[str]],
    catalogue: BoardCatalogue,
    *,
    sort: str = "theme",
    aged: bool = True,
) -> str:
    """A row for each paper: its verdicts as a bar, what its headline reached, and the newest date.

    Args:
        sections: the papers.
        others: names of their submissions.
        catalogue: says what papers are grouped by and known for.
        sort: one of `SORTS`.
        aged: whether to say how long ago a record was made, which a file cannot.
    """
    ordered = sorted(sections, key=SORTS[sort])  # type: ignore[arg-type] -- each key is of one type
    rows = {one.paper.key: _row(one, others.get(one.paper.key, ()), catalogue, aged=aged) for one in ordered}
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
    body = f"<tbody>{''.join(rows.values())}</tbody>"
    if sort == "theme" and any(catalogue.themes.values()):
        places = {theme: place for place, theme in enumerate((*THEMES, OTHER))}
        theme = {key: catalogue.themes.get(key) or OTHER for key in rows}
        grouped = groupby(sorted(rows, key=lambda key: places[theme[key]]), key=theme.__getitem__)
        body = "".join(_group(name, [rows[key] for key in keys]) for name, keys in grouped)
    return style.wrap(f'<table class="papers stack"><thead><tr>{head}</tr></thead>{body}</table>')


def _group(theme: str, rows: Iterable[str]) -> str:
    head = f'<tr class="group"><th scope="rowgroup" colspan="{len(HEADS)}">{escape(theme.capitalize())}</th></tr>'
    return f"<tbody>{head}{''.join(rows)}</tbody>"


def _row(section: Section, others: Sequence[str], catalogue: BoardCatalogue, *, aged: bool) -> str:
    about, line = section.paper, headline_of(section, catalogue)
    link = page_link("paper", about.key)
    day, says = components.last_verified(section.lines, aged=aged)
    old = says.removeprefix("last verified").removeprefix(", ")
    many = several(len(others), "submission")
    submissions = f' · <a href="{page_link("implementations", about.key)}">{many}</a>' if others else ""
    reached = (
        f'<a href="{line_link(line)}" title="{escape(line.says)}">{style.badge(line.outcome)}</a> '
        f'<span class="soft small">{style.EVIDENCE[line.evidence]}</span>'
        if line
        else style.absent() * bool(catalogue.headlines.get(about.key))
    )
    cells = (
        f'<a class="statement" href="{link}">{escape(about.title)}</a> '
        f'<span class="soft small">{about.year}{submissions}</span>',
        _bar(section, link),
        reached,
        f'<span class="unbroken" title="{old}">{day}</span>',
    )
    shown = [f'<td data-label="{h}"><div>{cell}</div></td>' for h, cell in zip(HEADS, cells, strict=True)]
    return f"<tr>{''.join(shown)}</tr>"


def _bar(section: Section, link: str) -> str:
    """How many claims have which outcome, as a bar that leads to the paper; what nobody has run is its dashed end."""
    tally = counts(one for one in section.claims if not one.past)
    pieces = [(style.BADGES[one], str(one), tally[one]) for one in style.BADGES if tally[one]]
    if past := sum(bool(one.past) for one in section.claims):
        pieces.append((OUTDATED, "past", past))
    if section.absent:
        pieces.append((style.ABSENT, "absent", len(section.absent)))
    says = ", ".join(f"{many} {look.word}" for look, _, many in pieces)
    if section.known:
        says += f"; {section.judged} of {several(section.known, 'claim')} judged"
    drawn = "".join(
        f'<span class="piece {hue}{" hollow" * look.hollow}" style="flex-grow:{many}"><b>{look.letter}</b>{many}</span>'
        for look, hue, many in pieces
    )
    return f'<a class="bar" href="{link}" title="{says}" aria-label="{says}">{drawn}</a>'


def _newest(section: Section) -> str:
    return max((one.created for one in section.lines), default="")
