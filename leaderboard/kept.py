"""What pages need of whole records; Streamlit keeps it for each version of the stores, whoever asks."""

from __future__ import annotations

import streamlit as st

from leaderboard import cached, curves, published, queries, repository
from leaderboard.contest import Aim, aim
from leaderboard.curves import Curve
from leaderboard.published import Pair
from leaderboard.queries import Asked, Line, Section
from leaderboard.rerun import Around
from repro.errors import ReproError
from repro.record import Record
from repro.store import Union


@st.cache_resource(show_spinner="Reading the records …", max_entries=4)
def section(version: str, paper: str) -> Section | None:
    """A paper with the lines of all its implementations; None where it has no records.

    It is kept as it is, not as copies, for it may hold thousands of lines; nobody changes it.
    """
    found = queries.sections(queries.board(cached.stores(version), Asked(paper=paper)))
    return found[0] if found else None


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def pairs(version: str, paper: str, _lines: tuple[Line, ...]) -> list[Pair]:
    """Published numbers beside ours, of those of a paper's lines that have both."""
    stores = cached.stores(version)
    stating = [one for one in _lines if one.reported]
    return [x for one in stating for x in published.pairs(one, None if one.exact else _record(stores, one))]


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def curve_list(version: str, paper: str, _lines: tuple[Line, ...]) -> list[Curve]:
    """The most telling curves of a paper."""
    stores = cached.stores(version)
    return curves.telling([record for one in _lines if not one.exact and (record := _record(stores, one)) is not None])


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def aims(version: str, paper: str, _lines: tuple[Line, ...]) -> dict[tuple[str, str], Aim]:
    """Of a paper's lines those whose estimate is better the lower, the higher or the nearer to a number it is."""
    stores = cached.stores(version)
    found = {}
    for one in _lines:
        record = None if one.exact else _record(stores, one)
        if record is not None and (wanted := aim(record.claim.criterion)) is not None:
            found[one.case] = wanted
    return found


@st.cache_data(show_spinner="Reading the record …", max_entries=64)
def record(version: str, record_id: str) -> Record:
    """A record by its id or the first digits of it.

    Raises:
        ReproError: if there is none, or more than one.
    """
    return cached.stores(version).get(record_id)


@st.cache_data(show_spinner=False, max_entries=64)
def successors(version: str, paper: str, record_id: str) -> list[str]:
    """The ids of the records that say that they replace this one, the oldest first."""
    return [row.id for row in cached.stores(version).rows(paper=paper) if row.supersedes == record_id]


@st.cache_data(show_spinner=False, max_entries=64)
def extent(version: str, claim: str, row: str | None) -> tuple[int, int]:
    """How many records a claim "key/name" and row has, and its highest version."""
    return queries.extent(cached.stores(version), claim, row)


@st.cache_data(show_spinner=False, ttl=60)
def commit() -> str:
    """The commit that the board runs from; "" where it cannot be named."""
    return repository.commit()


def around(version: str, record: Record) -> Around:
    """What is known of a record's claim beside it."""
    claim = record.claim
    many, highest = extent(version, f"{record.paper.key}/{claim.name}", claim.row)
    return Around(records=many, version=highest, commit=commit())


def _record(stores: Union, one: Line) -> Record | None:
    """The record of a line; None where it is no longer there, which the next version of the stores will show."""
    try:
        return stores.get(one.record)
    except ReproError:
        return None
