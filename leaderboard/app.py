"""The leaderboard: `repro leaderboard`, or `streamlit run leaderboard/app.py`. The pages lie in `pages/`."""

from __future__ import annotations

import streamlit as st

from leaderboard import style

st.set_page_config(page_title="Repro", page_icon="☑️", layout="wide", menu_items={"Get help": None, "About": None})
st.html(style.SHEET)
st.navigation(
    [
        st.Page("pages/board.py", title="Board", default=True),
        st.Page("pages/findings.py", title="Findings", url_path="findings"),
        st.Page("pages/claim.py", title="Claim", url_path="claim", visibility="hidden"),
    ],
    position="top",
).run()
