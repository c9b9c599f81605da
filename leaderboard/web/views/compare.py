"""Two to four implementations side by side: ?paper=key&with=one&with=another, with &only=true for differences."""

from __future__ import annotations

import streamlit as st

from leaderboard.board import comparison, queries
from leaderboard.board.comparison import ClaimComparison
from leaderboard.board.lines import REFERENCE, Standing
from leaderboard.board.queries import RecordFilter
from leaderboard.render import compare
from leaderboard.render import paper as paper_page
from leaderboard.render.parts import Html
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address

MOST = 4


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("paper", "with", "only") as asked:
        key = asked.text("paper")
        names = cache.ask(version, queries.implementations, key) if key else []
        reference = cache.board(version, RecordFilter(paper=key, implementation=REFERENCE)) if key else ()
        if not reference and len(names) < 2:
            known = cache.titles(version).items()
            show_page("Compare", [Html(paper_page.unknown(key, known, "compare"))])
            return
        every = reference or cache.board(version, RecordFilter(paper=key, implementation=names[1]))
        (section,) = queries.sections(every)
        chosen = asked.several("with", names, "nothing", "implementation")
        if len(chosen) > MOST:
            asked.add_problem(
                f"At most {MOST} can be compared; the address names {len(chosen)}, and the first {MOST} are shown."
            )
            chosen = chosen[:MOST]
        only = len(chosen) > 1 and asked.yes("only")
        found, shown = _compared(version, key, chosen)
        controls = {
            "implementations": lambda: url_state.widget(
                st.multiselect, "Implementations", "with", chosen, options=names, max_selections=MOST
            ),
            "only": lambda: url_state.widget(st.toggle, "Only where they differ", "only", only),
        }
        parts = compare.page(section, len(names), found, shown, only=only)
        show_page(f"{section.paper.title}, side by side", parts, controls)


def _compared(version: str, key: str, chosen: list[str]) -> tuple[list[ClaimComparison], list[Standing | str]]:
    """The claims that any of those chosen answers; and these, by name where one has no line."""
    each = [REFERENCE, *(name for name in chosen if name != REFERENCE)]
    lines = [one for name in each for one in cache.board(version, RecordFilter(paper=key, implementation=name))]
    if len(chosen) < 2:
        return [], list(chosen)
    (section,) = queries.sections(lines)
    standings = {one.newest.implementation: one for one in section.standings}
    return comparison.compared(section, chosen), [standings.get(name, name) for name in chosen]


show()
