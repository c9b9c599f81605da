"""Which claims there are today, from the files that `repro readme` writes; records say only which of them were run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.claim.figure import Figure
from repro.errors import ReproError
from repro.paper import Paper, Reported
from repro.paths import project_root
from repro.record import claim_list
from repro.record.claim_list import CatalogueEntry
from repro.record.record import ClaimPart

UNMEASURED = "not measured"
RETIRED = "retired"
CaseKey = tuple[str, str, str]
"""Key of a paper, name of a claim, and its row or ""."""
FileStamp = tuple[tuple[str, int, int], ...]
"""Path, time and size of each file."""


@dataclass(frozen=True, kw_only=True)
class StatedClaim:
    """A claim as people read it, before there are numbers.

    Attributes:
        claim: "key/name", without version and row.
        digest: hash of what defines the claim.
        known: the source that shows the claim not to hold, for a finding.
    """

    paper: Paper
    claim: str
    name: str
    row: str | None
    version: int
    digest: str
    says: str
    place: str
    tier: str
    evidence: str
    reported: tuple[Reported, ...]
    known: str

    @property
    def case(self) -> tuple[str, str]:
        """The claim and its row, whatever answers it."""
        return (self.name, self.row or "")

    @property
    def short(self) -> str:
        """Its name, with its row where it is a table."""
        return with_row(self.name, self.row)

    @property
    def id(self) -> str:
        """The claim, its version and its row, as records name it."""
        return with_row(f"{self.claim}@{self.version}", self.row)


def with_row(name: str, row: str | None) -> str:
    """A name of a claim, and its row in brackets where it is a table."""
    return f"{name}[{row}]" if row else name


def stated(paper: Paper, part: ClaimPart) -> dict[str, Any]:
    """The fields of `StatedClaim`, from a claim as records state it."""
    same = ("name", "row", "version", "digest", "says", "place", "tier", "evidence", "reported")
    known = part.expected_refuted or ""
    return {name: getattr(part, name) for name in same} | {
        "paper": paper,
        "claim": f"{paper.key}/{part.name}",
        "known": known,
    }


@dataclass(frozen=True, kw_only=True)
class ListedClaim(StatedClaim):
    """A claim of today that the reference has no record of.

    Attributes:
        outcome: what stands in place of a verdict.
    """

    listed: CatalogueEntry
    outcome: str = UNMEASURED

    @property
    def part(self) -> ClaimPart:
        """The claim as records state it."""
        return self.listed.claim


@dataclass(frozen=True)
class BoardCatalogue:
    """The claims of today.

    Attributes:
        papers: by key.
        claims: in the order of the files.
        figures: of each paper, by its key, what stands on top of its page.
        themes: what papers are grouped by, by key.
        headlines: the claim that each paper is known for, by key; its name, with its row in brackets.
        trouble: why it says nothing, where its files are missing or one is damaged.
    """

    papers: Mapping[str, Paper] = field(default_factory=dict)
    claims: Mapping[CaseKey, ListedClaim] = field(default_factory=dict)
    trouble: str = ""
    figures: Mapping[str, tuple[Figure, ...]] = field(default_factory=dict)
    themes: Mapping[str, str] = field(default_factory=dict)
    headlines: Mapping[str, str] = field(default_factory=dict)

    def get(self, claim: str, row: str | None) -> ListedClaim | None:
        """The claim "key/name" and row, if there is one."""
        key, _, name = claim.partition("/")
        return self.claims.get((key, name, row or ""))

    def rows(self, claim: str) -> list[str]:
        """The rows of a claim "key/name" that is a table."""
        asked = tuple(claim.split("/", 1))
        return [row for (key, name, row) in self.claims if (key, name) == asked and row]

    def missing(self, measured: Iterable[CaseKey]) -> list[ListedClaim]:
        """The claims that are not among those that have a record of the reference."""
        known = set(measured)
        return [one for case, one in self.claims.items() if case not in known]

    def past(self, case: CaseKey, version: int, digest: str) -> str:
        """Why a record does not count for today's claim, in a few words; "" where it does, or nothing is known."""
        if not self.claims:
            return ""
        now = self.claims.get(case)
        if now is None:
            return RETIRED
        if now.version != version:
            return f"made for version {version}, now {now.version}"
        return "" if now.part.digest == digest else f"made for an earlier definition of version {version}"


def read(root: Path | None = None) -> BoardCatalogue:
    """The catalogue of a project; one that says why it is empty where files are missing or one is damaged."""
    try:
        found = claim_list.read(root or project_root())
    except OSError as error:
        return BoardCatalogue(trouble=f"the catalogue cannot be read: {error.strerror}")
    except ReproError as error:
        return BoardCatalogue(trouble=error.problem)
    claims = {
        (part.paper.key, listed.claim.name, listed.claim.row or ""): ListedClaim(
            **stated(part.paper, listed.claim), listed=listed
        )
        for part in found
        for listed in part.claims
    }
    papers = {part.paper.key: part.paper for part in found}
    return BoardCatalogue(
        papers,
        claims,
        figures={part.paper.key: part.figures for part in found},
        themes={part.paper.key: part.theme for part in found},
        headlines={part.paper.key: part.headline for part in found},
    )


def stamp(root: Path | None = None) -> FileStamp:
    """What changes when a file does; cheap, for caches to ask each time."""
    found = []
    for path in sorted(claim_list.folder_of(root or project_root()).glob("*.json")):
        with contextlib.suppress(OSError):  # one that vanishes meanwhile
            found.append((str(path), path.stat().st_mtime_ns, path.stat().st_size))
    return tuple(found)
