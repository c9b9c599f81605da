"""A claim: ?claim=key/name, with &row=, &implementation= and &record= where they matter."""

from __future__ import annotations

import streamlit as st

from leaderboard.board import citation, lines, queries
from leaderboard.render import claim as claim_page
from leaderboard.render import unmeasured
from leaderboard.render.parts import Html
from leaderboard.web import cache
from leaderboard.web.panels import show_page
from leaderboard.web.url_state import Address
from repro.record.record import Record


def show() -> None:
    """The page."""
    version = cache.version()
    with Address("claim", "row", "implementation", "record") as asked:
        name, row = asked.text("claim").partition("@")[0], asked.text("row") or None
        implementation = asked.text("implementation") or lines.REFERENCE
        digits = lines.short_id(asked.text("record").lower())
        records = cache.ask(version, queries.history, name, row, implementation, digits) if "/" in name else []
        if not records:
            _missing(version, name, row)
            return
        record = _chosen(records, implementation, digits)
        if digits and not record.id.removeprefix("sha256:").startswith(digits):
            asked.wrong("record", asked.text("record"), f"the newest record of {lines.label(record)}")
        elif not digits and asked.text("implementation") and lines.label(record) != implementation:
            asked.wrong("implementation", implementation, lines.label(record))
        case = (record.paper.key, record.claim.name, record.claim.row or "")
        parts = claim_page.page(
            record,
            records,
            cache.context(version, record),
            citation.served_claim(citation.base_of(st.context.url, "claim"), record),
            reference=None if lines.label(record) == lines.REFERENCE else queries.reference_of(records),
            past=cache.catalogue().past(case, record.claim.version, record.claim.digest),
        )
        show_page(record.claim.id, parts)


def _chosen(records: list[Record], implementation: str, digits: str) -> Record:
    """The record asked for by the first digits of its id, else the newest of the implementation, else the newest."""
    named = [r for r in records if digits and r.id.removeprefix("sha256:").startswith(digits)]
    same = [r for r in records if lines.label(r) == implementation]
    return (named or same or records)[0]


def _missing(version: str, name: str, row: str | None) -> None:
    """A claim that nobody has run, or a table of which no row was named, or no claim."""
    catalogue = cache.catalogue()
    one = catalogue.get(name, row)
    if one is not None:
        show_page(one.id, unmeasured.page(one))
        return
    run = queries.rows_of(cache.stores(version), name) if "/" in name else []
    rows = sorted({*run, *catalogue.rows(name)}, key=lines.natural)
    body = claim_page.rows(name, rows, set(rows) - set(run)) if rows else claim_page.unknown(name)
    show_page("Claim", [Html(body)])


show()
