"""The pages of the export, each with the parts that the app's page has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaderboard.board import lines as board_lines
from leaderboard.board import pareto, queries, repository, suite_score, telemetry
from leaderboard.board.catalogue import with_row
from leaderboard.board.lines import REFERENCE, Section, label
from leaderboard.export import places
from leaderboard.export.content import ExportContent, PageKey
from leaderboard.render import about, findings, submit, unmeasured
from leaderboard.render import board as board_page
from leaderboard.render import claim as claim_page
from leaderboard.render import implementations as implementations_page
from leaderboard.render import paper as paper_page
from leaderboard.render import record as record_page
from leaderboard.render import suite_score as trust_page
from leaderboard.render import telemetry as telemetry_page
from leaderboard.render.links import short_id
from leaderboard.render.parts import Html, PagePart
from repro.record.record import Record


@dataclass(frozen=True)
class ExportPage:
    """One page of the export."""

    path: str
    title: str
    parts: Sequence[PagePart]


def overviews(content: ExportContent, counted: str) -> Iterator[ExportPage]:
    """The pages of the menu, but for telemetry."""
    stores, run = content.stores, content.run
    measured = [one for one in content.reference if one.lines]
    titles = {one.paper.key: one.paper.title for one in run}
    names = {key: content.names[key][1:] for key in titles}
    past = suite_score.history(stores)
    calibrations = {one.paper.key: content.calibrations[one.paper.key] for one in measured}
    trust = trust_page.page(measured, past, calibrations, content.lines, content.catalogue)
    yield ExportPage("index.html", "Board", _board(content))
    yield ExportPage("findings.html", "Findings", findings.page(run))
    yield ExportPage("trust.html", "Trust", trust)
    overview = implementations_page.overview(titles, names)
    yield ExportPage("implementations.html", "Implementations", [Html(overview)])
    yield ExportPage("submit.html", "Submit", submit.page(run))
    yield ExportPage("about.html", "About", about.page(counted))


def _board(content: ExportContent) -> list[PagePart]:
    """A row for each paper: claims in full stand on their pages."""
    sections = content.reference
    names = {one.paper.key: content.names[one.paper.key][1:] for one in sections}
    return board_page.page(
        [one for section in sections for one in section.lines],
        content.catalogue,
        len({name for own in names.values() for name in own}),
        sections,
        names,
        content.lines,
        len(content.lines),
        queries.problems(content.stores),
        overview=True,
        deviations=None,
        aged=False,
    )


def papers(content: ExportContent) -> Iterator[ExportPage]:
    """The page of each paper, and that of its implementations."""
    for section in content.sections:
        key, title = section.paper.key, section.paper.title
        page = paper_page.page(
            section,
            content.names[key],
            queries.pairs(content.stores, section),
            "published",
            [content.stores.get(one.record) for one in queries.curve_list(content.stores, section)],
            content.drawn[key],
            deviations=repository.deviations(key),
            where=places.addresses(content.url, places.paper(key), places.badge(key) if section.lines else ""),
            aged=False,
        )
        yield ExportPage(places.paper(key), title, page)
        if section.lines:
            every, what = section.standings, next(iter(pareto.costs_of(section)), "")
            page = implementations_page.page(section, every, every, pareto.ALL, what, {})
            yield ExportPage(places.implementations(key), f"Implementations of {title}", page)


def claims(content: ExportContent, key: str, histories: dict[PageKey, list[Record]]) -> Iterator[ExportPage]:
    """The pages of a paper's claims and their rows; `histories` gets the records that each page goes through."""
    for name, row in content.cases[key]:
        claim = f"{key}/{name}"
        history = histories[name, row] = queries.history(content.stores, claim, row)
        record = queries.reference_of(history) or history[0]
        path = places.claim(claim, row)
        page = claim_page.page(
            record,
            history,
            content.context(record),
            places.addresses(content.url, path, places.badge(key, name), record.id),
            past=content.catalogue.past((key, name, row or ""), record.claim.version, record.claim.digest),
        )
        yield ExportPage(path, with_row(claim, row), page)


def absent(content: ExportContent, section: Section) -> Iterator[ExportPage]:
    """The pages of a paper's claims that nobody has run, and of its tables, whose rows may be such."""
    key, missing = section.paper.key, content.absent(section)
    for (name, row), one in missing.items():
        title = with_row(f"{key}/{name}", row)
        yield ExportPage(places.claim(one.claim, row), title, unmeasured.page(one))
    every = [*content.cases.get(key, {}), *missing]
    for name in dict.fromkeys(name for name, _ in every):
        if (name, None) not in every:
            rows = sorted({row for own, row in every if own == name and row}, key=board_lines.natural)
            without = {row for own, row in missing if own == name}
            table = claim_page.rows(f"{key}/{name}", rows, without)
            yield ExportPage(places.claim(f"{key}/{name}"), f"{key}/{name}", [Html(table)])


def records(content: ExportContent, key: str) -> Iterator[Record]:
    """Each record of a paper, once."""
    seen = set[str]()
    for one in (record for store in content.stores.stores for record in store.records(paper=key)):
        if one.id not in seen:
            seen.add(one.id)
            yield one


def of_record(
    content: ExportContent, record: Record, history: Sequence[Record], replaced_by: Sequence[str]
) -> Iterator[ExportPage]:
    """The page of a record, and that of what it used; `history` has the records of the same claim."""
    key, name = record.paper.key, record.claim.name
    other = label(record) != REFERENCE
    badge = "" if other else places.badge(key, name)
    page = record_page.page(
        record,
        content.context(record),
        places.addresses(content.url, places.record(record.id), badge, record.id),
        replaced_by,
        reference=queries.reference_of(history) if other else None,
    )
    title = f"{short_id(record.id)} {record.claim.id}"
    yield ExportPage(places.record(record.id), title, page)
    used = telemetry_page.record_page(record, history, telemetry.traces(record))
    parts = [Html(telemetry_page.head()), Html(telemetry_page.back(record)), *used]
    yield ExportPage(places.telemetry_record(record.id), f"Telemetry of {title}", parts)


def telemetry_overviews(content: ExportContent) -> Iterator[ExportPage]:
    """What the claims of each paper used; the first page is that of the first paper, as in the app."""
    titles = {one.paper.key: one.paper.title for one in content.reference if one.lines}
    if not titles:
        none = Html(telemetry_page.nothing("No records yet"))
        yield ExportPage("telemetry.html", "Telemetry", [Html(telemetry_page.head()), none])
    for key, title in titles.items():
        costs = telemetry.shown(telemetry.costs(content.stores, key))
        parts = telemetry_page.paper_page(titles, key, costs)
        if key == next(iter(titles)):
            yield ExportPage("telemetry.html", "Telemetry", parts)
        yield ExportPage(places.telemetry(key), f"Telemetry of {title}", parts)
