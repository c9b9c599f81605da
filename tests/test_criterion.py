"""Criteria: three outcomes, their symmetries, their error rates, and what they refuse to judge."""

from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.criterion.comparisons import AllOf, Criterion
from repro.criterion.constructors import (
    all_of,
    at_least,
    at_most,
    equivalent,
    higher,
    holds,
    interior_peak,
    lower,
    matches,
    monotone,
    ordered,
    power_law,
)
from repro.errors import ReproError
from repro.paper import Reported
from tests.shapes import GRID, RAMP, allowance, share
from tests.strategies import (
    UNIT,
    criteria,
    levels,
    make_sample,
    numbers,
    one_sample_criteria,
    pair_criteria,
    sample_groups,
    samples,
    values,
)

STATUSES = ("refuted", "inconclusive", "holds")


def moved(sample, shift):
    """The sample with every value moved."""
    return replace(sample, values=sample.values + shift)


# What every verdict says


@given(one_sample_criteria(), samples(1))
def test_verdicts_of_one_sample_are_consistent(rule, sample):
    """Each verdict is one of three, carries its level, n and unit, and one seed is always inconclusive."""
    check_verdict(rule, rule.judge([sample]), len(sample.seeds), UNIT)


@given(pair_criteria(), sample_groups(least=1))
def test_verdicts_of_two_samples_are_consistent(rule, pair):
    """The same for comparisons, paired or not."""
    check_verdict(rule, rule.judge(pair), min(len(s.seeds) for s in pair), UNIT)


def check_verdict(rule, verdict, n, unit):
    """What is true of every statistical verdict on finite numbers."""
    assert verdict.status in STATUSES
    assert (verdict.n, verdict.level, verdict.unit) == (n, rule.level, unit)
    if n == 1:
        assert (verdict.status, verdict.interval, verdict.p) == ("inconclusive", None, None)
    else:
        assert verdict.interval[0] <= verdict.estimate <= verdict.interval[1]
        assert (verdict.status == "holds") <= (verdict.p <= rule.level)
        assert verdict.detectable is not None
        if verdict.interval[0] == verdict.interval[1]:
            assert verdict.status != "inconclusive"
    assert f"n={n}" in verdict.reason
    msgspec.json.decode(msgspec.json.encode(verdict), type=type(verdict))


def test_a_reason_has_all_the_numbers():
    """The line for people gives effect, interval with confidence, n, margin and smallest detectable effect."""
    a, b = make_sample([1.62, 1.58, 1.71, 1.60, 1.66]), make_sample([1.00, 1.02, 0.99, 1.03, 1.01])
    reason = higher(by=0.2).judge([a, b]).reason
    assert reason == ("difference 0.624 [0.515, 0.733] at 98 %, n=5, must exceed 0.2; could have detected 0.364")


@given(criteria())
def test_criteria_survive_json(rule):
    """A criterion read back from its JSON is the same criterion, and says the same."""
    again = msgspec.json.decode(msgspec.json.encode(rule), type=Criterion)
    assert again == rule
    assert again.says() == rule.says()
    assert again.says()


def test_whole_numbers_are_the_same_rule():
    """A margin of 1 and one of 1.0 give the same JSON, so the same claim digest."""
    assert msgspec.json.encode(lower(by=1)) == msgspec.json.encode(lower(by=1.0))


def test_unknown_keys_are_refused():
    """A criterion with a key that it does not know is not read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind": "lower", "alpha": 0.1}', type=Criterion)


def test_reported_numbers_are_kept():
    """A criterion made from a reported number keeps it, and says where it stands."""
    number = Reported(82.7, "perplexity", "Table 1, medium")
    for rule in (matches(number, within=2), at_most(number, plus=1), at_least(number, minus=1)):
        assert rule.reported == number
        assert "Table 1" in rule.says()
    assert at_most(3.0).reported is None


def test_only_exact_criteria_are_not_statistical():
    """Counting violations is no statistics, alone or joined; anything else is."""
    assert not holds().statistical
    assert not all_of(holds(), all_of(holds())).statistical
    assert all_of(holds(), lower()).statistical
    assert (holds().arity, lower().arity, ordered().arity, all_of(lower(), holds()).arity) == (1, 2, None, 2)


# Symmetries


@given(numbers(0, 10), st.booleans(), sample_groups(low=0.5))
def test_lower_and_higher_mirror_each_other(by, log, pair):
    """Swapping the samples turns `lower` into `higher`: same status, p and mirrored estimate."""
    a, b = lower(by=by, log=log).judge(pair), higher(by=by, log=log).judge(pair[::-1])
    assert (a.status, a.p) == (b.status, b.p)
    assert a.estimate == -b.estimate
    assert a.interval == pytest.approx((-b.interval[1], -b.interval[0]))


@given(numbers(-10, 10), samples())
def test_at_most_and_at_least_mirror_each_other(bound, sample):
    """Negating values and bound turns `at_most` into `at_least`."""
    a = at_most(bound).judge([sample])
    b = at_least(-bound).judge([replace(sample, values=-sample.values)])
    assert (a.status, a.p, a.estimate) == (b.status, b.p, -b.estimate)


@given(pair_criteria(), sample_groups(), st.randoms())
def test_order_of_seeds_does_not_matter(rule, pair, random):
    """Listing each sample's seeds in another order gives the same verdict."""
    shuffled = []
    for sample in pair:
        order = random.sample(range(len(sample.seeds)), len(sample.seeds))
        seeds = tuple(sample.seeds[i] for i in order)
        shuffled.append(replace(sample, seeds=seeds, values=sample.values[order]))
    assert rule.judge(shuffled) == rule.judge(pair)


@given(numbers(0, 10), sample_groups(), st.sampled_from([0.5, 4.0]), numbers())
def test_comparisons_follow_shift_and_scale(by, pair, scale, shift):
    """Other units for values and margin, or another zero, leave the decision alone."""
    after = [replace(s, values=scale * (s.values + shift)) for s in pair]
    assert lower(by=scale * by).judge(after).status == lower(by=by).judge(pair).status


@given(sample_groups(low=0.5), st.sampled_from([0.5, 8.0]), numbers(0, 1))
def test_log_ratios_have_no_unit(pair, scale, by):
    """With log=True the unit of the values does not matter."""
    before = lower(by=by, log=True).judge(pair)
    after = lower(by=by, log=True).judge([replace(s, values=scale * s.values) for s in pair])
    assert after.unit == "log ratio"
    assert after.estimate == pytest.approx(before.estimate, abs=1e-9)


@given(numbers(0, 10), sample_groups(), numbers(0, 50))
def test_improving_every_value_never_turns_against(by, pair, gain):
    """Lowering all values of the first sample never turns `holds` into anything else, nor adds a refutation."""
    a, b = pair
    before, after = lower(by=by).judge([a, b]).status, lower(by=by).judge([moved(a, -gain), b]).status
    assert STATUSES.index(after) >= STATUSES.index(before)


@given(one_sample_criteria(), samples(), levels)
def test_a_stricter_level_decides_less(rule, sample, level):
    """What is decided at a level is decided the same way at any laxer one."""
    strict, lax = (msgspec.structs.replace(rule, level=f(level, rule.level)).judge([sample]).status for f in (min, max))
    assert strict in ("inconclusive", lax)


@given(numbers(-50, 50), samples(), numbers(0.5, 20))
def test_a_match_holds_within_both_bounds(value, sample, within):
    """Matching a value is the same as being at least its lower and at most its upper margin, edges aside."""
    out = matches(value, within=within).judge([sample])
    both = all_of(at_least(value - within), at_most(value + within)).judge([sample, sample])
    edge = out.interval[0] == out.interval[1] and abs(abs(out.estimate - value) - within) < 1e-9
    assert edge or (out.status == "holds") == (both.status == "holds")


# Degenerate samples


@given(
    st.one_of(one_sample_criteria(), pair_criteria()), values(2, 6), st.sampled_from([math.nan, math.inf, -math.inf])
)
def test_a_diverged_run_refutes(rule, v, bad):
    """One diverged run counts against: the claim is refuted, and the reason says how many runs diverged."""
    spoilt, good = make_sample([bad, *v]), make_sample([0.0, *v])
    for group in ([spoilt], [good, spoilt], [spoilt, good]):
        if len(group) == rule.arity:
            verdict = rule.judge(group)
            assert (verdict.status, verdict.estimate) == ("refuted", None)
            assert verdict.reason == f"1 of {rule.arity * (len(v) + 1)} runs diverged"


@pytest.mark.parametrize("rule", [at_most(1e9), at_least(-1e9), matches(0.0, within=1e9)])
def test_one_seed_is_inconclusive(rule):
    """However clear the number, one seed decides nothing."""
    assert rule.judge([make_sample([1.0])]).status == "inconclusive"


def test_an_effect_at_the_margin_does_not_hold():
    """Without spread, strictly beyond the margin holds and the margin itself is refuted."""
    b = make_sample([0.1, 0.3, 0.7])
    assert lower(by=0.2).judge([moved(b, -0.2), b]).status == "refuted"
    assert lower(by=0.2).judge([moved(b, -0.21), b]).status == "holds"
    assert equivalent(within=0.2).judge([moved(b, 0.2), b]).status == "refuted"
    assert equivalent(within=0.2).judge([b, b]).status == "holds"


def test_at_most_includes_its_bound():
    """A perfect score without spread is at least perfect."""
    perfect = make_sample([1.0] * 3)
    assert at_least(1.0).judge([perfect]).status == "holds"
    assert at_most(1.0).judge([perfect]).status == "holds"
    assert at_most(1.0, plus=-0.1).judge([perfect]).status == "refuted"


def test_values_without_a_logarithm_refute():
    """With log=True zero and negative values count against; they are neither dropped nor an error."""
    good, bad = make_sample([1.0, 2.0, 3.0]), make_sample([1.0, 0.0, -3.0])
    for verdict in (
        lower(log=True).judge([good, bad]),
        equivalent(within=1, log=True).judge([good, bad]),
        matches(2, within=1, log=True).judge([bad]),
    ):
        assert verdict.status == "refuted"
        assert "2 of " in verdict.reason
        assert "logarithm" in verdict.reason


def test_differences_too_large_for_floats_refute():
    """Finite values whose difference overflows are not finite evidence."""
    a, b = make_sample([1.7e308, 1e308]), make_sample([-1.7e308, -1e308])
    verdict = higher().judge([a, b])
    assert (verdict.status, verdict.estimate) == ("refuted", None)
    assert "not finite" in verdict.reason


# Pairing


def test_shared_seeds_are_paired():
    """Arms that share seeds are compared seed by seed, in whatever order; others by Welch."""
    noise = np.array([0.0, 5.0, -5.0, 2.0])
    a, b = make_sample(noise), make_sample(noise[::-1] + np.array([1, 1.1, 0.9, 1]), seeds=(3, 2, 1, 0))
    assert lower().judge([a, b]).status == "holds"
    assert lower().judge([a, replace(b, seeds=(4, 5, 6, 7))]).status == "inconclusive"


def test_times_scales_the_second():
    """`times` compares with a multiple, in logarithms too."""
    a, b = make_sample([1.0, 1.1, 1.05]), make_sample([3.0, 3.2, 3.1])
    assert lower(times=0.5).judge([a, b]).status == "holds"
    assert lower(times=0.3).judge([a, b]).status == "refuted"
    verdict = lower(times=0.5, log=True).judge([a, b])
    assert verdict.estimate == pytest.approx(np.mean(np.log(a.values / (0.5 * b.values))))


# Error rates and power


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n", [3, 5])
def test_comparisons_have_their_size_and_power(n, paired):
    """At the margin `lower` decides at most 1 time in 100 each way; at the detectable effect, 9 times in 10.

    Welch's degrees of freedom vary from draw to draw below 2n - 2, which costs some power at 3 seeds.
    """
    runs, by, sd = 2000, 0.5, math.sqrt(0.5)
    seeds = range(n) if paired else range(50, 50 + n)

    def draw(gap):
        return lambda rng: (
            make_sample(rng.normal(-gap, sd, n)),
            make_sample(rng.normal(0, sd, n), arm="b", seeds=seeds),
        )

    rule = lower(by=by)
    assert share(rule, "holds", draw(by), runs) <= 0.01 + allowance(0.01, runs)
    assert share(rule, "refuted", draw(by), runs) <= 0.01 + allowance(0.01, runs)
    # differences of both designs have standard error 1 / sqrt(n)
    from repro.criterion.statistics import Effect, superior

    known = Effect(estimate=0.0, se=1 / math.sqrt(n), df=n - 1 if paired else 2 * n - 2, n=n)
    power = share(rule, "holds", draw(superior(known, by, 0.01).detectable), runs)
    slack = allowance(0.9, runs)
    assert 0.9 - slack - (0 if paired else 0.15) <= power <= 0.9 + slack


@pytest.mark.parametrize("edge", [-0.5, 0.5])
def test_equivalence_has_its_size(edge):
    """For a true difference at either margin, `equivalent` holds at most 1 time in 100, whatever the spread."""
    runs, n = 1500, 5
    for sd in (0.05, 0.3):
        rate = share(
            equivalent(within=0.5),
            "holds",
            lambda rng, sd=sd: (make_sample(rng.normal(edge, sd, n)), make_sample(np.zeros(n))),
            runs,
        )
        assert rate <= 0.01 + allowance(0.01, runs)


def test_matches_has_its_size_and_power():
    """At the margin `matches` holds at most 1 time in 100; a central value with small spread always matches."""
    runs, n = 2000, 5
    rule = matches(10.0, within=1.0)
    assert share(rule, "holds", lambda rng: [make_sample(rng.normal(11.0, 0.1, n))], runs) <= 0.01 + allowance(
        0.01, runs
    )
    assert share(rule, "holds", lambda rng: [make_sample(rng.normal(10.0, 0.1, n))], 200) == 1.0
    assert share(rule, "refuted", lambda rng: [make_sample(rng.normal(13.0, 0.1, n))], 200) == 1.0


@pytest.mark.parametrize("rule", [at_most(1.0), at_least(1.0)])
def test_bounds_have_their_size(rule):
    """For a true mean at the bound, both decisions are wrong at most 1 time in 100 each."""
    runs = 2000
    for status in ("holds", "refuted"):
        rate = share(rule, status, lambda rng: [make_sample(rng.normal(1.0, 0.2, 4))], runs)
        assert rate == pytest.approx(0.01, abs=allowance(0.01, runs))


def test_order_has_its_size_and_power():
    """Three arms of which two are equal rarely count as ordered; three well apart do."""
    runs, n = 1000, 5

    def draw(*means):
        return lambda rng: [make_sample(rng.normal(m, 0.1, n), arm=str(i)) for i, m in enumerate(means)]

    assert share(ordered(), "holds", draw(0, 1, 1), runs) <= 0.01 + allowance(0.01, runs)
    assert share(ordered(), "holds", draw(0, 1, 2), 200) == 1.0
    assert share(ordered(), "refuted", draw(0, 2, 1), 200) == 1.0


def test_order_reports_its_neighbours():
    """A verdict on an order has one part per pair of neighbours and names the pair that decides."""
    arms = [make_sample([m, m + 0.01, m - 0.01], arm=f"size {m}") for m in (1.0, 3.0, 2.0)]
    verdict = ordered().judge(arms)
    assert (verdict.status, [part.status for part in verdict.parts]) == ("refuted", ["holds", "refuted"])
    assert "size 3.0 below size 2.0" in verdict.reason


# Compounds


PAIR = (make_sample([1.0, 1.1, 0.9]), make_sample([2.0, 2.2, 1.9]))


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ((lower(), at_most(3.0)), "holds"),
        ((lower(), at_most(1.0)), "inconclusive"),
        ((higher(), at_most(1.0)), "refuted"),
        ((lower(), at_most(-3.0)), "refuted"),
    ],
)
def test_all_parts_must_hold(rules, status):
    """All must hold; any refutation refutes, otherwise any doubt leaves doubt."""
    verdict = all_of(*rules).judge([PAIR, PAIR[0]])
    assert verdict.status == status
    assert len(verdict.parts) == 2
    assert verdict.p == max(part.p for part in verdict.parts)


def test_compounds_nest_and_mix():
    """A compound passes each part its own entry: a sample, a tuple of them, or the entries of another compound."""
    exact = make_sample([[1.0]], expected=[1.0])
    rule = all_of(holds(), all_of(lower(), at_most(3.0)), ordered())
    assert rule.judge([exact, (PAIR, PAIR[0]), PAIR]).status == "holds"
    assert all_of(holds()).judge([exact]).level is None


def test_the_weakest_part_speaks_for_a_compound():
    """Where all parts hold, the numbers are those of the part with the largest p-value."""
    verdict = all_of(lower(), at_most(1.9), holds()).judge([PAIR, PAIR[0], make_sample([[1.0]], expected=1.0)])
    assert verdict.status == "holds"
    assert verdict.estimate == max(verdict.parts, key=lambda part: part.p or 0).estimate


# What is refused


@pytest.mark.parametrize(
    ("rule", "group", "problem"),
    [
        (lower(), [PAIR[0]], "judges 2 samples, got 1"),
        (at_most(1.0), list(PAIR), "judges 1 sample, got 2"),
        (ordered(), [PAIR[0]], "two or more"),
        (all_of(lower()), [PAIR, PAIR], "1 criteria, but 2 entries"),
        (all_of(lower()), [(PAIR, PAIR)], "not groups"),
        (lower(), [PAIR[0], make_sample([1.0, 2.0, 3.0], unit="s")], "different units"),
        (at_most(Reported(1.0, "s", "Table 1")), [PAIR[0]], "is in error"),
        (matches(Reported(1.0, "s", "Table 1"), 1.0), [PAIR[0]], "is in error"),
        (at_most(1.0), [make_sample([1.0, 2.0], seeds=(3, 3))], "seed twice"),
        (at_most(1.0), [make_sample([])], "no values"),
        (at_most(1.0), [make_sample([RAMP, RAMP], x=GRID)], "one number per seed"),
        (monotone(), [PAIR[0]], "a curve per seed"),
        (monotone(), [make_sample([RAMP, RAMP])], "no grid"),
        (monotone(), [make_sample([RAMP, RAMP], x=GRID[::-1])], "does not ascend"),
        (monotone(), [make_sample(np.ones((2, 2)), x=[1, 2])], "3 or more"),
        (interior_peak(), [make_sample(np.ones((2, 6)), x=GRID[:6])], "7 or more"),
        (power_law(0, 1), [make_sample([RAMP], x=GRID - 1)], "not positive"),
        (holds(), [PAIR[0]], "no expected values"),
        (holds(), [make_sample([[1.0, 2.0]], expected=[1.0, 2.0, 3.0])], "expected ones"),
    ],
)
def test_samples_that_do_not_fit_are_refused(rule, group, problem):
    """Wrong numbers of samples, units, seeds and shapes are errors of the claim, not verdicts."""
    with pytest.raises(ReproError, match=problem):
        rule.judge(group)


@pytest.mark.parametrize(
    "make",
    [
        lambda: lower(level=0.5),
        lambda: lower(level=0.0),
        lambda: lower(by=math.nan),
        lambda: lower(times=0.0),
        lambda: higher(times=-1.0),
        lambda: at_most(math.inf),
        lambda: matches(1.0, within=0.0),
        lambda: matches(-1.0, within=1.0, log=True),
        lambda: equivalent(within=0.0),
        lambda: power_law(1.0, 1.0),
        lambda: interior_peak(drop=1.0),
        lambda: monotone(tau=0.0),
        lambda: holds(-1.0),
        lambda: holds(math.nan),
        lambda: AllOf(parts=()),
    ],
    ids=lambda make: f"line {make.__code__.co_firstlineno}",
)
def test_impossible_rules_are_refused(make):
    """A criterion that could never be met, or always, cannot be stated."""
    with pytest.raises(ValueError, match=r"."):
        make()
