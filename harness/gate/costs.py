"""What a change costs next to another revision: both run interleaved on this machine, in fresh processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from harness.gate.protocol import ClaimInfo, RunCost
from harness.gate.result import CostChange, Remark, Weight
from harness.gate.revision_process import RevisionProcess
from harness.gate.thresholds import CostName, Threshold
from harness.submission.paired_runs import PairedRuns
from repro.numbers import number

ARM = 0  # of a claim: the one that is timed
PAIRS = 20  # of runs, at most
LEVEL = 0.005  # of all wrong decisions about costs together
LOOKS = (5, 10, 20, 40)  # pairs after which a decision is tried
UNITS: dict[CostName, str] = {"time": "s", "memory": "B", "energy": "J"}
READ: dict[CostName, Callable[[RunCost], float | None]] = {
    "time": lambda run: run.seconds,
    "memory": lambda run: run.bytes,
    "energy": lambda run: run.joules,
}
WEIGHTS: Mapping[str, Weight] = {"worse": "regression", "undecided": "undecided", "unmeasured": "note"}


def measure(
    claims: Sequence[ClaimInfo],
    new: RevisionProcess,
    old: RevisionProcess,
    thresholds: Sequence[Threshold],
    pairs: int = PAIRS,
    on_progress: Callable[[str], None] = lambda line: None,
) -> list[CostChange]:
    """Run the first arms of claims on both revisions, in at most so many pairs, until every threshold is decided.

    The intervals' level is shared among looks, thresholds and claims, so that looking several times, or at many arms,
    makes no false alarm likelier than `LEVEL`.

    Raises:
        ReproError: if a run fails on either side.
    """
    looks = (*(n for n in LOOKS if n < pairs), pairs)
    level = LEVEL / (len(looks) * max(1, len(thresholds)) * max(1, len(claims)))
    changes = []
    for claim in claims:
        runs: PairedRuns[RunCost] = PairedRuns()
        costs: list[CostChange] = []
        for look in looks:
            while (done := len(runs.candidate)) < look:
                on_progress(f"{claim.id}: timing both revisions, pair {done + 1}")
                runs.add_pair(
                    lambda seed, name=claim.id: new.run_cost(name, ARM, seed),
                    lambda seed, name=claim.id: old.run_cost(name, ARM, seed),
                )
            costs = [decide(claim.id, runs, threshold, level) for threshold in thresholds]
            if all(cost.state != "undecided" for cost in costs):
                break
        changes += costs
    return changes


def decide(claim: str, runs: PairedRuns[RunCost], threshold: Threshold, level: float) -> CostChange:
    """Whether a cost stays below its threshold, by the t interval of the logarithms of the pairs' ratios.

    There are at least two pairs; `level` is that of each end of the interval.
    """
    change = CostChange(
        claim=claim,
        arm=runs.candidate[0].arm,
        cost=threshold.cost,
        unit=UNITS[threshold.cost],
        below=threshold.below,
        pairs=len(runs.candidate),
        method=runs.candidate[0].method if threshold.cost == "energy" else "",
        state="unmeasured",
    )
    estimate = runs.ratio(READ[threshold.cost], level)
    if estimate is not None and estimate.low is not None and estimate.high is not None:
        above, below = estimate.low >= threshold.below, estimate.high < threshold.below
        change = msgspec.structs.replace(
            change,
            ratio=estimate.ratio,
            low=estimate.low,
            high=estimate.high,
            old=estimate.baseline,
            state="worse" if above else "fine" if below else "undecided",
        )
    return msgspec.structs.replace(change, says=sentence(change))


def remarks(costs: Sequence[CostChange], claims: Mapping[str, ClaimInfo]) -> list[Remark]:
    """What costs mean for the gate: above the threshold is a regression; what was not measured is only a note."""
    return [
        Remark(
            weight=WEIGHTS[cost.state],
            topic="cost",
            about=cost.claim,
            says=cost.says,
            severity=0.0 if cost.ratio is None else 10 * math.log(max(1.0, cost.ratio / cost.below)),
            file=claims[cost.claim].file,
            line=claims[cost.claim].line,
        )
        for cost in costs
        if cost.state in WEIGHTS
    ]


def sentence(cost: CostChange) -> str:
    """One line with the ratio, its interval and the threshold."""
    if cost.ratio is None or cost.low is None or cost.high is None:
        return f"{cost.cost} of {cost.arm} was not measured ({cost.method or 'no figure'})"
    old = "" if cost.old is None else f" of {number(cost.old)} {cost.unit}"
    text = f"{cost.cost} of {cost.arm} is {cost.ratio:.3f} [{cost.low:.3f}, {cost.high:.3f}]{old}, {cost.pairs} pairs"
    must = f"must stay below {cost.below:g}"
    return f"{text}, {must}" + (": undecided, allow more pairs" if cost.state == "undecided" else "")
