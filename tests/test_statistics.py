"""The statistics: against SciPy, on degenerate data, and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from repro.criterion import fits
from repro.criterion import statistics as own
from tests.strategies import numbers, values

SEED = 20240607
A, B = [3.1, 2.9, 3.4, 3.3, 2.7], [2.8, 2.2, 3.0, 3.1, 2.6]
SIDES = {"above": "greater", "below": "less"}


def standard_error(rate: float, runs: int) -> float:
    """Monte Carlo error of a proportion."""
    return math.sqrt(rate * (1 - rate) / runs)


# Known answers


@pytest.mark.parametrize("side", SIDES)
def test_one_sample_test_is_scipys(side):
    """The one-sample t test gives SciPy's p-value and two-sided interval."""
    out = own.superior(own.mean_effect(A), 2.8, 0.05, side=side)
    oracle = stats.ttest_1samp(A, 2.8, alternative=SIDES[side])
    assert out.p == pytest.approx(oracle.pvalue, rel=1e-12)
    assert out.interval == pytest.approx(stats.ttest_1samp(A, 0).confidence_interval(0.9), rel=1e-12)
    assert own.interval(own.mean_effect(A), 0.025) == pytest.approx(
        stats.ttest_1samp(A, 0).confidence_interval(0.95), rel=1e-12
    )


@pytest.mark.parametrize("side", SIDES)
def test_paired_test_is_scipys(side):
    """The paired t test gives SciPy's p-value and interval."""
    out = own.superior(own.paired_effect(A, B), 0.0, 0.01, side=side)
    oracle = stats.ttest_rel(A, B, alternative=SIDES[side])
    assert out.p == pytest.approx(oracle.pvalue, rel=1e-12)
    assert out.interval == pytest.approx(stats.ttest_rel(A, B).confidence_interval(0.98), rel=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_welch_test_is_scipys(side):
    """Welch's t test on samples of different sizes gives SciPy's p-value, degrees of freedom and interval."""
    effect = own.welch_effect(A, B[:3])
    out = own.superior(effect, 0.0, 0.01, side=side)
    oracle = stats.ttest_ind(A, B[:3], equal_var=False, alternative=SIDES[side])
    assert out.p == pytest.approx(oracle.pvalue, rel=1e-12)
    assert effect.df == pytest.approx(oracle.df, rel=1e-12)
    both = stats.ttest_ind(A, B[:3], equal_var=False).confidence_interval(0.98)
    assert out.interval == pytest.approx(both, rel=1e-12)


def test_tost_is_two_scipy_tests():
    """TOST's p-value is the larger of SciPy's two one-sided p-values."""
    out = own.equivalent(own.paired_effect(A, B), -0.1, 1.0, 0.05)
    gaps = np.subtract(A, B)
    greater = stats.ttest_1samp(gaps, -0.1, alternative="greater").pvalue
    less = stats.ttest_1samp(gaps, 1.0, alternative="less").pvalue
    assert out.p == pytest.approx(max(greater, less), rel=1e-12)
    assert out.status == "holds"


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 9), (9, 9), (1, 9), (7, 20), (50, 1000)])
def test_clopper_pearson_is_scipys(k, n):
    """The exact interval of a proportion is SciPy's, at its ends included, and everything for no trials."""
    expected = (0.0, 1.0)
    if n:
        oracle = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        expected = (oracle.low, oracle.high)
    assert own.clopper_pearson(k, n) == pytest.approx(expected, rel=1e-9)


def test_clopper_pearson_refuses_impossible_counts():
    """More successes than trials is an error."""
    with pytest.raises(ValueError, match="4 successes in 3 trials"):
        own.clopper_pearson(4, 3)


def test_kendall_is_scipys():
    """Tau is SciPy's without ties; its p-value is the share of all orders that are as rising."""
    v = [0.1, 0.4, 0.3, 0.9, 0.8, 1.5]
    tau, p = fits.kendall(v)
    assert tau == pytest.approx(stats.kendalltau(range(6), v).statistic, rel=1e-12)
    taus = [fits.kendall(order)[0] for order in itertools.permutations(range(6))]
    assert p == pytest.approx(np.mean(np.array(taus) >= tau - 1e-12), rel=1e-12)


def test_kendall_counts_ties_against_order():
    """A constant has tau 0 and p-value 1, and values equal up to rounding are ties."""
    assert fits.kendall([2.0] * 5) == pytest.approx((0.0, 1.0))
    assert fits.kendall([0.1 + 0.2, 0.3, 0.3])[0] == 0.0


def test_largest_reversal_is_the_deepest_fall():
    """The reversal is the largest fall from any earlier point, as a share of the range."""
    assert fits.largest_reversal([0, 3, 2, 4, 1, 10]) == pytest.approx(0.3)
    assert fits.largest_reversal([1, 2, 3]) == 0.0
    assert fits.largest_reversal([1, 1, 1]) == 0.0


def test_holm_matches_a_worked_example():
    """Holm's adjusted p-values are those worked out by hand, in the order given."""
    assert own.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert own.holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_raw_and_bonferroni(p):
    """Adjusting never lowers a p-value, never exceeds Bonferroni's and keeps the order."""
    adjusted = own.holm(p)
    assert all(a <= b <= min(1, len(p) * a) + 1e-15 for a, b in zip(p, adjusted, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()


# Degenerate samples


def test_no_spread_is_a_point():
    """Equal values give a point interval and p-values 0 and 1, with the margin itself on the losing side."""
    effect = own.mean_effect([0.1] * 3)
    assert own.interval(effect, 0.01) == (0.1, 0.1)
    assert own.superior(effect, 0.05, 0.01).p == 0.0
    at_margin = own.superior(effect, 0.1, 0.01)
    assert (at_margin.status, at_margin.p) == ("refuted", 1.0)
    assert own.superior(effect, 0.1, 0.01, inclusive=True).status == "holds"
    assert own.superior(effect, 0.2, 0.01).status == "refuted"
    assert own.equivalent(effect, 0.0, 0.2, 0.01).status == "holds"
    assert own.equivalent(effect, 0.1, 0.2, 0.01).status == "refuted"


def test_rounding_is_no_spread():
    """Paired differences that are equal but for rounding have no spread and equal a margin they only miss by it."""
    b = np.array([0.1, 0.3, 0.7, 1.1])
    effect = own.paired_effect(b + 0.2, b)
    assert effect.se == 0.0
    assert own.superior(effect, 0.2, 0.01).status == "refuted"
    assert own.superior(effect, 0.2, 0.01, inclusive=True).status == "holds"


@pytest.mark.parametrize(
    "effect", [own.mean_effect([1.0]), own.paired_effect([1.0], [0.0]), own.welch_effect([1.0], A)]
)
def test_one_value_is_inconclusive(effect):
    """Where the spread is unknown there is no interval, no p-value and no decision."""
    assert own.interval(effect, 0.01) is None
    for out in (own.superior(effect, -1e9, 0.01), own.equivalent(effect, -1e9, 1e9, 0.01)):
        assert out == own.TestResult(status="inconclusive")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_refute(bad):
    """One diverged value among good ones refutes, whatever the test, and gives no interval."""
    good, spoilt = [1.0, 2.0, 3.0], [1.0, bad, 3.0]
    for effect in (own.mean_effect(spoilt), own.paired_effect(spoilt, good), own.welch_effect(good, spoilt)):
        assert own.superior(effect, -1e9, 0.01).status == "refuted"
        assert own.superior(effect, 1e9, 0.01, side="below").status == "refuted"
        assert own.equivalent(effect, -1e9, 1e9, 0.01).status == "refuted"
        assert own.interval(effect, 0.01) is None


def test_extreme_magnitudes_neither_overflow_nor_vanish():
    """Spread and mean survive values near the ends of the floating-point range."""
    unit = own.mean_effect([1.0, 2.0, 4.0])
    for scale in (1e307, 1e-300):
        effect = own.mean_effect(np.array([1.0, 2.0, 4.0]) * scale)
        assert effect.estimate / scale == pytest.approx(unit.estimate)
        assert effect.se / scale == pytest.approx(unit.se)
    assert own.superior(own.paired_effect([1.7e308, 1e308], [-1.7e308, -1e308]), 0, 0.01).status == "refuted"


@pytest.mark.parametrize("shape", [(0,), (2, 2)])
def test_a_mean_needs_values(shape):
    """Nothing, or a table, is not a sample."""
    with pytest.raises(ValueError, match="values"):
        own.mean_effect(np.ones(shape))


def test_mismatched_pairs_are_refused():
    """Paired samples have equal length."""
    with pytest.raises(ValueError, match="equal shapes"):
        own.paired_effect([1, 2], [1, 2, 3])


# Properties


@given(values(), numbers(), st.sampled_from([0.5, 2.0, 8.0]), st.randoms())
def test_tests_follow_shift_scale_and_order(v, shift, scale, random):
    """Shifting or scaling values and margin alike, or reordering seeds, leaves decision and p-value unchanged."""
    before = own.superior(own.mean_effect(v), 1.0, 0.01)
    shuffled = random.sample(v, len(v))
    assert own.superior(own.mean_effect(shuffled), 1.0, 0.01) == before
    after = own.superior(own.mean_effect([scale * (u + shift) for u in v]), scale * (1.0 + shift), 0.01)
    assert after.status == before.status
    assert after.p == pytest.approx(before.p, rel=1e-6, abs=1e-12)


@given(values(), numbers(), numbers(0.5, 20))
def test_decision_and_interval_agree(v, centre, within):
    """A superiority test holds just when its interval excludes the margin, TOST when the interval lies inside."""
    effect = own.mean_effect(v)
    out = own.superior(effect, centre, 0.01)
    low, high = own.interval(effect, 0.01)
    assume(min(abs(low - centre), abs(high - centre), abs(low - centre + within), abs(high - centre - within)) > 1e-9)
    assert (out.status == "holds") == (low > centre) == (out.p < 0.01)
    assert (out.status == "refuted") == (high < centre)
    out = own.equivalent(effect, centre - within, centre + within, 0.01)
    assert (out.status == "holds") == (centre - within < low and high < centre + within) == (out.p < 0.01)


@given(values(3, 12), st.sampled_from([0.9, 0.99]))
def test_prediction_interval_contains_the_interval_of_the_mean(v, confidence):
    """One further value is less certain than the mean, by the textbook factor."""
    mean, further = own.interval(own.mean_effect(v), (1 - confidence) / 2), own.prediction_interval(v, confidence)
    ratio = math.sqrt(len(v) + 1)
    assert further[1] - further[0] == pytest.approx(ratio * (mean[1] - mean[0]), rel=1e-6, abs=1e-9)


# Simulation


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_of_a_mean_covers(n):
    """The 95 % interval covers the mean, and the prediction interval one further value, 95 times in 100."""
    rng, runs = np.random.default_rng(SEED + n), 4000
    draws = rng.normal(size=(runs, n + 1))
    inside = [lo <= 0 <= hi for lo, hi in (own.interval(own.mean_effect(v[:-1]), 0.025) for v in draws)]
    predicted = [lo <= v[-1] <= hi for v, (lo, hi) in ((v, own.prediction_interval(v[:-1])) for v in draws)]
    for rate in (np.mean(inside), np.mean(predicted)):
        assert rate == pytest.approx(0.95, abs=4 * standard_error(0.95, runs))


@pytest.mark.parametrize(("n", "level"), [(2, 0.01), (3, 0.01), (5, 0.01), (10, 0.05)])
def test_detectable_effect_has_the_power_stated(n, level):
    """A true effect of the size stated as detectable is found with power 0.9, an effect at the margin at the level."""
    rng, runs, margin = np.random.default_rng(SEED + n), 6000, 0.3
    effect = own.Effect(estimate=0.0, se=1 / math.sqrt(n), df=n - 1, n=n)
    detectable = own.superior(effect, margin, level).detectable
    for truth, rate in ((detectable, 0.9), (margin, level)):
        draws = rng.normal(truth, 1, size=(runs, n))
        t = (draws.mean(1) - margin) / (draws.std(1, ddof=1) / math.sqrt(n))
        found = np.mean(t > stats.t.isf(level, n - 1))
        assert found == pytest.approx(rate, abs=4 * standard_error(rate, runs))


@pytest.mark.parametrize(("n", "level"), [(2, 0.05), (3, 0.01), (10, 0.01)])
def test_detectable_margin_has_the_power_stated(n, level):
    """TOST at the margin stated as detectable finds a truly central effect with power 0.9."""
    rng, runs = np.random.default_rng(SEED + n), 6000
    se = 1 / math.sqrt(n)
    half = own.equivalent(own.Effect(estimate=0.0, se=se, df=n - 1, n=n), -9.0, 9.0, level).detectable
    draws = rng.normal(size=(runs, n))
    reach = np.abs(draws.mean(1)) + stats.t.isf(level, n - 1) * draws.std(1, ddof=1) * se
    assert np.mean(reach < half) == pytest.approx(0.9, abs=4 * standard_error(0.9, runs))


@pytest.mark.parametrize("df", [1, 2, 4.3, 9, 50, 1e4])
def test_detectable_effect_is_scipys_noncentral_t(df):
    """At the detectable effect SciPy's noncentral t exceeds the critical value with probability 0.9."""
    out = own.superior(own.Effect(estimate=0.0, se=1.0, df=df, n=3), 0.0, 0.01)
    assert stats.nct.sf(stats.t.isf(0.01, df), df, out.detectable) == pytest.approx(0.9, abs=1e-6)


# Power laws


X = np.geomspace(10, 3000, 8)


def test_power_law_slope_is_scipys():
    """Slope and its interval are those of SciPy's regression in logarithms."""
    y = 3 * X**-0.4 * np.exp(np.random.default_rng(SEED).normal(0, 0.05, len(X)))
    fit = fits.power_law(X, y)
    line = stats.linregress(np.log(X), np.log(y))
    assert fit.slope.estimate == pytest.approx(line.slope, rel=1e-10)
    half = stats.t.isf(0.01, len(X) - 2) * line.stderr
    assert own.interval(fit.slope, 0.01) == pytest.approx((line.slope - half, line.slope + half), rel=1e-9)


@pytest.mark.parametrize(("y", "sign"), [(3 * X**-0.4, 1), (9 - 1.05 * np.log(X), -1)])
def test_power_law_and_logarithm_are_told_apart(y, sign):
    """Exact data of either kind are fitted far better by their own model."""
    assert sign * fits.power_law(X, y).logarithm > 50


def test_offset_is_found():
    """A power law above a floor is better fitted with an offset, a pure one is not."""
    assert fits.power_law(X, 5 * X**-0.8 + 1).offset < -50
    assert fits.power_law(X, 5 * X**-0.8).offset > 2


def test_alternatives_are_fitted_as_well_as_by_scipy():
    """Our search for the two alternatives ends no worse than SciPy's optimiser from a good start."""
    from scipy.optimize import least_squares

    rng = np.random.default_rng(SEED)
    v = np.log(2 * X**-0.5 + 0.2) + rng.normal(0, 0.03, len(X))
    fit = fits.power_law(X, np.exp(v))
    offset = least_squares(lambda q: np.log(np.exp(q[0]) * X ** q[1] + q[2]) - v, [math.log(2), -0.5, 0.2])
    logarithm = least_squares(lambda q: np.log(np.maximum(q[0] - q[1] * np.log(X), 1e-9)) - v, [0.95, 0.1])
    line = stats.linregress(np.log(X), v)
    sse = float(((v - line.intercept - line.slope * np.log(X)) ** 2).sum())
    k, penalty = len(X), {2: 6 + 24 / 4, 3: 8 + 40 / 3}
    for found, oracle, p in ((fit.offset, offset, 3), (fit.logarithm, logarithm, 2)):
        expected = k * math.log(2 * oracle.cost / sse) + penalty[p] - penalty[2]
        assert found <= expected + 1e-3
    assert fit.offset == pytest.approx(k * math.log(2 * offset.cost / sse) + penalty[3] - penalty[2], abs=0.01)


@given(st.sampled_from([0.25, 4.0, 1000.0]), st.sampled_from([0.5, 7.0]))
def test_power_law_does_not_depend_on_units(scale_y, scale_x):
    """The unit of either axis changes neither slope nor comparison."""
    y = 3 * X**-0.4 * np.exp(np.random.default_rng(SEED).normal(0, 0.05, len(X)))
    a, b = fits.power_law(X, y), fits.power_law(scale_x * X, scale_y * y)
    assert b.slope.estimate == pytest.approx(a.slope.estimate, rel=1e-9)
    assert (b.logarithm, b.offset) == pytest.approx((a.logarithm, a.offset), abs=1e-6)


@pytest.mark.parametrize(
    ("x", "y"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2]), ([1, 2, 3], [1, 0, 2]), ([1, 1, 2], [1, 2, 3])]
)
def test_power_law_refuses_what_it_cannot_fit(x, y):
    """Fewer than three sizes, unequal lengths and values without a logarithm are errors."""
    with pytest.raises(ValueError, match="power law"):
        fits.power_law(x, y)


def test_few_points_cannot_tell_an_offset():
    """Below six points the offset model has too many parameters to compete."""
    assert fits.power_law(X[:5], X[:5] ** -0.4 + 1).offset == math.inf


# Curves


def test_peak_is_placed_by_the_other_seeds():
    """For pure noise the excess of the peak over the ends has mean zero, though the highest point was picked."""
    rng = np.random.default_rng(SEED)
    found = [fits.peak(rng.normal(size=(5, 30)), 0.0) for _ in range(1500)]
    for excess in (np.array([f.start.estimate for f in found]), np.array([f.end.estimate for f in found])):
        assert abs(excess.mean()) < 4 * excess.std() / math.sqrt(len(excess))


def test_peak_settles_its_place_only_where_seeds_agree():
    """A clear peak is interior, a ramp's is not, and one seed settles nothing."""
    u = np.linspace(-1, 1, 21)
    assert fits.peak([1 - u**2, 1.1 - u**2], 0.15).interior is True
    assert fits.peak([u, u + 0.1], 0.15).interior is False
    assert fits.peak([1 - u**2], 0.15).interior is None
    assert fits.peak([1 - u**2, u], 0.15).interior is None


@pytest.mark.parametrize("function", [fits.peak, lambda y, share: fits.rise(y, share, 0.01)])
def test_curves_need_points(function):
    """Too short a grid is an error."""
    with pytest.raises(ValueError, match="K >="):
        function(np.ones((3, 2)), 0.1)


def test_the_error_of_tau_is_the_jackknifes():
    """The standard error of tau over seeds is the spread of the pseudo-values n * all - (n - 1) * without one."""
    y = np.linspace(0, 1, 12) + np.random.default_rng(SEED).normal(0, 0.4, (6, 12))
    whole = fits.kendall(y.mean(0))[0]
    pseudo = [6 * whole - 5 * fits.kendall(np.delete(y, i, 0).mean(0))[0] for i in range(6)]
    tau = fits.rise(y, 0.02, 0.01).tau
    assert tau.estimate == whole
    assert tau.se == pytest.approx(stats.sem(pseudo))
