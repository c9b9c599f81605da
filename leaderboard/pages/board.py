"""The board: papers and their claims, with filters that are part of the address."""

from __future__ import annotations

import streamlit as st

from leaderboard import blocks, cached, queries, style
from leaderboard.queries import Filters, Line


def show() -> None:
    """The page."""
    version = cached.version()
    lines = cached.board(version)
    st.html(blocks.headline(lines))
    if lines:
        chosen = _filters(lines)
        shown = [line for line in lines if chosen.admits(line)]
        for section in queries.sections(shown):
            st.html(blocks.paper(section))
        if shown:
            _download(shown, len(lines))
        else:
            st.html(blocks.empty(filtered=True))
    else:
        st.html(blocks.empty(filtered=False))
    _problems(version)


def _filters(lines: tuple[Line, ...]) -> Filters:
    """The filters as people set them; each is bound to a query parameter, so the address is a permalink."""
    papers = {section.paper.key: f"{section.paper.key}: {section.paper.title}" for section in queries.sections(lines)}
    tally = queries.counts(lines)
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        q = st.text_input(
            "Search", key="q", bind="query-params", placeholder="statement, author, Table 6 …", type="search"
        )
        paper = st.selectbox(
            "Paper",
            ["", *papers],
            key="paper",
            bind="query-params",
            format_func=lambda key: papers.get(key, "All papers"),
        )
        with st.popover("More filters", key="more"):
            verdict = st.pills(
                "Verdict",
                list(style.BADGES),
                key="verdict",
                bind="query-params",
                selection_mode="multi",
                format_func=lambda o: f"{style.BADGES[o].letter} · {o} ({tally[o]})",
            )
            evidence = st.pills(
                "Evidence", queries.EVIDENCE, key="evidence", bind="query-params", selection_mode="multi"
            )
            tier = st.pills("Tier", queries.TIERS, key="tier", bind="query-params", selection_mode="multi")
    return Filters(
        q=q or "",
        paper=paper or "",
        verdict=tuple(verdict or ()),
        evidence=tuple(evidence or ()),
        tier=tuple(tier or ()),
    )


def _download(shown: list[Line], total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button("Download as CSV", lambda: queries.csv(shown), "board.csv", "text/csv", on_click="ignore")
        st.caption(f"{len(shown)} of {total} verdicts shown")


def _problems(version: str) -> None:
    found = cached.problems(version)
    if found:
        files = "1 file is not a sound record" if len(found) == 1 else f"{len(found)} files are not sound records"
        with st.expander(f"{files} and not shown above", icon="⚠️"):
            st.html(blocks.problems(found))


show()
