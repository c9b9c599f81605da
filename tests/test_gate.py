"""The gate's decision: which way is worse, the two looks, and what is reported of everything else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from harness.gate import confirmation
from harness.gate.baseline import Baseline, BaselineEntry
from harness.gate.gate import FIRST_FRESH, Gate, SeedBudget, touched
from harness.gate.metric_direction import Aspect, aspect_of, roles, sample_roles
from harness.gate.revision_process import TrialCrashed
from harness.gate.significance import LEVEL
from repro.claim.catalogue import Catalogue
from repro.criterion.comparisons import Criterion
from repro.criterion.constructors import (
    all_of,
    at_least,
    at_most,
    equals,
    equivalent,
    higher,
    holds,
    lower,
    matches,
    monotone,
    ordered,
)
from repro.criterion.measurement import Better
from repro.errors import ReproError, Unavailable
from repro.paper import Reported
from tests.gate_sides import Fake, decided, entry, facts

REPORTED = Reported(1.0, "1", "Table 1")


def aspects(criterion: Criterion, *better: Better | None, unit: str = "1") -> list[Aspect]:
    """How samples are compared that improve so."""
    return [aspect_of(role, way, unit) for role, way in zip(roles(criterion, len(better)), better, strict=True)]


@pytest.mark.parametrize(
    ("criterion", "better", "ways"),
    [
        (at_most(3), [None], ["up"]),
        (at_least(3), [None], ["down"]),
        (at_most(3), ["higher"], ["up"]),
        (at_least(1), ["lower"], ["down"]),
        (matches(3, within=1), [None], ["either"]),
        (matches(3, within=1), ["lower"], ["either"]),
        (lower(), [None, None], ["up", "down"]),
        (higher(log=True), [None, None], ["down", "up"]),
        (higher(by=2), ["lower", "lower"], ["up", "up"]),
        (lower(), ["higher", "higher"], ["down", "down"]),
        (lower(), [None, "higher"], ["up", "down"]),
        (equivalent(within=1), [None, None], ["neither", "neither"]),
        (equivalent(within=1), ["lower", "lower"], ["up", "up"]),
        (ordered(), [None] * 3, ["up", "neither", "down"]),
        (ordered(), ["lower"] * 3, ["up"] * 3),
        (monotone(), [None], ["neither"]),
        (monotone(), ["higher"], ["down"]),
        (all_of(holds(), lower(), ordered()), [None] * 5, ["neither", "up", "down", "up", "down"]),
        (all_of(all_of(at_most(1), at_least(1)), at_most(1)), [None] * 3, ["up", "down", "up"]),
        (all_of(ordered(), ordered()), [None] * 4, ["neither"] * 4),
        (all_of(ordered(), ordered()), ["lower"] * 4, ["up"] * 4),
    ],
)
def test_worse_is_known_from_the_criterion_else_from_the_measurement(criterion, better, ways):
    """A bound decides; else the measurement, in every arm alike; else what weakens a comparison; else nothing does."""
    assert [aspect.worse for aspect in aspects(criterion, *better)] == ways


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("FID score", "lower"),
        ("Brier score", "lower"),
        ("valid bits per byte", "lower"),
        ("updates per second", "higher"),
        ("saved updates", "higher"),
        ("accuracy", "lower"),
    ],
)
def test_no_word_of_a_name_decides(name, better):
    """A score can be a distance, and updates can be a rate: the verdict on a change depends on `better` alone."""
    rises, falls = ("worse", "fine") if better == "lower" else ("fine", "worse")
    for criterion, way in ((monotone(), better), (at_most(9.0) if better == "lower" else at_least(1.0), None)):
        known = {"toy2020/a@1": facts(criterion=criterion)}
        for mean, state in ((13.0, rises), (-3.0, falls)):
            old, new = Fake(5.0), Fake(mean, key=1)
            old.name = new.name = name
            old.better = new.better = way
            result = Gate(Baseline(claims={"toy2020/a@1": old.judge("x")}), new).decide(["toy2020/a@1"], known)
            assert result.quality[0].state == state
            assert result.exit == (state == "worse")


def test_a_neutral_measurement_is_reported_and_never_a_regression():
    """Where neither the claim nor the measurement says what is worse, a clear change is a note, and costs no seed."""
    known = {"toy2020/a@1": facts(criterion=monotone())}
    new = Fake(50.0, key=1)
    result = Gate(Baseline(claims={"toy2020/a@1": Fake(5.0).judge("x")}), new).decide(["toy2020/a@1"], known)
    assert (result.exit, result.same, result.quality[0].state) == (0, 0, "neutral")
    (remark,) = result.remarks
    assert (remark.weight, remark.topic) == ("note", "quality")
    assert "(neither way is worse)" in remark.says
    assert new.asked == [("toy2020/a@1", None)]
    slight = Fake(5.1, key=1)
    result = Gate(Baseline(claims={"toy2020/a@1": Fake(5.0).judge("x")}), slight).decide(["toy2020/a@1"], known)
    assert (result.remarks, result.quality[0].state) == ((), "neutral")


def test_a_neutral_measurement_that_diverges_is_a_regression():
    """NaN is worse than any number whatever the direction, and has to recur at fresh seeds."""
    known = {"toy2020/a@1": facts(criterion=monotone())}
    before = Baseline(claims={"toy2020/a@1": Fake(5.0).judge("x")})
    new = Fake(5.0, key=1)
    new.lost = {0}
    (remark,) = Gate(before, new).decide(["toy2020/a@1"], known).remarks
    assert (remark.weight, remark.topic) == ("regression", "diverged")
    judge = (once := Fake(50.0, key=1)).judge

    def lost_once(claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
        once.lost = {0} if seeds is None else set()
        return judge(claim, seeds)

    once.judge = lost_once
    result = Gate(before, once).decide(["toy2020/a@1"], known)
    assert (result.exit, result.quality[0].state) == (0, "neutral")


def test_scale_and_exact_parts_follow_the_criterion():
    """Logarithms where the criterion or the unit takes them; exact parts are counted, not compared."""
    criterion = all_of(holds(), lower(log=True))
    assert [role.exact for role in roles(criterion, 3)] == [True, False, False]
    assert [aspect.log for aspect in aspects(criterion, None, None, None)] == [False, True, True]
    assert [aspect.log for aspect in aspects(lower(), None, None, unit="perplexity")] == [True, True]
    assert [role.exact for role in roles(all_of(equals(REPORTED, within=0.1), lower()), 3)] == [True, False, False]


def test_what_the_clock_measured_is_not_compared():
    """Another machine, or a busier one, is no regression: of what a contract calls clocked the verdict counts."""
    catalogue = Catalogue()
    (claim,) = catalogue.select(["huang2019/speed-is-near-linear"])
    found = sample_roles(claim, catalogue.modules["huang2019"].CONTRACT)
    assert [role.clocked for role in found] == [True, True, True, True, False]
    assert not any(role.clocked for role in sample_roles(claim, None))
    info = facts(criterion=claim.criterion, count=5, roles=found)
    old, new = Fake(*[1.0] * 5).judge("x"), Fake(*[2.0] * 5).judge("x")
    changes = confirmation.measurement_changes(info, old, new)
    assert changes is not None
    assert [change.index for change in changes] == [4]


def test_equal_values_are_quiet_and_run_nothing_else():
    """The same to the last bit: no test, no fresh seed."""
    new = Fake(5.0)
    result = decided(new)
    assert (result.exit, result.same, result.remarks) == (0, 1, ())
    assert new.asked == [("toy2020/a@1", None)]
    assert result.quality[0].state == "same"


def test_a_drop_is_confirmed_on_fresh_seeds_and_said():
    """What got worse by five standard deviations fails, with the figures, and only after fresh seeds."""
    new = Fake(10.0, key=1)
    result = decided(new)
    assert result.exit == 1
    (remark,) = result.remarks
    assert (remark.weight, remark.topic, remark.file, remark.line) == ("regression", "quality", facts().file, 7)
    assert "error 0 of arm: 4" in remark.says
    assert "higher is worse" in remark.says
    fresh = new.asked[1][1]
    assert fresh is not None
    assert len(fresh) == 8
    assert min(fresh) >= FIRST_FRESH
    assert result.quality[0].state == "worse"


def test_a_suspicion_that_fresh_seeds_do_not_confirm_is_dropped():
    """Values that are bad at the first seeds only do not fail the gate."""
    new = Fake(5.0, key=1)
    drawn = new.judge

    def unlucky(claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
        found = drawn(claim, seeds)
        if seeds is None:
            samples = tuple(msgspec.structs.replace(s, values=(9.0, 8.5, 9.5, 9.1)) for s in found.samples)
            return msgspec.structs.replace(found, samples=samples)
        return found

    new.judge = unlucky
    result = decided(new, beside=Fake(5.0, key=2))
    assert result.exit == 0
    assert len(new.asked) > 1
    assert result.quality[0].state == "fine"
    assert result.power.startswith("1 measurement changed")


def test_fresh_seeds_run_on_both_sides_where_the_baseline_can_be_run():
    """With the baseline's code at hand the confirmation is paired, seed by seed."""
    new, old = Fake(10.0, key=1), Fake(5.0, key=2)
    result = decided(new, beside=old)
    assert result.exit == 1
    assert old.asked == new.asked[1:]
    assert "paired" in result.remarks[0].says


def test_a_claim_that_the_other_revision_lacks_is_compared_with_the_baseline():
    """A claim that came with the change cannot be run at the revision beside: its baseline has to do."""
    for theirs in ({}, {"toy2020/a@1": facts(digest="sha256:" + "0" * 64)}):
        beside = Fake(5.0, key=2)
        beside.claims = lambda *, keys=False, theirs=theirs: theirs
        result = decided(Fake(10.0, key=1), beside=beside)
        assert result.exit == 1
        assert beside.asked == []
        assert "against 4" in result.remarks[0].says


def test_the_correction_counts_every_measurement_that_changed():
    """Holm's correction is over the family: the same drop among fifty that changed has a larger p-value."""
    alone = decided(Fake(7.0, key=1)).quality[0].p
    crowd = decided(Fake(7.0, *[3.0] * 49, key=1)).quality[0].p  # the others changed for the better
    assert alone is not None
    assert crowd == pytest.approx(min(1.0, 50 * alone), rel=1e-6)


def test_claims_that_draw_the_same_measurement_count_once():
    """Two claims on one measurement make a family of one, and the row names both."""
    new = Fake(10.0, key=1)
    known = {name: facts(name) for name in ("toy2020/a@1", "toy2020/b@1")}
    before = Baseline(claims=dict.fromkeys(known, Fake(5.0).judge("toy2020/a@1")))
    result = Gate(before, new).decide(sorted(known), known)
    assert len(result.quality) == 1
    assert result.quality[0].alike == ("toy2020/b@1",)
    assert len(result.remarks) == 1


def test_a_suspicion_without_fresh_seeds_cannot_fail_the_gate():
    """--fresh 0 leaves a clear drop undecided and a mild one alone."""
    assert decided(Fake(30.0, key=1), budget=SeedBudget(fresh=0)).exit == 2
    assert decided(Fake(6.0, key=1), budget=SeedBudget(fresh=0)).exit == 0


def test_divergence_has_a_message_of_its_own():
    """Runs that are lost at the first look and at fresh seeds fail the gate as diverged."""
    new = Fake(5.0, key=1)
    new.lost = {0}
    (remark,) = decided(new).remarks
    assert (remark.weight, remark.topic) == ("regression", "diverged")
    assert "1 of 8 fresh seeds diverged, none in the baseline" in remark.says


@pytest.mark.parametrize(
    ("words", "exit_code", "topic", "says"),
    [
        (["refuted"] * 5, 1, "verdict", "and at 4 fresh seeds, 4 times, it is refuted, refuted, refuted, refuted"),
        (["inconclusive", *["refuted"] * 4], 1, "verdict", "supported became inconclusive, and at 4 fresh seeds"),
        ([*["refuted"] * 4, "supported"], 0, "unconfirmed", "but is supported at 4 fresh seeds"),
        (["refuted", "supported"], 0, "unconfirmed", "supported became refuted, but is supported at 4 fresh seeds"),
    ],
)
def test_a_worse_verdict_is_confirmed_on_fresh_seeds(words, exit_code, topic, says):
    """A verdict that gets worse fails the gate only if it does so in each of four more draws."""
    result = decided(Fake(5.0, words=words))
    assert result.exit == exit_code
    assert [remark.topic for remark in result.remarks] == [topic]
    assert says in result.remarks[0].says


def test_a_claim_of_many_seeds_is_confirmed_on_as_many():
    """Each of the four draws has all the seeds that the claim asks for, and shares none with another."""
    known = {"toy2020/a@1": facts(seeds=100)}
    new = Fake(5.0, words=["refuted"] * 5)
    result = Gate(Baseline(claims={"toy2020/a@1": Fake(5.0).judge("x")}), new).decide(sorted(known), known)
    assert result.exit == 1
    fresh = [seeds for _, seeds in new.asked if seeds is not None]
    assert [len(seeds) for seeds in fresh] == [100] * 4
    assert len({seed for seeds in fresh for seed in seeds}) == 400


@pytest.mark.parametrize(
    ("before", "after", "exit_code", "topic"),
    [
        ("refuted", "supported", 0, "better"),
        ("inconclusive", "refuted", 0, "verdict"),
        ("finding", "unexpected", 1, "verdict"),
    ],
)
def test_verdicts_have_an_order(before, after, exit_code, topic):
    """What did not pass cannot fail anew; an improvement is said; a finding that holds all at once is a regression."""
    old = msgspec.structs.replace(Fake(5.0).judge("x"), word=before)
    result = decided(Fake(5.0, words=[after] * 5), old)
    assert result.exit == exit_code
    assert [remark.topic for remark in result.remarks] == [topic]


@pytest.mark.parametrize(
    ("before", "after", "word", "finding", "exit_code", "said"),
    [
        ((0, 9), (2, 9), "refuted", False, 1, "reproduced became refuted: 2 of 9 cases violate"),
        ((1, 9), (3, 9), "refuted", False, 1, "3 of 9 cases violate, were 1 of 9"),
        ((3, 9), (1, 9), "refuted", False, 0, "1 of 9 cases violate, were 3 of 9"),
        ((1, 9), (3, 9), "finding", True, 0, "3 of 9 cases violate, were 1 of 9"),
        ((0, 9), (0, 9), "reproduced", False, 0, ""),
    ],
)
def test_exact_claims_are_compared_by_their_violations(before, after, word, finding, exit_code, said):
    """An exact claim needs no second look: more violations are a regression, unless they were foreseen."""
    old_word = word if before[0] else "reproduced"
    old = entry({}, (), violations=before, word=old_word)
    new = Fake()
    new.judge = lambda claim, seeds=None: entry({}, (), violations=after, word=word)
    known = {"toy2020/a@1": facts(criterion=holds(), known_refutation=finding)}
    result = Gate(Baseline(claims={"toy2020/a@1": old}), new).decide(["toy2020/a@1"], known)
    assert result.exit == exit_code
    assert [remark.says for remark in result.remarks] == ([said] if said else [])


def test_what_cannot_be_compared_is_said_each_in_its_words():
    """Vanished, renumbered, changed, new and unavailable claims each have a message and a weight of their own."""
    names = {"toy2020/gone@1", "toy2020/newer@1", "toy2020/edited@1", "toy2020/lacking@1", "toy2020/a@1"}
    before = Baseline(claims=dict.fromkeys(names, Fake(5.0).judge("toy2020/a@1")))
    known = {name: facts(name) for name in ("toy2020/newer@2", "toy2020/lacking@1", "toy2020/a@1", "toy2020/extra@1")}
    known["toy2020/edited@1"] = facts("toy2020/edited@1", digest="sha256:" + "0" * 64)
    new = Fake(5.0)
    new.raises = {"toy2020/lacking@1": Unavailable("needs the dataset x", "Get it.")}
    result = Gate(before, new).decide(sorted({*names, *known}), known)
    said = {(remark.weight, remark.topic, remark.about) for remark in result.remarks}
    assert said == {
        ("regression", "vanished", "toy2020/gone@1"),
        ("note", "version", "toy2020/newer@1"),
        ("undecided", "changed", "toy2020/edited@1"),
        ("undecided", "unavailable", "toy2020/lacking@1"),
        ("note", "new", "toy2020/extra@1"),
    }
    assert result.exit == 1
    assert result.claims == 1


def test_a_crash_of_the_change_is_a_regression_and_one_of_the_baseline_an_error():
    """The change's own crash fails the gate; if the baseline's code does not run, there is no gate."""
    new = Fake(5.0)
    new.raises = {"toy2020/a@1": TrialCrashed("trial 'walk' raised ZeroDivisionError", "")}
    (remark,) = decided(new).remarks
    assert (remark.weight, remark.topic) == ("regression", "crashed")
    beside = Fake(5.0)
    beside.raises = new.raises
    with pytest.raises(ReproError, match="The baseline's own code does not run: trial 'walk' raised"):
        decided(Fake(10.0, key=1), beside=beside)


def test_another_machine_is_said_and_values_are_compared_all_the_same():
    """A baseline from elsewhere is named as such, for the device and for the versions."""
    old = msgspec.structs.replace(Fake(5.0).judge("x"), device="cpu aarch64 NEON", versions="python 3.12.0")
    result = decided(Fake(10.0, key=1), old)
    machine = [remark for remark in result.remarks if remark.topic == "machine"]
    assert [remark.weight for remark in machine] == ["note", "note"]
    assert "measured on cpu aarch64 NEON, this run on cpu x86_64 AVX2" in machine[0].says
    assert result.exit == 1


def test_nothing_comparable_is_undecided_and_nothing_selected_is_fine():
    """A gate that compared nothing must not look like one that found nothing."""
    before = Baseline(claims={"toy2020/a@1": Fake(5.0).judge("x")})
    assert Gate(before, Fake()).decide(["toy2020/a@1"], {"toy2020/a@2": facts("toy2020/a@2")}).exit == 2
    assert Gate(before, Fake()).decide([], {}).exit == 0


def test_other_measurements_are_not_compared():
    """A claim that draws something else than its baseline holds is undecided."""
    old = entry({"other": [1.0] * 4})
    (remark,) = decided(Fake(5.0), old).remarks
    assert (remark.weight, remark.topic) == ("undecided", "changed")


def test_more_seeds_are_taken_where_asked():
    """--seeds compares values at so many seeds, and leaves the verdict to the claim's own."""
    old = Fake(5.0).judge("toy2020/a@1", range(20))
    new = Fake(5.0)
    result = decided(new, old, SeedBudget(seeds=20))
    assert new.asked == [("toy2020/a@1", None), ("toy2020/a@1", tuple(range(20)))]
    assert result.quality[0].seeds == (20, 20)


@pytest.mark.parametrize("budget", [{"seeds": 1}, {"fresh": 1}, {"fresh": -1}, {"fresh": 201}])
def test_impossible_budgets_are_refused(budget):
    """Numbers of seeds that cannot decide anything are mistakes, not gates."""
    with pytest.raises(ReproError, match="--"):
        SeedBudget(**budget)


def test_touched_claims_are_those_whose_trials_rest_on_something_else():
    """By digest and trial keys: code, data and protocol; unknown keys count as touched."""
    base = {name: facts(name, keys=("k",)) for name in ("a/a@1", "a/b@1", "a/c@1", "a/d@1")}
    now = {
        "a/a@1": base["a/a@1"],
        "a/b@1": facts("a/b@1", keys=("other",)),
        "a/c@1": facts("a/c@1", keys=("k",), digest="sha256:" + "1" * 64),
        "a/e@1": facts("a/e@1", keys=("k",)),
    }
    assert touched(now, base) == ["a/b@1", "a/c@1", "a/d@1", "a/e@1"]
    assert touched({"a/a@1": facts("a/a@1")}, {"a/a@1": facts("a/a@1")}) == ["a/a@1"]


def test_false_alarms_are_rarer_than_the_level():
    """A hundred families of twenty noisy measurements without a change: at most one fails, as the level says."""
    failed = 0
    for key in range(100):
        means = [5.0] * 20
        old = Fake(*means, key=2 * key)
        new = Fake(*means, key=2 * key + 1)
        result = decided(new, old.judge("toy2020/a@1"))
        failed += result.exit == 1
    assert failed <= 1
    assert LEVEL <= 0.01


def test_a_family_is_settled_whole():
    """After the confirmation nobody is left suspicious, unless no fresh seed was allowed."""
    result = decided(Fake(*[5.5] * 12, key=3))
    assert {row.state for row in result.quality} <= {"fine", "worse", "undecided", "same"}
    assert confirmation.merged([]) == []
