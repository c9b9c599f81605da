"""Dilated networks' reference on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from claims.experiments.yu2016 import pairs
from reference import yu2016 as nets

LINE = np.array([[0.0, 0, 1, 0, 0]])


def test_a_filter_is_flipped_and_spread():
    """A point becomes the filter, with its entries two places apart."""
    kernel = np.array([[0, 0, 0], [1, 2, 3], [0, 0, 0.0]])
    assert nets.dilated(LINE, kernel, 1).tolist() == [[0, 1, 2, 3, 0]]
    assert nets.dilated(LINE, kernel, 2).tolist() == [[1, 0, 2, 0, 3]]


def test_eq_5_shares_maps_out():
    """From two maps to four and back: halves, then sums over groups of two."""
    config = nets.Config(classes=2, dilations=(1,), multiples=(2,), size=(1, 1), padding=1, updates=0)
    _, model = next(nets.train(config, pairs(np.ones((1, 2, 1, 1)), np.ones((1, 2, 1, 1))), seed=0, device="cpu"))
    found = nets.state(model)
    assert found["k1"][:, :, 1, 1].tolist() == [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]]
    assert found["k2"][:, :, 0, 0].tolist() == [[1, 1, 0, 0], [0, 0, 1, 1]]


def test_one_update_of_one_weight():
    """Two classes score 0 for a place of the first: its bias rises by half the rate, and less is left to the second."""
    config = nets.Config(classes=2, dilations=(), multiples=(), size=(1, 1), padding=0, rate=0.1, batch=1, updates=1)
    *_, (_, model) = nets.train(config, pairs(np.zeros((1, 2, 1, 1)), np.array([[1, 0]])), seed=0, device="cpu")
    assert nets.state(model)["b1"] == pytest.approx([0.05, -0.05])


def test_the_front_end_of_the_paper():
    """VGG-16 without two poolings has the dilations 2 and 4 where they were, and 134,346,581 weights."""
    layers = nets._layers(nets.CONFIGS["front-end"])
    assert [layer.dilation for layer in layers] == [1] * 10 + [2] * 3 + [4, 1, 1]
    assert sum(int(np.prod(s)) for s in nets.shapes(nets.CONFIGS["front-end"]).values()) == 134_346_581
