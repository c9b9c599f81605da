"""The board: papers and their claims, with filters that are part of the address."""

from __future__ import annotations

import streamlit as st

from leaderboard import blocks, cached, queries, style
from leaderboard.catalogue import UNMEASURED
from leaderboard.queries import REFERENCE, Asked, Filters, Line

REFERENCES = "The references"
ANY = "Any hardware"


def show() -> None:
    """The page."""
    version = cached.version()
    reference = cached.board(version, Asked(implementation=REFERENCE))
    names = cached.implementations(version)
    catalogue = cached.catalogue()
    st.html(blocks.headline(reference, len(names) - 1, catalogue))
    if reference or len(names) > 1 or catalogue.claims:
        chosen, asked, full = _filters(version, reference, names)
        lines = reference if asked == Asked(implementation=REFERENCE) else cached.board(version, asked)
        shown = [line for line in lines if chosen.admits(line)]
        sections = queries.sections(lines, shown)
        if asked == Asked(implementation=REFERENCE):
            sections = queries.complete(sections, reference, catalogue, chosen.admits)
        others = {one.paper.key: cached.implementations(version, one.paper.key)[1:] for one in sections}
        if full or (chosen, asked) != (Filters(), Asked(implementation=REFERENCE)):
            for one in sections:
                st.html(blocks.paper(one, cached.deviations(one.paper.key), others[one.paper.key]))
        elif sections:
            st.html(blocks.overview(sections, others))
        if shown:
            _download(shown, len(lines))
        elif not sections:
            st.html(blocks.empty(filtered=True))
    else:
        st.html(blocks.empty(filtered=False))
    _problems(version)


def _filters(version: str, lines: tuple[Line, ...], names: list[str]) -> tuple[Filters, Asked, bool]:
    """The filters as people set them, and whether claims are to be shown in full though nothing is filtered.

    Each is bound to a query parameter of its name, so the address is a permalink.

    Options are shown as they stand in the address: Streamlit binds the label, not the value.
    """
    papers = sorted({line.paper.key for line in lines} | cached.catalogue().papers.keys())
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        q = st.text_input(
            "Search", key="q", bind="query-params", placeholder="statement, author, Table 6 …", type="search"
        )
        paper = st.selectbox("Paper", ["All papers", *papers], key="paper", bind="query-params")
        full = st.toggle("Every claim in full", key="full", bind="query-params")
        with st.popover("More filters", key="more"):
            verdict = _pills("verdict", (*style.BADGES, UNMEASURED))
            evidence = _pills("evidence", queries.EVIDENCE)
            tier = _pills("tier", queries.TIERS)
            own = st.selectbox("Implementation", [REFERENCES, *names[1:]], key="implementation", bind="query-params")
            machine = st.selectbox("Hardware", [ANY, *cached.hardware(version)], key="hardware", bind="query-params")
    filters = Filters(q=q or "", paper=paper if paper in papers else "", verdict=verdict, evidence=evidence, tier=tier)
    asked = Asked(implementation=REFERENCE if own == REFERENCES else own, hardware="" if machine == ANY else machine)
    return filters, asked, full


def _pills(name: str, options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(st.pills(name.title(), options, key=name, bind="query-params", selection_mode="multi") or ())


def _download(shown: list[Line], total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button("Download as CSV", lambda: queries.csv(shown), "board.csv", "text/csv", on_click="ignore")
        st.download_button(
            "Download as JSON", lambda: queries.as_json(shown), "board.json", "application/json", on_click="ignore"
        )
        st.caption(f"{len(shown)} of {total} verdicts shown")


def _problems(version: str) -> None:
    found = cached.problems(version)
    if found:
        files = "1 file is not a sound record" if len(found) == 1 else f"{len(found)} files are not sound records"
        with st.expander(f"{files} and not shown above", icon="⚠️"):
            st.html(blocks.problems(found))


show()
