"""The implementations of a paper: ?paper=key, with &division=, &runner=, &quality=, &cost= and &page=."""

from __future__ import annotations

import streamlit as st

from leaderboard.board import pareto, queries
from leaderboard.board.lines import Section, Standing
from leaderboard.board.pareto import Aim, QualityAxis
from leaderboard.render import implementations, style
from leaderboard.render import paper as paper_page
from leaderboard.render.parts import Html
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address

DIVISIONS = ("open and closed", *style.DIVISIONS)
RUNNERS = ("verified or not", *style.RUNNERS)


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("paper", "division", "runner", "page", "quality", "cost") as asked:
        key = asked.text("paper")
        section = cache.section(version, key) if key else None
        if section is None:
            known = cache.titles(version)
            names = {key: cache.ask(version, queries.implementations, key)[1:] for key in known}
            overview = implementations.overview(known, names)
            unknown = paper_page.unknown(key, known.items(), "implementations")
            show_page("Implementations", [Html(unknown if key or not known else overview)])
            return
        division, runner = asked.one("division", DIVISIONS), asked.one("runner", RUNNERS)
        chosen = [one for one in section.standings if one.newest.is_reference or _admits(one, division, runner)]
        pages = -(-len(chosen) // implementations.EACH)
        number = asked.number("page", pages)
        aims = cache.ask(version, queries.aims, section)
        qualities, whats = _qualities(section, aims), pareto.costs_of(section)
        quality = qualities[asked.one("quality", list(qualities))] if whats else pareto.ALL
        what = asked.one("cost", whats) if whats else ""
        listed = chosen[implementations.EACH * (number - 1) : implementations.EACH * number]
        parts = implementations.page(section, chosen, listed, quality, what, aims)
        controls = {
            "filters": lambda: _filters(division, runner),
            "pages": lambda: url_state.widget(st.pagination, pages, "page", number, default=1) if pages > 1 else None,
            "axes": lambda: _axes(list(qualities), quality.name, whats, what),
        }
        show_page(f"Implementations of {section.paper.title}", parts, controls)


def _admits(one: Standing, division: str, runner: str) -> bool:
    """Whether the filters leave a submission; the reference always stays, for the others are compared with it."""
    return division in (DIVISIONS[0], one.newest.division) and runner in (RUNNERS[0], one.runner)


def _filters(division: str, runner: str) -> None:
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        url_state.select("Division", "division", DIVISIONS, division, void=("page",))
        url_state.select("Run again by the project", "runner", RUNNERS, runner, void=("page",))


def _axes(qualities: list[str], quality: str, whats: list[str], what: str) -> None:
    with st.container(key="axes", horizontal=True, vertical_alignment="bottom"):
        url_state.select("Quality (upwards)", "quality", qualities, quality)
        url_state.select("Cost (to the right)", "cost", whats, what)


def _qualities(section: Section, aims: dict[tuple[str, str], Aim]) -> dict[str, QualityAxis]:
    """What can be chosen as quality, by its name in the address."""
    claims = [pareto.of_claim(line, aims[case]) for case, line in section.reference.items() if case in aims]
    return {quality.name: quality for quality in (pareto.ALL, pareto.ANSWERED, *claims)}


show()
