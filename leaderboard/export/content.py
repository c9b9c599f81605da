"""What the export is made of: everything that its pages show, read from the stores once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboard.board import figures, queries, repository
from leaderboard.board.catalogue import BoardCatalogue, ListedClaim, read
from leaderboard.board.lines import REFERENCE, Line, Section, grouped
from leaderboard.board.repository import CalibrationSummary
from leaderboard.render.rerun import ClaimContext
from repro.record.figure_data import FigureData
from repro.record.record import Record
from repro.record.store import MergedStore, Row

PageKey = tuple[str, str | None]
"""Name of a claim, and its row or None."""


@dataclass(frozen=True, kw_only=True)
class ExportContent:
    """What the export is made of.

    Attributes:
        every: the newest line of each claim and implementation, which links lead to.
        lines: the board: these without the findings that are no longer stated.
        reference: papers with the reference's lines only, as the first page of the app has them.
        sections: papers with all lines; papers without any are among these and `reference`, but not in `cases`.
        cases: the records of each paper by claim and row, the newest first.
        catalogue: the claims of today.
        calibrations: of each paper by id of the claim, and what is wrong with their file.
        names: what the implementations of each paper with records are called, the reference first.
        drawn: the figures on top of each paper's page.
        url: where it will lie, with a slash at its end; "" where that is not known.
    """

    stores: MergedStore
    every: tuple[Line, ...]
    lines: tuple[Line, ...]
    reference: list[Section]
    sections: list[Section]
    cases: dict[str, dict[PageKey, list[Row]]]
    catalogue: BoardCatalogue
    calibrations: Mapping[str, tuple[Mapping[str, CalibrationSummary], str]]
    names: Mapping[str, Sequence[str]]
    drawn: Mapping[str, Sequence[FigureData]]
    url: str

    @property
    def run(self) -> list[Section]:
        """The papers that there is any record of."""
        return [one for one in self.sections if one.lines]

    def context(self, record: Record) -> ClaimContext:
        """What is known about the claim of a record."""
        found, trouble = self.calibrations[record.paper.key]
        rows = self.cases[record.paper.key].get((record.claim.name, record.claim.row), [])
        highest = max((row.version for row in rows), default=0)
        return ClaimContext(len(rows), highest, calibration=found.get(record.claim.id), trouble=trouble)

    def absent(self, section: Section) -> dict[PageKey, ListedClaim]:
        """The claims of a paper that have no record of any implementation, so that no page of records is theirs."""
        run = self.cases.get(section.paper.key, {})
        return {(one.name, one.row): one for one in section.absent if (one.name, one.row) not in run}

    def replaced(self, key: str) -> dict[str, list[str]]:
        """Ids of a paper's records that replace another, by the other's id, the oldest first."""
        every = [row for rows in self.cases[key].values() for row in rows]
        ordered = sorted(every, key=lambda row: (row.created, row.id))
        return {
            old: [row.id for row in rows] for old, rows in grouped(ordered, lambda row: row.supersedes).items() if old
        }


def read_content(stores: MergedStore, url: str) -> ExportContent:
    """Everything that the pages show."""
    catalogue = read()
    every = queries.board(stores)
    lines = queries.marked(every, catalogue)
    found = queries.sections([one for one in lines if one.is_reference])
    sections = queries.complete(queries.sections(lines), lines, catalogue)
    cases: dict[str, dict[PageKey, list[Row]]] = {}
    for key in (one.paper.key for one in sections):
        rows = sorted(stores.rows(paper=key), key=lambda row: (row.version, row.created), reverse=True)
        cases |= {key: grouped(rows, lambda row: (row.name, row.row))} if rows else {}
    return ExportContent(
        stores=stores,
        every=every,
        lines=lines,
        reference=queries.complete(found, lines, catalogue),
        sections=sections,
        cases=cases,
        catalogue=catalogue,
        calibrations={key: repository.calibrations(key) for key in cases},
        names={one.paper.key: [REFERENCE] for one in sections}
        | {key: queries.implementations(stores, key) for key in cases},
        drawn={
            one.paper.key: figures.on_top(stores, one, catalogue.figures.get(one.paper.key, ())) for one in sections
        },
        url=url,
    )
