"""The reference's records that the project vouches for."""

from __future__ import annotations

from leaderboard.queries import REFERENCE, quarantines
from repro.store import Row, Union


def reference_rows(
    stores: Union, paper: str | None = None, name: str | None = None, *, powerless: bool | None = None
) -> list[Row]:
    """Of every version and age, the oldest first; without what others sent to a shared board and nobody verified."""
    found: dict[str, Row] = {}
    for store in stores.stores:
        runner = "verified" if quarantines(store) else None
        found |= {
            row.id: row
            for row in store.rows(paper=paper, name=name, kind=REFERENCE, runner=runner, powerless=powerless)
        }
    return sorted(found.values(), key=lambda row: (row.created, row.id))
