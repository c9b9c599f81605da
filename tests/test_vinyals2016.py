"""Order Matters' reference: cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from claims.experiments.named_arrays import named
from claims.experiments.number_sets import UnsortedSets
from claims.experiments.vinyals2016 import OPTIONAL, shapes
from reference import vinyals2016 as order
from repro import ReproError
from repro.task import Sequences

ONE = replace(order.CONFIGS["p1-0"], hidden=1, updates=0)


def pointer(config, **changed):
    """A network whose weights are zeros, but for those given."""
    sets = UnsortedSets(count=2, size=2, seed=(0,))
    *_, (_, first) = order.train(config, sets, seed=0, device="cpu")
    state = {name: np.zeros_like(value) for name, value in order.state(first).items()}
    for name, value in changed.items():
        state[name.replace("_", ".")][...] = value
    return order.restore(config, state, device="cpu")


def numbers(*sets):
    """Sets of numbers, padded by 9."""
    most = max(map(len, sets))
    items = np.array([[*each, *[9.0] * (most - len(each))] for each in sets], np.float32)[..., None]
    return Sequences(items=items, lengths=np.array([len(each) for each in sets]))


def test_a_query_of_zero_reads_the_mean():
    """Without a query all elements weigh as much, so q* is 0 and a mean of tanh(x); padding is no element."""
    net = pointer(ONE, read_W1=1.0, read_W2=1.0)
    found = order.processed(net, numbers([1, 3], [1, 3, 5]))
    assert found[0] == pytest.approx([0, (np.tanh(1) + np.tanh(3)) / 2])
    assert found[1] == pytest.approx([0, np.tanh([1, 3, 5]).mean()])


def test_without_steps_there_is_no_query():
    """At P = 0 q* is zeros."""
    net = pointer(replace(ONE, steps=0), read_W1=1.0, read_W2=1.0)
    assert not order.processed(net, numbers([1, 3])).any()


def test_the_largest_is_pointed_at_where_scores_grow_with_the_element():
    """With v = W1 = 1 scores are tanh of tanh x, at every step, and nothing masks what was pointed at."""
    net = pointer(ONE, read_W1=1.0, read_W2=1.0, point_W1=1.0, point_v=1.0)
    found = net.point(numbers([0.3, 0.9, 0.1], [0.5, 0.2]), 3)
    assert found.items.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert found.lengths.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("changed", "says"), [({"write.A": None}, "no 'write"), ({"more": 1}, "none of"), ({"point.v": 2}, "is due")]
)
def test_weights_are_named(changed, says):
    """Arrays that are missing, superfluous or of another shape are named in the error."""
    state = order.state(pointer(ONE)) | {name: size and np.zeros(size) for name, size in changed.items()}
    with pytest.raises(ReproError, match=says):
        named({name: value for name, value in state.items() if value is not None}, shapes(ONE), OPTIONAL)
