"""Pipelines of real processes against the equations: gradients, updates, moving averages and outputs, at a tiny size.

Weights are the implementation's own, read by `state`; what they should do is computed in `claims/oracles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from itertools import islice, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.huang2019 import GPipe, mini_batch, shaped, spread_over
from claims.oracles import huang2019 as oracle
from repro import SGD, Measurements, ReproError, Setting, Weights, cases, distance, numerical_gradients

UPDATES = 3
SPREADS = ((1, 1), (2, 4), (3, 2))  # partitions and micro-batches
AVERAGES = ("mean", "variance")


def updates(pipeline: GPipe, setting: Setting) -> Measurements:
    """Weights after one, two and three updates, over partitions and micro-batches, and outputs of the last ones.

    Micro-batches may be of consecutive examples or of every M-th, and the moving variance biased or not: what the paper
    leaves open, but the same throughout.
    """
    config, (x, y) = setting.config, mini_batch(setting.seed, 16, setting.config.width)
    gaps: dict[tuple[bool, int], list[float]] = {reading: [] for reading in product((False, True), (0, 1))}
    apart = []
    for spread in SPREADS:
        own = spread_over(config, *spread)
        with closing(pipeline.networks(own, x, y, seed=setting.seed)) as course:  # pyright: ignore -- a generator
            states, outputs = [], np.empty(0)
            for network in islice(course, UPDATES + 1):
                arrays = canonical(pipeline.state(network), config)
                alone = pipeline.restore(config, {name: a.copy() for name, a in arrays.items()}, device="cpu")
                states.append(arrays)
                outputs = shaped(pipeline.outputs(alone, x), x.shape, "outputs")
        for reading, found in gaps.items():
            found += _gaps(states, x, y, config, spread[1], *reading)
        apart.append(np.abs(outputs - oracle.evaluated(states[-1], x, config.layers)).max())
    return {
        "distance": cases(min(gaps.values(), key=max), 0.0, "1"),
        "outputs": cases(apart, 0.0, "1"),
    }


@np.errstate(over="ignore", invalid="ignore")  # what diverges is far off, and no error
def _gaps(states: list[Weights], x: Any, y: Any, config: Any, count: int, strided: bool, ddof: int) -> list[float]:
    """How far each state lies from what the one before it should become."""
    inputs, targets = (oracle.micro_batches(part, count, strided) for part in (x, y))
    found = []
    for before, after in pairwise(states):
        learnt = {name: value for name, value in before.items() if name.partition(".")[2] not in AVERAGES}
        slopes = numerical_gradients(lambda w: oracle.loss(w, inputs, targets, config.layers), learnt)
        wanted = SGD(rates=[config.lr]).step(learnt, slopes)
        if len(learnt) < len(before):
            wanted |= oracle.moved(before, inputs, config.layers, config.momentum, ddof)
        found.append(distance(after, wanted, before))
    return found


def gradients(pipeline: GPipe, setting: Setting) -> Measurements:
    """Gradients of a pipeline and the losses of its updates against those of the equations.

    Without normalization also the gradients of a mini-batch that does not divide, unless it is refused.
    """
    config, (x, y) = setting.config, mini_batch(setting.seed, 16, setting.config.width)
    own = spread_over(config, 2, 4)
    with closing(pipeline.networks(own, x, y, seed=setting.seed)) as course:  # pyright: ignore -- a generator
        states = [canonical(pipeline.state(network), config) for network in islice(course, 2)]
    with closing(pipeline.steps(own, x, y, seed=setting.seed, device="cpu")) as steps:  # pyright: ignore
        losses = list(islice(steps, 2))
    found = pipeline.gradients(own, x, y, seed=setting.seed)
    learnt = {name: value for name, value in states[0].items() if name.partition(".")[2] not in AVERAGES}
    gaps: dict[bool, list[float]] = {}
    for strided in (False, True):
        inputs, targets = (oracle.micro_batches(part, 4, strided) for part in (x, y))
        slopes = numerical_gradients(lambda w: oracle.loss(w, inputs, targets, config.layers), learnt)  # noqa: B023
        gaps[strided] = [_apart(found.get(name), slope) for name, slope in slopes.items()]
        known = [oracle.loss(state, inputs, targets, config.layers) for state in states]
        gaps[strided] += [abs(mine / theirs - 1) for mine, theirs in zip(losses, known, strict=True)]
    rest = [] if len(learnt) < len(states[0]) else _undivided(pipeline, config, setting.seed, learnt)
    return {"gaps": cases(min(gaps.values(), key=max) + rest, 0.0, "1")}


def _undivided(pipeline: GPipe, config: Any, seed: int, learnt: Weights) -> list[float]:
    """Gradients of seven examples in two micro-batches, if there are any, against those of all seven."""
    x, y = mini_batch(seed, 7, config.width)
    try:
        found = pipeline.gradients(spread_over(config, 1, 2), x, y, seed=seed)
    except (ValueError, ReproError):  # a submission's errors come as text
        return []
    slopes = numerical_gradients(lambda w: oracle.loss(w, x[None], y[None], config.layers), learnt)
    return [_apart(found.get(name), slope) for name, slope in slopes.items()]


def _apart(found: NDArray[Any] | None, known: NDArray[np.float64]) -> float:
    if found is None or np.shape(found) != known.shape:
        return np.inf
    return float(np.abs(found - known).max() / np.abs(known).max())


def canonical(state: Weights, config: Any) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, if it is what layers of the small network have, and nothing else.

    Raises:
        ReproError: naming what is missing, has another shape, or is too much.
    """
    if not isinstance(state, Mapping):
        raise ReproError(f"state is {type(state).__name__}, where arrays by name are due")
    wide, hidden = config.width, config.hidden
    shapes: dict[str, tuple[int, ...]] = {"U": (hidden, wide), "b": (hidden,), "V": (wide, hidden), "c": (wide,)}
    if any(name.endswith(".gamma") for name in state):
        shapes |= dict.fromkeys(("gamma", "beta", *AVERAGES), (wide,))
    wanted = {f"{layer}.{name}": shape for layer in range(config.layers) for name, shape in shapes.items()}
    for name, shape in wanted.items():
        if name not in state:
            raise ReproError(f"state has no {name!r} {list(shape)}", f"It has {', '.join(state)}.")
        if np.shape(state[name]) != shape:
            raise ReproError(f"state has {name!r} as {list(np.shape(state[name]))}, where {list(shape)} is due")
    if more := sorted(state.keys() - wanted.keys()):
        raise ReproError(f"state has {more[0]!r}, which is none of the weights", f"They are {', '.join(wanted)}.")
    return {name: np.array(state[name], np.float64) for name in wanted}
