"""Parts that pages of claims, records and papers have in common, as Streamlit shows them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard import blocks, charts, citing, sample_sheet, sheet
from leaderboard import rerun as again
from leaderboard.citing import Text
from leaderboard.rerun import Around
from repro.record import Record, file_name


def rerun(record: Record, around: Around) -> None:
    """What reruns a record, to copy, and what to know about it."""
    st.code(again.commands(record, around), language=None, wrap_lines=True)
    st.html(again.notes(record, around))


def drawn(record: Record) -> None:
    """The samples of a record as charts, and cases that exact reasoning decides as a table."""
    try:
        exact, pictures = charts.exact_samples(record), charts.pictures(record)
        table = sheet.found_cases(exact, charts.FEW) if exact else ""
    except (ValueError, IndexError):  # a sound record may still hold rows of unequal length
        st.html(blocks.footnote("These samples have no common shape and cannot be drawn; the record has them."))
        return
    if table:
        st.html(table)
    for picture in pictures:
        st.altair_chart(picture.chart, width="stretch", alt=picture.alt)


def numbers(record: Record) -> None:
    """The samples of a record as a folded table, and all of them as CSV."""
    table = sample_sheet.table(record)
    if not table:
        return
    st.html(table)
    st.download_button(
        "Download the samples (CSV)",
        lambda: sample_sheet.as_csv(record),  # it may be long, and few ask for it
        file_name(record).replace(".json", ".csv"),
        "text/csv",
        on_click="ignore",
    )


def texts(found: Sequence[Text]) -> None:
    """Texts to copy, folded."""
    with st.expander(citing.TITLE):
        for one in found:
            st.html(blocks.footnote(one.title))
            st.code(one.text, language=None, wrap_lines=True)
