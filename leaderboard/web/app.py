"""The leaderboard: `repro leaderboard`, or `streamlit run leaderboard/web/app.py`.

The pages lie in `views/`: of a folder called `pages`, Streamlit runs a file by itself, without this one, when the first
visit to a server is to that page.
"""

from __future__ import annotations

import streamlit as st

from leaderboard.render import style
from leaderboard.web import cache

st.set_page_config(page_title="Repro", page_icon="☑️", layout="wide", menu_items={"Get help": None, "About": None})
st.html(style.SHEET)
page = st.navigation(
    [
        st.Page("views/board.py", title="Board", default=True),
        st.Page("views/findings.py", title="Findings", url_path="findings"),
        st.Page("views/trust.py", title="Trust", url_path="trust"),
        st.Page("views/implementations.py", title="Implementations", url_path="implementations"),
        st.Page("views/telemetry.py", title="Telemetry", url_path="telemetry"),
        st.Page("views/submit.py", title="Submit", url_path="submit"),
        st.Page("views/about.py", title="About", url_path="about"),
        st.Page("views/claim.py", title="Claim", url_path="claim", visibility="hidden"),
        st.Page("views/paper.py", title="Paper", url_path="paper", visibility="hidden"),
        st.Page("views/record.py", title="Record", url_path="record", visibility="hidden"),
        st.Page("views/compare.py", title="Compare", url_path="compare", visibility="hidden"),
    ],
    position="top",
)
try:
    page.run()
except Exception:
    if not cache.without_faulty():
        raise
    st.rerun()
cache.say_what_is_left_out()
