"""Tests of reference/karpathy2015.py: what can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from reference.karpathy2015 import CONFIGS, Config, restore, shapes, state, train
from repro import Text
from repro.task import Sequences

TINY = Config(layers=1, hidden=1, vocabulary=2, batch=1, unroll=1, epochs=1, precision="float64")


def text(*tokens, vocabulary=2):
    """A text of those characters."""
    return Text(tokens=np.array(tokens), validation=np.empty(0, np.int64), vocabulary=vocabulary)


def one_unit(cell, **weights):
    """A network of one unit over two characters, whose weights are 0 unless given."""
    config = replace(TINY, cell=cell)
    arrays = {name: np.zeros(shape) for name, shape in shapes(config).items()}
    for name, value in weights.items():
        arrays[name.replace("_1", " 1")][:] = value
    return restore(config, arrays, device="cpu")


def test_the_default_network_has_as_many_parameters_as_its_code_prints():
    """Two layers of 128 over 65 characters: 240,321 with a second bias in each layer, which is 512 fewer here."""
    count = sum(math.prod(shape) for shape in shapes(CONFIGS["char-rnn"]).values())
    assert count + 2 * 4 * 128 == 240_321


def test_a_plain_unit_adds_what_it_reads_to_what_it_was():
    """Characters 1, then 0: h is tanh(1), then tanh(2 tanh(1)), and the score of 1 is three times that."""
    stream = one_unit("rnn", W_x_1=[[0, 1]], W_h_1=2, W_y=[[0], [3]]).start(1)
    first = math.tanh(1)
    assert stream.step(np.array([1]))[0] == pytest.approx([0, 3 * first], rel=1e-6)
    assert stream.step(np.array([0]))[0] == pytest.approx([0, 3 * math.tanh(2 * first)], rel=1e-6)


def test_an_lstm_adds_half_of_what_it_reads_where_gates_receive_nothing():
    """All gates are 1/2: c is tanh(2) / 2, then half of that."""
    stream = one_unit("lstm", W_x_1=[[0, 0], [0, 0], [0, 0], [0, 2]], W_y=[[1], [0]]).start(1)
    cell = math.tanh(2) / 2
    assert stream.step(np.array([1]))[0, 0] == pytest.approx(math.tanh(cell) / 2, rel=1e-6)
    assert stream.step(np.array([0]))[0, 0] == pytest.approx(math.tanh(cell / 2) / 2, rel=1e-6)


def test_a_gru_resets_its_state_before_the_matrix():
    """Gates are 1/2, the candidate tanh(b + 4 r h): h is tanh(1) / 2, then the mean of that and tanh(1 + 2 h)."""
    stream = one_unit("gru", W_h_1=[[0], [0], [4]], b_1=[0, 0, 1], W_y=[[1], [0]]).start(1)
    first = math.tanh(1) / 2
    assert stream.step(np.array([0]))[0, 0] == pytest.approx(first, rel=1e-6)
    assert stream.step(np.array([0]))[0, 0] == pytest.approx((first + math.tanh(1 + 2 * first)) / 2, rel=1e-6)


def test_the_first_update_moves_every_weight_with_a_slope_by_as_much():
    """RMSProp from nothing: g / sqrt(0.05 g^2) is 4.47 times the sign, whatever g is."""
    config = replace(TINY, lr=0.01)
    first, last = (state(model) for _, model in train(config, text(0), seed=1, device="cpu", eval_steps=(0, 1)))
    moved = last["b_y"] - first["b_y"]
    assert moved == pytest.approx([0.01 / math.sqrt(0.05), -0.01 / math.sqrt(0.05)], rel=1e-5)


def test_what_follows_the_last_character_is_the_first():
    """The text 0 1 1 in one chunk: its targets are 1 1 0, so the bias of 1 rises by two thirds less its chance."""
    config = replace(TINY, unroll=3, smoothing=0.0, epsilon=1.0, lr=1e-3, init=1e-9)
    first, last = (state(m)["b_y"] for _, m in train(config, text(0, 1, 1), seed=0, device="cpu", eval_steps=(0, 1)))
    slope = 3 / 2 - 2  # summed over steps
    assert (last - first)[1] == pytest.approx(-1e-3 * slope / (abs(slope) + 1), rel=1e-5)


def test_what_is_written_is_read_back():
    """A network that predicts the character it has not read writes both alternately, after prompts of any length."""
    writer = one_unit("rnn", W_x_1=[[-9, 9]], W_y=[[9], [-9]])
    prompts = Sequences(items=np.array([[0, 1], [0, 0]]), lengths=np.array([1, 2]))
    for heat in (0.0, 0.1):
        assert writer.generate(prompts, 3, temperature=heat, seed=0).tolist() == [[1, 0, 1], [1, 0, 1]]


def test_texts_that_do_not_fit_are_refused():
    """Another vocabulary, or fewer characters than a chunk has."""
    with pytest.raises(ValueError, match="3 characters"):
        next(train(TINY, text(0, 1, vocabulary=3), seed=0, device="cpu"))
    with pytest.raises(ValueError, match="do not fill"):
        next(train(replace(TINY, unroll=5), text(0, 1), seed=0, device="cpu"))
