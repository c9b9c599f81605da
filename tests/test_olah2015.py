"""Gated networks' reference: cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from claims.experiments.long_lag_tasks import adding, graphs, temporal_order
from reference import olah2015 as gated

ONE = replace(gated.CONFIGS["lstm"], hidden=1, inputs=1, precision="float64")


def weights(config: gated.Config, **values: float) -> dict[str, np.ndarray]:
    """All zero but for these."""
    return {name: np.full(shape, values.get(name, 0.0)) for name, shape in gated.shapes(config).items()}


def test_a_step_of_an_lstm():
    """With weights of zero gates are one half and candidates zero: a state of 4 becomes 2, and h is tanh(2) / 2."""
    found = gated.module(ONE, weights(ONE), np.ones((1, 1)), np.ones((1, 1)), np.full((1, 1), 4.0))
    assert found["C"].item() == pytest.approx(2.0)
    assert found["h"].item() == pytest.approx(0.482014, abs=1e-6)


def test_blocks_of_1997_add_to_what_they_keep():
    """An open input gate adds g, which is 2 for large inputs, and h of 3 is 2 / (1 + e**-3) - 1 = 0.905148."""
    config = replace(gated.CONFIGS["6a"], hidden=1, size=1, inputs=1)
    own = weights(config, b_c=50.0, b_in=50.0, b_out=50.0)
    found = gated.module(config, own, np.zeros((1, 1)), np.zeros((1, 3)), np.ones((1, 1)))
    assert found["C"].item() == pytest.approx(3.0)
    assert found["h"][0] == pytest.approx([0.905148, 1.0, 1.0], abs=1e-6)


def test_weights_of_the_adding_network():
    """Table 10: 8 hidden units read 10 numbers and a bias each, the output 4 cells and a bias: 88 + 5 = 93."""
    assert sum(prod(shape) for shape in gated.shapes(gated.CONFIGS["4-1"]).values()) == 93


def test_an_output_is_read_where_a_sequence_ends():
    """Sums of h = tanh(x) over one and two items, whatever stands behind the shorter sequence."""
    config = replace(gated.CONFIGS["rnn"], hidden=1, inputs=1, precision="float64")
    own = weights(config, W_y=1.0) | {"W_h": np.array([[0.0, 1.0]])}
    model = gated.restore(config, own, device="cpu")
    found = model.predict(graphs(np.array([[[1.0], [9.0]], [[1.0], [0.5]]]), np.array([1, 2])))
    assert found.ravel() == pytest.approx(np.tanh([1.0, 0.5]))


def test_tasks_say_what_was_marked():
    """Targets follow from the items: half plus a quarter of both numbers; and of letters, the first counts twice."""
    items, lengths, targets = adding(np.random.default_rng(0), 50, 20)
    numbers = (items[..., 0] * (items[..., 1] == 1))[:, 1:].sum(1)
    assert targets[:, 0] == pytest.approx(0.5 + numbers / 4)
    letters, lengths, classes = temporal_order(np.random.default_rng(0), 50, 20)
    read = [row[:n].argmax(1) for row, n in zip(letters, lengths, strict=True)]
    wanted = [2 * (two[0] == 3) + (two[1] == 3) for two in (row[(row == 2) | (row == 3)] for row in read)]
    assert classes.argmax(1).tolist() == wanted
