"""Two to four implementations side by side: ?paper=key&with=one&with=another, with &only=true for differences."""

from __future__ import annotations

import streamlit as st

from leaderboard import address, blocks, cached, compare_sheet, comparison, paper_sheet, queries
from leaderboard.address import Address
from leaderboard.queries import REFERENCE, Asked

MOST = 4


def show() -> None:
    """The page."""
    version, asked = cached.version(), Address("paper", "with", "only")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    key = asked.text("paper")
    names = cached.implementations(version, key) if key else []
    reference = cached.board(version, Asked(paper=key, implementation=REFERENCE)) if key else ()
    if not reference and len(names) < 2:
        st.set_page_config(page_title="Compare · Repro")
        known = {one.paper.key: one.paper.title for one in cached.board(version, Asked(implementation=REFERENCE))}
        st.html(paper_sheet.unknown(key, known.items(), "compare"))
        return
    every = reference or cached.board(version, Asked(paper=key, implementation=names[1]))
    (section,) = queries.sections(every)
    st.set_page_config(page_title=f"{section.paper.title}, side by side · Repro")
    st.html(compare_sheet.head(section))
    chosen = asked.several("with", names, "nothing", "implementation")
    if len(chosen) > MOST:
        asked.say(f"At most {MOST} can be compared; the address names {len(chosen)}, and the first {MOST} are shown.")
        chosen = chosen[:MOST]
    address.tags("Implementations", "with", names, chosen, most=MOST)
    if len(chosen) < 2:
        st.html(compare_sheet.choose(len(names)))
        return
    _compare(version, asked, chosen)


def _compare(version: str, asked: Address, chosen: list[str]) -> None:
    paper = asked.text("paper")
    each = [REFERENCE, *(name for name in chosen if name != REFERENCE)]
    lines = [one for name in each for one in cached.board(version, Asked(paper=paper, implementation=name))]
    (section,) = queries.sections(lines)
    found = comparison.compared(section, chosen)
    standings = {one.newest.implementation: one for one in section.standings}
    shown = [standings.get(name, name) for name in chosen]
    st.html(paper_sheet.heading("Summary"))
    st.html(compare_sheet.summary(found, shown))
    st.html(paper_sheet.heading("Claim by claim"))
    only = asked.yes("only")
    address.toggle("Only where they differ", "only", only)
    st.html(compare_sheet.legend())
    rows = [one for one in found if one.differs] if only else found
    if rows:
        st.html(compare_sheet.claims(rows, shown))
    else:
        st.html(blocks.notice("No difference", "On the claims that can be compared, none differs from the first."))
    st.html(paper_sheet.heading("Costs"))
    st.html(compare_sheet.costs(shown))


show()
