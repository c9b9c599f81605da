"""All files of the export, one after the other, from the stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from leaderboard import about, queries, record_sheet, trust
from leaderboard.catalogue import Catalogue, Stated, read
from leaderboard.queries import REFERENCE, Line, Section
from leaderboard.repository import Calibration
from leaderboard.rerun import Around
from leaderboard.service import badges
from leaderboard.service.board import Board
from leaderboard.site import frame, pages, places
from leaderboard.site.places import Places
from repro.record import Record, encode
from repro.store import Row, Union

Case = tuple[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What the export is made of.

    Attributes:
        lines: the board, of all implementations.
        reference: papers with the reference's lines only, as the first page of the app has them.
        sections: papers with all lines; papers without any are among these and `reference`, but not in `cases`.
        cases: the records of each paper by claim and row, the newest first.
        catalogue: the claims of today.
        url: where it will lie, with a slash at its end; "" where that is not known.
    """

    stores: Union
    lines: tuple[Line, ...]
    reference: list[Section]
    sections: list[Section]
    cases: dict[str, dict[Case, list[Row]]]
    catalogue: Catalogue
    url: str = ""
    kept: dict[str, tuple[dict[str, Calibration], str]] = field(default_factory=dict)

    def calibration(self, one: Record) -> tuple[Calibration | None, str]:
        """The calibration of a record's claim, and what is wrong with its file."""
        found, trouble = self.kept[one.paper.key]
        return found.get(one.claim.id), trouble

    def absent(self, section: Section) -> dict[Case, Stated]:
        """The claims of a paper that have no record of any implementation, so that no page of records is theirs."""
        run = self.cases.get(section.paper.key, {})
        return {(one.name, one.row): one for one in section.absent if (one.name, one.row) not in run}


def _around(rows: Sequence[Row]) -> Around:
    return Around(records=len(rows), version=max((row.version for row in rows), default=0))


def files(stores: Union, url: str = "") -> Iterator[tuple[str, bytes]]:
    """Path and content of every file.

    Args:
        stores: read as the app reads them.
        url: where the export will lie, with a slash at its end; "" where that is not known.
    """
    content = replace(_content(stores), url=url)
    where = Places(files=frozenset(_paths(content)), newest=places.newest(content.lines))
    newest = max((one.created for one in content.lines), default="")
    counted = about.counted(len(content.lines), len(content.cases), newest)
    note = f"Repro: {counted}. A copy of the board as files."

    def page(path: str, title: str, body: str) -> tuple[str, bytes]:
        return path, frame.document(path, title, where.localise(body, path), note, url).encode()

    for path, title, body in _pages(content, counted):
        yield page(path, title, body)
    for section in content.sections:
        for path, title, body in _absent(content, section):
            yield page(path, title, body)
        if not section.lines:
            continue
        references: dict[Case, Record | None] = {}
        for path, title, body in _claims(content, section.paper.key, references):
            yield page(path, title, body)
        for one, title, body in _records(content, section.paper.key, references):
            yield page(places.record(one.id), title, body)
            yield places.record(one.id, "json"), encode(one)
    yield from _data(content)
    if url:
        yield "sitemap.xml", _sitemap(sorted(path for path in where.files if path.endswith(".html")), url)


def _content(stores: Union) -> Content:
    catalogue = read()
    lines = queries.marked(queries.board(stores), catalogue)
    found = queries.sections([one for one in lines if one.is_reference])
    own = queries.complete(found, lines, catalogue)
    sections = queries.complete(queries.sections(lines), lines, catalogue)
    cases: dict[str, dict[Case, list[Row]]] = {}
    for section in (one for one in sections if one.lines):
        rows = sorted(stores.rows(paper=section.paper.key), key=lambda row: (row.version, row.created), reverse=True)
        grouped = cases.setdefault(section.paper.key, {})
        for row in rows:
            grouped.setdefault((row.name, row.row), []).append(row)
    kept = {key: trust.calibrations(key) for key in cases}
    return Content(
        stores=stores, lines=lines, reference=own, sections=sections, cases=cases, catalogue=catalogue, kept=kept
    )


def _paths(content: Content) -> Iterator[str]:
    """Where that will lie which is linked to: links must know it before it is written."""
    yield from (*(path for path, _ in frame.MENU), "board.csv", "board.json")
    for key, cases in content.cases.items():
        yield from (places.paper(key), places.implementations(key))
        for (name, row), rows in cases.items():
            yield places.claim(f"{key}/{name}", row)
            yield places.claim(f"{key}/{name}")
            for found in rows:
                yield from (places.record(found.id), places.record(found.id, "json"))
    for section in content.sections:
        yield places.paper(section.paper.key)
        for one in content.absent(section).values():
            yield places.claim(one.claim, one.row)
            yield places.claim(one.claim)


def _pages(content: Content, counted: str) -> Iterator[tuple[str, str, str]]:
    """Path, title and body of every page."""
    stores, sections = content.stores, [one for one in content.sections if one.lines]
    measured = [one for one in content.reference if one.lines]
    names = {key: queries.implementations(stores, key) for key in content.cases}
    problems, past = queries.problems(stores), trust.history(stores)
    others = {key: found[1:] for key, found in names.items()}
    yield "index.html", "Board", pages.board(content.reference, others, problems, content.catalogue)
    yield "findings.html", "Findings", pages.findings(sections)
    yield "trust.html", "Trust", pages.trusted(measured, past, content.lines, content.catalogue)
    yield "implementations.html", "Implementations", pages.all_implementations(sections)
    yield "submit.html", "Submit", pages.submit(sections)
    yield "about.html", "About", pages.about_it(counted)
    for section in content.sections:
        key, title = section.paper.key, section.paper.title
        where = places.addresses(content.url, places.paper(key), places.badge(key) if section.lines else "")
        yield places.paper(key), title, pages.paper(stores, section, names.get(key, [REFERENCE]), where)
    for section in sections:
        key, title = section.paper.key, section.paper.title
        yield places.implementations(key), f"Implementations of {title}", pages.implementations(section)


def _claims(content: Content, key: str, references: dict[Case, Record | None]) -> Iterator[tuple[str, str, str]]:
    """The pages of a paper's claims and their rows; the references' newest records are noted by the way."""
    cases = content.cases[key]
    for name, row in cases:
        history = queries.history(content.stores, f"{key}/{name}", row)
        references[name, row] = reference = queries.reference_of(history)
        known, trouble = content.calibration(reference or history[0])
        title = f"{key}/{name}" + (f"[{row}]" if row is not None else "")
        shown = (reference or history[0]).claim
        past = content.catalogue.past((key, name, row or ""), shown.version, shown.digest)
        path, own = places.claim(f"{key}/{name}", row), (reference or history[0]).id
        where = places.addresses(content.url, path, places.badge(key, name), own)
        yield path, title, pages.claim(history, known, trouble, _around(cases[name, row]), where, past)


def _absent(content: Content, section: Section) -> Iterator[tuple[str, str, str]]:
    """The pages of a paper's claims that nobody has run, and of its tables, whose rows may be such."""
    key, absent = section.paper.key, content.absent(section)
    cases = content.cases.get(key, {})
    for (name, row), one in absent.items():
        yield places.claim(one.claim, row), f"{key}/{name}" + (f"[{row}]" if row else ""), pages.absent(one)
    every = [*cases, *absent]
    for name in dict.fromkeys(name for name, _ in every):
        if (name, None) not in every:
            rows = sorted({row for own, row in every if own == name and row}, key=queries.natural)
            missing = {row for own, row in absent if own == name}
            yield places.claim(f"{key}/{name}"), f"{key}/{name}", pages.rows(f"{key}/{name}", rows, missing)


def _records(content: Content, key: str, references: Mapping[Case, Record | None]) -> Iterator[tuple[Record, str, str]]:
    """Each record of a paper, once, with the title and the body of its page."""
    replaced, seen = _replaced(content.cases[key]), set[str]()
    for one in (record for store in content.stores.stores for record in store.records(paper=key)):
        if one.id not in seen:
            seen.add(one.id)
            other = queries.label(one) != REFERENCE
            reference = references.get((one.claim.name, one.claim.row)) if other else None
            known, _ = content.calibration(one)
            badge = "" if other else places.badge(key, one.claim.name)
            where = places.addresses(content.url, places.record(one.id), badge, one.id)
            rows = content.cases[key].get((one.claim.name, one.claim.row), [])
            body = pages.record(one, replaced.get(one.id, ()), reference, known, _around(rows), where)
            yield one, f"{record_sheet.short(one.id)} {one.claim.id}", body


def _replaced(cases: Mapping[Case, Sequence[Row]]) -> dict[str, list[str]]:
    """Ids of the records that say that they replace another, by the other's id, the oldest first."""
    found: dict[str, list[str]] = {}
    every = [row for rows in cases.values() for row in rows]
    for row in sorted(every, key=lambda row: (row.created, row.id)):
        if row.supersedes:
            found.setdefault(row.supersedes, []).append(row.id)
    return found


def _data(content: Content) -> Iterator[tuple[str, bytes]]:
    """What is no page: style sheet, the board as data, badges."""
    yield "style.css", frame.sheet().encode()
    yield "board.csv", queries.csv(content.lines).encode()
    yield "board.json", queries.as_json(content.lines).encode()
    entries = Board(content.stores).snapshot().entries
    for key, cases in content.cases.items():
        own = [one for one in entries if one.paper == key]
        for name in (None, *dict.fromkeys(name for name, _ in cases)):
            shown = badges.face(own, key, name, REFERENCE)
            yield places.badge(key, name), badges.svg(shown).encode()


def _sitemap(paths: Sequence[str], url: str) -> bytes:
    items = "".join(f"<url><loc>{escape(url + path)}</loc></url>" for path in paths)
    kind = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {kind}>{items}</urlset>\n'.encode()
