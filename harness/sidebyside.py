"""What a change costs beside what was: both run by turns on this machine, in fresh processes, until that is decided."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from harness.decision import Cost, Remark
from harness.side import Facts, Judge, Spent
from harness.thresholds import Threshold
from repro.statistics import interval, mean_effect
from repro.text import number

PAIRS = 20  # of runs, at most
LEVEL = 0.005  # of all wrong decisions about costs together
LOOKS = (5, 10, 20, 40)  # pairs after which it is tried to decide
UNITS = {"time": "s", "memory": "B", "energy": "J"}


@dataclass(frozen=True)
class Timed:
    """An arm of a claim that is timed."""

    facts: Facts
    arm: int = 0


@dataclass
class Pairs:
    """Runs of one arm on both sides, in pairs."""

    timed: Timed
    new: list[Spent] = field(default_factory=list)
    old: list[Spent] = field(default_factory=list)


def measure(
    arms: Sequence[Timed],
    new: Judge,
    old: Judge,
    thresholds: Sequence[Threshold],
    pairs: int = PAIRS,
    say: Callable[[str], None] = lambda line: None,
) -> list[Cost]:
    """Run arms on both sides by turns, the first one alternating, until every threshold is decided.

    The intervals' level is shared among looks, thresholds and arms, so that looking several times, or at many arms,
    makes no false alarm likelier than `LEVEL`.

    Args:
        arms: what is timed.
        new: the change.
        old: what was.
        thresholds: what is asked.
        pairs: of runs, at most; two or more.
        say: told of progress.

    Raises:
        ReproError: if a run fails on either side.
    """
    stages = (*(n for n in LOOKS if n < pairs), pairs)
    level = LEVEL / (len(stages) * max(1, len(thresholds)) * max(1, len(arms)))
    found = []
    for timed in arms:
        runs = Pairs(timed)
        costs: list[Cost] = []
        for stage in stages:
            _advance(runs, new, old, stage, say)
            costs = [decide(runs, threshold, level) for threshold in thresholds]
            if all(cost.state != "undecided" for cost in costs):
                break
        found += costs
    return found


def _advance(runs: Pairs, new: Judge, old: Judge, count: int, say: Callable[[str], None]) -> None:
    while len(runs.new) < count:
        pair = len(runs.new)
        order: list[tuple[Judge, list[Spent]]] = [(new, runs.new), (old, runs.old)]
        say(f"{runs.timed.facts.id}: timing both revisions by turns, pair {pair + 1}")
        for side, kept in order if pair % 2 else reversed(order):
            kept.append(side.spent(runs.timed.facts.id, runs.timed.arm, pair))


def decide(runs: Pairs, threshold: Threshold, level: float) -> Cost:
    """Whether a cost stays below its threshold, by the t interval of the logarithms of the pairs' ratios.

    Args:
        runs: at least two pairs.
        threshold: what it must stay below.
        level: of each end of the interval.
    """
    read: dict[str, Callable[[Spent], float | None]] = {
        "time": lambda run: run.seconds,
        "memory": lambda run: run.bytes,
        "energy": lambda run: run.joules,
    }
    of = read[threshold.cost]
    ratios = [(of(a), of(b)) for a, b in zip(runs.new, runs.old, strict=True)]
    known = [(a, b) for a, b in ratios if a and b]
    facts = Cost(
        claim=runs.timed.facts.id,
        arm=runs.new[0].arm,
        cost=threshold.cost,  # type: ignore[arg-type] -- `parse` admits only costs
        unit=UNITS[threshold.cost],
        below=threshold.below,
        pairs=len(ratios),
        method=runs.new[0].method if threshold.cost == "energy" else "",
        state="unmeasured",
    )
    if len(known) < len(ratios) or len(known) < 2:
        return _said(facts)
    effect = mean_effect(np.log([a / b for a, b in known]))
    ends = interval(effect, level)
    assert ends is not None
    low, high = math.exp(ends[0]), math.exp(ends[1])
    return _said(
        msgspec.structs.replace(
            facts,
            ratio=math.exp(effect.estimate),
            low=low,
            high=high,
            old=float(np.exp(np.mean(np.log([b for _, b in known])))),
            state="worse" if low >= threshold.below else "fine" if high < threshold.below else "undecided",
        )
    )


def _said(cost: Cost) -> Cost:
    return msgspec.structs.replace(cost, says=sentence(cost))


def remarks(costs: Sequence[Cost], facts: dict[str, Facts]) -> list[Remark]:
    """What costs mean for the gate: dearer is a regression, undecided is undecided, unmeasured is only said."""
    weights = {"worse": "regression", "undecided": "undecided", "unmeasured": "note"}
    return [
        Remark(
            weight=weights[cost.state],  # type: ignore[arg-type]
            topic="cost",
            about=cost.claim,
            says=cost.says,
            severity=0.0 if cost.ratio is None else 10 * math.log(max(1.0, cost.ratio / cost.below)),
            file=facts[cost.claim].file,
            line=facts[cost.claim].line,
        )
        for cost in costs
        if cost.state in weights
    ]


def sentence(cost: Cost) -> str:
    """One line with the ratio, its interval and the threshold."""
    if cost.ratio is None or cost.low is None or cost.high is None:
        return f"{cost.cost} of {cost.arm} was not measured ({cost.method or 'no figure'})"
    was = "" if cost.old is None else f" of {number(cost.old)} {cost.unit}"
    text = f"{cost.cost} of {cost.arm} is {cost.ratio:.3f} [{cost.low:.3f}, {cost.high:.3f}]{was}, {cost.pairs} pairs"
    must = f"must stay below {cost.below:g}"
    return f"{text}, {must}" + (": undecided, allow more pairs" if cost.state == "undecided" else "")
