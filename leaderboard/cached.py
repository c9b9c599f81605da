"""Queries that Streamlit keeps: each is answered once for each version of the stores, whoever asks."""

from __future__ import annotations

import streamlit as st

from leaderboard import queries, repository
from leaderboard.queries import Line
from repro.errors import ReproError
from repro.record import Record


def version() -> str:
    """What the other functions are keyed by; it changes when a record is added.

    A store that cannot be read at all ends the page with the reason.
    """
    try:
        return queries.open_stores().version()
    except ReproError as error:
        st.error(error.problem, icon="⚠️")
        st.caption(error.remedy)
    st.stop()


@st.cache_data(show_spinner="Reading the records …", max_entries=8)
def board(version: str) -> tuple[Line, ...]:
    """All lines of the board."""
    return queries.board(queries.open_stores())


@st.cache_data(show_spinner=False, max_entries=8)
def problems(version: str) -> list[tuple[str, str]]:
    """Files that could not be read as records."""
    return queries.problems(queries.open_stores())


@st.cache_data(show_spinner=False, ttl=60)
def deviations(paper: str) -> tuple[str, ...]:
    """How the reference of a paper deviates from it."""
    return repository.deviations(paper)


@st.cache_data(show_spinner="Reading the records …", max_entries=64)
def history(version: str, claim: str, row: str | None) -> list[Record]:
    """The records of a claim, the newest first."""
    return queries.history(queries.open_stores(), claim, row)


@st.cache_data(show_spinner=False, max_entries=64)
def rows(version: str, claim: str) -> list[str]:
    """The rows of a claim that is a table."""
    return queries.rows_of(queries.open_stores(), claim)
