"""Which records cannot be shown, so that they are left out and the others are shown all the same."""

from __future__ import annotations

from leaderboard.board import queries, telemetry
from leaderboard.board.citation import Addresses
from leaderboard.render import claim as claim_page
from leaderboard.render import record as record_page
from leaderboard.render import telemetry as telemetry_page
from leaderboard.render.rerun import ClaimContext
from repro.record.index import Problem
from repro.record.record import Record
from repro.record.store import MergedStore, Store


def leave_out_faulty(stores: MergedStore) -> list[Problem]:
    """Find the records that no page can be made of, and leave them out of the stores' answers.

    To be called where a page has failed: each record's pages are made, those with the newest record that is vouched
    for beside it too, since a page may fail by what is beside it.

    Where no page can be made of any of several records, the fault is not theirs, and none is left out.

    Returns:
        The records that were found just now.
    """
    newest = {(row.paper, row.name, row.row): row.id for row in queries.endorsed(stores)}
    faults: list[tuple[Store, str, str]] = []
    count = 0
    for store in stores.stores:
        for record in store.records():
            count += 1
            other = newest.get((record.paper.key, record.claim.name, record.claim.row))
            beside = [stores.get(other)] if other not in (None, record.id) else []
            reason = _fault(record) or (_fault(record, beside) if beside and not _fault(beside[0]) else "")
            if reason:
                faults.append((store, record.id, reason))
    if 1 < count == len(faults):
        return []
    for store, name, reason in faults:
        store.leave_out(name, f"It cannot be shown: {reason}")
    return [store.left_out[name] for store, name, _ in faults]


def left_out(stores: MergedStore) -> list[Problem]:
    """The records that are left out, and why."""
    return [problem for store in stores.stores for problem in store.left_out.values()]


def _fault(record: Record, beside: list[Record] | None = None) -> str:
    """The kind of error with which a page of a record ends; "" where there is none."""
    history, around = [record, *(beside or [])], ClaimContext(1, record.claim.version)
    try:
        claim_page.page(history[-1], history, around, Addresses())
        record_page.page(record, around, Addresses(), ())
        telemetry_page.record_page(record, history, telemetry.traces(record))
    except Exception as error:  # whatever a record does, it does to its own pages only
        return type(error).__name__
    return ""
