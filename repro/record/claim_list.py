"""All claims of a project as one file, for readers that may not load claims: the board shows what nobody has run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from repro.claim import Claim
from repro.errors import ReproError
from repro.paper import Paper
from repro.record import ClaimPart, Strict, claim_part

NAME = "catalogue.json"


class Listed(Strict, frozen=True, kw_only=True):
    """A claim, or a row of one, as it stands today.

    Attributes:
        paper: its key.
        seeds: how many seeds each arm is drawn at.
        controls: names of the sabotaged implementations that its criterion must reject.
        cost: what it costs to run; "" for the claims that any machine can run.
    """

    paper: str
    claim: ClaimPart
    seeds: int
    controls: tuple[str, ...]
    cost: str = ""

    @property
    def command(self) -> str:
        """What runs it."""
        tier = "" if self.claim.tier == "cpu" else f" --tier {self.claim.tier}"
        return f"repro run '{self.claim.id}' --controls{tier}"


class Listing(Strict, frozen=True, kw_only=True):
    """All papers and claims of a project."""

    schema: Literal[1] = 1
    papers: tuple[Paper, ...]
    claims: tuple[Listed, ...]


def path_of(root: Path) -> Path:
    """Where the file lies: beside the records that are published with it."""
    return root / "leaderboard" / NAME


def listing(papers: Iterable[Paper], claims: Iterable[Claim]) -> Listing:
    """Papers and claims, sorted by key and id."""
    found = [
        Listed(paper=one.paper.key, claim=claim_part(one), seeds=one.seeds, controls=one.controls, cost=one.cost)
        for one in claims
    ]
    return Listing(
        papers=tuple(sorted(papers, key=lambda one: one.key)), claims=tuple(sorted(found, key=lambda one: one.claim.id))
    )


def encode(found: Listing) -> bytes:
    """JSON with a line for each paper and each claim, so that a change of one claim is a change of one line."""
    papers, claims = (
        b",\n".join(msgspec.json.encode(one, order="deterministic") for one in part)
        for part in (found.papers, found.claims)
    )
    return b'{"schema":%d,"papers":[\n%s\n],"claims":[\n%s\n]}\n' % (found.schema, papers, claims)


def decode(data: bytes) -> Listing:
    """The listing in a file's bytes.

    Raises:
        ReproError: if they are none.
    """
    try:
        return msgspec.json.decode(data, type=Listing)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors that name the place
        raise ReproError(f"{NAME} cannot be read: {error}", "Run `repro readme`, which writes it anew.") from error
