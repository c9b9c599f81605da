"""Figures that are redrawn from measurements: on top of a paper's page, and a record's exhibits on its own page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboard.board import figures
from leaderboard.board.units import several
from leaderboard.charts import figure as charts
from leaderboard.render import style
from leaderboard.render.components import heading
from leaderboard.render.links import claim_link, short_id
from leaderboard.render.parts import Download, Html, PagePart
from repro.record.figure_data import FigureData, exhibit_data, exhibits_of
from repro.record.record import Record, hardware

MOST = 6  # seeds that are named, claims that are linked to


def on_top(found: Sequence[FigureData]) -> list[PagePart]:
    """The figures of a paper with their captions; nothing where there are none."""
    names = (figure_file(one.records[0].paper.key, number) for number, one in enumerate(found, 1))
    return [part for name, one in zip(names, found, strict=True) for part in _figure(one, name)]


def exhibits(record: Record) -> list[PagePart]:
    """What a record keeps for pictures; nothing where it keeps nothing."""
    found = [exhibit_data(part, record) for part in exhibits_of(record)]
    if not found:
        return []
    parts = [p for number, one in enumerate(found, 1) for p in _figure(one, exhibit_file(record.id, number))]
    return [heading("Exhibits", "What its trials recorded for pictures; no criterion judges it."), *parts]


def figure_file(paper: str, number: int) -> str:
    """What the numbers of a paper's figure are called as a file."""
    return f"{paper}-figure-{number}.csv"


def exhibit_file(record_id: str, number: int) -> str:
    """What the numbers of a record's exhibit are called as a file."""
    return f"{short_id(record_id)}-exhibit-{number}.csv"


def _figure(data: FigureData, name: str) -> list[PagePart]:
    file = Download(
        label="Download the numbers (CSV)", name=name, mime="text/csv", content=lambda: figures.as_csv(data)
    )
    return [charts.picture(data), Html(caption(data)), file]


def caption(data: FigureData) -> str:
    """Where the paper has the figure, what is to be seen, and what it was drawn from."""
    claims = ", ".join(_linked(record) for record in data.records[:MOST])
    more = f" and {len(data.records) - MOST} more" if len(data.records) > MOST else ""
    evidence = " and ".join(dict.fromkeys(style.EVIDENCE[record.claim.evidence] for record in data.records))
    machines = "; ".join(dict.fromkeys(f"{hardware(one)}, {style.day(one.created)}" for one in data.records[:MOST]))
    says = data.says if data.says.endswith((".", "?", "!")) else f"{data.says}."
    return style.wrap(
        f'<p class="caption"><b>{escape(data.place)} of the paper, redrawn.</b> '
        f'{escape(says)} <span class="soft">{escape(_how(data))} Evidence: {escape(evidence)}. Drawn from the records '
        f"of {claims}{more}; measured on {escape(machines)}.</span></p>"
    )


def _linked(record: Record) -> str:
    claim = record.claim
    link = claim_link(f"{record.paper.key}/{claim.name}", claim.row)
    row = f" [{claim.row}]" if claim.row else ""
    return f'<a href="{link}">{escape(claim.name + row)}</a>'


def _how(data: FigureData) -> str:
    """How to read it, in sentences."""
    seeds = data.seeds
    named = f"seed {seeds[0]}" if len(seeds) == 1 else f"{several(len(seeds), 'seed')}, {seeds[0]} to {seeds[-1]}"
    if data.kind in ("points", "image") or len(seeds) < 2:
        read = f"One trial, {named}."
    elif data.kind == "lines":
        read = f"Each seed thin, the mean bold: {named}."
    else:
        read = f"Each seed a dot, the mean a bar: {named}."
    marked = any(one.published for one in data.series)
    published = " Hollow: published." if marked else " Dashed: published." if data.rules else ""
    lost = sum(not row for one in data.series for row in _whole(one.values.tolist()))
    return read + published + (f" Not finite: {several(lost, 'run')}." if lost else "")


def _whole(rows: Sequence[Sequence[float]]) -> list[bool]:
    """Whether each row has a finite number everywhere."""
    return [all(value - value == 0 for value in row) for row in rows]
