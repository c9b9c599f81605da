"""What tests of the gate share: facts of a claim, entries of a baseline, and a side whose values are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from harness.gate.baseline import Baseline, BaselineEntry, BaselineSample
from harness.gate.gate import Gate, SeedBudget
from harness.gate.metric_direction import roles
from harness.gate.protocol import ClaimInfo, RunCost
from harness.gate.result import Decision
from repro.criterion.comparisons import Criterion
from repro.criterion.constructors import all_of, at_most
from repro.criterion.measurement import Better

DIGEST = "sha256:" + "d" * 64
RECORD = "sha256:" + "e" * 64


def facts(
    claim: str = "toy2020/a@1", criterion: Criterion | None = None, count: int = 1, **changes: object
) -> ClaimInfo:
    """A statistical claim at four seeds, which draws so many samples."""
    found = ClaimInfo(
        id=claim,
        digest=DIGEST,
        tier="cpu",
        evidence="reduced",
        seeds=4,
        statistical=(criterion or at_most(10.0)).statistical,
        roles=roles(criterion or at_most(10.0), count),
        known_refutation=False,
        file="claims/test_toy2020.py",
        line=7,
    )
    return msgspec.structs.replace(found, **changes)


def entry(
    samples: dict[str, Sequence[float | None]],
    seeds: Sequence[int] = range(4),
    better: Better | None = None,
    **changes: object,
) -> BaselineEntry:
    """An entry with samples by the name of their measurement."""
    way = msgspec.UNSET if better is None else better
    found = BaselineEntry(
        digest=DIGEST,
        tier="cpu",
        evidence="reduced",
        word="supported",
        seeds=tuple(seeds),
        samples=tuple(
            BaselineSample(arm="arm", measurement=m, unit="%", values=tuple(v), better=way) for m, v in samples.items()
        ),
        records=(RECORD,),
        source="f" * 64,
        device="cpu x86_64 AVX2",
        versions="python 3.11.7",
    )
    return msgspec.structs.replace(found, **changes)


class Fake:
    """A side that draws each measurement from a normal distribution, or does what a test tells it."""

    def __init__(self, *means: float, sd: float = 1.0, key: int = 0, words: Sequence[str] = ()) -> None:
        self.means, self.sd, self.key = means or (5.0,), sd, key
        self.words = list(words)
        self.asked: list[tuple[str, tuple[int, ...] | None]] = []
        self.raises: dict[str, Exception] = {}
        self.lost: set[int] = set()  # places of runs that diverge
        self.name, self.better = "error", None

    def claims(self, *, keys: bool = False) -> dict[str, ClaimInfo]:
        """One claim."""
        return {"toy2020/a@1": facts()}

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
        """Values that depend on claim, seed and key only."""
        self.asked.append((claim, None if seeds is None else tuple(seeds)))
        if claim in self.raises:
            raise self.raises[claim]
        chosen = tuple(range(4) if seeds is None else seeds)
        drawn = {}
        for place, mean in enumerate(self.means):
            rngs = [np.random.default_rng([self.key, place, seed]) for seed in chosen]
            found = [mean + self.sd * float(rng.standard_normal()) for rng in rngs]
            drawn[f"{self.name} {place}"] = [None if i in self.lost else v for i, v in enumerate(found)]
        word = self.words.pop(0) if self.words else "supported"
        return entry(drawn, chosen, self.better, word=word, source=f"{self.key:064d}")

    def run_cost(self, claim: str, arm: int, seed: int) -> RunCost:
        """Never asked here."""
        raise AssertionError


def decided(
    new: Fake, old: BaselineEntry | None = None, budget: SeedBudget | None = None, beside: Fake | None = None
) -> Decision:
    """The decision about one claim."""
    before = old or Fake(*[5.0] * len(new.means)).judge("toy2020/a@1")
    criterion = all_of(*[at_most(10.0)] * len(new.means)) if len(new.means) > 1 else at_most(10.0)
    known = {"toy2020/a@1": facts(criterion=criterion, count=len(new.means))}
    gate = Gate(Baseline(claims={"toy2020/a@1": before}), new, beside, budget or SeedBudget())
    return gate.decide(sorted({*known, *gate.baseline.claims}), known)
