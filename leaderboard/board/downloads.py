"""The board's lines as CSV and JSON."""

from __future__ import annotations

import csv as sheets
import io
from collections.abc import Iterable, Sequence

import msgspec

from leaderboard.board.lines import Line

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula
KNOWN = ("claim", "row", "version", "statement", "place", "verdict", "evidence", "tier")
ESTIMATED = ("estimate", "low", "high", "unit", "n", "controls_rejected", "controls")
RUN = ("implementation", "division", "runner", "created", "machine", "commit", "record")
CALLED = {"statement": "says", "verdict": "outcome", "controls_rejected": "rejected"}
"""What a column holds that is not called as the field of a line is."""


def table(lines: Sequence[Line]) -> list[dict[str, object]]:
    """A row for each line, by the names of the columns; None where there is no number."""
    return [
        {"paper": one.paper.key, **_fields(one, KNOWN), "published": _published(one), **_fields(one, ESTIMATED)}
        | _fields(one, RUN)
        for one in lines
    ]


def _fields(one: Line, columns: Iterable[str]) -> dict[str, object]:
    found = {column: getattr(one, CALLED.get(column, column)) for column in columns}
    return {column: "" if value is None and column in ("row", "division") else value for column, value in found.items()}


def _published(one: Line) -> str:
    return "; ".join(f"{fact.value:g} {fact.unit} ({fact.place})" for fact in one.reported)


def as_json(lines: Sequence[Line]) -> str:
    """Lines as a JSON array of objects, one key a column of `table`; null where there is no number."""
    return msgspec.json.encode(table(lines)).decode()


def csv(lines: Sequence[Line]) -> str:
    """Lines as CSV."""
    rows = table(lines)
    return sheet(rows[0] if rows else (), (row.values() for row in rows))


def sheet(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV; a text that a spreadsheet would run as a formula gets an apostrophe."""
    text = io.StringIO()
    writer = sheets.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
