"""Findings: what papers say that does not hold, and who showed it."""

from __future__ import annotations

import streamlit as st

from leaderboard import blocks, cached, queries, style


def show() -> None:
    """The page."""
    st.set_page_config(page_title="Findings · Repro")
    sections = [one for one in queries.sections(cached.board(cached.version())) if one.findings]
    st.html(
        style.wrap(
            '<h1>Findings</h1><p class="lead">Claims that later literature, their own authors or plain arithmetic '
            "contradict. Each is judged as the paper states it, and is expected to be refuted.</p>"
        )
    )
    for section in sections:
        st.html(blocks.findings(section))
    if not sections:
        st.html(blocks.notice("No findings yet", 'Nothing on <a href="./">the board</a> is known not to hold.'))


show()
