"""Which claims a session judges on which implementations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harness.pytest_plugin.options import SessionOptions
from harness.submission.submission import Submission
from repro.claim.catalogue import select
from repro.claim.claim import Claim, tiers_of
from repro.errors import ReproError
from repro.trial import implementation
from repro.trial.implementation import Kind, LoadedImplementation


@dataclass(frozen=True)
class Case:
    """A claim to be judged on one implementation."""

    claim: Claim
    kind: Kind
    name: str = "reference"

    @property
    def id(self) -> str:
        """The pytest id: `reference`, `control:NAME` or `submission:NAME`, after the row if there is one."""
        label = self.kind if self.kind == "reference" else f"{self.kind}:{self.name}"
        return f"{self.claim.row}-{label}" if self.claim.row is not None else label

    @property
    def marks(self) -> list[str]:
        """Markers: the claim's group, and its tier where that is not the default."""
        return [self.claim.group, *([self.claim.tier] if self.claim.tier != "cpu" else [])]

    def load(self, root: Path) -> LoadedImplementation:
        """The reference, or the control, to judge.

        Raises:
            ReproError: if it cannot be loaded.
        """
        if self.kind == "control":
            return implementation.control(self.claim.paper.key, self.name, root)
        return implementation.reference(self.claim.paper.key, root)


def cases(claims: Collection[Claim], options: SessionOptions) -> list[Case]:
    """A claim (or its rows) on the reference or the given submission, then on its controls if asked for."""
    path = options.implementation
    found = []
    for claim in claims:
        found.append(Case(claim, "submission", path.resolve().name) if path else Case(claim, "reference"))
        if options.controls:
            found += [Case(claim, "control", name) for name in claim.controls]
    return found


def selected(found: Collection[Case], options: SessionOptions, submission: Submission | None = None) -> set[Case]:
    """The cases of the tiers and claims that were asked for, and that the submission answers, if one is judged.

    Raises:
        ReproError: for a tier that does not exist, a claim that is not among those collected, or a submission that
            answers none of them.
    """
    tiers = tiers_of(options.tier)
    named = set(select({case.claim.id for case in found}, options.claim))
    wanted = {case for case in found if case.claim.id in named and case.claim.tier in tiers}
    if submission is None:
        return wanted
    answers = {claim.id for claim in submission.checked.claims}
    if wanted and not any(case.claim.id in answers for case in wanted):
        raise ReproError("The submission answers none of these claims", "See `claims` in its submission.toml.")
    return {case for case in wanted if case.claim.id in answers}
