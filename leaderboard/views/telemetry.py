"""Telemetry: ?paper=key, ?claim=key/name[row] or ?record=digits, with &machine= and &trial= where they matter."""

from __future__ import annotations

from html import escape

import streamlit as st

from leaderboard import address, blocks, cached, gauges, queries, style, usage, usage_sheet
from leaderboard.address import Address
from leaderboard.charts import Picture
from leaderboard.queries import REFERENCE, Asked
from leaderboard.usage import Cost
from repro.errors import ReproError
from repro.record import Record

EVERY_CLAIM, EVERY_MACHINE = "All claims", "All machines"


@st.cache_data(show_spinner="Reading the records …", max_entries=32)
def _costs(version: str, paper: str) -> tuple[Cost, ...]:
    return usage.costs(cached.stores(version), paper)


@st.cache_data(show_spinner="Reading the record …", max_entries=32)
def _record(version: str, name: str) -> Record | None:
    try:
        return cached.stores(version).get(name)
    except ReproError:
        return None


def show() -> None:
    """The page."""
    st.set_page_config(page_title="Telemetry · Repro")
    version, asked = cached.version(), Address("paper", "claim", "record", "machine", "trial")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    st.html(usage_sheet.head())
    lines = cached.board(version, Asked(implementation=REFERENCE))
    papers = {one.paper.key: one.paper.title for one in queries.sections(lines)}
    digits = asked.text("record")
    if digits:
        _named(version, asked, digits)
    elif not papers:
        st.html(usage_sheet.nothing("No records yet"))
    else:
        _paper(version, papers, asked)


def _named(version: str, asked: Address, digits: str) -> None:
    """The record whose id begins so."""
    known = digits.removeprefix("sha256:").lower()
    record = _record(version, known) if len(known) >= 4 and set(known) <= set("0123456789abcdef") else None
    if record is None:
        st.html(usage_sheet.nothing("There is no record that this address names"))
    else:
        st.html(usage_sheet.back(record))
        _detail(version, asked, record)


def _paper(version: str, papers: dict[str, str], asked: Address) -> None:
    """The claims of a paper, or one of them."""
    claim = asked.text("claim")
    wanted = claim.partition("/")[0] or asked.text("paper")  # the claim says which paper it is of
    if wanted and wanted not in papers:
        st.html(usage_sheet.nothing(f"There is no record of {escape(claim or wanted)}"))
        return
    paper = wanted or next(iter(papers))
    found = _costs(version, paper)
    cases = sorted(one.case for one in usage.shown(found))
    machines = sorted({one.machine for one in found})
    machine = asked.one("machine", [EVERY_MACHINE, *machines])
    on = "" if machine == EVERY_MACHINE else machine
    with st.container(key="filters", horizontal=True, vertical_alignment="bottom"):
        address.select("Paper", "paper", list(papers), paper, named=True, void=("claim", "trial"))
        now = claim if claim in cases else EVERY_CLAIM
        of = {"paper": paper}  # which the claim has said
        address.select("Claim", "claim", [EVERY_CLAIM, *cases], now, void=("paper", "trial"), otherwise=of)
        address.select("Machine", "machine", [EVERY_MACHINE, *machines], machine, void=("trial",))
    shown = usage.shown(found, on)
    if claim in cases:
        _claim(version, asked, [one for one in shown if one.case == claim])
        return
    if claim:
        rows = [case for case in cases if case.startswith(f"{claim}[")]
        missing = usage_sheet.nothing(f"There is no record of {escape(claim)}")
        st.html(usage_sheet.rows(claim, rows) if rows else missing)
    elif shown:
        _overview(papers[paper], shown, on)
    else:
        st.html(usage_sheet.nothing("Nothing of this paper was measured here"))


def _overview(title: str, shown: list[Cost], on: str) -> None:
    st.html(usage_sheet.overview(title, shown, on))
    st.html(style.wrap("<h3>Seconds by claim, stacked by arm</h3>"))
    with address.place():
        for machine in dict.fromkeys(one.machine for one in shown):
            there = [one for one in shown if one.machine == machine and one.arms]
            if there:
                more = f", the longest {gauges.BARS} of {len(there)} claims" if len(there) > gauges.BARS else ""
                st.html(blocks.footnote(f"{machine}{more}"))
                _draw(gauges.seconds(there))
    st.html(style.wrap("<h3>Time, memory and energy by claim</h3>"))
    st.html(usage_sheet.claims(shown))


def _claim(version: str, asked: Address, found: list[Cost]) -> None:
    record = _record(version, found[0].record) if found else None
    if record is None:
        st.html(usage_sheet.nothing("This claim was not run on this machine"))
    else:
        _detail(version, asked, record)


def _detail(version: str, asked: Address, record: Record) -> None:
    """One record: its arms, its series over time, its trials."""
    used = usage.cost(record)
    st.html(usage_sheet.record_head(record, used))
    if used.arms:
        st.html(style.wrap("<h3>By arm</h3>"))
        st.html(usage_sheet.arms(used))
    st.html(style.wrap("<h3>Over time</h3>"))
    with address.place():
        _series(asked, record)
    st.html(style.wrap("<h3>Trials</h3>"))
    st.html(usage_sheet.trials(record))
    others = usage_sheet.others(record.id, cached.history(version, used.claim, used.row))
    if others:
        st.html(others)


def _series(asked: Address, record: Record) -> None:
    found = usage.traces(record)
    if not found.found:
        st.html(usage_sheet.unmeasured(found) + usage_sheet.left_out(found, 0) * bool(found.unreadable))
        return
    names = [trace.name for trace in found.found]
    chosen = asked.several("trial", names, "all alike")
    address.tags("Trials", "trial", names, chosen, empty="All alike; choose some to set them off")
    first = found.found[: usage.DRAWN]
    drawn = [*first, *(trace for trace in found.found[usage.DRAWN :] if trace.name in chosen)]
    key = usage_sheet.arms_key(gauges.looks(drawn))
    if key:
        st.html(key)
    for gauge, picture in gauges.pictures(drawn, chosen):
        st.html(style.wrap(f"<h4>{gauge.name[0].upper()}{gauge.name[1:]}</h4>"))
        _draw(picture)
    note = usage_sheet.left_out(found, len(drawn))
    if note:
        st.html(note)


def _draw(picture: Picture) -> None:
    st.altair_chart(picture.chart, width="stretch", alt=picture.alt)


show()
