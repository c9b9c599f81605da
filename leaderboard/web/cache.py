"""Queries that Streamlit keeps: each is answered once for each version of the stores, whoever asks."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from leaderboard import blocks, queries, repository
from leaderboard import catalogue as catalogues
from leaderboard.catalogue import Catalogue
from leaderboard.queries import REFERENCE, Asked, Line
from repro.errors import ReproError
from repro.record import Record
from repro.store import Store, Union


def version() -> str:
    """What the other functions are keyed by; it changes when a record is added.

    A store that cannot be read at all ends the page with the reason.
    """
    try:
        return _watched(_places()).version()
    except ReproError as error:
        st.html(blocks.notice(escape(error.problem), escape(error.remedy)))
    st.stop()


def stores(version: str) -> Union:
    """The stores as they are in this version, each opened once for all who ask."""
    return Union(_opened(place, own) for place, own in zip(_places(), version.split("-"), strict=True))


def board(version: str, asked: Asked | None = None) -> tuple[Line, ...]:
    """The lines of the board: all, or those asked for; kept as they are, for there may be thousands of them."""
    if asked is None:
        return _whole(version, catalogues.stamp())
    return _part(version, asked, catalogues.stamp())


@st.cache_resource(show_spinner="Reading the records …", max_entries=2)
def _whole(version: str, stamp: catalogues.Stamp) -> tuple[Line, ...]:
    return queries.marked(queries.board(stores(version)), _catalogue(stamp))


@st.cache_resource(show_spinner="Reading the records …", max_entries=64)  # a paper's page alone asks for a dozen
def _part(version: str, asked: Asked, stamp: catalogues.Stamp) -> tuple[Line, ...]:
    return queries.marked(queries.board(stores(version), asked), _catalogue(stamp))


def catalogue() -> Catalogue:
    """The claims of today, those that nobody has run too."""
    return _catalogue(catalogues.stamp())


@st.cache_resource(show_spinner=False, max_entries=4)
def _catalogue(stamp: catalogues.Stamp) -> Catalogue:
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


@st.cache_data(show_spinner=False, max_entries=64)
def rows(version: str, claim: str) -> list[str]:
    """The rows of a claim that is a table."""
    return queries.rows_of(stores(version), claim)


Place = tuple[Path, str | None]
"""A store's folder, and the URL of its index."""


def _places() -> tuple[Place, ...]:
    """Where the stores are; it tells one board from another within a process."""
    return tuple((store.root, store.url) for store in queries.open_stores().stores)


@st.cache_resource(show_spinner=False, max_entries=4)
def _watched(places: tuple[Place, ...]) -> Union:
    return queries.open_stores()


@st.cache_resource(show_spinner="Reading the records …", max_entries=8)
def _opened(place: Place, version: str) -> Store:
    return Store(*place, read_only=True)
