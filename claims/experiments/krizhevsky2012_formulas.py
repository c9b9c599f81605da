"""Formulas of Krizhevsky et al. that need no training: normalization, momentum, the augmented set, dropout's average.

Shapes: N images, F side of a stored image, S side of a network's input, C channels, K classes, D features, M masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from claims.experiments.krizhevsky2012 import ConvolutionalNetworks, weights_of
from claims.oracles import krizhevsky2012 as oracle
from repro import Measurements, Setting, cases, scalar

Array = NDArray[np.float64]


def multiplicity(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """How many different inputs training can make of one image: rows, columns and reflections are read from pixels.

    Each of 32 places is missed by 1,000 draws with a chance below 1e-12.
    """
    side, draws = setting.config.frame, 1000
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(side)[:, None], np.arange(side)
    config = replace(setting.config, colour=0.0)
    corners: set[tuple[int, int, bool]] = set()
    for part in range(10):
        images = np.broadcast_to(image, (draws // 10, *image.shape))
        crops = implementation.augment(config, images, seed=1000 * setting.seed + part)[:, 0, :, :2]
        left, right = crops[:, 0, 1], crops[:, -1, 1]
        rows = zip(crops[:, 0, 0], np.minimum(left, right), left > right, strict=True)
        corners |= {(int(row), int(column), bool(mirrored)) for row, column, mirrored in rows}
    places = [len(set(column)) for column in zip(*corners, strict=True)]
    return {"inputs": scalar(prod(places), "1")}


def response_normalization(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Relative deviation of normalized activations of 16 maps from the formula of Section 3.3, map by map."""
    a = np.random.default_rng(setting.seed).uniform(0, 50, (2, 16, 4, 4))
    found = np.asarray(implementation.normalize(setting.config, a), float)
    return {"deviation": cases((found / oracle.normalized(a) - 1).ravel(), 0.0, "1")}


def momentum(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Deviation of weights from the recurrence of Section 5 over 20 gradients; the rate falls to a tenth midway."""
    rng, size = np.random.default_rng(setting.seed), 10
    start, gradients = rng.standard_normal(size), rng.standard_normal((2 * size, size))
    rates = np.repeat([1e-2, 1e-3], size)
    found = np.asarray(implementation.descend(setting.config, start, gradients, rates), float)
    w, v, expected = start.copy(), np.zeros(size), []
    for gradient, rate in zip(gradients, rates, strict=True):
        v = 0.9 * v - 5e-4 * rate * w - rate * gradient
        w = w + v
        expected.append(w)
    return {"deviation": cases((found - np.array(expected)).ravel(), 0.0, "1")}


def averaged_networks(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """The test-time network against the normalised geometric mean of all networks that dropout can leave.

    Measures, of an untrained perceptron on test images:
        difference: of its probabilities from that mean.
        divergence: its KL divergence from the mean, by that of the network whose outputs are not halved.
    """
    images, train = setting.dataset.test.images[:20], setting.dataset.train
    *_, (_, predictor) = implementation.train(setting.config, train, seed=setting.seed, device=setting.device)
    found = oracle.log_softmax(np.asarray(predictor.predict(images), float))
    learnt = weights_of(implementation, setting.config, predictor)
    layers = [(learnt[f"W{number}"], learnt[f"b{number}"]) for number in range(1, len(learnt) // 2 + 1)]
    x = (np.asarray(images, float) - train.images.mean(0)).reshape(len(images), -1) * setting.config.scale
    units = sum(setting.config.hidden)
    masks = np.array(list(product((0.0, 1.0), repeat=units)))
    exact = oracle.log_softmax(np.mean([oracle.log_softmax(thinned(layers, x, mask)) for mask in masks], axis=0))
    whole = oracle.log_softmax(thinned(layers, x, np.ones(units)))
    return {
        "difference": cases((np.exp(found) - np.exp(exact)).ravel(), 0.0, "1"),
        "divergence": cases([divergence(found, exact) / divergence(whole, exact)], [0.1], "1"),
    }


def thinned(layers: Sequence[tuple[Array, Array]], x: Array, mask: Array) -> Array:
    """Logits [N, K] of a perceptron of rectifiers on x [N, D] whose hidden units are those in a mask."""
    for weight, bias in layers[:-1]:
        own, mask = np.split(mask, [len(bias)])
        x = np.maximum(x @ weight.T + bias, 0) * own
    return x @ layers[-1][0].T + layers[-1][1]


def divergence(log_p: Array, log_q: Array) -> float:
    """Mean KL divergence of distributions p from q, nats."""
    return float((np.exp(log_p) * (log_p - log_q)).sum(-1).mean())
