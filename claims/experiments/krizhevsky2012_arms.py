"""Whether networks are trained as printed where claims compare how well they do: with those claims' own configs.

Shapes: N images, F side of a stored image, C channels, R random directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.krizhevsky2012 import ConvolutionalNetworks, weights_of
from claims.experiments.krizhevsky2012_oracle import along, shares, worst
from claims.oracles import krizhevsky2012 as oracle
from repro import Measurements, Setting, Split, Weights, cases

Array = NDArray[np.float64]
SPELLS = ((0, 1, 2), (9, 10, 11), (56, 57, 58))  # updates after which weights are looked at


def midway(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Updates of a network that is trained on as many images as the dataset has, but on two different ones only.

    Either has two labels, so that gradients do not vanish. A batch is then no more than how often it has each image
    with each label: all such batches are tried.

    Measures:
        off: how far weights are from where the oracle takes them by the nearest batch, as a share of how far they
            moved; the paper does not say whether biases decay.
    """
    config, rng = setting.config, np.random.default_rng(setting.seed)
    data, images = _two(setting.dataset.train, rng)
    x = config.scale * (images - np.asarray(data.images, float).mean(0)).transpose(0, 3, 1, 2)
    plan = oracle.Layout((), config.normalized, config.pooled, config.pool, config.activation)

    def losses(weights: Weights) -> Array:
        padding = (config.padding, config.padding)
        scores = oracle.logits(weights, x, stride=config.stride, padding=padding, dropout=False, layout=plan)
        return -oracle.log_softmax(scores)[:, [0, 1]].ravel()

    ways, course = _batches(config.batch), {}
    for step, predictor in implementation.train(
        config, data, seed=setting.seed, device=setting.device, eval_steps=tuple(sum(SPELLS, ()))
    ):
        course[step] = weights_of(implementation, config, predictor)
        if step == SPELLS[-1][-1]:
            break
    off = [_off(config, losses, course[a], course[b], course[c], ways, rng) for a, b, c in SPELLS]
    return {"off": cases(off, 0, "1")}


def _batches(size: int) -> NDArray[np.int64]:
    """All ways [W, 4] in which a batch can be of four kinds."""
    a, b, c = np.indices((size + 1,) * 3).reshape(3, -1)
    found = np.stack([a, b, c, size - a - b - c], 1)
    return found[found[:, 3] >= 0]


def _two(split: Split, rng: np.random.Generator) -> tuple[Split, Array]:
    """A training set like another, but of two random images, each with the labels 0 and 1; and these two."""
    kinds = rng.choice(4, len(split), p=(0.35, 0.15, 0.2, 0.3))
    two = rng.integers(0, 256, (2, *np.shape(split.images)[1:]), dtype=np.uint8)
    return replace(split, images=two[kinds // 2], labels=kinds % 2), two.astype(float)


def _off(
    config: Any,
    losses: Callable[[Weights], Array],
    before: Weights,
    now: Weights,
    after: Weights,
    ways: NDArray[np.int64],
    rng: np.random.Generator,
) -> float:
    """How far an update is from that on the batch which explains it best."""
    undecayed = tuple(name for name in now if name.startswith("b"))
    none, slopes, found = {name: np.zeros_like(w) for name, w in now.items()}, along(losses, now, rng), []
    for free in ((), undecayed):
        rest = oracle.updated(now, before, none, config.lr, config.weight_decay, free)
        moved, by_kind = shares(slopes, now, after, rest, -config.lr / config.batch)
        found.append(worst(ways @ by_kind.T - moved).min())
    return float(min(found))
