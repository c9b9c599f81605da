"""The board: papers and their claims, with filters that are part of the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from leaderboard.board import queries
from leaderboard.board.catalogue import UNMEASURED
from leaderboard.board.lines import EVIDENCE, REFERENCE, TIERS, Filters, Line
from leaderboard.board.queries import RecordFilter
from leaderboard.render import style
from leaderboard.render.board import page
from leaderboard.render.overview import SORTS
from leaderboard.render.parts import PagePart
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address
from repro.record.store import MergedStore

PAPERS, REFERENCES, ANY = "All papers", "The references", "Any hardware"
PILLS = {"verdict": (*style.BADGES, UNMEASURED), "evidence": EVIDENCE, "tier": TIERS}
MORE = (*PILLS, "implementation", "hardware")


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("q", "paper", "sort", "full", *MORE) as asked:
        reference = cache.board(version, RecordFilter(implementation=REFERENCE))
        names = cache.ask(version, queries.implementations)
        choice = _choice(version, asked, reference, names)
        parts = _parts(version, choice, reference, len(names) - 1)
        show_page("Board", parts, {"filters": partial(_widgets, choice)})


def _parts(version: str, choice: _Choice, reference: tuple[Line, ...], submissions: int) -> list[PagePart]:
    """What the filters leave: claims in full where anything is filtered or it is asked for, else letters."""
    ours = choice.source == RecordFilter(implementation=REFERENCE)
    lines = reference if ours else cache.board(version, choice.source)
    shown = [line for line in lines if choice.filters.admits(line)]
    sections = queries.sections(lines, shown)
    if ours:
        sections = queries.complete(sections, reference, cache.catalogue(), choice.filters.admits)
    full = choice.full or not ours or choice.filters != Filters()
    return page(
        reference,
        cache.catalogue(),
        submissions,
        sections,
        {one.paper.key: cache.ask(version, queries.implementations, one.paper.key)[1:] for one in sections},
        shown,
        len(lines),
        cache.ask(version, queries.problems),
        overview=not full,
        sort=choice.sort,
        deviations={one.paper.key: cache.deviations(one.paper.key) for one in sections} if full else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What the address asks for, and what there is to choose from.

    Attributes:
        filters: which lines are shown.
        source: which lines are fetched.
        sort: what papers are sorted by.
        full: whether claims are to be shown in full though nothing is filtered.
        more: whether a filter is set that is folded away.
    """

    filters: Filters
    source: RecordFilter
    sort: str
    full: bool
    options: Mapping[str, Sequence[str]]
    values: Mapping[str, str]
    more: bool


def _choice(version: str, asked: Address, lines: tuple[Line, ...], names: list[str]) -> _Choice:
    keys = sorted({line.paper.key for line in lines} | cache.catalogue().papers.keys())
    options = {
        "paper": [PAPERS, *keys],
        "implementation": [REFERENCES, *names[1:]],
        "hardware": [ANY, *cache.ask(version, MergedStore.distinct, "hardware")],
    }
    values = {name: asked.one(name, own) for name, own in options.items()}
    picked = {name: tuple(asked.several(name, own, f"every {name}")) for name, own in PILLS.items()}
    paper, implementation, hardware = (values[name] for name in options)
    return _Choice(
        filters=Filters(q=asked.text("q"), paper="" if paper == PAPERS else paper, **picked),
        source=RecordFilter(
            implementation=REFERENCE if implementation == REFERENCES else implementation,
            hardware="" if hardware == ANY else hardware,
        ),
        sort=asked.one("sort", list(SORTS)),
        full=asked.yes("full"),
        options=options,
        values=values,
        more=any(asked.text(name) for name in MORE),
    )


def _widgets(choice: _Choice) -> None:
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        hint = "statement, author, Table 6 …"
        url_state.widget(st.text_input, "Search", "q", choice.filters.q, placeholder=hint, type="search")
        _select("Paper", "paper", choice)
        url_state.select("Sort by", "sort", list(SORTS), choice.sort)
        url_state.widget(st.toggle, "Every claim in full", "full", choice.full)
    st.session_state.setdefault("more", choice.more)
    more = st.expander("More filters", key="more", on_change="rerun")
    if more.open:  # only then does the browser get them, for most visitors filter by none of these
        with more, st.container(key="more-filters", horizontal=True, vertical_alignment="bottom"):
            for name, options in PILLS.items():
                value = list(getattr(choice.filters, name))
                url_state.widget(st.pills, name.title(), name, value, options=options, selection_mode="multi")
            _select("Implementation", "implementation", choice)
            _select("Hardware", "hardware", choice)


def _select(label: str, name: str, choice: _Choice) -> None:
    url_state.select(label, name, choice.options[name], choice.values[name])


show()
