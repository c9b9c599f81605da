"""Pointer networks that have not been trained: what is counted of them, and what needs no equations.

N inputs of n points each, H hidden units.
"""

from __future__ import annotations

import numpy as np

from claims.experiments.planar import SolvedPoints, hulls, nearest_tours
from claims.experiments.planar_measures import tour_lengths
from claims.experiments.vinyals2015 import AUDIT, D, PointerNetwork, answers, canonical, trained
from claims.oracles.vinyals2015 import log_softmax
from repro import Measurements, Setting, cases
from repro.task import Sequences

SIZES = (5, 50, 500)  # points of an input, of which one network must take any number
RECIPE = {
    "lr": 1.0, "batch": 128, "init": 0.08, "clip": 2.0, "optimizer": "sgd", "schedule": "constant",
    "targets": "canonical",
}  # fmt: skip
"""What Sections 3.1 and 4.1 print, by field."""


def recipe(network: PointerNetwork, setting: Setting) -> Measurements:
    """Fields of a preset that differ from what the paper prints."""
    return {"other": cases([getattr(setting.config, name) != value for name, value in RECIPE.items()], 0, "fields")}


def _uniform(count: int, points: int, seed: int) -> SolvedPoints:
    return SolvedPoints(count=count, low=points, high=points, seed=(seed, AUDIT), solver=hulls)


def sizes(network: PointerNetwork, setting: Setting) -> Measurements:
    """Count what is learnt by networks for inputs of 5, 50 and 500 points, and what one of them chooses from."""
    hidden = setting.config.hidden
    pointers = [trained(network, setting, _uniform(4, n, setting.seed)) for n in SIZES]
    weights = [canonical(network.state(pointer), hidden) for pointer in pointers]
    second = ("encoder.c", "decoder.c")  # a second bias adds nothing to the first
    counts = [sum(part.size for name, part in each.items() if name not in second) for each in weights]
    exact = 2 * 4 * hidden * (D + hidden + 1) + 2 * hidden**2 + hidden  # two LSTMs of one bias, W1 and W2, v
    widths = []
    for n in SIZES:
        test = _uniform(2, n, setting.seed)
        first = Sequences(items=test.outputs.items[:, :3], lengths=np.full(2, 3))
        widths += [np.shape(network.scores(pointers[0], test.inputs, first))[-1] - n]
    return {
        "growth": cases(np.subtract(counts, counts[0]), 0, "parameters"),
        "core": cases(np.subtract(counts, exact), 0, "parameters"),
        "ends": cases(np.subtract(counts, exact), 2 * (D + hidden), "parameters"),
        "beyond the points": cases(widths, 1, "scores"),
    }


def work(network: PointerNetwork, setting: Setting) -> Measurements:
    """Count different scores of places while tours of 8 and of 16 points are read, over 8 instances."""
    pointer = trained(network, setting, _uniform(4, 8, setting.seed))
    different = []
    for n in (8, 16):
        inputs = _uniform(8, n, setting.seed).inputs
        order = Sequences(items=np.tile(np.arange(n), (8, 1)), lengths=np.full(8, n))
        found = network.scores(pointer, inputs, order)[:, :, :n]
        different.append([len(np.unique(each)) for each in found])
    return {"ratio": cases(np.divide(different[1], different[0]), 4, "1")}


def permuted(network: PointerNetwork, setting: Setting) -> Measurements:
    """Permute the memory at a fixed state of the decoder, and the points that are encoded."""
    rng, n = np.random.default_rng([setting.seed, AUDIT]), 12
    problems = _uniform(8, n, setting.seed)
    pointer = trained(network, setting, problems)
    memory = network.encode(pointer, problems.inputs)
    states, order = rng.uniform(-1, 1, (8, memory.shape[2])).astype(np.float32), rng.permutation(n)
    scores = (network.attend(pointer, m, states).astype(np.float64) for m in (memory, memory[:, order]))
    known, moved = (np.exp(log_softmax(each)) for each in scores)
    other = Sequences(items=problems.inputs.items[:, order], lengths=problems.inputs.lengths)
    change = network.encode(pointer, other) - memory[:, order]
    return {
        "moved": cases((moved - known[:, order]).ravel(), 0, "probability"),
        "encoded": cases(np.linalg.norm(change, axis=(1, 2)), 1e-3, "1"),
    }


def validity(network: PointerNetwork, setting: Setting) -> Measurements:
    """Tours of 60 inputs of 4 to 20 points by an untrained network: which visit each point once."""
    problems = SolvedPoints(count=60, low=4, high=20, seed=(setting.seed, AUDIT), solver=nearest_tours)
    tours = answers(trained(network, setting, problems), problems)
    valid = np.isfinite(tour_lengths(problems.inputs, tours))
    return {"valid": cases(valid, 1, "tours"), "invalid share": cases([1 - valid.mean()], [0.5], "1")}
