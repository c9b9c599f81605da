"""Criteria for curves: power laws, peaks and trends are found, impostors are not, and noise is none of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.criterion.constructors import interior_peak, monotone, power_law
from tests.shapes import GRID, HILL, RAMP, SEED, allowance, noisy, power_curve, share
from tests.strategies import curve_criteria, curves, make_sample


@given(curve_criteria(), curves(), st.integers(0, 8), st.sampled_from([math.nan, math.inf]))
def test_a_diverged_curve_refutes(rule, sample, point, bad):
    """One point of one curve that is not finite refutes."""
    v = sample.values.copy()
    v[0, point] = bad
    verdict = rule.judge([replace(sample, values=v)])
    assert verdict.status == "refuted"
    assert verdict.reason == f"1 of {len(v)} runs diverged"


@pytest.mark.parametrize("rule", [interior_peak(), monotone(), monotone(direction="falling")])
def test_one_curve_is_inconclusive(rule):
    """However clear the shape, one seed decides nothing about peaks and trends."""
    for shape in (RAMP, HILL):
        assert rule.judge([make_sample([shape], x=GRID)]).status == "inconclusive"


def test_one_curve_alone_is_no_power_law_yet():
    """However well one seed fits, another might not: the verdict is inconclusive until there are two."""
    rows = [3 * GRID**-0.3, 3.1 * GRID**-0.3]
    assert power_law(-0.4, -0.2).judge([make_sample(rows[:1], x=GRID)]).status == "inconclusive"
    assert power_law(-0.4, -0.2).judge([make_sample(rows, x=GRID)]).status == "holds"


def test_power_law_recovers_its_exponent():
    """A noisy power law holds within wide bounds, is refuted by bounds elsewhere, and its interval covers 98 in 100."""
    runs, shape = 250, 3 * GRID**-0.3
    assert share(power_law(-0.4, -0.2), "holds", power_curve(shape, 0.02), 60) >= 0.8
    assert share(power_law(-0.2, -0.1), "refuted", power_curve(shape, 0.02), 60) == 1.0
    rng = np.random.default_rng(SEED)
    spans = [power_law(-1, 1).judge(power_curve(shape, 0.05)(rng)).interval for _ in range(runs)]
    covered = np.mean([low <= -0.3 <= high for low, high in spans])
    assert covered == pytest.approx(0.98, abs=allowance(0.98, runs))


def test_power_law_has_its_size():
    """With the true exponent on the boundary, the claim holds at most 1 time in 100."""
    runs = 300
    rate = share(power_law(-0.3, 0.0), "holds", power_curve(3 * GRID**-0.3, 0.05), runs)
    assert rate <= 0.01 + allowance(0.01, runs)


def test_a_logarithm_is_no_power_law():
    """Data that follow a logarithm are refuted although their slope lies within the bounds."""
    verdict = power_law(-2, 0).judge([make_sample([8 - np.log(GRID)], x=GRID)])
    assert verdict.interval[0] > -2
    assert verdict.interval[1] < 0
    assert verdict.status == "refuted"
    assert share(power_law(-2, 0), "refuted", power_curve(8 - np.log(GRID), 0.02), 60) == 1.0


def test_a_power_law_above_a_floor_is_not_called_a_power_law():
    """A clear offset keeps the claim from holding; whether it is refuted is up to the slope."""
    verdict = power_law(-2, 0).judge([make_sample([5 * GRID**-0.8 + 1], x=GRID)])
    assert verdict.status == "inconclusive"


def test_a_flat_curve_has_exponent_zero():
    """A constant is the power law with exponent exactly zero."""
    verdict = power_law(-0.12, -0.03).judge([make_sample(np.full((3, 21), 0.1), x=GRID)])
    assert (verdict.status, verdict.interval) == ("refuted", (0.0, 0.0))


def test_peaks_are_found_and_impostors_are_not():
    """A hill holds; ramps, a constant and a hill that hardly falls are refuted."""
    assert share(interior_peak(), "holds", noisy(HILL, 0.1), 200) == 1.0
    for shape in (RAMP, RAMP[::-1], np.ones(21), np.maximum(HILL, 2.3)):
        assert share(interior_peak(), "refuted", noisy(shape, 0.01), 200) == 1.0
    assert interior_peak().judge([make_sample(np.ones((3, 21)), x=GRID)]).status == "refuted"


def test_a_peak_must_stand_inside():
    """A peak at the second of 21 points is refuted; one whose place depends on the seed left out is inconclusive."""
    early = np.zeros(21)
    early[2:4] = 1
    verdict = interior_peak().judge([make_sample([early, early + 0.01, early], x=GRID)])
    assert (verdict.status, {part.status for part in verdict.parts}) == ("refuted", {"holds"})
    twin = np.stack([early, early])
    twin[:, 8:13] = 0.5
    twin[0, 2] += 0.02
    twin[1, 10] += 0.03
    verdict = interior_peak().judge([make_sample(twin, x=GRID)])
    assert (verdict.status, {part.status for part in verdict.parts}) == ("inconclusive", {"holds"})


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_noise_has_no_peak(n):
    """Pure noise is called a peak at most 1 time in 100, though its highest point always stands out."""
    runs = 1000
    assert share(interior_peak(drop=0.0), "holds", noisy(np.zeros(21), 1.0, n), runs) <= 0.01 + allowance(0.01, runs)


def test_few_seeds_need_more_than_three_standard_errors():
    """With three seeds the t quantile is stricter than 3, with twenty the threshold is; both must be passed."""
    for n, needed in ((3, 6.965), (20, 3.0)):
        excess = np.linspace(-1, 1, n)
        unit = excess.std(ddof=1) / math.sqrt(n)
        for factor, status in ((0.98, "inconclusive"), (1.02, "holds")):
            step = needed * factor * unit
            hill = np.where((np.arange(21) > 5) & (np.arange(21) < 15), 1.0, 0.0)
            curves_ = hill * (step + excess)[:, None]
            assert interior_peak(drop=0).judge([make_sample(curves_, x=GRID)]).status == status


def test_trends_are_found_and_impostors_are_not():
    """A ramp is monotone in its own direction only; hills, constants and noise are refuted."""
    assert share(monotone(), "holds", noisy(RAMP, 0.002), 100) == 1.0
    assert share(monotone(direction="falling"), "holds", noisy(RAMP[::-1], 0.002), 100) == 1.0
    assert share(monotone(direction="falling"), "refuted", noisy(RAMP, 0.002), 100) == 1.0
    assert share(monotone(), "refuted", noisy(HILL, 0.002), 100) == 1.0
    assert share(monotone(), "refuted", noisy(np.zeros(21), 1.0), 100) >= 0.9
    assert monotone().judge([make_sample(np.ones((3, 21)), x=GRID)]).status == "refuted"


@pytest.mark.parametrize("n", [2, 5])
def test_monotone_has_its_size(n):
    """A curve with a reversal of exactly the share allowed is called monotone at most 1 time in 100."""
    runs = 1000
    shape = np.linspace(0, 1, 8)
    shape[4] = shape[3] - 0.02
    assert share(monotone(tau=0.8), "holds", noisy(shape, 0.01, n), runs) <= 0.01 + allowance(0.01, runs)
    assert share(monotone(tau=0.8), "refuted", noisy(shape, 0.01, n), runs) <= 0.02


def test_many_reversals_at_the_limit_are_not_refuted_by_luck():
    """With ten reversals of exactly the share allowed, one of them looks too large at most 1 time in 100."""
    runs, shape = 600, np.repeat(np.linspace(0, 1, 11), 2)[:21]
    shape[2:20:2] += 0.02
    assert share(monotone(tau=0.01), "refuted", noisy(shape, 0.01, 4), runs) <= 0.01 + allowance(0.01, runs)


def test_one_of_many_pairs_needs_more_to_refute():
    """A reversal beyond the limit by 6 standard errors, n=4, is no refutation among 210 pairs; by 60 it is."""
    for errors, status in ((6, "inconclusive"), (60, "refuted")):
        noise = np.array([1.0, -1.0, 1.0, -1.0])
        shape = np.tile(10.0 * np.arange(21), (4, 1))
        shape[:, 5] = 40 - 4 - (errors + noise * math.sqrt(3)) / 10
        assert monotone().judge([make_sample(shape, x=GRID)]).status == status


def test_the_noisiest_pair_decides_a_trend():
    """A step that differs between seeds is judged by its own spread, though another step is smaller on average."""
    steps = np.arange(9.0) + np.array([[0.0], [0.1], [0.2], [0.3]])
    steps[:, 4:] += 1
    steps[:, 4] += [1.4, -1.4, 1.4, -1.4]
    assert monotone(tau=0.5).judge([make_sample(steps, x=GRID[:9])]).status == "inconclusive"


def test_four_points_cannot_show_a_trend():
    """Four points stand in order by chance 1 time in 24, so at level 0.01 even perfect order is inconclusive."""
    steps = make_sample(np.arange(4.0) + np.array([[0.0], [0.1], [0.2]]), x=GRID[:4])
    assert monotone().judge([steps]).status == "inconclusive"
    assert monotone(level=0.05).judge([steps]).status == "holds"


@given(curve_criteria(), curves(), st.sampled_from([0.5, 4.0]), st.randoms())
def test_shapes_follow_scale_and_order_of_seeds(rule, sample, scale, random):
    """Another unit or another order of seeds leaves the decision on a shape alone."""
    order = random.sample(range(len(sample.seeds)), len(sample.seeds))
    after = replace(sample, values=scale * sample.values[order])
    assert rule.judge([after]).status == rule.judge([sample]).status
