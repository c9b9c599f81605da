"""Two to four implementations side by side: ?paper=key&with=one&with=another, with &only=true for differences."""

from __future__ import annotations

import streamlit as st

from leaderboard import blocks, cached, compare_sheet, comparison, paper_sheet, queries
from leaderboard.queries import REFERENCE, Asked

MOST = 4


def show() -> None:
    """The page."""
    asked, version = st.query_params.get("paper", ""), cached.version()
    names = cached.implementations(version, asked) if asked else []
    reference = cached.board(version, Asked(paper=asked, implementation=REFERENCE)) if asked else ()
    if not reference and len(names) < 2:
        st.set_page_config(page_title="Compare · Repro")
        known = {one.paper.key: one.paper.title for one in cached.board(version, Asked(implementation=REFERENCE))}
        st.html(paper_sheet.unknown(asked, known.items(), "compare"))
        return
    wanted = st.query_params.get_all("with")
    every = reference or cached.board(version, Asked(paper=asked, implementation=names[1]))
    (section,) = queries.sections(every)
    st.set_page_config(page_title=f"{section.paper.title}, side by side · Repro")
    st.html(compare_sheet.head(section))
    _strange(wanted, names)
    chosen = st.multiselect("Implementations", names, key="with", bind="query-params", max_selections=MOST)
    if len(chosen) < 2:
        st.html(compare_sheet.choose(len(names)))
        return
    _compare(version, asked, chosen)


def _strange(wanted: list[str], names: list[str]) -> None:
    """Say what of the address cannot be shown."""
    unknown = [f"“{name[:60]}”" for name in wanted if name not in names]
    if unknown:
        st.info(f"This paper has no implementation {' and no '.join(unknown)}.")
    if len(wanted) > MOST:
        st.info(f"At most {MOST} can be compared; the address names {len(wanted)}.")


def _compare(version: str, paper: str, chosen: list[str]) -> None:
    each = [REFERENCE, *(name for name in chosen if name != REFERENCE)]
    lines = [one for name in each for one in cached.board(version, Asked(paper=paper, implementation=name))]
    (section,) = queries.sections(lines)
    found = comparison.compared(section, chosen)
    standings = {one.newest.implementation: one for one in section.standings}
    shown = [standings.get(name, name) for name in chosen]
    st.html(paper_sheet.heading("Summary"))
    st.html(compare_sheet.summary(found, shown))
    st.html(paper_sheet.heading("Claim by claim"))
    only = st.toggle("Only where they differ", key="only", bind="query-params")
    st.html(compare_sheet.legend())
    rows = [one for one in found if one.differs] if only else found
    if rows:
        st.html(compare_sheet.claims(rows, shown))
    else:
        st.html(blocks.notice("No difference", "On the claims that can be compared, none differs from the first."))
    st.html(paper_sheet.heading("Costs"))
    st.html(compare_sheet.costs(shown))


show()
