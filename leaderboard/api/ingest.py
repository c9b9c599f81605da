"""Taking a record in: what is checked, where it goes, and what it counts as.

Nothing that is sent in is believed before somebody of the project has rerun it. A record is never edited, so what it
says of itself decides: it must call itself self-reported, and it stays so. A verification is a record of its own, made
by a maintainer's rerun (`repro submission verify`), that supersedes the one it confirms; only a token with the scope
"verify" may send one, and only where it says the same as a record that is here.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from leaderboard.api.answers import RefusedRequest
from repro.criterion.verdict import Outcome
from repro.errors import ReproError
from repro.record import index
from repro.record.access_tokens import Scope, Token
from repro.record.format import is_submission_name
from repro.record.record import Record, decode, terms
from repro.record.store import Store

SKEW = timedelta(days=1)  # that a sender's clock may be ahead
RERUN = "Run the claim again with the software of this board."


class Intake:
    """The door of a store. One process at a time may take records in for one store.

    Args:
        store: open for writing.
        known: what today's claims say, as `repro.record.record.terms`, by id; None admits any claim.
    """

    def __init__(self, store: Store, known: Mapping[str, str] | None = None) -> None:
        self._store, self._known = store, known
        self._lock = threading.Lock()

    def take(self, data: bytes, token: Token) -> tuple[Record, bool]:
        """Check a record file's bytes and add the record, whole or not at all; it, and whether it is new.

        Raises:
            RefusedRequest: 422 if the record is not valid, or not one that this board takes; 403 if the token does not
                allow it; 409 if it contradicts what is here.
            ReproError: if the store cannot be used.
        """
        try:
            record = decode(data)
            index.check(record)
        except ReproError as error:
            raise RefusedRequest(422, error.problem, error.remedy or RERUN) from error
        self._admit(record)
        with self._lock:
            if record.runner == "verified":
                self._confirms(record, token)
            else:
                require(token, "publish")
            new = self._store.find(record.id) is None
            self._not_in_the_way(record)
            if new:
                self._note(record, token)
            self._store.add(record)
        return record, new

    def _admit(self, record: Record) -> None:
        """Refuse a valid record that states something it cannot know."""
        claim, own = record.claim, record.implementation
        if own.kind == "control" or own.key != record.paper.key:
            raise RefusedRequest(
                422, "Only records of a paper's reference and of its submissions are published", "See `repro publish`."
            )
        if not (is_submission_name(own.name) if own.kind == "submission" else own.name == "reference"):
            raise RefusedRequest(422, f"The record is of a {own.kind} that is called {own.name!a:.80}", RERUN)
        if self._known is not None and self._known.get(claim.id) != terms(record.paper, claim):
            known = claim.id in self._known
            what = "states its claim or paper otherwise than this board" if known else "is of a claim unknown here"
            raise RefusedRequest(422, f"The record {what}", RERUN)
        row = f"[{claim.row}]" if claim.row is not None else ""
        if claim.id != f"{record.paper.key}/{claim.name}@{claim.version}{row}":
            raise RefusedRequest(
                422, "The id of the record's claim is not that of its paper, name, version and row", RERUN
            )
        known, rejected = claim.expected_refuted is not None, [not record.powerless]
        own = Outcome.of(record.verdict.status, claim.evidence, known_refutation=known, rejected=rejected)
        if record.word not in (Outcome.INCONCLUSIVE, own.recorded):  # a record does not say whether seeds were left out
            raise RefusedRequest(422, f"The record reads {record.word!r}, which is not what its verdict says", RERUN)
        if _when(record) > datetime.now(UTC) + SKEW:
            raise RefusedRequest(
                422, f"The record was made at {record.created}, which is yet to come", "Set your clock."
            )

    def _confirms(self, record: Record, token: Token) -> None:
        """Whether a verified record says the same as one that is here."""
        require(token, "verify")
        before = self._store.find(record.supersedes) if record.supersedes is not None else None
        if before is None:
            raise RefusedRequest(
                409, "A verified record supersedes one of this board, and this one does not", "Send that first."
            )
        if _gist(before) != _gist(record):
            raise RefusedRequest(
                409, "The verified record does not say the same as the one it supersedes", "Rerun it as it is."
            )

    def _not_in_the_way(self, record: Record) -> None:
        """Files are named by the first digits of the hash: another record of that name is not overwritten."""
        path = self._store.path(record)
        try:
            other = decode(path.read_bytes()).id
        except (FileNotFoundError, ReproError):
            return
        if other != record.id:
            raise RefusedRequest(409, "Another record has the same first 16 digits of its hash", "Run the claim again.")

    def _note(self, record: Record, token: Token) -> None:
        """Write down whose token a record comes by, before it is there: each record has a line."""
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "token": token.id, "record": record.id}
        try:
            with arrivals_file(self._store.root).open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ReproError(
                f"{arrivals_file(self._store.root)} cannot be written ({error.strerror or error})", "Free space."
            ) from error


def arrivals_file(root: Path) -> Path:
    """Which token each record of the store in a folder came by, one line of JSON each."""
    return root / "arrivals.jsonl"


def require(token: Token, scope: Scope) -> None:
    """Refuse a token without a scope.

    Raises:
        RefusedRequest: 403.
    """
    if scope not in token.scopes:
        raise RefusedRequest(403, f"This token may not {scope}", "Ask the operator of the board for one that may.")


def read_known(path: Path) -> dict[str, str]:
    """What today's claims say, from the file that `repro serve` writes.

    Raises:
        ReproError: if it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, ValueError) as error:
        raise ReproError(
            f"{path} does not say which claims there are ({error})", "Start with `repro serve`."
        ) from error


def _gist(record: Record) -> tuple[object, ...]:
    own = record.implementation
    return (record.paper.key, record.claim.id, record.claim.digest, own.kind, own.name, own.source, record.word)


def _when(record: Record) -> datetime:
    try:
        return datetime.fromisoformat(record.created[:19] + "+00:00")
    except ValueError as error:
        raise RefusedRequest(422, f"The record was made at {record.created}, which is no time", RERUN) from error
