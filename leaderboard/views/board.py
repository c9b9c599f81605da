"""The board: papers and their claims, with filters that are part of the address."""

from __future__ import annotations

import streamlit as st

from leaderboard import address, blocks, cached, queries, style
from leaderboard.address import Address
from leaderboard.catalogue import UNMEASURED
from leaderboard.queries import REFERENCE, Asked, Filters, Line

PAPERS, REFERENCES, ANY = "All papers", "The references", "Any hardware"
PILLS = {"verdict": (*style.BADGES, UNMEASURED), "evidence": queries.EVIDENCE, "tier": queries.TIERS}
MORE = (*PILLS, "implementation", "hardware")


def show() -> None:
    """The page."""
    st.set_page_config(page_title="Board · Repro")
    version = cached.version()
    asked = Address("q", "paper", "full", *MORE)
    reference = cached.board(version, Asked(implementation=REFERENCE))
    names = cached.implementations(version)
    catalogue = cached.catalogue()
    st.html(blocks.headline(reference, len(names) - 1, catalogue))
    if reference or len(names) > 1 or catalogue.claims:
        _board(version, asked, reference, names)
    else:
        st.html(blocks.empty(filtered=False))
    asked.tell()
    _problems(version)


def _board(version: str, asked: Address, reference: tuple[Line, ...], names: list[str]) -> None:
    """The filters, and what they leave: claims in full where anything is filtered or it is asked for, else letters."""
    chosen, source, full = _filters(version, asked, reference, names)
    lines = reference if source == Asked(implementation=REFERENCE) else cached.board(version, source)
    shown = [line for line in lines if chosen.admits(line)]
    sections = queries.sections(lines, shown)
    if source == Asked(implementation=REFERENCE):
        sections = queries.complete(sections, reference, cached.catalogue(), chosen.admits)
    others = {one.paper.key: cached.implementations(version, one.paper.key)[1:] for one in sections}
    with address.place():
        if full or (chosen, source) != (Filters(), Asked(implementation=REFERENCE)):
            for one in sections:
                st.html(blocks.paper(one, cached.deviations(one.paper.key), others[one.paper.key]))
        elif sections:
            st.html(blocks.overview(sections, others))
    if shown:
        _download(shown, len(lines))
    elif not sections:
        st.html(blocks.empty(filtered=True))


def _filters(version: str, asked: Address, lines: tuple[Line, ...], names: list[str]) -> tuple[Filters, Asked, bool]:
    """The filters that the address states, and whether claims are to be shown in full though nothing is filtered."""
    papers = [PAPERS, *sorted({line.paper.key for line in lines} | cached.catalogue().papers.keys())]
    owners, machines = [REFERENCES, *names[1:]], [ANY, *cached.hardware(version)]
    q, paper, full = asked.text("q"), asked.one("paper", papers), asked.yes("full")
    picked = {name: asked.several(name, options, f"every {name}") for name, options in PILLS.items()}
    own, machine = asked.one("implementation", owners), asked.one("hardware", machines)
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        address.search("Search", "q", q, "statement, author, Table 6 …")
        address.select("Paper", "paper", papers, paper)
        address.toggle("Every claim in full", "full", full)
    st.session_state.setdefault("more", any(asked.text(name) for name in MORE))
    more = st.expander("More filters", key="more", on_change="rerun")
    if more.open:  # only then does the browser get them, for most visitors filter by none of these
        with more, st.container(key="more-filters", horizontal=True, vertical_alignment="bottom"):
            for name, options in PILLS.items():
                address.pills(name.title(), name, options, picked[name])
            address.select("Implementation", "implementation", owners, own)
            address.select("Hardware", "hardware", machines, machine)
    filters = Filters(q=q, paper="" if paper == PAPERS else paper, **{name: tuple(one) for name, one in picked.items()})
    return filters, Asked(implementation=_own(own), hardware="" if machine == ANY else machine), full


def _own(name: str) -> str:
    return REFERENCE if name == REFERENCES else name


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
