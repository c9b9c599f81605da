"""About: method, statistics, words, versions."""

from __future__ import annotations

import streamlit as st

from leaderboard import about, cached


def show() -> None:
    """The page."""
    st.set_page_config(page_title="About · Repro")
    lines = cached.board(cached.version())
    newest = max((one.created for one in lines), default="")
    st.html(about.page(about.counted(len(lines), len({one.paper.key for one in lines}), newest)))


show()
