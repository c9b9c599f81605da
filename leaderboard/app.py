"""The leaderboard: `repro leaderboard`, or `streamlit run leaderboard/app.py`.

The pages lie in `views/`: of a folder called `pages`, Streamlit runs a file by itself, without this one, when the first
visit to a server is to that page.
"""

from __future__ import annotations

import streamlit as st

from leaderboard import style

st.set_page_config(page_title="Repro", page_icon="☑️", layout="wide", menu_items={"Get help": None, "About": None})
st.html(style.SHEET)
st.navigation(
    [
        st.Page("views/board.py", title="Board", default=True),
        st.Page("views/findings.py", title="Findings", url_path="findings"),
        st.Page("views/claim.py", title="Claim", url_path="claim", visibility="hidden"),
    ],
    position="top",
).run()
