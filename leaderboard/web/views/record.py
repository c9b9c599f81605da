"""A record: ?record=the first digits of its id, with &raw=true for its JSON."""

from __future__ import annotations

import re
from pathlib import PurePath

import streamlit as st

from leaderboard.board import citation, queries, verification
from leaderboard.board.lines import REFERENCE, label
from leaderboard.board.queries import RecordFilter
from leaderboard.board.verification import VerificationCheck
from leaderboard.render import record as record_page
from leaderboard.render.components import footnote
from leaderboard.render.links import short_id
from leaderboard.render.parts import Html
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address
from repro.errors import ReproError
from repro.record.record import Record
from repro.record.store import MergedStore


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("record", "raw") as asked:
        digits = asked.text("record").strip().lower().removeprefix("sha256:")
        try:
            if not re.fullmatch(r"[0-9a-f]{4,64}", digits):
                raise ReproError("An id has between 4 and 64 digits, 0 to 9 and a to f." if digits else "")
            record = cache.ask(version, MergedStore.get, digits)
        except ReproError as error:
            _missing(version, digits, f"{error.problem} {error.remedy}".strip())
            return
        raw = asked.yes("raw")
        parts = record_page.page(
            record,
            cache.context(version, record),
            citation.served_record(citation.base_of(st.context.url, "record"), record),
            cache.ask(version, queries.successors, record.paper.key, record.id),
            reference=_reference(version, record),
            raw=raw,
        )
        controls = {
            "verify": lambda: _verify(version, record),
            "raw": lambda: url_state.widget(st.toggle, "Show it here", "raw", raw),
        }
        show_page(f"{short_id(record.id)} {record.claim.id}", parts, controls)


def _missing(version: str, asked: str, why: str) -> None:
    found = [
        (path, reason) for path, reason in cache.ask(version, queries.problems) if PurePath(path).stem.startswith(asked)
    ]
    show_page("Record", [Html(record_page.unknown(asked, why, found if len(asked) >= 4 else []))])


def _reference(version: str, record: Record) -> Record | None:
    """The reference's newest record of the same claim, for a record of another implementation."""
    if label(record) == REFERENCE:
        return None
    own = (record.claim.name, record.claim.row or "")
    lines = cache.board(version, RecordFilter(paper=record.paper.key, implementation=REFERENCE))
    return next((cache.ask(version, MergedStore.get, one.record) for one in lines if one.case == own), None)


def _verify(version: str, record: Record) -> None:
    """The button, and what it found."""
    if not st.button("Verify this record", key="verify"):
        says = "Reads the file again, hashes it, and judges its samples by its criterion. Takes a moment."
        st.html(footnote(says))
        return
    with st.spinner("Judging the samples again …"):
        try:
            data = verification.stored(cache.stores(version), record)
            gone = VerificationCheck("the file", False, "no store has it; only an index remembers its content")
            found = [gone] if data is None else verification.verify(data, record.id)
        except ReproError as error:
            found = [VerificationCheck("the file", False, error.problem)]
    st.html(record_page.checks(found))


show()
