"""Hypothesis strategies for the core types."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import strategies as st

from repro.criterion import constructors
from repro.criterion.measurement import Sample
from repro.paper import Reported
from tests.records import make_record

UNIT = "error"


def make_sample(values, arm: str = "a", unit: str = UNIT, x=None, seeds=None, expected=None) -> Sample:
    """A sample of values [S] or [S, K], with seeds 0, 1, ... unless given."""
    array = np.asarray(values, dtype=float)
    return Sample(
        arm=arm,
        measurement="m",
        unit=unit,
        seeds=tuple(range(len(array))) if seeds is None else tuple(seeds),
        values=array,
        x=None if x is None else np.asarray(x, dtype=float),
        expected=None if expected is None else np.asarray(expected, dtype=float),
    )


def numbers(low: float = -100.0, high: float = 100.0):
    """Finite numbers on a grid of 1/64, so that shifts and doublings are exact and ties happen."""
    return st.integers(int(low * 64), int(high * 64)).map(lambda k: k / 64)


def values(least: int = 2, most: int = 8, low: float = -100.0, high: float = 100.0):
    """Values [S] over seeds, often without any spread."""
    spread = st.lists(numbers(low, high), min_size=least, max_size=most)
    return st.one_of(spread, st.builds(lambda v, n: [v] * n, numbers(low, high), st.integers(least, most)))


def samples(least: int = 2, most: int = 8, low: float = -100.0, high: float = 100.0):
    """Samples of one number per seed."""
    return values(least, most, low, high).map(make_sample)


@st.composite
def sample_groups(draw, count: int = 2, least: int = 2, most: int = 8, low: float = -100.0, high: float = 100.0):
    """Several samples, paired (same seeds) or independent (other seeds, perhaps another number of them)."""
    paired, n = draw(st.booleans()), draw(st.integers(least, most))
    group = []
    for i in range(count):
        size = n if paired else draw(st.integers(least, most))
        seeds = range(size) if paired else range(100 * i, 100 * i + size)
        group.append(make_sample(draw(values(size, size, low, high)), arm=f"arm {i}", seeds=seeds))
    return tuple(group)


@st.composite
def curves(draw, least: int = 2, most: int = 6, points: int = 9, low: float = 0.5, high: float = 100.0):
    """Samples of positive curves [S, K] over an ascending grid."""
    n = draw(st.integers(least, most))
    rows = [draw(st.lists(numbers(low, high), min_size=points, max_size=points)) for _ in range(n)]
    return make_sample(rows, x=np.geomspace(1, 100, points))


levels = st.sampled_from([0.001, 0.01, 0.05, 0.1])
reported = st.builds(Reported, numbers(), st.just(UNIT), st.just("Table 1, row 2"))
bounds = st.one_of(numbers(), reported)


def one_sample_criteria():
    """Criteria that judge one number per seed."""
    return st.one_of(
        st.builds(constructors.at_most, bounds, numbers(0, 5), levels),
        st.builds(constructors.at_least, bounds, numbers(0, 5), levels),
        st.builds(constructors.matches, bounds, numbers(0.5, 20), st.just(False), levels),
    )


def pair_criteria():
    """Criteria that judge two samples."""
    margins = {"by": numbers(0, 10), "times": st.sampled_from([0.5, 1.0, 2.0]), "log": st.just(False), "level": levels}
    return st.one_of(
        st.builds(constructors.lower, **margins),
        st.builds(constructors.higher, **margins),
        st.builds(constructors.equivalent, numbers(0.5, 20), st.just(False), levels),
    )


def curve_criteria():
    """Criteria that judge a curve."""
    drops, thresholds = st.sampled_from([0.0, 0.15]), st.sampled_from([0.0, 3.0])
    return st.one_of(
        st.builds(constructors.power_law, numbers(-5, 0), numbers(0.5, 5), levels),
        st.builds(constructors.interior_peak, drop=drops, threshold=thresholds, level=levels),
        st.builds(
            constructors.monotone,
            tau=st.sampled_from([0.6, 0.95]),
            reversal=st.sampled_from([0.0, 0.02, 0.3]),
            direction=st.sampled_from(["rising", "falling"]),
            level=levels,
        ),
    )


exact_criteria = st.builds(constructors.holds, numbers(0, 5), st.sampled_from(["equal", "at_most", "at_least"]))
order_criteria = st.builds(constructors.ordered, by=numbers(0, 5), level=levels)


def criteria():
    """Any comparisons, compound ones included."""
    simple = st.one_of(exact_criteria, one_sample_criteria(), pair_criteria(), order_criteria, curve_criteria())
    return st.recursive(
        simple,
        lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda parts: constructors.all_of(*parts)),
        max_leaves=4,
    )


def record_drafts():
    """Records that are not sealed yet, with any text and any finite numbers where they are free."""
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), finite, texts)
    configs = st.dictionaries(texts, st.one_of(leaves, st.lists(leaves, max_size=3)), max_size=4)

    def build(flag, config, estimate, values, commit):
        base = make_record()
        trial = msgspec.structs.replace(base.trials[0], config=config)
        sample = msgspec.structs.replace(base.samples[0], seeds=tuple(range(len(values))), values=tuple(values))
        verdict = msgspec.structs.replace(base.verdict, estimate=estimate)
        source = msgspec.structs.replace(base.source, commit=commit)
        return msgspec.structs.replace(
            base, flag=flag, trials=(trial,), samples=(sample,), verdict=verdict, source=source
        )

    numbers_or_none = st.one_of(st.none(), finite, st.integers(-1000, 1000))
    return st.builds(build, texts, configs, numbers_or_none, st.lists(numbers_or_none, max_size=5), st.none() | texts)
