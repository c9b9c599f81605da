"""A paper: ?paper=key, with &scale= of the chart of published numbers and &curve= of the claim whose curves show."""

from __future__ import annotations

import streamlit as st

from leaderboard.board import citation, figures, queries, reported
from leaderboard.board.lines import Section
from leaderboard.board.queries import RecordFilter
from leaderboard.board.reported import Scale
from leaderboard.render import paper as paper_page
from leaderboard.render.parts import Html
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address
from repro.errors import ReproError
from repro.record.record import Record
from repro.record.store import MergedStore

SCALES: dict[str, Scale] = {"of the published value": "published", "in margins": "margin"}


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("paper", "scale", "curve") as asked:
        key = asked.text("paper")
        names = cache.ask(version, queries.implementations, key) if key else []
        few = names[: paper_page.MOST]
        lines = [one for name in few for one in cache.board(version, RecordFilter(paper=key, implementation=name))]
        catalogue = cache.catalogue()
        sections = queries.complete(queries.sections(lines), lines, catalogue, lambda one: one.paper.key == key)
        if not sections:
            known = {own: one.title for own, one in catalogue.papers.items()} | cache.titles(version)
            show_page("Papers", [Html(paper_page.unknown(key, known.items()))])
            return
        _draw(version, asked, sections[0], names)


def _draw(version: str, asked: Address, section: Section, names: list[str]) -> None:
    key = section.paper.key
    pairs = cache.ask(version, queries.pairs, section)
    scales = list(SCALES)[: 2 if any(reported.mark(pair, "margin") for pair in pairs) else 1]
    scale = asked.one("scale", scales) if any(one.reported for one in section.claims) else scales[0]
    curves = {one.name: one.record for one in cache.ask(version, queries.curve_list, section)}
    curve = asked.one("curve", list(curves)) if curves else ""
    parts = paper_page.page(
        section,
        names,
        pairs,
        SCALES[scale],
        _record(version, curves[curve]) if curve else (),
        cache.ask(version, figures.on_top, section, cache.catalogue().figures.get(key, ())),
        deviations=cache.deviations(key),
        where=citation.served_paper(citation.base_of(st.context.url, "paper"), key),
    )
    controls = {
        "scale": lambda: _scales(scales, scale) if len(scales) > 1 else None,
        "curve": lambda: url_state.select("Claim", "curve", list(curves), curve),
    }
    show_page(section.paper.title, parts, controls)


def _scales(scales: list[str], scale: str) -> None:
    settings = {"options": scales, "default": scales[0], "required": True}
    url_state.widget(st.segmented_control, "Differences", "scale", scale, **settings)


def _record(version: str, name: str) -> tuple[Record, ...]:
    """The record of this id; none where it is no longer there, which the next version of the stores will show."""
    try:
        return (cache.ask(version, MergedStore.get, name),)
    except ReproError:
        return ()


show()
