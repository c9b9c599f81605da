"""A record: ?record=the first digits of its id, with &raw=true for its JSON."""

from __future__ import annotations

import re

import streamlit as st

from leaderboard import (
    address,
    blocks,
    cached,
    citing,
    kept,
    panels,
    paper_sheet,
    queries,
    record_sheet,
    repository,
    sheet,
    verification,
)
from leaderboard.address import Address
from leaderboard.queries import REFERENCE, Asked
from repro.errors import ReproError
from repro.record import Record, encode, file_name

WIDEST = 400_000  # letters of JSON that a page can show without becoming slow


def show() -> None:
    """The page."""
    version, asked = cached.version(), Address("record", "raw")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    digits = asked.text("record").strip().lower().removeprefix("sha256:")
    try:
        if not re.fullmatch(r"[0-9a-f]{4,64}", digits):
            raise ReproError("An id has between 4 and 64 digits, 0 to 9 and a to f." if digits else "")
        record = kept.record(version, digits)
    except ReproError as error:
        st.set_page_config(page_title="Record · Repro")
        _missing(version, digits, f"{error.problem} {error.remedy}".strip())
        return
    st.set_page_config(page_title=f"{record_sheet.short(record.id)} {record.claim.id} · Repro")
    st.html(record_sheet.head(record, kept.successors(version, record.paper.key, record.id)))
    reference = _reference(version, record)
    st.html(sheet.verdict(record, reference))
    _verify(version, record)
    _heading("Run it again")
    panels.rerun(record, kept.around(version, record))
    _judged(record, reference)
    _samples(record)
    _trials(record)
    _heading("Provenance")
    st.html(sheet.provenance(record))
    base = citing.base_of(st.context.url, "record")
    panels.texts(citing.of_claim(record, citing.served_record(base, record)))
    _raw(asked, record)


def _missing(version: str, asked: str, why: str) -> None:
    found = [(path, reason) for path, reason in cached.problems(version) if _stem(path).startswith(asked)]
    st.html(record_sheet.unknown(asked, why, found if len(asked) >= 4 else []))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _heading(text: str) -> None:
    st.html(paper_sheet.heading(text))


def _reference(version: str, record: Record) -> Record | None:
    """The reference's newest record of the same claim, for a record of another implementation."""
    if queries.label(record) == REFERENCE:
        return None
    own = (record.claim.name, record.claim.row or "")
    lines = cached.board(version, Asked(paper=record.paper.key, implementation=REFERENCE))
    return next((kept.record(version, one.record) for one in lines if one.case == own), None)


def _verify(version: str, record: Record) -> None:
    """The button, and what it found."""
    _heading("Verify")
    if not st.button("Verify this record", key="verify"):
        st.html(
            blocks.footnote("Reads the file again, hashes it, and judges its samples by its criterion. Takes a moment.")
        )
        return
    with st.spinner("Judging the samples again …"):
        try:
            data = verification.stored(cached.stores(version), record)
            found = (
                verification.verify(data, record.id)
                if data is not None
                else [verification.Check("the file", False, "no store has it; only an index remembers its content")]
            )
        except ReproError as error:
            found = [verification.Check("the file", False, error.problem)]
    st.html(record_sheet.checks(found))


def _judged(record: Record, reference: Record | None) -> None:
    """What was published and measured, by which criterion, with which controls; and a submission's own part."""
    _heading("Published and measured")
    st.html(sheet.sides(record, reference))
    _heading("Criterion")
    st.html(sheet.criterion(record))
    _heading("Controls")
    known, _ = repository.calibration(record)
    st.html(sheet.controls(record, known, reference))
    if record.implementation.kind == "submission":
        _heading("Submission")
        st.html(sheet.submission(record))
        part = queries.stated(record)
        _heading("Costs")
        st.html(sheet.costs(part.costs if part else ()))


def _samples(record: Record) -> None:
    _heading("Samples")
    st.html(record_sheet.samples(record.samples))
    panels.drawn(record)
    panels.numbers(record)


def _trials(record: Record) -> None:
    _heading("Trials")
    st.html(record_sheet.usage(record))
    if record.trials:
        frame = record_sheet.trials(record)
        plain = st.column_config.NumberColumn(format="%.2f")
        shown = {name: plain for name in frame if name.endswith(("(s)", "(MiB)", "(J)"))}
        st.dataframe(frame, hide_index=True, column_config=shown, height=min(36 * len(frame) + 40, 360))


def _raw(asked: Address, record: Record) -> None:
    _heading("Raw JSON")
    wanted = asked.yes("raw")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download the record (JSON)", encode(record), file_name(record), "application/json", on_click="ignore"
        )
        address.toggle("Show it here", "raw", wanted)
    if wanted:
        text = record_sheet.pretty(record)
        if len(text) <= WIDEST:
            st.code(text, language=None, height=520)
        else:
            st.html(blocks.footnote(f"Its {len(text):,} letters are too many for a page; download it instead."))


show()
