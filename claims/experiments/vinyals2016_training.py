"""Training of networks for sets and of models of joint probabilities, against the paper's equations at a tiny size.

Plain descent shows what moves weights, Adam that every array does; which examples a batch had is inferred from a move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, pairwise, permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.vinyals2016 import AUDIT, SetNetwork, canonical, chain_shapes, shapes
from claims.experiments.vinyals2016_exact import each_set, some_of, variant
from claims.oracles import vinyals2016 as oracle
from repro import SGD, Adam, Measurements, Setting, Weights, cases, distance, from_uniform, numerical_gradients

CLIP = 0.2  # below the norm of gradients here
LEAST = 0.01  # a move below this share of the largest of all arrays counts as that: float32 does not resolve it
PASSES = {"batch": 2, "updates": 50, "lr": 0.05, "clip": 1e6, "optimizer": "sgd"}
TRAINED = [("pointer", 0, 1), ("process", 2, 0), ("process", 1, 1)]

Course = Iterator[tuple[int, Any]]


def _snapshots(course: Course, state: Callable[[Any], Any], wanted: dict[str, tuple[int, ...]]) -> list[Weights]:
    """Weights at every step that was asked for; what is optional is left out if it is zeros throughout."""
    found = [state(model) for _, model in course]
    arrays = [{name: np.array(value, np.float64) for name, value in each.items()} for each in found]
    kept = {name for each in arrays for name in canonical(each, wanted)}
    return [{name: value for name, value in each.items() if name in kept} for each in arrays]


def _trained(network: SetNetwork, setting: Setting, config: Any, sets: Any) -> list[Weights]:
    """Weights before the first update on sets and after each."""
    steps = tuple(range(config.updates))
    course = network.train(config, sets, seed=setting.seed, device=setting.device, eval_steps=steps)
    return _snapshots(course, network.state, shapes(config))


def _learnt(network: SetNetwork, setting: Setting, config: Any, rows: NDArray[Any], symbols: int) -> list[Weights]:
    """Weights before the first update on rows and after each."""
    steps = tuple(range(config.updates))
    course = network.learn(config, rows.copy(), symbols, seed=setting.seed, device=setting.device, eval_steps=steps)
    return _snapshots(course, network.chain_state, chain_shapes(config, symbols))


def rates(config: Any) -> list[float]:
    """Rates that fall to 0 as half a cosine."""
    return [config.lr * (1 + np.cos(np.pi * k / config.updates)) / 2 for k in range(config.updates)]


def _against(loss: Callable[[Weights], float], course: Callable[[Any], list[Weights]], config: Any) -> list[float]:
    """How far weights are from where updates by descent lead: the first, free and clipped, and the second of three."""
    gaps = []
    for lr, clip, updates, step in ((5.0, 1e6, 1, 0), (5.0, CLIP, 1, 0), (0.2, 1e6, 3, 1)):
        now = replace(config, optimizer="sgd", lr=lr, clip=clip, updates=updates)
        before, after = course(now)[step : step + 2]
        rule = SGD(rates=[rates(now)[step]], clip=clip)
        gaps.append(_off(after, rule.step(before, numerical_gradients(loss, before)), before))
    return gaps


def _off(found: Weights, wanted: Weights, start: Weights) -> float:
    """How far arrays lie from where they should, as a share of how far these move: the largest."""
    moved = {name: float(np.abs(wanted[name] - start[name]).max()) for name in wanted}
    least = LEAST * max(moved.values())
    return max(float(np.abs(found[name] - wanted[name]).max()) / max(moved[name], least) for name in wanted)


def _by_adam(
    loss: Callable[[Weights], float], course: Callable[[Any], list[Weights]], config: Any, late: str
) -> list[float]:
    """How far weights are from where two updates by Adam lead, and one array from where each of 50 does."""
    now = replace(config, optimizer="adam", lr=0.02, clip=1e6, updates=60)
    found, rule, gaps = course(now), Adam(rates=rates(now)), []
    for before, after in pairwise(found[:3]):  # the first is of signs alone
        gaps.append(distance(after, rule.step(before, numerical_gradients(loss, before)), before))
    rule = Adam(rates=rates(now))
    for before, after in pairwise(found[:51]):
        gaps.append(distance(after, rule.step({late: before[late]}, _slopes(loss, before, late)), before))
    return gaps


def _slopes(loss: Callable[[Weights], float], w: Weights, name: str) -> Weights:
    """The gradient by one array."""
    return numerical_gradients(lambda part: loss({**w, **part}), {name: w[name]})


def updates(network: SetNetwork, setting: Setting) -> Measurements:
    """Every array after updates on sets of one to three elements that fill a batch."""
    gaps, sets = [], some_of((3, 1, 2), setting.seed)
    own = each_set(sets)
    for model, steps, glimpses in TRAINED:
        config = variant(setting, (model, steps, glimpses), batch=3)
        gaps += _against(
            lambda w, steps=steps: oracle.loss(w, own, steps), lambda c: _trained(network, setting, c, sets), config
        )
    config = variant(setting, ("process", 1, 0), batch=5)
    gaps += _by_adam(lambda w: oracle.loss(w, own, 1), lambda c: _trained(network, setting, c, sets), config, "point.v")
    return {"distance": cases(gaps, 0.0, "1")}


def taken(network: SetNetwork, setting: Setting) -> Measurements:
    """Which of five sets batches of two take, as `_passes` has it."""
    sets = some_of((3, 2, 3, 2, 4), setting.seed + 1)
    own = each_set(sets)
    config = variant(setting, ("process", 1, 0), **PASSES, hidden=3)

    def slopes(w: Weights) -> list[NDArray[np.float64]]:
        return [_slopes(lambda v, each=each: oracle.loss(v, [each], 1), w, "point.v")["point.v"] for each in own]

    return _passes(
        lambda seed: _trained(network, replace(setting, seed=seed), config, sets), slopes, "point.v", config, setting
    )


def _passes(
    course: Callable[[int], list[Weights]],
    slopes: Callable[[Weights], list[NDArray[np.float64]]],
    name: str,
    config: Any,
    setting: Setting,
) -> Measurements:
    """Which of five examples 40 batches of two take: inferred from how an array moves.

    Measures:
        apart: how far a move is from that for the nearest batch, as a share of it.
        fewest: how often each example is taken, by how often it should be at least.
        chance: of counts as uneven.
        same at another seed: whether the first twelve batches are.
    """
    batches = np.array([np.eye(5)[list(pair)].sum(0) for pair in combinations_with_replacement(range(5), 2)])
    gaps, seen = [], dict[int, list[int]]()
    for seed, count in ((setting.seed, 40), (setting.seed + 1, 12)):
        seen[seed] = []
        for rate, (before, after) in zip(rates(config), pairwise(course(seed)[: count + 1]), strict=False):
            moves = -rate * batches @ np.array(slopes(before)) / 2
            far = np.abs(moves - (after[name] - before[name])).max(1) / np.abs(moves).max(1)
            gaps.append(far.min())
            seen[seed].append(int(far.argmin()))
    counts = batches[seen[setting.seed]].sum(0)
    return {
        "apart": cases(gaps, 0.0, "1"),
        "fewest": cases(counts / 6, 1.0, "1"),
        "chance": cases([_unlikely(counts, np.full(5, 1 / 5))], 1e-5, "probability"),
        "same at another seed": cases([seen[setting.seed][:12] == seen[setting.seed + 1]], 0, "1"),
    }


def _unlikely(counts: NDArray[Any], shares: NDArray[np.float64]) -> float:
    """The chance of counts at least as far from such shares of them, by a chi-squared test."""
    from scipy import stats

    return float(stats.chisquare(counts, counts.sum() * shares).pvalue)


def seeds(network: SetNetwork, setting: Setting) -> Measurements:
    """Weights before training at four seeds, and after ten updates at one seed twice; of networks and of models.

    Measures:
        same at other seeds: arrays that are.
        other at this seed: by how much the second differs.
        likely: by how large a chance arrays are as far from uniform in +-0.08.
    """
    sets, rows, starts, again, likely = some_of((3, 4, 2, 5), setting.seed), np.zeros((4, 3), np.int64), [], [], []
    few = {"batch": 2, "updates": 10, "lr": 0.1}
    one, other = replace(setting.config, **few), replace(network.CONFIGS["chain"], hidden=setting.config.hidden, **few)
    for course in (
        lambda s, c=one: _trained(network, replace(setting, seed=s), c, sets),
        lambda s, c=other: _learnt(network, replace(setting, seed=s), c, rows, 5),
    ):
        found = [course(setting.seed + more) for more in (0, 1, 2, 3, 0)]
        again += [np.abs(found[0][-1][name] - found[4][-1][name]).max() for name in found[0][-1]]
        for name in found[0][0]:
            parts = [each[0][name].ravel() for each in found[:4]]
            starts += [np.array_equal(mine, theirs) for mine, theirs in combinations(parts, 2)]
            likely.append(from_uniform(np.concatenate(parts), -0.08, 0.08))
    return {
        "same at other seeds": cases(starts, 0, "1"),
        "other at this seed": cases(again, 0.0, "1"),
        "likely": cases(likely, 1e-5, "probability"),
    }


# Joint probabilities


def _model(network: SetNetwork, setting: Setting, config: Any, symbols: int, size: float) -> tuple[Any, Weights]:
    """A model of normal weights of that size, and these."""
    rows, rng = np.zeros((4, 3), np.int64), np.random.default_rng((setting.seed, AUDIT, symbols))
    now = replace(config, updates=0, orders=((0, 1, 2),))
    *_, (_, first) = network.learn(now, rows, symbols, seed=setting.seed, device=setting.device)
    arrays = {n: rng.normal(0, size, np.shape(a)).astype(np.float32) for n, a in network.chain_state(first).items()}
    return network.chain_restore(config, arrays, device=setting.device), canonical(
        arrays, chain_shapes(config, symbols)
    )


def chain(network: SetNetwork, setting: Setting) -> Measurements:
    """Conditional probabilities in several orders, and their products over all rows there are."""
    gaps, totals = [], []
    for symbols, orders, size in (
        (3, ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)), 1.0),
        (5, ((0,),), 1.0),
        (2, ((4, 0, 2, 3, 1), (1, 2, 3, 4, 0)), 3.0),
    ):
        model, w = _model(network, setting, replace(setting.config, orders=orders), symbols, size)
        rows = np.array(list(product(range(symbols), repeat=len(orders[0]))))
        for order in orders:
            found = np.asarray(network.log_probabilities(model, rows, order), np.float64)
            known = np.array([oracle.conditionals(w, row.tolist(), order) for row in rows])
            gaps.append(np.abs(found - known).max())
            totals.append(np.exp(found.sum(1)).sum())
    return {"gaps": cases(gaps, 0.0, "nats"), "totals": cases(totals, 1.0, "probability")}


def chain_updates(network: SetNetwork, setting: Setting) -> Measurements:
    """Every array after updates on rows that fill a batch, in an order that is not that of places, or in that one."""
    rows, gaps = np.array([[0, 1, 2], [2, 2, 0], [1, 0, 0]]), []
    for orders, order in ((((2, 0, 1),), (2, 0, 1)), ((), (0, 1, 2))):
        config = replace(setting.config, orders=orders, batch=3)
        own = [(row.tolist(), order) for row in rows]
        known = (lambda w, own=own: oracle.chain_loss(w, own)), lambda c: _learnt(network, setting, c, rows, 3), config
        gaps += _against(*known) + (_by_adam(*known, "head.b") if orders else [])
    return {"distance": cases(gaps, 0.0, "1")}


def chain_taken(network: SetNetwork, setting: Setting) -> Measurements:
    """Which of five rows batches of two take, as `_passes` has it."""
    rows, order = np.array([[0, 1, 2], [2, 2, 0], [1, 0, 0], [3, 3, 3], [0, 4, 4]]), (2, 0, 1)
    config = replace(setting.config, orders=(order,), **PASSES)
    return _passes(
        lambda seed: _learnt(network, replace(setting, seed=seed), config, rows, 5),
        lambda w: [_slope(w, row.tolist(), order) for row in rows],
        "head.b",
        config,
        setting,
    )


def chosen(network: SetNetwork, setting: Setting) -> Measurements:
    """Orders drawn for 6,000 copies of each of three rows, against their probabilities; and at other seeds."""
    orders, chances, same = tuple(permutations(range(3))), [], []
    model, w = _model(network, setting, replace(setting.config, orders=orders), 3, 0.9)
    for row in ([0, 1, 2], [2, 0, 0], [1, 1, 1]):
        rows = np.tile(row, (6000, 1))
        drawn = np.asarray(network.chosen(model, rows, seed=setting.seed))
        chances.append(_unlikely(np.bincount(drawn, minlength=6), oracle.chances(w, row, orders)))
        again, other = (network.chosen(model, rows, seed=setting.seed + more) for more in (0, 1))
        same += [not np.array_equal(drawn, again), np.array_equal(drawn, other)]
    return {"chance": cases(chances, 1e-5, "probability"), "seeds": cases(same, 0, "1")}


def explored(network: SetNetwork, setting: Setting) -> Measurements:
    """In which orders updates take a batch of one row twice, the first 100 at random: inferred from the head's bias.

    Measures:
        apart: how far a move is from that for the nearest two orders, as a share of it.
        off: how far counts are from thirds, before, and from the orders' probabilities by the weights, after.
        alone: how far the number of pairs of one order is from that of orders drawn apart, before.
    """
    orders, row = ((0, 1, 2), (2, 1, 0), (1, 0, 2)), [0, 2, 1]
    config = replace(setting.config, orders=orders, batch=2, uniform=100, updates=300, lr=0.05, clip=1e6)
    found = _learnt(network, setting, replace(config, optimizer="sgd"), np.array([row, row]), 4)
    pairs = list(combinations_with_replacement(range(3), 2))
    gaps, excess, spread, doubles = [], np.zeros((2, 3)), np.zeros((2, 3)), 0
    for number, (before, after) in enumerate(pairwise(found[:271])):
        slopes = [_slope(before, row, order) for order in orders]
        moves = np.array([-rates(config)[number] * (slopes[i] + slopes[j]) / 2 for i, j in pairs])
        far = np.abs(moves - (after["head.b"] - before["head.b"])).max(1) / np.abs(moves).max(1)
        gaps.append(far.min())
        pair, late = pairs[int(far.argmin())], int(number >= 100)
        chance = oracle.chances(before, row, orders) if late else np.full(3, 1 / 3)
        excess[late] += np.bincount(pair, minlength=3) - 2 * chance
        spread[late] += 2 * chance * (1 - chance)
        doubles += pair[0] == pair[1] and not late
    z = np.abs(excess) / np.sqrt(spread + 0.1)  # more, since nothing varies where one order is all but certain
    return {
        "apart": cases(gaps, 0.0, "1"),
        "off": cases(z.ravel(), 4.5, "standard deviations"),
        "alone": cases([abs(doubles - 100 / 3) / np.sqrt(100 * 2 / 9)], 4.5, "standard deviations"),
    }


def _slope(w: Weights, row: list[int], order: tuple[int, ...]) -> NDArray[np.float64]:
    """The gradient of -log p by the head's bias: predicted probabilities less what came, summed over places."""
    return np.exp(oracle.predicted(w, row, order)).sum(0) - np.bincount(row, minlength=len(w["head.b"]))
