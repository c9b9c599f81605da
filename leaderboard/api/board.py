"""The board as data: its lines, kept until the stores change."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from leaderboard.catalogue import Catalogue, Stamp, Stated, read, stamp
from leaderboard.queries import Asked, Line, board, quarantines
from repro.paper import Reported
from repro.store import Union

SCHEMA = 1
FRESH_S = 1.0  # for which the stores are not asked again whether they have changed
PARTS = 256  # of a paper on an implementation, which badges show, that are kept


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the board in `/api/claims.json`.

    Attributes:
        claim: "key/name"; with `row` and `version` it is what was judged.
        verdict: what people read, such as "supported".
        published: the numbers that the paper states.
        rejected: how many of the `controls` sabotaged implementations the criterion told from the reference.
        runner: "self-reported", or "verified" by a rerun of the project.
        quarantined: sent in by others, and not verified.
        record: id of the record; the whole of it is at `/api/records/<id>`.
    """

    paper: str
    claim: str
    row: str | None
    version: int
    says: str
    place: str
    tier: str
    evidence: str
    verdict: str
    estimate: float | None
    low: float | None
    high: float | None
    bound: float | None
    unit: str
    n: int
    published: tuple[Reported, ...]
    rejected: int
    controls: int
    implementation: str
    division: str | None
    runner: str
    quarantined: bool
    created: str
    machine: str
    record: str


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A claim in `/api/claims.json` that the reference has no record of: no number, no verdict.

    Attributes:
        claim: "key/name"; with `row` and `version` it is what is to be judged.
        published: the numbers that the paper states.
        cost: what it costs to run; "" for the claims that any machine can run.
        command: what runs it.
    """

    paper: str
    claim: str
    row: str | None
    version: int
    says: str
    place: str
    tier: str
    evidence: str
    published: tuple[Reported, ...]
    cost: str
    command: str


@dataclass(frozen=True)
class Snapshot:
    """The board at one version of the stores, and the same as JSON.

    Attributes:
        tag: tells one JSON from another; the claims of today are part of it.
    """

    version: str
    entries: tuple[Entry, ...]
    json: bytes
    tag: str


class Board:
    """The board of several stores, read anew when they have changed.

    What a badge shows is read for itself: nobody waits for the whole board who does not ask for it.

    Args:
        stores: the published records first.
    """

    def __init__(self, stores: Union) -> None:
        self.stores = stores
        self._lock = threading.Lock()  # never held while lines are read
        self._reading = threading.Lock()
        self._kept: Snapshot | None = None
        self._parts: OrderedDict[tuple[str, str], tuple[str, tuple[Entry, ...]]] = OrderedDict()
        self._kept_of: Stamp | None = None
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
                    if old != new:  # one that has not changed need not be opened anew
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

    def entries(self, paper: str, implementation: str) -> tuple[Entry, ...]:
        """The lines of one paper on one implementation, as they stand or stood a second ago.

        Raises:
            ReproError: if a store cannot be read.
        """
        version, key = self.refresh(), (paper, implementation)
        with self._lock:
            known = self._parts.get(key)
        if known is None or known[0] != version:
            known = (version, self._stated(board(self.stores, Asked(paper=paper, implementation=implementation))))
            with self._lock:
                self._parts[key] = known
                self._parts.move_to_end(key)
                if len(self._parts) > PARTS:
                    self._parts.popitem(last=False)
        return known[1]

    def claims(self, paper: str) -> list[str]:
        """The names of a paper's claims that there are records of; none of a paper that is unknown."""
        self.refresh()
        return self.stores.distinct("name", paper=paper)

    def _read(self, version: str, catalogue: Catalogue) -> Snapshot:
        lines = board(self.stores)
        entries = self._stated(lines)
        missing = catalogue.missing((one.paper.key, *one.case) for one in lines if one.is_reference)
        absent = [_absent(one) for one in missing]
        text = msgspec.json.encode({"schema": SCHEMA, "version": version, "claims": entries, "unmeasured": absent})
        known = hashlib.sha256(msgspec.json.encode(absent)).hexdigest()[:16]
        return Snapshot(version, entries, text, f"{version}-{known}" if version else "")

    def _stated(self, lines: Sequence[Line]) -> tuple[Entry, ...]:
        sent_in: set[str] = set()
        if any(quarantines(store) for store in self.stores.stores):
            unverified = [one.record for one in lines if one.runner != "verified"]
            ours = [store.among(unverified) for store in self.stores.stores if not quarantines(store)]
            sent_in = set(unverified).difference(*ours)
        return tuple(_entry(one, quarantined=one.record in sent_in) for one in lines)


def _known(one: Line | Stated) -> dict[str, Any]:
    """What is known of a claim before it is run."""
    return {
        "paper": one.paper.key,
        "claim": one.claim,
        "row": one.row,
        "version": one.version,
        "says": one.says,
        "place": one.place,
        "tier": one.tier,
        "evidence": one.evidence,
        "published": one.reported,
    }


def _absent(one: Stated) -> Absent:
    return Absent(**_known(one), cost=one.listed.cost, command=one.listed.command)


def _entry(one: Line, *, quarantined: bool) -> Entry:
    return Entry(
        **_known(one),
        verdict=one.outcome,
        estimate=one.estimate,
        low=one.low,
        high=one.high,
        bound=one.bound,
        unit=one.unit,
        n=one.n,
        rejected=one.rejected,
        controls=one.controls,
        implementation=one.implementation,
        division=one.division,
        runner=one.runner,
        quarantined=quarantined,
        created=one.created,
        machine=one.machine,
        record=one.record,
    )
