"""Exact criteria: `holds` counts violations, `equals` compares with what is printed; nothing is estimated."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.criterion.constructors import equals, holds
from repro.criterion.measurement import Sample
from repro.errors import ReproError
from repro.paper import Reported
from tests.strategies import make_sample, values


def test_holds_counts_violations():
    """The estimate is the number of violations; the reason has the worst deviation and the tolerance."""
    sample = make_sample([[1.0, 2.0, 3.5]], expected=[1.0, 2.0, 3.0])
    verdict = holds(0.1).judge([sample])
    assert (verdict.status, verdict.estimate, verdict.n, verdict.interval) == ("refuted", 1.0, 3, None)
    assert verdict.reason == "1 of 3 cases violate; worst deviation 0.5, tolerance 0.1"
    assert holds(0.5).judge([sample]).status == "holds"


@pytest.mark.parametrize(("relation", "good", "bad"), [("at_most", -9.0, 0.6), ("at_least", 9.0, -0.6)])
def test_holds_can_be_one_sided(relation, good, bad):
    """One-sided relations bound one side only, up to the tolerance."""
    for value, status in ((good, "holds"), (bad, "refuted"), (0.5 * np.sign(bad), "holds")):
        assert holds(0.5, relation).judge([make_sample([[value]], expected=[0.0])]).status == status


@given(st.sampled_from(["equal", "at_most", "at_least"]), values(1, 5), st.integers(0, 5))
def test_nan_violates(relation, v, place):
    """A case that is NaN is a violation under every relation, at any tolerance."""
    spoilt = [*v[:place], math.nan, *v[place:]]
    verdict = holds(1e6, relation).judge([make_sample([spoilt], expected=0.0)])
    assert (verdict.status, verdict.estimate) == ("refuted", 1.0)
    msgspec.json.encode(verdict)


def test_infinity_agrees_with_infinity_only():
    """An infinite value is right where infinity is expected, and wrong elsewhere."""
    assert holds().judge([make_sample([[math.inf]], expected=[math.inf])]).status == "holds"
    assert holds(1e9).judge([make_sample([[math.inf]], expected=[1.0])]).status == "refuted"


def test_no_cases_are_no_evidence():
    """Zero cases without a violation do not hold."""
    verdict = holds().judge([make_sample(np.zeros((1, 0)), expected=np.zeros(0))])
    assert (verdict.status, verdict.reason, verdict.n) == ("refuted", "no cases", 0)


def counted(*values: float, unit: str = "G") -> Sample:
    """A number that is not drawn, at one seed or at several."""
    return Sample(arm="a", measurement="count", unit=unit, seeds=tuple(range(len(values))), values=np.array(values))


PRINTED = Reported(3.8, "G", "Table 1")


@pytest.mark.parametrize(
    ("value", "status"),
    [(3.8, "holds"), (3.85, "holds"), (3.75, "holds"), (3.858, "refuted"), (np.nan, "refuted"), (np.inf, "refuted")],
)
def test_a_number_equals_what_is_printed_within_its_digits(value, status):
    """The margin is included, also where binary fractions would leave it out; what is not finite refutes."""
    verdict = equals(PRINTED, within=0.05).judge([counted(value)])
    assert verdict.status == status
    assert verdict.interval is None
    assert not equals(PRINTED, within=0.05).statistical


def test_a_number_that_is_drawn_is_none_for_equals():
    """Values that differ between seeds, and another unit, are errors."""
    with pytest.raises(ReproError, match="differs between seeds"):
        equals(PRINTED, within=0.05).judge([counted(3.8, 3.81)])
    with pytest.raises(ReproError, match="unit"):
        equals(PRINTED, within=0.05).judge([counted(3.8, unit="M")])
    with pytest.raises(ValueError, match="margin"):
        equals(PRINTED, within=-1.0)
