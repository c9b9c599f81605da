"""Trust: the suite's own score, from sabotages and from repeats on fresh seeds."""

from __future__ import annotations

import streamlit as st

from leaderboard import cached, queries, trust, trust_sheet
from leaderboard.queries import REFERENCE, Asked


@st.cache_data(show_spinner="Reading the records …", max_entries=8)
def _history(version: str) -> trust.History:
    return trust.history(cached.stores(version))


def show() -> None:
    """The page."""
    st.set_page_config(page_title="Trust · Repro")
    version = cached.version()
    sections = queries.sections(cached.board(version, Asked(implementation=REFERENCE)))
    kept = {one.paper.key: trust.calibrations(one.paper.key) for one in sections}
    for part in trust_sheet.page(sections, _history(version), kept, cached.board(version), cached.catalogue()):
        st.html(part)


show()
