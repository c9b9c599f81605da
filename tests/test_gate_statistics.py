"""The gate's tests of values per seed: Student's, Fisher's for divergence, and what never counts as worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.gate import significance
from harness.gate.baseline import Values
from harness.gate.metric_direction import Aspect
from harness.gate.significance import compare, independent, look_sizes

UP, DOWN, EITHER = Aspect("up", False), Aspect("down", False), Aspect("either", False)


def values(numbers: Sequence[float | None], first: int = 0) -> Values:
    """Values at seeds `first`, `first` + 1, ..."""
    return Values(seeds=tuple(range(first, first + len(numbers))), values=tuple(numbers))


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
    assert significance._fisher_p(hits, 8, before, 6) == pytest.approx(stats.fisher_exact(table, "greater").pvalue)


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
    assert look_sizes(fresh) == stages
