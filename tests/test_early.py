"""Controls are judged in steps: as sure as at once, and sooner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repro import Paper, all_of, claim, higher, holds, refuted
from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, leaves
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Status
from repro.trial.cache import Cache
from repro.trial.early import LOOKS, steps
from repro.trial.implementation import control, reference
from repro.trial.judge import Suite, judge
from tests.toy import trials_run, write_project

PAPER = Paper(key="planted2020", title="Planted", authors=("N. N.",), year=2020)
SEEDS = 12


def measured(implementation, setting):
    """Never run here: the simulations below draw its numbers."""
    raise AssertionError("a body must not run anything")


def test_goes_up(run):
    """Table 1: with drift it goes up."""
    return run(measured, "drifting")["end"], run(measured, "still")["end"]


test_goes_up.__test__ = False


def stated(criterion, **changes) -> Claim:
    """A claim with this criterion."""
    return claim("goes-up", criterion, **({"seeds": SEEDS, "controls": ["none"]} | changes))(test_goes_up).claims[0]


def stepwise(found: Claim, gaps: np.ndarray) -> tuple[Status, int]:
    """What the steps say of paired differences [S], and after how many seeds."""
    status: Status = "inconclusive"
    for step in steps(found, range(len(gaps))):
        values = {"drifting": gaps, "still": np.zeros(len(gaps))}
        samples = tuple(
            Sample(
                arm=ref.arm.label,
                measurement="end",
                unit="m",
                seeds=step.seeds,
                values=values[ref.arm.label][: len(step.seeds)],
            )
            for ref in leaves(step.draws)
        )
        status = judge(step.criterion, samples).status
        if status == "refuted":
            return status, len(step.seeds)
    return status, SEEDS


def test_all_looks_together_err_no_more_often_than_the_level():
    """Where the truth lies on the margin, steps reject in at most 1 of 100 runs, as one look does."""
    rng, found = np.random.default_rng(0), stated(higher(by=1.0))
    runs = 4000
    rejected = sum(stepwise(found, rng.normal(1.0, 1.0, SEEDS))[0] == "refuted" for _ in range(runs))
    assert rejected / runs < 0.01 + 3 * np.sqrt(0.01 * 0.99 / runs)


def test_what_is_clear_takes_a_third_of_the_seeds():
    """A control ten standard deviations off is rejected every time, after four of twelve seeds at the median."""
    rng, found = np.random.default_rng(1), stated(higher(by=1.0))
    taken = [stepwise(found, rng.normal(-9.0, 1.0, SEEDS)) for _ in range(300)]
    assert {status for status, _ in taken} == {"refuted"}
    assert np.median([count for _, count in taken]) <= 4


def test_what_is_less_clear_is_rejected_as_often_as_by_one_look():
    """Two and a half standard deviations off, steps reject nearly as often as all seeds at the claim's own level."""
    rng, found = np.random.default_rng(2), stated(higher(by=1.0))
    draws = rng.normal(-1.5, 1.0, (300, SEEDS))
    assert np.mean([stepwise(found, gaps)[0] == "refuted" for gaps in draws]) > 0.99


@pytest.mark.parametrize("seeds", [3, 4, 5, 12, 30])
def test_the_last_step_has_every_seed_and_the_levels_add_up(seeds):
    """The levels of all steps are the claim's level together; few seeds are looked at once, at the whole level."""
    found = steps(stated(higher(), seeds=seeds), range(seeds))
    assert [len(step.seeds) for step in found] == [*(look for look in LOOKS if look < seeds), seeds]
    assert sum(step.criterion.level for step in found) == pytest.approx(0.01)


def test_exact_criteria_keep_their_rule():
    """An exact claim is looked at after its first seed, by the rule itself."""
    found = steps(stated(all_of(holds(0.5), holds(0.5)), seeds=1), [7])
    assert [(step.seeds, len(step.criterion.parts)) for step in found] == [((7,), 1), ((7,), 2)]
    assert {part for step in found for part in step.criterion.parts} == {holds(0.5)}


def test_a_known_refutation_takes_every_part():
    """The control of a claim that is known not to hold must hold, and that takes all parts."""
    found = steps(stated(all_of(holds(), holds()), seeds=1, expected=refuted(source="arithmetic")), [0])
    assert [len(step.criterion.parts) for step in found] == [2]


def test_a_control_runs_no_more_than_it_takes(tmp_path: Path):
    """The toy's control without drift is rejected after three of four seeds, and its record says so."""
    root = write_project(tmp_path)
    found = next(claim for claim in Catalogue(root).claims if claim.name == "drift-carries")
    suite = Suite(Cache(tmp_path / "cache"))
    judged = suite.judge_control(found, control("toy2020", "no_drift", root))
    assert judged.rejected
    assert judged.verdict.n == 3
    assert len(trials_run(root)) == 3  # both arms are the same trials: neither drifts
    whole = suite.judge(found, reference("toy2020", root))
    assert (whole.verdict.status, whole.verdict.n, whole.verdict.level) == ("holds", 4, 0.01)
