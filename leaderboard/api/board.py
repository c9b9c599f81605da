"""The board as data: its lines, kept until the stores change."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from leaderboard.board.catalogue import BoardCatalogue, FileStamp, ListedClaim, read, stamp
from leaderboard.board.lines import Line
from leaderboard.board.queries import RecordFilter, board, marked, quarantines
from repro.record.store import MergedStore

SCHEMA = 1
FRESH_S = 1.0  # for which the stores are not asked again whether they have changed
PARTS = 256  # of a paper on an implementation, which badges show, that are kept


KNOWN = ("claim", "row", "version", "says", "place", "tier", "evidence")
ESTIMATED = ("estimate", "low", "high", "bound", "unit", "n")
RUN = ("rejected", "controls", "implementation", "division", "runner", "quarantined", "created", "machine", "record")


@dataclass(frozen=True, kw_only=True)
class BoardEntry(Line):
    """A line of the board, as `/api/claims.json` has it.

    Attributes:
        quarantined: sent in by others, and not verified.
    """

    quarantined: bool


def judged(one: BoardEntry) -> dict[str, object]:
    """A line as JSON: its claim, its verdict in the word that people read, numbers, and who ran it."""
    verdict = {"verdict": one.outcome, **_fields(one, ESTIMATED), "published": one.reported}
    return {"paper": one.paper.key, **_fields(one, KNOWN), **verdict, **_fields(one, RUN)}


def absent(one: ListedClaim) -> dict[str, object]:
    """A claim that the reference has no record of, as JSON: what it costs ("" where any machine will do), no number."""
    needs = {"published": one.reported, "cost": one.listed.cost, "command": one.listed.command}
    return {"paper": one.paper.key, **_fields(one, KNOWN), **needs}


def _fields(one: Line | ListedClaim, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(one, name) for name in names}


@dataclass(frozen=True)
class Snapshot:
    """The board at one version of the stores, and the same as JSON.

    Attributes:
        tag: tells one JSON from another; the claims of today are part of it.
    """

    version: str
    entries: tuple[BoardEntry, ...]
    json: bytes
    tag: str


class Board:
    """The board of several stores, read again when they have changed.

    What a badge shows is read for itself: nobody waits for the whole board who does not ask for it.

    Args:
        stores: the published records first.
    """

    def __init__(self, stores: MergedStore) -> None:
        self.stores = stores
        self._lock = threading.Lock()  # never held while lines are read
        self._reading = threading.Lock()
        self._kept: Snapshot | None = None
        self._part = lru_cache(PARTS)(self._read_part)
        self._kept_of: FileStamp | None = None
        self._versions, self._asked = [""] * len(stores.stores), -FRESH_S

    def refresh(self) -> str:
        """Take in what has changed in the stores since a second ago, or longer; the stores' version then.

        Raises:
            ReproError: if a store cannot be read.
        """
        with self._lock:
            if time.monotonic() - self._asked >= FRESH_S:
                versions = [store.version() for store in self.stores.stores]
                for store, old, new in zip(self.stores.stores, self._versions, versions, strict=True):
                    if old != new:  # one that has not changed need not be opened again
                        store.sync()
                self._versions, self._asked = versions, time.monotonic()
            return "-".join(self._versions)

    def snapshot(self) -> Snapshot:
        """The board as it stands, or as it stood a second ago, or before what is being read just now.

        Raises:
            ReproError: if a store cannot be read.
        """
        version, now = self.refresh(), stamp()
        kept = self._kept
        if kept is not None and ((kept.version, self._kept_of) == (version, now) or self._reading.locked()):
            return kept
        with self._reading:
            if self._kept is None or (self._kept.version, self._kept_of) != (version, now):
                self._kept, self._kept_of = self._read(version, read()), now
            return self._kept

    def entries(self, paper: str, implementation: str) -> tuple[BoardEntry, ...]:
        """The lines of one paper on one implementation, as they stand or stood a second ago.

        Raises:
            ReproError: if a store cannot be read.
        """
        return self._part(self.refresh(), stamp(), paper, implementation)

    def _read_part(self, version: str, now: FileStamp, paper: str, implementation: str) -> tuple[BoardEntry, ...]:
        asked = RecordFilter(paper=paper, implementation=implementation)
        return self._stated(marked(board(self.stores, asked), read()))

    def claims(self, paper: str) -> list[str]:
        """The names of a paper's claims that there are records of; none of a paper that is unknown."""
        self.refresh()
        return self.stores.distinct("name", paper=paper)

    def _read(self, version: str, catalogue: BoardCatalogue) -> Snapshot:
        lines = marked(board(self.stores), catalogue)
        entries = self._stated(lines)
        missing = catalogue.missing((one.paper.key, *one.case) for one in lines if one.is_reference)
        rest = [absent(one) for one in missing]
        claims = [judged(one) for one in entries]
        text = msgspec.json.encode({"schema": SCHEMA, "version": version, "claims": claims, "unmeasured": rest})
        known = hashlib.sha256(msgspec.json.encode(rest)).hexdigest()[:16]
        return Snapshot(version, entries, text, f"{version}-{known}" if version else "")

    def _stated(self, lines: Sequence[Line]) -> tuple[BoardEntry, ...]:
        sent_in: set[str] = set()
        if any(quarantines(store) for store in self.stores.stores):
            unverified = [one.record for one in lines if one.runner != "verified"]
            ours = [store.among(unverified) for store in self.stores.stores if not quarantines(store)]
            sent_in = set(unverified).difference(*ours)
        return tuple(BoardEntry(**vars(one), quarantined=one.record in sent_in) for one in lines)
