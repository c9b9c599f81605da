"""A claim: ?claim=key/name, with &row=, &implementation= and &record= where they matter."""

from __future__ import annotations

import streamlit as st

from leaderboard import (
    absent_sheet,
    blocks,
    cached,
    citing,
    kept,
    panels,
    queries,
    repository,
    sheet,
    style,
    timeline,
)
from leaderboard.address import Address
from repro.record import Record, encode, file_name
from repro.text import duration

DIGITS = 16  # of a record's id in an address


def show() -> None:
    """The page."""
    version, asked = cached.version(), Address("claim", "row", "implementation", "record")
    _page(version, asked)
    asked.tell()


def _page(version: str, asked: Address) -> None:
    name, row = asked.text("claim").partition("@")[0], asked.text("row") or None
    implementation = asked.text("implementation") or queries.REFERENCE
    digits = asked.text("record").lower().removeprefix("sha256:")[:DIGITS]
    records = cached.history(version, name, row, implementation, digits) if "/" in name else []
    if not records:
        st.set_page_config(page_title="Claim · Repro")
        _missing(version, name, row)
        return
    record = _chosen(records, implementation, digits)
    if digits and not record.id.removeprefix("sha256:").startswith(digits):
        asked.wrong("record", asked.text("record"), f"the newest record of {queries.label(record)}")
    elif not digits and asked.text("implementation") and queries.label(record) != implementation:
        asked.wrong("implementation", implementation, queries.label(record))
    st.set_page_config(page_title=f"{record.claim.id} · Repro")
    st.html(sheet.claim_head(record.claim, record.paper))
    case = (record.paper.key, record.claim.name, record.claim.row or "")
    if past := cached.catalogue().past(case, record.claim.version, record.claim.digest):
        st.html(sheet.past(past))
    if record.id != next(r.id for r in records if queries.label(r) == queries.label(record)):
        st.info("This is not the newest record of this claim; see its history below.", icon="🕑")
    reference = None if queries.label(record) == queries.REFERENCE else queries.reference_of(records)
    st.html(sheet.verdict(record, reference))
    st.html(sheet.sides(record, reference))
    _submission(record)
    _heading("Criterion")
    st.html(sheet.criterion(record))
    _samples(record)
    known, trouble = repository.calibration(record)
    _heading("Controls")
    st.html(sheet.controls(record, known, reference))
    _heading("Calibration")
    st.html(sheet.calibration(known, trouble, record))
    _heading("Run it again")
    around = kept.around(version, record)
    panels.rerun(record, around)
    _heading("History")
    _history(records, record, around.records)
    _heading("Trials")
    _trials(record)
    _heading("Provenance")
    st.html(sheet.provenance(record))
    base = citing.base_of(st.context.url, "claim")
    panels.texts(citing.of_claim(record, citing.served_claim(base, record)))
    st.html(sheet.more(record))
    st.download_button(
        "Download the record (JSON)", encode(record), file_name(record), "application/json", on_click="ignore"
    )


def _chosen(records: list[Record], implementation: str, digits: str) -> Record:
    """The record asked for by the first digits of its id, else the newest of the implementation, else the newest."""
    named = [r for r in records if digits and r.id.removeprefix("sha256:").startswith(digits)]
    same = [r for r in records if queries.label(r) == implementation]
    return (named or same or records)[0]


def _submission(record: Record) -> None:
    """What a submission is and what it costs; nothing for the reference."""
    if record.implementation.kind != "submission":
        return
    _heading("Submission")
    st.html(sheet.submission(record))
    part = queries.stated(record)
    if part is not None:
        _heading("Costs")
        st.html(sheet.costs(part.costs))


def _missing(version: str, name: str, row: str | None) -> None:
    """A claim that nobody has run, or a table of which no row was named, or no claim."""
    catalogue = cached.catalogue()
    one = catalogue.get(name, row)
    if one is not None:
        st.set_page_config(page_title=f"{one.part.id} · Repro")
        st.html(absent_sheet.head(one))
        st.html(absent_sheet.body(one))
        _heading("Run it")
        st.code(one.listed.command, language=None, wrap_lines=True)
        return
    run = cached.rows(version, name) if "/" in name else []
    rows = sorted({*run, *catalogue.rows(name)}, key=queries.natural)
    if rows:
        st.html(sheet.rows(name, rows, set(rows) - set(run)))
    else:
        st.html(sheet.unknown(name))


def _heading(text: str) -> None:
    st.html(style.wrap(style.part(text)))


def _history(records: list[Record], record: Record, every: int) -> None:
    """Estimates over time, and the table of all that is known of each."""
    found = timeline.strips(records, record)
    for picture in found.pictures:
        st.altair_chart(picture.chart, width="stretch", alt=picture.alt)
    if found.pictures:
        st.html(blocks.footnote(found.note))
    st.html(sheet.history(records, record, every))


def _samples(record: Record) -> None:
    if not record.samples:
        return
    _heading("Samples")
    panels.drawn(record)
    panels.numbers(record)


def _trials(record: Record) -> None:
    """Time, memory and energy of each trial; how energy was measured, or why not, stands below."""
    if not record.trials:
        st.caption("This record names no trials.")
        return
    import pandas as pd

    frame = pd.DataFrame(
        [
            {
                "arm": trial.arm,
                "seed": trial.seed,
                "preset": trial.preset,
                "data": trial.data or "generated",
                "wall (s)": trial.usage.wall_s,
                "CPU (s)": trial.usage.cpu_s,
                "memory (MiB)": trial.usage.peak_rss_bytes / 2**20,
                "GPU memory (MiB)": (trial.usage.gpu_peak_bytes or 0) / 2**20 or None,
                "energy (J)": trial.usage.energy_j,
                "from cache": trial.cached,
            }
            for trial in record.trials
        ]
    ).dropna(axis="columns", how="all")
    number = st.column_config.NumberColumn(format="%.2f")
    shown = {name: number for name in ("wall (s)", "CPU (s)", "energy (J)") if name in frame}
    whole = {name: st.column_config.NumberColumn(format="%.0f") for name in frame if name.endswith("(MiB)")}
    st.dataframe(frame, hide_index=True, column_config=shown | whole, height=min(36 * len(frame) + 40, 360))
    total = duration(sum(trial.usage.wall_s for trial in record.trials))
    methods = sorted({trial.usage.energy_method for trial in record.trials})
    many = "1 trial" if len(record.trials) == 1 else f"{len(record.trials)} trials"
    st.html(blocks.footnote(f"{many}, {total} of wall time together. Energy: {'; '.join(methods)}."))


show()
