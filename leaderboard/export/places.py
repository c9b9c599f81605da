"""Where each page of the export lies, and which file a link of the app leads to. Names of records are hostile input."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from posixpath import dirname, relpath
from urllib.parse import parse_qs, quote, urlsplit

from leaderboard.board.citation import Addresses
from leaderboard.board.lines import REFERENCE, Line, short_id
from leaderboard.render import figures

PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST = 80  # letters of a name that becomes part of a path as it is
DIGITS = 16  # of the hash of a name that cannot be part of a path
HREF = re.compile(r' href="([^"]*)"')
PAGES = ("findings", "trust", "submit", "about")
OUTSIDE = ("http", "https", "mailto")


def part(name: str) -> str:
    """A name as a part of a path: itself if it is plain, else what is plain of it, and its hash.

    Plain names have no underscore, so that no name can be chosen to take another one's place.
    """
    if len(name) <= LONGEST and PLAIN.fullmatch(name):
        return name
    plain = "-".join(re.findall("[a-z0-9]+", name.lower()))[: LONGEST // 2].strip("-")
    return f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:DIGITS]}"


def paper(key: str) -> str:
    """The page of a paper."""
    return f"paper/{part(key)}.html"


def claim(name: str, row: str | None = None) -> str:
    """The page of a claim "key/name", or of one of its rows."""
    key, _, own = name.partition("/")
    below = "" if row is None else f"/{part(row)}"
    return f"claim/{part(key)}/{part(own)}{below}.html"


def record(own: str, kind: str = "html") -> str:
    """The page of a record, its JSON, or its samples as CSV."""
    return f"record/{short_id(own)}.{kind}"


def telemetry(key: str) -> str:
    """The page of what a paper's claims used."""
    return f"telemetry/{part(key)}.html"


def telemetry_record(own: str) -> str:
    """The page of what one record used."""
    return f"telemetry/record/{short_id(own)}.html"


def implementations(key: str) -> str:
    """The page of a paper's implementations."""
    return f"implementations/{part(key)}.html"


def exhibit(own: str, number: int) -> str:
    """The numbers of a record's exhibit, counted from 1."""
    return f"record/{figures.exhibit_file(own, number)}"


def figure(key: str, number: int) -> str:
    """The numbers of a figure on top of a paper's page, counted from 1."""
    return f"paper/{figures.figure_file(key, number)}"


def badge(key: str, name: str | None = None) -> str:
    """The badge of a paper, or of a claim of it with all its rows."""
    return f"badge/{part(key)}.svg" if name is None else f"badge/{part(key)}/{part(name)}.svg"


@dataclass(frozen=True, kw_only=True)
class Places:
    """What there is in the export.

    Attributes:
        files: paths of all files that are linked to.
        newest: id of the newest record by claim, row and implementation.
    """

    files: frozenset[str]
    newest: Mapping[tuple[str, str, str], str]

    def resolve(self, link: str) -> str | None:
        """The file that a link of the app leads to, or None where the export has none such."""
        split = urlsplit(link)
        asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        path = self._file(split.path.removeprefix("./").rstrip("/"), asked)
        return path if path in self.files else None

    def _file(self, page: str, asked: Mapping[str, str]) -> str:
        if page == "":
            return paper(asked["paper"]) if asked.get("paper") else "index.html"
        if page in PAGES:
            return f"{page}.html"
        if page == "record" or (page == "claim" and asked.get("record")):
            return record(asked.get("record", ""))
        if page == "claim":
            return self._claim(asked.get("claim", "").partition("@")[0], asked)
        if page in ("paper", "implementations", "compare"):
            key = asked.get("paper", "")
            return paper(key) if page == "paper" else implementations(key) if key else "implementations.html"
        if page == "telemetry":
            return self._telemetry(asked)
        downloads = (f"{folder}{page}" for folder in ("", "paper/", "record/"))
        return next((path for path in downloads if path in self.files), page)

    def _telemetry(self, asked: Mapping[str, str]) -> str:
        if asked.get("record"):
            return telemetry_record(asked["record"])
        name, _, row = asked.get("claim", "").removesuffix("]").partition("[")
        own = self.newest.get((name, row, REFERENCE))
        if own is not None:
            return telemetry_record(own)
        return telemetry(asked["paper"]) if asked.get("paper") else "telemetry.html"

    def _claim(self, name: str, asked: Mapping[str, str]) -> str:
        row, own = asked.get("row"), asked.get("implementation", REFERENCE)
        newest = self.newest.get((name, row or "", own))
        return claim(name, row) if own == REFERENCE or newest is None else record(newest)

    def localise(self, body: str, page: str) -> str:
        """HTML of the app with its links turned into relative paths from a page; those that lead nowhere are dropped.

        Attributes are written by us, and texts have no bare quotation marks: so each match is a link.
        """

        def turned(found: re.Match[str]) -> str:
            link = html.unescape(found[1])
            if link.startswith("#") or urlsplit(link).scheme in OUTSIDE:
                return found[0]
            path = self.resolve(link)
            return f' href="{relative(path, page)}"' if path else ""

        return HREF.sub(turned, body)


def addresses(url: str, page: str, badge: str = "", own: str = "") -> Addresses:
    """Where a page of the export lies, and what belongs to it; nothing where it is not known where the export lies.

    Args:
        url: where the export lies, with a slash at its end; "" where that is not known.
        page: its path.
        badge: the path of its badge; "" for none.
        own: id of its record; "" for none.
    """
    if not url:
        return Addresses()
    whole = [("The record as JSON", url + quote(record(own, "json")))] if own else []
    data = (*whole, ("All verdicts as JSON", f"{url}board.json"))
    return Addresses(url + quote(page), url + quote(badge) if badge else "", data)


def relative(path: str, page: str) -> str:
    """The address of a file as seen from a page, ready to stand in an attribute."""
    return html.escape(quote(relpath(path, dirname(page) or ".")))


def newest(lines: Iterable[Line]) -> dict[tuple[str, str, str], str]:
    """The ids of the lines' records by claim, row and implementation."""
    return {(one.claim, one.row or "", one.implementation): one.record for one in lines}
