"""All files of the export, one after the other, from the stores."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from leaderboard.api import badges
from leaderboard.api.board import Board
from leaderboard.board import downloads, figures
from leaderboard.board.lines import REFERENCE
from leaderboard.export import drawing, frame, pages, places
from leaderboard.export.content import ExportContent, PageKey, read_content
from leaderboard.export.pages import ExportPage
from leaderboard.export.places import Places
from leaderboard.render import about, samples, style
from repro.record.figure_data import exhibit_data, exhibits_of
from repro.record.record import EXHIBITS, Record, encode
from repro.record.store import MergedStore


def files(stores: MergedStore, url: str = "") -> Iterator[tuple[str, bytes]]:
    """Path and content of every file; `url` as in `ExportContent`."""
    content = read_content(stores, url)
    where = Places(files=frozenset(_paths(content)), newest=places.newest(content.every))
    newest = max((one.created for one in content.lines), default="")
    counted = about.counted(len(content.lines), len(content.cases), newest)
    note = f"Repro: {counted}. A copy of the board as files."

    def file(page: ExportPage) -> tuple[str, bytes]:
        body = where.localise(drawing.html(page.parts), page.path)
        return page.path, frame.document(page.path, page.title, body, note, url).encode()

    yield from map(file, pages.overviews(content, counted))
    yield from map(file, pages.papers(content))
    yield from map(file, pages.telemetry_overviews(content))
    for section in content.sections:
        yield from map(file, pages.absent(content, section))
        key, histories = section.paper.key, dict[PageKey, list[Record]]()
        if key not in content.cases:
            continue
        yield from map(file, pages.claims(content, key, histories))
        replaced = content.replaced(key)
        for one in pages.records(content, key):
            history = histories.get((one.claim.name, one.claim.row), [])
            yield from map(file, pages.of_record(content, one, history, replaced.get(one.id, ())))
            yield places.record(one.id, "json"), encode(one)
            yield places.record(one.id, "csv"), samples.as_csv(one).encode()
            for number, part in enumerate(exhibits_of(one), 1):
                yield places.exhibit(one.id, number), figures.as_csv(exhibit_data(part, one)).encode()
    yield from _data(content)
    if url:
        listed = sorted(path for path in where.files if path.endswith(".html"))
        items = "".join(f"<url><loc>{escape(url + path)}</loc></url>" for path in listed)
        kind = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {kind}>{items}</urlset>\n'
        yield "sitemap.xml", text.encode()


def _paths(content: ExportContent) -> Iterator[str]:
    """Where that will lie which is linked to: links must know it before it is written."""
    yield from (*(path for path, _ in frame.MENU), "board.csv", "board.json")
    for key, cases in content.cases.items():
        for (name, row), rows in cases.items():
            yield places.claim(f"{key}/{name}", row)
            yield places.claim(f"{key}/{name}")
            for found in rows:
                yield from (places.record(found.id, kind) for kind in ("html", "json", "csv"))
                yield places.telemetry_record(found.id)
                yield from (places.exhibit(found.id, i + 1) for i in range(EXHIBITS))  # pages link to those there are
    yield from (places.implementations(one.paper.key) for one in content.run)
    yield from (places.telemetry(one.paper.key) for one in content.reference if one.lines)
    for section in content.sections:
        yield places.paper(section.paper.key)
        yield from (places.figure(section.paper.key, i + 1) for i, _ in enumerate(content.drawn[section.paper.key]))
        for one in content.absent(section).values():
            yield places.claim(one.claim, one.row)
            yield places.claim(one.claim)


def _data(content: ExportContent) -> Iterator[tuple[str, bytes]]:
    """What is no page: style sheet, the board as data, badges."""
    yield "style.css", (frame.SHEET.read_text() + style.SHEET.read_text()).encode()
    yield "board.csv", downloads.csv(content.lines).encode()
    yield "board.json", downloads.as_json(content.lines).encode()
    for key, drawn in content.drawn.items():
        for number, one in enumerate(drawn, 1):
            yield places.figure(key, number), figures.as_csv(one).encode()
    entries = Board(content.stores).snapshot().entries
    for key, cases in content.cases.items():
        own = [one for one in entries if one.paper.key == key]
        for name in (None, *dict.fromkeys(name for name, _ in cases)):
            shown = badges.face(own, key, name, REFERENCE)
            yield places.badge(key, name), badges.svg(shown).encode()
