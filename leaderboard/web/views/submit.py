"""Submit: how an implementation comes onto the board, and where those stand that are there."""

from __future__ import annotations

import streamlit as st

from leaderboard import cached, queries, submitting


def show() -> None:
    """The page."""
    st.set_page_config(page_title="Submit · Repro")
    sections = queries.sections(cached.board(cached.version()))
    st.html(submitting.head())
    for number, step in enumerate(submitting.STEPS, start=1):
        st.html(submitting.step(number, step))
        st.code(step.command, language=None, wrap_lines=True)
    st.html(submitting.rules())
    st.html(submitting.status(sections))


show()
