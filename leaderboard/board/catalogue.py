"""Which claims there are today, from the file that `repro readme` writes; records say only which of them were run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repro.errors import ReproError
from repro.listing import NAME, Listed, decode, path_of
from repro.paper import Paper, Reported
from repro.paths import project_root
from repro.record import ClaimPart

UNMEASURED = "not measured"
RETIRED = "retired"
Case = tuple[str, str, str]
"""Key of a paper, name of a claim, and its row or ""."""
Stamp = tuple[str, int, int]
"""Path, time and size of the file."""


@dataclass(frozen=True)
class Stated:
    """A claim of today that the reference has no record of; it has what a line of the board has before the numbers."""

    paper: Paper
    listed: Listed

    @property
    def part(self) -> ClaimPart:
        """The claim as records state it."""
        return self.listed.claim

    @property
    def claim(self) -> str:
        """What its page is asked for by: "key/name", without version and row."""
        return f"{self.paper.key}/{self.name}"

    @property
    def name(self) -> str:
        """Its name."""
        return self.part.name

    @property
    def row(self) -> str | None:
        """Its row, where it is a table."""
        return self.part.row

    @property
    def version(self) -> int:
        """Its version."""
        return self.part.version

    @property
    def says(self) -> str:
        """The statement."""
        return self.part.says

    @property
    def place(self) -> str:
        """Where the paper makes it."""
        return self.part.place

    @property
    def tier(self) -> str:
        """What it needs to be run."""
        return self.part.tier

    @property
    def evidence(self) -> str:
        """What a verdict of it would rest on."""
        return self.part.evidence

    @property
    def reported(self) -> tuple[Reported, ...]:
        """The numbers that the paper states."""
        return self.part.reported

    @property
    def outcome(self) -> str:
        """What stands in place of a verdict."""
        return UNMEASURED

    @property
    def case(self) -> tuple[str, str]:
        """The claim and its row."""
        return (self.name, self.row or "")


@dataclass(frozen=True)
class Catalogue:
    """The claims of today.

    Attributes:
        papers: by key.
        claims: in the order of the file.
        trouble: why it says nothing, where its file is missing or damaged.
    """

    papers: Mapping[str, Paper] = field(default_factory=dict)
    claims: Mapping[Case, Stated] = field(default_factory=dict)
    trouble: str = ""

    def of(self, paper: str) -> list[Stated]:
        """The claims of a paper."""
        return [one for (key, _, _), one in self.claims.items() if key == paper]

    def get(self, claim: str, row: str | None) -> Stated | None:
        """The claim "key/name" and row, if there is one."""
        key, _, name = claim.partition("/")
        return self.claims.get((key, name, row or ""))

    def rows(self, claim: str) -> list[str]:
        """The rows of a claim "key/name" that is a table."""
        asked = tuple(claim.split("/", 1))
        return [row for (key, name, row) in self.claims if (key, name) == asked and row]

    def missing(self, measured: Iterable[Case]) -> list[Stated]:
        """The claims that are not among those that have a record of the reference."""
        known = set(measured)
        return [one for case, one in self.claims.items() if case not in known]

    def past(self, case: Case, version: int, digest: str) -> str:
        """Why a record does not count for today's claim, in a few words; "" where it does, or nothing is known."""
        if not self.claims:
            return ""
        now = self.claims.get(case)
        if now is None:
            return RETIRED
        if now.version != version:
            return f"of version {version}, now {now.version}"
        return "" if now.part.digest == digest else f"of another form of version {version}"


def read(root: Path | None = None) -> Catalogue:
    """The catalogue of a project; one that says why it is empty where the file is missing or damaged."""
    try:
        found = decode(path_of(root or project_root()).read_bytes())
    except FileNotFoundError:
        return Catalogue(trouble=f"there is no {NAME}; `repro readme` writes it")
    except OSError as error:
        return Catalogue(trouble=f"{NAME} cannot be read: {error.strerror}")
    except ReproError as error:
        return Catalogue(trouble=error.problem)
    papers = {one.key: one for one in found.papers}
    strays = sorted({one.paper for one in found.claims} - papers.keys())
    if strays:
        return Catalogue(trouble=f"{NAME} has claims of papers that it does not have: {', '.join(strays)}")
    claims = {(one.paper, one.claim.name, one.claim.row or ""): Stated(papers[one.paper], one) for one in found.claims}
    return Catalogue(papers, claims)


def stamp(root: Path | None = None) -> Stamp:
    """What changes when the file does; cheap, for caches to ask each time."""
    path = path_of(root or project_root())
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size)
