"""The implementations of a paper: ?paper=key, with &division=, &runner=, &quality=, &cost= and &page=."""

from __future__ import annotations

import streamlit as st

from leaderboard import blocks, cached, contest, front_chart, implementations_sheet, kept, paper_sheet, style
from leaderboard.contest import Aim, Quality
from leaderboard.queries import REFERENCE, Asked, Section, Standing

BOTH, ANYONE = "open and closed", "verified or not"


def show() -> None:
    """The page."""
    asked, version = st.query_params.get("paper", ""), cached.version()
    section = kept.section(version, asked) if asked else None
    if section is None:
        st.set_page_config(page_title="Implementations · Repro")
        known = {one.paper.key: one.paper.title for one in cached.board(version, Asked(implementation=REFERENCE))}
        names = {key: cached.implementations(version, key)[1:] for key in known}
        overview = implementations_sheet.overview(known, names)
        st.html(paper_sheet.unknown(asked, known.items(), "implementations") if asked or not known else overview)
        return
    st.set_page_config(page_title=f"Implementations of {section.paper.title} · Repro")
    st.html(implementations_sheet.head(section, len(section.standings)))
    if all(one.newest.is_reference for one in section.standings):
        st.html(implementations_sheet.nothing(section))
        return
    chosen = _chosen(section)
    _table(section, chosen)
    _front(version, section, chosen)


def _chosen(section: Section) -> list[Standing]:
    """The implementations that the filters leave; the reference always stays, for the others are compared with it."""
    unknown = [
        f"“{value}”"
        for name, known in (("division", style.DIVISIONS), ("runner", style.RUNNERS))
        if (value := st.query_params.get(name, "")) and value not in (*known, BOTH, ANYONE)
    ]
    if unknown:
        st.info(f"There is no {' and no '.join(unknown)} to filter by; it is left out.")
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        division = st.selectbox("Division", [BOTH, *style.DIVISIONS], key="division", bind="query-params")
        runner = st.selectbox("Run again by the project", [ANYONE, *style.RUNNERS], key="runner", bind="query-params")
    return [
        one
        for one in section.standings
        if one.newest.is_reference or (division in (BOTH, one.newest.division) and runner in (ANYONE, one.runner))
    ]


def _table(section: Section, chosen: list[Standing]) -> None:
    st.html(paper_sheet.heading("Each beside the reference") + implementations_sheet.compare(section, chosen))
    if all(one.newest.is_reference for one in chosen):
        st.html(blocks.notice("Only the reference is left", "No submission matches these filters; widen them."))
        return
    each = implementations_sheet.EACH
    pages = -(-len(chosen) // each)
    page = 1
    if pages > 1:
        page = st.pagination(pages, key="page", bind="query-params")
        st.caption(f"{each * (page - 1) + 1} to {min(each * page, len(chosen))} of {len(chosen)}")
    st.html(implementations_sheet.table(section, chosen[each * (page - 1) : each * page]))


def _front(version: str, section: Section, chosen: list[Standing]) -> None:
    """Quality against cost, by the measures that are chosen."""
    whats = contest.costs_of(section)
    st.html(paper_sheet.heading("Quality against cost"))
    if not whats:
        st.html(blocks.footnote("No cost of any implementation was measured."))
        return
    aims = kept.aims(version, section.paper.key, tuple(section.reference.values()))
    qualities = _qualities(section, aims)
    with st.container(key="axes", horizontal=True, vertical_alignment="bottom"):
        named = st.selectbox("Quality (upwards)", list(qualities), key="quality", bind="query-params")
        what = st.selectbox("Cost (to the right)", whats, key="cost", bind="query-params")
    quality = qualities.get(named or "", contest.ALL)
    found = contest.contenders(section, chosen, what or whats[0], quality, aims)
    placed = [one for one in found if one.measured]
    best = contest.front(found, quality)
    if len(placed) > 1:
        st.altair_chart(
            front_chart.chart(placed, best, quality, what or whats[0]),
            width="stretch",
            alt=implementations_sheet.words(best, len(placed), quality, what or whats[0]),
        )
    if len(placed) > front_chart.MOST:
        st.html(blocks.footnote(f"The front and the first others are drawn, {front_chart.MOST} in all."))
    st.html(implementations_sheet.front(best, found, quality, what or whats[0]))


def _qualities(section: Section, aims: dict[tuple[str, str], Aim]) -> dict[str, Quality]:
    """What can be chosen as quality, by its name in the address."""
    claims = [contest.of_claim(line, aims[case]) for case, line in section.reference.items() if case in aims]
    return {quality.name: quality for quality in (contest.ALL, contest.ANSWERED, *claims)}


show()
