"""The gate's decision: which way is worse, the tests, the two looks, and what is said of everything else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness import family, quality, sidebyside
from harness.baseline import Baseline, Entry, Held
from harness.decision import Decision
from harness.direction import Aspect, aspects
from harness.gate import FIRST_FRESH, Gate, Plan, touched
from harness.quality import LEVEL, Values, compare, independent, looks
from harness.side import Crashed, Facts, Spent
from harness.sidebyside import Timed
from harness.thresholds import parse
from repro.criterion import (
    Criterion,
    all_of,
    at_least,
    at_most,
    equivalent,
    higher,
    holds,
    lower,
    matches,
    monotone,
    ordered,
)
from repro.errors import ReproError, Unavailable

DIGEST = "sha256:" + "d" * 64
RECORD = "sha256:" + "e" * 64
UP, DOWN, EITHER = Aspect("up", False), Aspect("down", False), Aspect("either", False)


def values(numbers: Sequence[float | None], first: int = 0) -> Values:
    """Values at seeds `first`, `first` + 1, ..."""
    return Values(seeds=tuple(range(first, first + len(numbers))), values=tuple(numbers))


def facts(claim: str = "toy2020/a@1", criterion: Criterion | None = None, **changes: object) -> Facts:
    """Facts of a statistical claim at four seeds."""
    found = Facts(
        id=claim,
        digest=DIGEST,
        tier="cpu",
        evidence="reduced",
        seeds=4,
        criterion=criterion or at_most(10.0),
        finding=False,
        file="claims/test_toy2020.py",
        line=7,
    )
    return msgspec.structs.replace(found, **changes)


def entry(samples: dict[str, Sequence[float | None]], seeds: Sequence[int] = range(4), **changes: object) -> Entry:
    """An entry with samples by the name of their measurement."""
    found = Entry(
        digest=DIGEST,
        tier="cpu",
        evidence="reduced",
        word="supported",
        seeds=tuple(seeds),
        samples=tuple(Held(arm="arm", measurement=m, unit="%", values=tuple(v)) for m, v in samples.items()),
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

    def facts(self, *, keys: bool = False) -> dict[str, Facts]:
        """One claim."""
        return {"toy2020/a@1": facts()}

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> Entry:
        """Values that depend on claim, seed and key only."""
        self.asked.append((claim, None if seeds is None else tuple(seeds)))
        if claim in self.raises:
            raise self.raises[claim]
        chosen = tuple(range(4) if seeds is None else seeds)
        drawn = {}
        for place, mean in enumerate(self.means):
            rngs = [np.random.default_rng([self.key, place, seed]) for seed in chosen]
            found = [mean + self.sd * float(rng.standard_normal()) for rng in rngs]
            drawn[f"error {place}"] = [None if i in self.lost else v for i, v in enumerate(found)]
        word = self.words.pop(0) if self.words else "supported"
        return entry(drawn, chosen, word=word, source=f"{self.key:064d}")

    def spent(self, claim: str, arm: int, seed: int) -> Spent:
        """Never asked here."""
        raise AssertionError


def decided(new: Fake, old: Entry | None = None, plan: Plan | None = None, beside: Fake | None = None) -> Decision:
    """The decision about one claim."""
    before = old or Fake(*[5.0] * len(new.means)).judge("toy2020/a@1")
    criterion = all_of(*[at_most(10.0)] * len(new.means)) if len(new.means) > 1 else at_most(10.0)
    known = {"toy2020/a@1": facts(criterion=criterion)}
    gate = Gate(Baseline(claims={"toy2020/a@1": before}), new, beside, plan or Plan())
    return gate.decide(sorted({*known, *gate.baseline.claims}), known)


@pytest.mark.parametrize(
    ("criterion", "measurements", "ways"),
    [
        (lower(), [("x", "1"), ("x", "1")], ["up", "down"]),
        (higher(log=True), [("x", "1"), ("x", "1")], ["down", "up"]),
        (higher(by=2), [("train_error", "%"), ("train_error", "%")], ["up", "up"]),
        (at_least(3), [("x", "1")], ["down"]),
        (at_most(3), [("accuracy 5", "%")], ["down"]),
        (matches(3, within=1), [("x", "1")], ["either"]),
        (equivalent(within=1), [("x", "1"), ("x", "1")], ["either", "either"]),
        (ordered(), [("x", "1")] * 3, ["up", "either", "down"]),
        (monotone(), [("entropy", "B")], ["either"]),
        (all_of(holds(), lower(), ordered()), [("x", "1")] * 5, ["either", "up", "down", "up", "down"]),
        (all_of(all_of(at_most(1), at_least(1)), at_most(1)), [("x", "1")] * 3, ["up", "down", "up"]),
        (all_of(ordered(), ordered()), [("x", "1")] * 4, ["either"] * 4),
        (lower(), [("gain", "nats"), ("error accuracy", "1")], ["up", "down"]),
        (at_least(1), [("validation_perplexity", "perplexity")], ["up"]),
    ],
)
def test_worse_is_known_from_the_name_else_from_the_criterion(criterion, measurements, ways):
    """An error gets worse upwards in every arm; a quantity without such a name by its part in the criterion."""
    assert [aspect.worse for aspect in aspects(criterion, measurements)] == ways


def test_scale_and_exact_parts_follow_the_criterion():
    """Logarithms where the criterion or the unit takes them; exact parts are counted, not compared."""
    found = aspects(all_of(holds(), lower(log=True)), [("x", "1"), ("gain", "1"), ("x", "perplexity")])
    assert [(aspect.exact, aspect.log) for aspect in found] == [(True, False), (False, True), (False, True)]


def test_what_the_clock_measured_is_not_compared():
    """Another machine, or a busier one, is no regression: of such a claim the verdict counts."""
    names = [("efficiency 4,4", "1"), ("waited", "1"), ("disagreement", "1")]
    found = aspects(all_of(at_least(0.85), at_least(0.95), at_most(1e-6)), names)
    assert [aspect.clocked for aspect in found] == [True, True, False]


@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 12))
def test_tests_are_students(seed, n, m):
    """Paired values give the paired t test; others the pooled one, or Welch's error where that is larger."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1.5, 1, n), rng.normal(0, 2, m)
    effect = independent(a, b)
    pooled, welch = stats.ttest_ind(a, b), stats.ttest_ind(a, b, equal_var=False)
    t = effect.estimate / effect.se
    assert abs(t) == pytest.approx(min(abs(pooled.statistic), abs(welch.statistic)))
    assert effect.df == n + m - 2
    c = b[: min(n, m)]
    found = compare(values(list(c)), values(list(a[: len(c)])), UP)
    if len(c) > 1 and (a[: len(c)] - c).mean() > 0.5 * np.std(c, ddof=1):
        assert found.p == pytest.approx(stats.ttest_rel(a[: len(c)], c, alternative="greater").pvalue)
        assert found.paired


@given(st.integers(0, 5), st.integers(0, 5))
def test_divergence_is_tested_exactly(hits, before):
    """Where runs diverged before as well, their share is tested as Fisher does."""
    table = [[hits, 8 - hits], [before, 6 - before]]
    assert quality._fisher(hits, 8, before, 6) == pytest.approx(stats.fisher_exact(table, "greater").pvalue)


def test_a_new_divergence_is_worse_than_any_number():
    """A run that is lost where none was counts as worst; where some were, the finite ones are compared too."""
    assert compare(values([1.0, 2.0]), values([None, 0.0]), UP).p == 0.0
    found = compare(values([1.0, None, 1.2, 0.9]), values([5.0, None, 5.2, 5.1]), UP)
    assert found.p < 0.01
    assert not found.paired
    assert compare(values([1.0, None]), values([None, 1.0]), UP).p == 1.0
    assert compare(values([1.0, None]), values([None, None]), UP).shift is None


def test_what_improves_or_barely_moves_is_never_worse():
    """Better values, and shifts below a quarter of a standard deviation, have p-value 1 however consistent they are."""
    old = values([1.0, 2.0, 3.0, 4.0])
    assert compare(old, values([0.0, 1.0, 2.0, 3.0]), UP).p == 1.0
    assert compare(old, values([0.0, 1.0, 2.0, 3.0]), DOWN).p < 0.01
    assert compare(old, values([0.0, 1.0, 2.0, 3.0]), EITHER).p < 0.01
    slight = compare(old, values([v + 0.3 for v in old.values if v is not None]), UP)
    assert (slight.p, slight.large) == (1.0, False)
    noisy = compare(old, values([1.5, 2.0, 3.5, 4.0]), UP)  # too small to fail a gate, too uncertain to be dropped
    assert 0.05 < noisy.p < 0.2
    assert not noisy.large
    assert compare(values([7.0] * 4), values([7.0 + 1e-9] * 4), UP).p == 1.0
    assert compare(values([7.0] * 4), values([7.1] * 4), UP).p == 0.0


def test_a_baseline_without_spread_by_chance_is_not_taken_for_certainty():
    """Four equal values of something that jumps say little: eighty others have to differ by their own spread."""
    steps = [15.0, 20.0] * 40
    assert compare(values([15.0] * 4), values(steps, 100), UP).p > 0.001
    assert compare(values([15.0, 15.0, 15.0, 20.0] * 20), values(steps, 100), UP).p < 1e-3


def test_ratios_are_compared_where_the_scale_is_logarithmic():
    """A doubling is a shift of log 2, whatever the size."""
    found = compare(values([10.0, 100.0]), values([20.0, 200.0]), Aspect("up", True))
    assert found.shift == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("fresh", "stages"), [(0, ()), (6, (6,)), (8, (8,)), (24, (8, 24)), (80, (8, 24, 80)), (120, (8, 24, 100, 120))]
)
def test_looks_grow_to_what_is_allowed(fresh, stages):
    """Fresh seeds come in stages, the last of which takes all that are allowed."""
    assert looks(fresh) == stages


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
    assert "more is worse" in remark.says
    fresh = new.asked[1][1]
    assert fresh is not None
    assert len(fresh) == 8
    assert min(fresh) >= FIRST_FRESH
    assert result.quality[0].state == "worse"


def test_a_suspicion_that_fresh_seeds_do_not_confirm_is_dropped():
    """Values that are bad at the first seeds only do not fail the gate."""
    new = Fake(5.0, key=1)
    drawn = new.judge

    def unlucky(claim: str, seeds: Sequence[int] | None = None) -> Entry:
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
    assert result.power.startswith("1 measurements changed")


def test_fresh_seeds_run_on_both_sides_where_the_baseline_can_be_run():
    """With the baseline's code at hand the confirmation is paired, seed by seed."""
    new, old = Fake(10.0, key=1), Fake(5.0, key=2)
    result = decided(new, beside=old)
    assert result.exit == 1
    assert old.asked == new.asked[1:]
    assert "in pairs" in result.remarks[0].says


def test_a_claim_that_the_other_revision_lacks_is_compared_with_the_baseline():
    """A claim that came with the change cannot be run at the revision beside: its baseline has to do."""
    for theirs in ({}, {"toy2020/a@1": facts(digest="sha256:" + "0" * 64)}):
        beside = Fake(5.0, key=2)
        beside.facts = lambda *, keys=False, theirs=theirs: theirs
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
    assert decided(Fake(30.0, key=1), plan=Plan(fresh=0)).exit == 2
    assert decided(Fake(6.0, key=1), plan=Plan(fresh=0)).exit == 0


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
    known = {"toy2020/a@1": facts(criterion=holds(), finding=finding)}
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
    new.raises = {"toy2020/a@1": Crashed("trial 'walk' raised ZeroDivisionError", "")}
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
    result = decided(new, old, Plan(seeds=20))
    assert new.asked == [("toy2020/a@1", None), ("toy2020/a@1", tuple(range(20)))]
    assert result.quality[0].seeds == (20, 20)


@pytest.mark.parametrize("plan", [{"seeds": 1}, {"fresh": 1}, {"fresh": -1}, {"fresh": 201}])
def test_impossible_plans_are_refused(plan):
    """Numbers of seeds that cannot decide anything are mistakes, not gates."""
    with pytest.raises(ReproError, match="--"):
        Plan(**plan)


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time", "'time' in the thresholds 'time' cannot be read"),
        ("time>1.05", "'time>1.05' in the thresholds 'time>1.05' cannot be read"),
        ("time<1.05,", "'' in the thresholds 'time<1.05,' cannot be read"),
        ("tme<1.05", "Unknown cost in the thresholds 'tme'"),
        ("time<0", "'0' in the thresholds 'time<0' is not a ratio"),
        ("time<1e999", "is not a ratio"),
        ("time<1..5", "is not a ratio"),
        ("time<1.1, time<1.2", "time stands twice"),
    ],
)
def test_mistaken_thresholds_are_said(text, says):
    """Each mistake in the expression has its message, with an example."""
    with pytest.raises(ReproError) as error:
        parse(text)
    assert says in error.value.problem
    assert error.value.remedy


def test_thresholds_are_read():
    """Names and ratios, with or without spaces; none is none."""
    assert [str(t) for t in parse("time<1.05,memory < 1.1")] == ["time < 1.05", "memory < 1.1"]
    assert parse("") == ()


class Clock(Fake):
    """A side whose runs take these seconds, over and over, with this much noise."""

    def __init__(self, seconds: float, noise: float = 0.0, joules: float | None = None) -> None:
        super().__init__()
        self.seconds, self.noise, self.joules, self.runs = seconds, noise, joules, 0
        self.order: list[str] = []

    def spent(self, claim: str, arm: int, seed: int) -> Spent:
        """One run."""
        self.runs += 1
        noise = self.noise * float(np.random.default_rng([self.runs, int(1e3 * self.seconds)]).standard_normal())
        self.order.append(f"{self.seconds:g}")
        seconds = self.seconds * float(np.exp(noise))
        return Spent(seconds=seconds, bytes=1e8, joules=self.joules, method="none: no counter", arm="walk")


@pytest.mark.parametrize(
    ("ratio", "noise", "state", "pairs"),
    [(1.2, 0.02, "worse", 5), (1.0, 0.01, "fine", 5), (1.05, 0.1, "undecided", 20), (0.5, 0.02, "fine", 5)],
)
def test_costs_are_decided_by_turns_and_intervals(ratio, noise, state, pairs):
    """More pairs are run until the interval leaves the threshold, or their number is spent."""
    found = sidebyside.measure([Timed(facts())], Clock(ratio, noise), Clock(1.0, noise), parse("time<1.05"))
    assert [(cost.state, cost.pairs) for cost in found] == [(state, pairs)]
    weights = [remark.weight for remark in sidebyside.remarks(found, {"toy2020/a@1": facts()})]
    assert weights == {"worse": ["regression"], "undecided": ["undecided"], "fine": []}[state]


def test_the_first_of_a_pair_alternates():
    """What is warm or throttled by the run before it is so for both sides alike."""
    new, old = Clock(1.2), Clock(1.0)
    new.order = old.order = []
    sidebyside.measure([Timed(facts())], new, old, parse("time<1.05"), pairs=4)
    assert new.order == ["1", "1.2", "1.2", "1", "1", "1.2", "1.2", "1"]


def test_energy_that_cannot_be_measured_is_said_and_not_invented():
    """No counter, no figure: a note with the reason, and no verdict."""
    found = sidebyside.measure([Timed(facts())], Clock(1.0), Clock(1.0), parse("energy<1.1, memory<1.1"))
    assert [(cost.cost, cost.state, cost.ratio) for cost in found] == [
        ("energy", "unmeasured", None),
        ("memory", "fine", 1.0),
    ]
    (remark,) = sidebyside.remarks(found, {"toy2020/a@1": facts()})
    assert (remark.weight, remark.says) == ("note", "energy of walk was not measured (none: no counter)")
    counted = sidebyside.measure([Timed(facts())], Clock(1.0, joules=3.0), Clock(1.0, joules=2.0), parse("energy<1.1"))
    assert counted[0].state == "worse"
    assert counted[0].ratio == pytest.approx(1.5)


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
    assert family.merged([]) == []
