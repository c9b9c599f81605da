"""Order Matters' reference: cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from claims.experiments.vinyals2016 import Star, UnsortedSets, canonical, shapes
from reference import vinyals2016 as order
from repro import ReproError, Setting
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


def test_a_model_of_zeros_knows_nothing():
    """All of four symbols are as likely in any order."""
    config = replace(order.CONFIGS["chain"], hidden=2, updates=0)
    *_, (_, model) = order.learn(config, np.zeros((1, 3), np.int64), 4, seed=0, device="cpu")
    state = {name: np.zeros_like(value) for name, value in order.chain_state(model).items()}
    model = order.chain_restore(replace(config, orders=((0, 1), (1, 0))), state, device="cpu")
    assert order.log_probabilities(model, np.array([[3, 1]]), (1, 0)) == pytest.approx(-np.log(4))
    assert np.bincount(order.chosen(model, np.zeros((4000, 2), np.int64), seed=0)) == pytest.approx([2000] * 2, abs=200)


def test_nothing_to_learn_from():
    """Training needs examples."""
    empty = SimpleNamespace(inputs=Sequences(items=np.zeros((0, 2, 1)), lengths=np.zeros(0, np.int64)), outputs=None)
    with pytest.raises(ValueError, match="no examples"):
        next(order.train(ONE, empty, seed=0, device="cpu"))


def test_weights_are_named():
    """What is missing, too many or of another shape is said."""
    state = order.state(pointer(ONE))
    canonical(state, shapes(ONE))
    with pytest.raises(ReproError, match="no 'write"):
        canonical({name: value for name, value in state.items() if name != "write.A"}, shapes(ONE))
    with pytest.raises(ReproError, match="none of the weights"):
        canonical({**state, "more": np.zeros(1)}, shapes(ONE))
    with pytest.raises(ReproError, match="is due"):
        canonical({**state, "point.v": np.zeros(2)}, shapes(ONE))


def test_stars_depend_on_their_head():
    """Of peaky tables a leaf is mostly the same for the same head, and heads are all as frequent."""
    rows, tests = Star(rows=2000, spread=0.001).drawn(Setting(config=None, seed=0, device="cpu"))
    assert rows.shape == tests.shape == (2000, 10)
    same = [np.bincount(rows[rows[:, 0] == head, 4]).max() / (rows[:, 0] == head).sum() for head in range(10)]
    assert np.mean(same) > 0.95
    assert np.bincount(rows[:, 0]).min() > 150
