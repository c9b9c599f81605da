"""Queries whose answers Streamlit keeps for each version of the stores, whoever asks."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from leaderboard.board import catalogue as catalogues
from leaderboard.board import queries, repository, suite_score, telemetry
from leaderboard.board.catalogue import BoardCatalogue, FileStamp
from leaderboard.board.curves import Curve
from leaderboard.board.lines import REFERENCE, Line, Section
from leaderboard.board.pareto import Aim, aim
from leaderboard.board.queries import RecordFilter
from leaderboard.board.reported import Pair
from leaderboard.board.telemetry import RecordCost, Traces
from leaderboard.render import components
from leaderboard.render.rerun import ClaimContext
from repro.errors import ReproError
from repro.record.record import Record
from repro.record.store import MergedStore, Store


def version() -> str:
    """What the other functions are keyed by; it changes when a record is added.

    A store that cannot be read at all ends the page with the reason.
    """
    try:
        return _watched(_addresses()).version()
    except ReproError as error:
        st.html(components.notice(escape(error.problem), escape(error.remedy)))
    st.stop()


def stores(version: str) -> MergedStore:
    """The stores as they are in this version, each opened once for all who ask."""
    return MergedStore(_opened(address, own) for address, own in zip(_addresses(), version.split("-"), strict=True))


def board(version: str, asked: RecordFilter | None = None) -> tuple[Line, ...]:
    """The lines of the board: all, or those asked for; kept as they are, for there may be thousands of them."""
    return _board(version, asked or RecordFilter(), catalogues.stamp())


@st.cache_resource(show_spinner="Reading the records …", max_entries=64)  # a paper's page alone asks for a dozen
def _board(version: str, asked: RecordFilter, stamp: FileStamp) -> tuple[Line, ...]:
    return queries.marked(queries.board(stores(version), asked), _catalogue(stamp))


def catalogue() -> BoardCatalogue:
    """The claims of today, those that nobody has run too."""
    return _catalogue(catalogues.stamp())


@st.cache_resource(show_spinner=False, max_entries=4)
def _catalogue(stamp: FileStamp) -> BoardCatalogue:
    return catalogues.read()


@st.cache_data(show_spinner=False, max_entries=64)
def implementations(version: str, paper: str = "") -> list[str]:
    """What implementations of a paper, or of all, are called in addresses; the reference first."""
    return queries.implementations(stores(version), paper)


@st.cache_data(show_spinner=False, max_entries=8)
def hardware(version: str) -> list[str]:
    """The hardware that records were made on."""
    return stores(version).distinct("hardware")


@st.cache_data(show_spinner=False, max_entries=8)
def problems(version: str) -> list[tuple[str, str]]:
    """Files that could not be read as records."""
    return queries.problems(stores(version))


@st.cache_data(show_spinner=False, ttl=60)
def deviations(paper: str) -> tuple[str, ...]:
    """How the reference of a paper deviates from it."""
    return repository.deviations(paper)


@st.cache_data(show_spinner="Reading the records …", max_entries=64)
def history(
    version: str, claim: str, row: str | None, implementation: str = REFERENCE, digits: str = ""
) -> list[Record]:
    """The records of a claim, the newest first; see `queries.history`."""
    return queries.history(stores(version), claim, row, implementation, digits)


def titles(version: str) -> dict[str, str]:
    """The titles of the papers whose references have records, by key."""
    lines = board(version, RecordFilter(implementation=REFERENCE))
    return {one.paper.key: one.paper.title for one in queries.sections(lines)}


def section(version: str, paper: str) -> Section | None:
    """A paper with the lines of all its implementations; None where it has no records."""
    found = queries.sections(board(version, RecordFilter(paper=paper)))
    return found[0] if found else None


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def pairs(version: str, paper: str, _lines: tuple[Line, ...]) -> list[Pair]:
    """Published numbers and ours, of those of a paper's lines that have both."""
    return queries.pairs(stores(version), _lines)


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def curve_list(version: str, paper: str, _lines: tuple[Line, ...]) -> list[Curve]:
    """The most telling curves of a paper."""
    return queries.curve_list(stores(version), _lines)


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def aims(version: str, paper: str, _lines: tuple[Line, ...]) -> dict[tuple[str, str], Aim]:
    """Of a paper's lines those whose estimate is better the lower, the higher or the nearer to a number it is."""
    found = {}
    for one in _lines:
        record = None if one.exact else queries.record_of(stores(version), one)
        if record is not None and (wanted := aim(record.claim.criterion)) is not None:
            found[one.case] = wanted
    return found


@st.cache_data(show_spinner="Reading the record …", max_entries=64)
def record(version: str, record_id: str) -> Record:
    """A record by its id or the first digits of it.

    Raises:
        ReproError: if there is none, or more than one.
    """
    return stores(version).get(record_id)


@st.cache_data(show_spinner="Reading the record …", max_entries=16)
def traces(version: str, record_id: str) -> Traces:
    """The sampled series of a record's trials."""
    return telemetry.traces(stores(version).get(record_id))


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def costs(version: str, paper: str) -> tuple[RecordCost, ...]:
    """What a paper's claims cost on each machine."""
    return telemetry.costs(stores(version), paper)


@st.cache_data(show_spinner="Reading the records …", max_entries=8)
def suite_history(version: str) -> suite_score.History:
    """What only the history of the records shows."""
    return suite_score.history(stores(version))


@st.cache_data(show_spinner=False, max_entries=64)
def successors(version: str, paper: str, record_id: str) -> list[str]:
    """The ids of the records that say that they replace this one, the oldest first."""
    return [row.id for row in stores(version).rows(paper=paper) if row.supersedes == record_id]


@st.cache_data(show_spinner=False, ttl=60)
def _commit() -> str:
    return repository.commit()


def around_record(version: str, record: Record) -> dict[str, Any]:
    """A record, its calibration and what is known about its claim, as fields of `ShownRecord`."""
    known, trouble = repository.calibration(record)
    claim = f"{record.paper.key}/{record.claim.name}"
    many, highest = queries.extent(stores(version), claim, record.claim.row)
    around = ClaimContext(records=many, version=highest, commit=_commit())
    return {"record": record, "calibration": known, "trouble": trouble, "around": around}


StoreAddress = tuple[Path, str | None]
"""A store's folder, and the URL of its index."""


def _addresses() -> tuple[StoreAddress, ...]:
    """Where the stores are; it tells one board from another within a process."""
    return tuple((store.root, store.url) for store in queries.open_stores().stores)


@st.cache_resource(show_spinner=False, max_entries=4)
def _watched(addresses: tuple[StoreAddress, ...]) -> MergedStore:
    return queries.open_stores()


@st.cache_resource(show_spinner="Reading the records …", max_entries=8)
def _opened(address: StoreAddress, version: str) -> Store:
    return Store(*address, read_only=True)
