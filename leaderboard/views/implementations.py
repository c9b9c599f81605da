"""The implementations of a paper: ?paper=key, with &division=, &runner=, &quality=, &cost= and &page=."""

from __future__ import annotations

import streamlit as st

from leaderboard import address, blocks, cached, contest, front_chart, implementations_sheet, kept, paper_sheet, style
from leaderboard.address import Address
from leaderboard.contest import Aim, Quality
from leaderboard.queries import REFERENCE, Asked, Section, Standing

BOTH, ANYONE = "open and closed", "verified or not"


def show() -> None:
    """The page."""
    version, asked = cached.version(), Address("paper", "division", "runner", "page", "quality", "cost")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    key = asked.text("paper")
    section = kept.section(version, key) if key else None
    if section is None:
        st.set_page_config(page_title="Implementations · Repro")
        known = {one.paper.key: one.paper.title for one in cached.board(version, Asked(implementation=REFERENCE))}
        names = {key: cached.implementations(version, key)[1:] for key in known}
        overview = implementations_sheet.overview(known, names)
        st.html(paper_sheet.unknown(key, known.items(), "implementations") if key or not known else overview)
        return
    st.set_page_config(page_title=f"Implementations of {section.paper.title} · Repro")
    st.html(implementations_sheet.head(section, len(section.standings)))
    if all(one.newest.is_reference for one in section.standings):
        st.html(implementations_sheet.nothing(section))
        return
    chosen = _chosen(asked, section)
    with address.place():
        _table(asked, section, chosen)
    _front(version, asked, section, chosen)


def _chosen(asked: Address, section: Section) -> list[Standing]:
    """The implementations that the filters leave; the reference always stays, for the others are compared with it."""
    divisions, runners = [BOTH, *style.DIVISIONS], [ANYONE, *style.RUNNERS]
    division, runner = asked.one("division", divisions), asked.one("runner", runners)
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        address.select("Division", "division", divisions, division, void=("page",))
        address.select("Run again by the project", "runner", runners, runner, void=("page",))
    return [
        one
        for one in section.standings
        if one.newest.is_reference or (division in (BOTH, one.newest.division) and runner in (ANYONE, one.runner))
    ]


def _table(asked: Address, section: Section, chosen: list[Standing]) -> None:
    st.html(paper_sheet.heading("Each beside the reference") + implementations_sheet.compare(section, chosen))
    if all(one.newest.is_reference for one in chosen):
        st.html(blocks.notice("Only the reference is left", "No submission matches these filters; widen them."))
        return
    each = implementations_sheet.EACH
    pages = -(-len(chosen) // each)
    page = asked.number("page", pages)
    if pages > 1:
        address.pages("page", pages, page)
        st.caption(f"{each * (page - 1) + 1} to {min(each * page, len(chosen))} of {len(chosen)}")
    st.html(implementations_sheet.table(section, chosen[each * (page - 1) : each * page]))


def _front(version: str, asked: Address, section: Section, chosen: list[Standing]) -> None:
    """Quality against cost, by the measures that are chosen."""
    whats = contest.costs_of(section)
    st.html(paper_sheet.heading("Quality against cost"))
    if not whats:
        st.html(blocks.footnote("No cost of any implementation was measured."))
        return
    aims = kept.aims(version, section.paper.key, tuple(section.reference.values()))
    qualities = _qualities(section, aims)
    quality, what = qualities[asked.one("quality", list(qualities))], asked.one("cost", whats)
    with st.container(key="axes", horizontal=True, vertical_alignment="bottom"):
        address.select("Quality (upwards)", "quality", list(qualities), quality.name)
        address.select("Cost (to the right)", "cost", whats, what)
    found = contest.contenders(section, chosen, what, quality, aims)
    placed = [one for one in found if one.measured]
    best = contest.front(found, quality)
    if len(placed) > 1:
        st.altair_chart(
            front_chart.chart(placed, best, quality, what),
            width="stretch",
            alt=implementations_sheet.words(best, len(placed), quality, what),
        )
    if len(placed) > front_chart.MOST:
        st.html(blocks.footnote(f"The front and the first others are drawn, {front_chart.MOST} in all."))
    st.html(implementations_sheet.front(best, found, quality, what))


def _qualities(section: Section, aims: dict[tuple[str, str], Aim]) -> dict[str, Quality]:
    """What can be chosen as quality, by its name in the address."""
    claims = [contest.of_claim(line, aims[case]) for case, line in section.reference.items() if case in aims]
    return {quality.name: quality for quality in (contest.ALL, contest.ANSWERED, *claims)}


show()
