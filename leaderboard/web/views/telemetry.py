"""Telemetry: ?paper=key, ?claim=key/name[row] or ?record=digits, with &machine= and &trial= where they matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from leaderboard.board import queries
from leaderboard.board import telemetry as telemetry_board
from leaderboard.board.telemetry import RecordCost
from leaderboard.render import telemetry
from leaderboard.render.parts import Control, Html, PagePart
from leaderboard.web import cache, url_state
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address
from repro.errors import ReproError
from repro.record.record import Record
from repro.record.store import MergedStore

EVERY_CLAIM, EVERY_MACHINE = "All claims", "All machines"


class TelemetryView:
    """One run of the page: what its address asks for, and the widgets that show it."""

    def __init__(self, version: str, asked: Address) -> None:
        self._version, self._asked = version, asked
        self._controls: dict[str, Callable[[], None]] = {}

    def show(self) -> None:
        """The page."""
        papers = cache.titles(self._version)
        digits = self._asked.text("record")
        if digits:
            parts = self._named(digits)
        elif papers:
            parts = self._paper(papers)
        else:
            parts = _below_head(Html(telemetry.nothing("No records yet")))
        show_page("Telemetry", parts, self._controls)

    def _named(self, digits: str) -> list[PagePart]:
        """The record whose id begins so."""
        known = digits.removeprefix("sha256:").lower()
        record = self._record(known) if len(known) >= 4 and set(known) <= set("0123456789abcdef") else None
        if record is None:
            return _below_head(Html(telemetry.nothing("There is no record that this address names")))
        return _below_head(Html(telemetry.back(record)), *self._detail(record))

    def _paper(self, papers: dict[str, str]) -> list[PagePart]:
        """The claims of a paper, or one of them."""
        claim = self._asked.text("claim")
        wanted = claim.partition("/")[0] or self._asked.text("paper")  # the claim says which paper it is of
        if wanted and wanted not in papers:
            return _below_head(Html(telemetry.nothing(f"There is no record of {escape(claim or wanted)}")))
        paper = wanted or next(iter(papers))
        found = cache.ask(self._version, telemetry_board.costs, paper)
        cases = sorted(one.full for one in telemetry_board.shown(found))
        machines = [EVERY_MACHINE, *sorted({one.machine for one in found})]
        machine = self._asked.one("machine", machines)
        on = "" if machine == EVERY_MACHINE else machine
        case = claim if claim in cases else EVERY_CLAIM
        self._controls["filters"] = lambda: _filters(list(papers), paper, cases, case, machines, machine)
        shown = telemetry_board.shown(found, on)
        if not claim:
            return telemetry.paper_page(papers, paper, shown, on)
        if claim in cases:
            return _below_head(Control("filters"), *self._claim([one for one in shown if one.full == claim]))
        rows = [case for case in cases if case.startswith(f"{claim}[")]
        missing = telemetry.nothing(f"There is no record of {escape(claim)}")
        return _below_head(Control("filters"), Html(telemetry.rows(claim, rows) if rows else missing))

    def _claim(self, found: Sequence[RecordCost]) -> list[PagePart]:
        record = self._record(found[0].record) if found else None
        if record is None:
            return [Html(telemetry.nothing("This claim was not run on this machine"))]
        return self._detail(record)

    def _detail(self, record: Record) -> list[PagePart]:
        """One record: its arms, its series over time, its trials."""
        traces = telemetry_board.traces(record)
        names = [trace.name for trace in traces.found]
        chosen = self._asked.several("trial", names, "all alike") if names else []
        empty = "All alike; choose some to set them off"
        self._controls["trials"] = lambda: url_state.widget(
            st.multiselect, "Trials", "trial", chosen, options=names, placeholder=empty
        )
        claim = f"{record.paper.key}/{record.claim.name}"
        records = cache.ask(self._version, queries.history, claim, record.claim.row)
        return telemetry.record_page(record, records, traces, chosen)

    def _record(self, name: str) -> Record | None:
        try:
            return cache.ask(self._version, MergedStore.get, name)
        except ReproError:
            return None


def _below_head(*parts: PagePart) -> list[PagePart]:
    return [Html(telemetry.head()), *parts]


def _filters(papers: list[str], paper: str, cases: list[str], case: str, machines: list[str], machine: str) -> None:
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        url_state.select("Paper", "paper", papers, paper, default=None, void=("claim", "trial"))
        paper_of_claim = {"paper": paper}  # which the claim states
        url_state.select(
            "Claim", "claim", [EVERY_CLAIM, *cases], case, void=("paper", "trial"), otherwise=paper_of_claim
        )
        url_state.select("Machine", "machine", machines, machine, void=("trial",))


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("paper", "claim", "record", "machine", "trial") as asked:
        TelemetryView(version, asked).show()


show()
