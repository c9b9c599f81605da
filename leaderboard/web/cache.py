"""Queries whose answers Streamlit keeps for each version of the stores, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TypeVar

import streamlit as st

from leaderboard.board import catalogue as catalogues
from leaderboard.board import queries, repository
from leaderboard.board.catalogue import BoardCatalogue, FileStamp
from leaderboard.board.lines import REFERENCE, Line, Section
from leaderboard.board.queries import RecordFilter
from leaderboard.render import components, guard
from leaderboard.render.rerun import ClaimContext
from repro.claim.figure import Figure
from repro.errors import ReproError
from repro.record.record import Record
from repro.record.store import MergedStore, Store

T = TypeVar("T")
LEFT_OUT = 5  # records that are named below a page


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


def without_faulty() -> bool:
    """Leave out the records that no page can be made of, where a page has failed; whether there were any."""
    found = _faulty(version())
    if not (found and found.pop()):
        return False
    _answer.clear()
    _board.clear()
    return True


@st.cache_resource(show_spinner="Looking for what is wrong …", max_entries=8)
def _faulty(version: str) -> list[bool]:
    """Whether records of a version were left out just now; only the first who asks is to draw the page again."""
    return [bool(guard.leave_out_faulty(stores(version)))]


def say_what_is_left_out() -> None:
    """Name, below a page, the records that cannot be shown."""
    found = guard.left_out(stores(version()))
    if found:
        named = ", ".join(f"{escape(one.path)} ({escape(one.reason)})" for one in found[:LEFT_OUT])
        st.html(components.notice(f"Left out of these pages: {len(found)} of the records", named))


def ask(version: str, query: Callable[..., T], *asked: object) -> T:
    """What a query of the stores answers in this version."""
    return _answer(version, f"{query.__module__}.{query.__qualname__}", asked, query)


HASHES = {Section: lambda one: one.paper.key, Figure: repr}
"""How queries' arguments are told apart where Streamlit cannot."""


@st.cache_data(show_spinner="Reading the records …", max_entries=256, hash_funcs=HASHES)
def _answer(version: str, name: str, asked: tuple[object, ...], _query: Callable[..., T]) -> T:
    return _query(stores(version), *asked)


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


@st.cache_data(show_spinner=False, ttl=60)
def deviations(paper: str) -> tuple[str, ...]:
    """How the reference of a paper deviates from it."""
    return repository.deviations(paper)


def titles(version: str) -> dict[str, str]:
    """The titles of the papers whose references have records, by key."""
    lines = board(version, RecordFilter(implementation=REFERENCE))
    return {one.paper.key: one.paper.title for one in queries.sections(lines)}


def section(version: str, paper: str) -> Section | None:
    """A paper with the lines of all its implementations; None where it has no records."""
    found = queries.sections(board(version, RecordFilter(paper=paper)))
    return found[0] if found else None


@st.cache_data(show_spinner=False, ttl=60)
def _commit() -> str:
    return repository.commit()


def context(version: str, record: Record) -> ClaimContext:
    """What is known about the claim of a record."""
    claim = f"{record.paper.key}/{record.claim.name}"
    many, highest = queries.extent(stores(version), claim, record.claim.row)
    return ClaimContext(many, highest, _commit(), *repository.calibration(record))


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
