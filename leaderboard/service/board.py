"""The board as data: its lines, kept until the stores change."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass

import msgspec

from leaderboard.catalogue import Catalogue, Stamp, Stated, read, stamp
from leaderboard.queries import Line, board, quarantines
from repro.paper import Reported
from repro.store import Union

SCHEMA = 1
FRESH_S = 1.0  # for which the stores are not asked again whether they have changed


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

    Args:
        stores: the published records first.
    """

    def __init__(self, stores: Union) -> None:
        self.stores = stores
        self._lock = threading.RLock()
        self._kept: Snapshot | None = None
        self._kept_of: Stamp | None = None
        self._version, self._asked = "", -FRESH_S

    def refresh(self) -> None:
        """Take in what has changed in the stores since a second ago, or longer.

        Raises:
            ReproError: if a store cannot be read.
        """
        with self._lock:
            if time.monotonic() - self._asked >= FRESH_S:
                version = self.stores.version()
                if version != self._version:
                    self.stores.sync()
                self._version, self._asked = version, time.monotonic()

    def snapshot(self) -> Snapshot:
        """The board as it stands, or as it stood a second ago.

        Raises:
            ReproError: if a store cannot be read.
        """
        with self._lock:
            self.refresh()
            now = stamp()
            if self._kept is None or self._kept.version != self._version or self._kept_of != now:
                self._kept, self._kept_of = self._read(self._version, read()), now
            return self._kept

    def _read(self, version: str, catalogue: Catalogue) -> Snapshot:
        lines = board(self.stores)
        sent_in: set[str] = set()
        if any(quarantines(store) for store in self.stores.stores):
            ours = {row.id for store in self.stores.stores if not quarantines(store) for row in store.rows()}
            sent_in = {one.record for one in lines if one.runner != "verified"} - ours
        entries = tuple(_entry(one, quarantined=one.record in sent_in) for one in lines)
        missing = catalogue.missing((one.paper.key, *one.case) for one in lines if one.is_reference)
        absent = [_absent(one) for one in missing]
        text = msgspec.json.encode({"schema": SCHEMA, "version": version, "claims": entries, "unmeasured": absent})
        known = hashlib.sha256(msgspec.json.encode(absent)).hexdigest()[:16]
        return Snapshot(version, entries, text, f"{version}-{known}" if version else "")


def _absent(one: Stated) -> Absent:
    return Absent(
        paper=one.paper.key,
        claim=one.claim,
        row=one.row,
        version=one.version,
        says=one.says,
        place=one.place,
        tier=one.tier,
        evidence=one.evidence,
        published=one.reported,
        cost=one.listed.cost,
        command=one.listed.command,
    )


def _entry(one: Line, *, quarantined: bool) -> Entry:
    return Entry(
        paper=one.paper.key,
        claim=one.claim,
        row=one.row,
        version=one.version,
        says=one.says,
        place=one.place,
        tier=one.tier,
        evidence=one.evidence,
        verdict=one.outcome,
        estimate=one.estimate,
        low=one.low,
        high=one.high,
        bound=one.bound,
        unit=one.unit,
        n=one.n,
        published=one.reported,
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
