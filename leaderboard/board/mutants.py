"""Mutants of a reference and correct implementations of another make: what the exact claims made of them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from repro.paths import project_root


class TriedMutant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reference with one line changed, and what became of it.

    Attributes:
        change: what was done, with the line before and after.
        caught_by: the claim that noticed; "" for a survivor.
        equivalent: of a survivor that computes the same, why.
    """

    change: str
    caught_by: str = ""
    equivalent: str = ""


class Alternative(msgspec.Struct, frozen=True):
    """A correct implementation of another make.

    Attributes:
        name: of its file.
        accepted: exact claims that hold on it, as they do on the reference.
        of: exact claims that it was judged by.
    """

    name: str
    accepted: int
    of: int


class MutationReport(msgspec.Struct, frozen=True):
    """All mutants and alternatives of one paper: `python -m tests.mutation KEY --write`.

    Attributes:
        reference: hash of the text that was mutated.
    """

    reference: str
    mutants: tuple[TriedMutant, ...]
    alternatives: tuple[Alternative, ...]

    @property
    def caught(self) -> int:
        """Mutants that a claim noticed."""
        return sum(bool(mutant.caught_by) for mutant in self.mutants)

    @property
    def differing(self) -> int:
        """Mutants that compute something else."""
        return sum(not mutant.equivalent for mutant in self.mutants)

    @property
    def survivors(self) -> list[TriedMutant]:
        """Those that no claim noticed, equivalent or not."""
        return [mutant for mutant in self.mutants if not mutant.caught_by]


def file_of(paper: str, root: Path | None = None) -> Path:
    """Where the report on a paper lies."""
    return (root or project_root()) / "leaderboard" / "trust" / f"{paper}.json"


def read(paper: str, root: Path | None = None) -> MutationReport | None:
    """The report on a paper, or None if there is none.

    Raises:
        msgspec.MsgspecError: if the file is none of these reports.
    """
    path = file_of(paper, root)
    return msgspec.json.decode(path.read_bytes(), type=MutationReport) if path.is_file() else None
