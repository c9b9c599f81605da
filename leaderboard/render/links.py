"""Addresses of the board's pages, relative to the board and ready to stand in an attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

from leaderboard.board.lines import Line, short_id


def page_link(page: str, paper: str, **parameters: str | Sequence[str]) -> str:
    """The address of a page on a paper."""
    return _address(page, {"paper": paper, **parameters})


def claim_link(claim: str, row: str | None = None, implementation: str = "reference", record: str = "") -> str:
    """The address of a claim's page."""
    parameters = {"claim": claim, "row": row or "", "record": short_id(record)}
    if implementation != "reference":
        parameters["implementation"] = implementation
    return _address("claim", parameters)


def line_link(one: Line, *, record: bool = False) -> str:
    """The address of a line's page, or of the record that it shows."""
    return claim_link(one.claim, one.row, one.implementation, one.record if record else "")


def record_link(record_id: str) -> str:
    """The address of a record's page."""
    return escape(f"record?record={short_id(record_id)}")


def telemetry_link(paper: str = "", claim: str = "", record: str = "") -> str:
    """The address of the page of telemetry; `claim` is "key/name[row]"."""
    return _address("telemetry", {"paper": paper, "claim": claim, "record": short_id(record)})


def _address(page: str, parameters: Mapping[str, str | Sequence[str]]) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return escape(f"{page}?{urlencode(given, doseq=True, safe='/:')}")


def breadcrumbs(*steps: tuple[str, str]) -> str:
    """Where we are: addresses and names of the pages above this one."""
    links = [f'<a href="{link}">{escape(name)}</a>' for link, name in (("./", "Board"), *steps)]
    between = ' <span class="soft" aria-hidden="true">/</span> '
    return f'<nav class="crumbs" aria-label="Breadcrumb">{between.join(links)}</nav>'
