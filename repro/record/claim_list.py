"""The claims of a paper as a file, for readers that may not load claims: the board shows what nobody has run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from repro.claim.claim import Claim
from repro.claim.figure import Figure, Showcase
from repro.errors import ReproError
from repro.paper import Paper
from repro.record.record import ClaimPart, Strict, claim_part


class CatalogueEntry(Strict, frozen=True, kw_only=True):
    """A claim, or a row of one, as it stands today.

    Attributes:
        seeds: how many seeds each arm is drawn at.
        controls: names of the sabotaged implementations that its criterion must reject.
        cost: what it costs to run; "" for the claims that any machine can run.
    """

    claim: ClaimPart
    seeds: int
    controls: tuple[str, ...]
    cost: str = ""

    @property
    def command(self) -> str:
        """What runs it."""
        tier = "" if self.claim.tier == "cpu" else f" --tier {self.claim.tier}"
        return f"repro run '{self.claim.id}' --controls{tier}"


class PaperCatalogue(Strict, frozen=True, kw_only=True):
    """A paper, all its claims, the figures that stand on top of its page, and what it is grouped by and known for."""

    schema: Literal[2, 3] = 3
    paper: Paper
    claims: tuple[CatalogueEntry, ...]
    figures: tuple[Figure, ...] = ()
    theme: str = ""
    headline: str = ""


def folder_of(root: Path) -> Path:
    """Where the files lie, `<key>.json`: beside the records that are published with them."""
    return root / "leaderboard" / "catalogue"


def listing(paper: Paper, claims: Iterable[Claim], shown: Showcase | None = None) -> PaperCatalogue:
    """A paper, its claims, sorted by id, and how the board presents it."""
    shown = shown or Showcase()
    found = [CatalogueEntry(claim=claim_part(c), seeds=c.seeds, controls=c.controls, cost=c.cost) for c in claims]
    claimed = tuple(sorted(found, key=lambda listed: listed.claim.id))
    return PaperCatalogue(
        paper=paper, claims=claimed, figures=shown.figures, theme=shown.theme, headline=shown.headline
    )


def encode(found: PaperCatalogue) -> bytes:
    """JSON with a line for the paper and each claim, so that a change of one claim is a change of one line."""
    paper, claims, figures = (b",\n".join(map(_line, part)) for part in ([found.paper], found.claims, found.figures))
    named = (("theme", found.theme), ("headline", found.headline))
    drawn = b',"figures":[\n%s\n]' % figures if figures else b""
    about = b"".join(b',"%s":%s' % (name.encode(), msgspec.json.encode(value)) for name, value in named if value)
    return b'{"schema":%d,"paper":\n%s\n%s,"claims":[\n%s\n]%s}\n' % (found.schema, paper, about, claims, drawn)


def _line(part: msgspec.Struct) -> bytes:
    return msgspec.json.encode(part, order="deterministic")


def read(root: Path) -> list[PaperCatalogue]:
    """The listings of a project, in the order of their papers' keys.

    Raises:
        ReproError: if there are none, or a file is damaged or of another paper than its name says.
        OSError: if a file cannot be read.
    """
    folder = folder_of(root)
    found = {path: _decoded(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise ReproError(f"There is no {folder.name} of claims", "Run `repro readme`, which writes it.")
    for path, part in found.items():
        if path.stem != part.paper.key:
            raise ReproError(f"{folder.name}/{path.name} is of {part.paper.key}", "Run `repro readme`.")
    return list(found.values())


def _decoded(path: Path) -> PaperCatalogue:
    try:
        return msgspec.json.decode(path.read_bytes(), type=PaperCatalogue)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors that name the place
        problem = f"{path.parent.name}/{path.name} cannot be read: {error}"
        raise ReproError(problem, "Run `repro readme`, which writes it anew.") from error
