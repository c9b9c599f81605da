"""Pointer networks against the paper's equations: scores, answers, updates and the start, at a tiny size.

Weights are the implementation's own, read by `state`; what they should do is computed in `claims/oracles`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, pairwise, product
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.planar import SolvedPoints, hulls, nearest_tours
from claims.experiments.vinyals2015 import AUDIT, PointerNetwork, canonical, trained
from claims.oracles import vinyals2015 as oracle
from repro import (
    SGD,
    Adam,
    Measurements,
    Setting,
    Weights,
    cases,
    distance,
    from_uniform,
    numerical_gradients,
    updated,
)
from repro.task import Sequences

LATE = 300  # updates, of which the last are looked at
LARGER = 3.0  # what weights are multiplied by, so that answers differ from input to input


def _problems(count: int, low: int, high: int, seed: int) -> SolvedPoints:
    return SolvedPoints(count=count, low=low, high=high, seed=(seed, AUDIT, 1), solver=hulls)


def _points(inputs: Sequences) -> list[NDArray[np.float64]]:
    """The points of each input, without padding."""
    return [items[:n].astype(np.float64) for items, n in zip(inputs.items, inputs.lengths, strict=True)]


def _places(outputs: Sequences) -> list[list[int]]:
    return [items[:m].tolist() for items, m in zip(outputs.items, outputs.lengths, strict=True)]


def _larger(network: PointerNetwork, setting: Setting, problems: SolvedPoints, beam: int) -> tuple[Any, Weights]:
    """An untrained network with larger weights, which decodes with that beam, and its weights."""
    config = replace(setting.config, beam=beam)
    first = network.state(trained(network, setting, problems))
    weights = {name: (LARGER * np.array(value)).astype(np.float32) for name, value in first.items()}
    return network.restore(config, weights, device=setting.device), canonical(weights, config.hidden)


def forward(network: PointerNetwork, setting: Setting) -> Measurements:
    """Scores and greedy answers of a network against those that its weights give by the equations."""
    problems = _problems(12, 5, 5, setting.seed)
    pointer, weights = _larger(network, setting, problems, 1)
    read = np.random.default_rng(setting.seed).integers(0, 5, (12, 4))
    known = oracle.scores(weights, problems.inputs.items.astype(np.float64), read[:, :-1])
    gaps = []
    for m in (4, 1):
        found = network.scores(pointer, problems.inputs, Sequences(items=read[:, :m], lengths=np.full(12, m)))
        each = np.asarray(found, np.float64).reshape(12, m, -1)
        gaps.append(oracle.log_softmax(each) - oracle.log_softmax(known[:, :m]))
    return {
        "scores": cases(np.concatenate([gap.ravel() for gap in gaps]), 0.0, "nats"),
        "answers": cases([_wrong(pointer, weights, setting.seed), _unlikely(network, setting)], 0, "answers"),
    }


def _wrong(pointer: Any, weights: Weights, seed: int) -> int:
    """Greedy answers that are not the best-scored places: of inputs of 3 to 7 points, padded by noise and alone."""
    problems, wrong = _problems(20, 3, 7, seed + 1), 0
    known = [oracle.output(weights, points, 1, 5) for points in _points(problems.inputs)]
    items = np.random.default_rng(seed).random((20, 9, 2)).astype(np.float32)
    for row, n in enumerate(problems.inputs.lengths):
        items[row, :n] = problems.inputs.items[row, :n]
    together = pointer.point(Sequences(items=items.copy(), lengths=problems.inputs.lengths.copy()), 5)
    for row, (n, wanted) in enumerate(zip(problems.inputs.lengths, known, strict=True)):
        alone = pointer.point(Sequences(items=items[row : row + 1, :n].copy(), lengths=np.array([n])), 5)
        wrong += _places(together)[row] != wanted
        wrong += _places(alone)[0] != wanted
    return wrong


def _unlikely(network: PointerNetwork, setting: Setting) -> int:
    """Answers of a beam that loses nothing that are not the likeliest of all outputs of up to three places of three.

    Weights are drawn until the likeliest is mostly such an output, and not always the same; inputs whose likeliest has
    more places are left out, since the paper does not say how these are cut off.
    """
    problems, rng = _problems(12, 3, 3, setting.seed + 2), np.random.default_rng(setting.seed)
    first, wanted = network.state(trained(network, setting, problems)), dict[int, list[int]]()
    arrays = dict(first)
    while len(wanted) < 6 or len({len(places) for places in wanted.values()}) == 1:
        arrays = {name: value * rng.uniform(-6, 6, value.shape).astype(np.float32) for name, value in first.items()}
        wanted = _likeliest(canonical(arrays, setting.config.hidden), problems)
    pointer = network.restore(replace(setting.config, beam=130), arrays, device=setting.device)
    found = _places(pointer.point(problems.inputs, 3))
    return sum(found[row] != places for row, places in wanted.items())


def _likeliest(weights: Weights, problems: SolvedPoints) -> dict[int, list[int]]:
    """By row, the likeliest of all outputs of up to three places of three, where none of four or more is likelier."""
    outputs = [list(places) for m in range(4) for places in product(range(3), repeat=m)]
    found = {}
    for row, points in enumerate(_points(problems.inputs)):
        losses = oracle.losses(weights, np.repeat(points[None], len(outputs), axis=0), outputs)
        if losses.min() < _cut(weights, points):
            found[row] = outputs[int(losses.argmin())]
    return found


def _cut(weights: Weights, points: NDArray[np.float64]) -> float:
    """-log p of the likeliest four places, whether or not the end follows."""
    read = np.array(list(product(range(3), repeat=4)))
    logp = oracle.log_softmax(oracle.scores(weights, np.repeat(points[None], len(read), axis=0), read[:, :3]))
    return float(-np.take_along_axis(logp[:, :, :-1], read[:, :, None], 2).sum((1, 2)).max())


def likeliest_tours(network: PointerNetwork, setting: Setting) -> Measurements:
    """Tours against those of a beam search over valid tours by the equations, for beams of one, three and all.

    A place that was visited has no probability; whether what is left is normalized anew the paper does not say, so
    either will do, but the same for all.
    """
    wrong = {oracle.gains_of_all: 0, oracle.gains_of_valid: 0}
    for beam, n in ((1, 6), (3, 6), (30, 4)):
        problems = SolvedPoints(count=10, low=n, high=n, seed=(setting.seed, AUDIT, n), solver=nearest_tours)
        pointer, weights = _larger(network, setting, problems, beam)
        tours = _places(pointer.point(problems.inputs, n))
        for gains in wrong:
            known = [oracle.tour(weights, points, beam, gains) for points in _points(problems.inputs)]
            wrong[gains] += sum(mine != theirs for mine, theirs in zip(tours, known, strict=True))
    return {"wrong": cases([min(wrong.values())], 0, "tours")}


def updates(network: PointerNetwork, setting: Setting) -> Measurements:
    """Weights after one, two and three updates on a batch that is all there is, with gradients clipped and not.

    And where v is after each of two more, from where 298 have led: the rate is still what it was.
    """
    gaps, problems = [], _problems(5, 4, 4, setting.seed)
    for clip, rate, count in ((0.5, 1.0, 3), (1e6, 0.5, 1)):
        config = replace(setting.config, batch=5, updates=count, clip=clip, lr=rate)
        weights = _course(network, replace(setting, config=config), problems)
        known = updated(_loss(problems, range(5)), weights[0], SGD(rates=[rate], clip=clip), count)
        gaps += [distance(mine, theirs, weights[0]) for mine, theirs in zip(weights[1:], known, strict=True)]
    config = replace(setting.config, batch=5, updates=LATE, clip=1e6, lr=0.01)
    late = _course(network, replace(setting, config=config), problems, first=LATE - 2)
    gaps += [_off(before, after, problems, SGD(rates=[0.01])) for before, after in pairwise(late)]
    return {"distance": cases(gaps, 0.0, "1")}


def _off(before: Weights, after: Weights, problems: SolvedPoints, rule: SGD | Adam) -> float:
    """How far v, or the bias of an output layer, is from where an update should have taken it."""
    name = "head.b" if "head.b" in before else "v"
    points, outputs = problems.inputs.items.astype(np.float64), _places(problems.outputs)
    slopes = {name: _slopes(name, before, points, outputs).mean(0)}
    return distance(after, rule.step({name: before[name]}, slopes), before)


def adam(network: PointerNetwork, setting: Setting) -> Measurements:
    """Weights after each of two updates by Adam at rates that fall as half a cosine, gradients clipped and not.

    And where v is after each of 50 out of 60.
    """
    gaps, problems = [], _problems(5, 4, 4, setting.seed)
    for clip in (0.5, 1e6):
        weights, rule = _by_adam(network, setting, problems, 2, clip)
        for before, after in pairwise(weights):
            gradients = _clipped(numerical_gradients(_loss(problems, range(5)), before), clip)
            gaps.append(distance(after, rule.step(before, gradients), before))
    weights, rule = _by_adam(network, setting, problems, 60, 1e6)
    gaps += [_off(before, after, problems, rule) for before, after in pairwise(weights[:51])]
    return {"distance": cases(gaps, 0.0, "1")}


def _by_adam(
    network: PointerNetwork, setting: Setting, problems: SolvedPoints, count: int, clip: float
) -> tuple[list[Weights], Adam]:
    """Weights before the first of so many updates and after each, and the rule that they should follow."""
    config = replace(setting.config, batch=5, updates=count, clip=clip, lr=0.02, optimizer="adam", schedule="cosine")
    rule = Adam(rates=[0.01 * (1 + np.cos(np.pi * update / count)) for update in range(count)])
    return _course(network, replace(setting, config=config), problems), rule


def _clipped(gradients: Weights, most: float) -> Weights:
    """Gradients, all made shorter alike where their norm together is more than that."""
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    return {name: gradient * min(1.0, most / norm) for name, gradient in gradients.items()}


def orders(network: PointerNetwork, setting: Setting) -> Measurements:
    """In which orders 150 updates read a batch of one hull twice, where they may be any: inferred from how v moves.

    Measures:
        apart: how far a move is from that for the nearest two orders, as a share of it.
        chance: of counts of pairs of orders as far from those of independent ones, of first places, and of ways round.
    """
    drawn = (_problems(1, 5, 5, seed) for seed in range(setting.seed, setting.seed + 100))
    problem = next(one for one in drawn if one.outputs.lengths[0] == 4)
    twice = SimpleNamespace(inputs=_repeated(problem.inputs, 2), outputs=_repeated(problem.outputs, 2))
    config = replace(setting.config, batch=2, updates=150, lr=0.01, clip=1e6, targets="any order")
    weights = _course(network, replace(setting, config=config), twice)
    hull = problem.outputs.items[0, :4]
    ways = [np.roll(each, start).tolist() for each in (hull, hull[::-1]) for start in range(4)]
    points = _repeated(problem.inputs, len(ways)).items.astype(np.float64)
    pairs = np.array(list(combinations_with_replacement(range(len(ways)), 2)))
    gaps, seen = [], np.zeros(len(pairs), int)
    for before, after in pairwise(weights):
        moves = -0.01 * _slopes("v", before, points, ways)[pairs].mean(1)
        far = np.abs(moves - (after["v"] - before["v"])).max(1) / np.abs(moves).max(1)
        gaps.append(far.min())
        seen[far.argmin()] += 1
    by_way = np.bincount(pairs.ravel(), np.repeat(seen, 2), len(ways)).reshape(2, 4)
    shares = np.where(pairs[:, 0] == pairs[:, 1], 1, 2) / len(ways) ** 2
    chances = [
        unlikely(seen, shares),
        unlikely(by_way.sum(1), np.full(2, 1 / 2)),
        unlikely(by_way.sum(0), np.full(4, 1 / 4)),
    ]
    return {"apart": cases(gaps, 0.0, "1"), "chance": cases(chances, 1e-5, "probability")}


def _repeated(sequences: Sequences, times: int) -> Sequences:
    """One sequence, so many times."""
    return Sequences(items=np.repeat(sequences.items, times, axis=0), lengths=np.repeat(sequences.lengths, times))


def _slopes(name: str, weights: Weights, points: NDArray[np.float64], outputs: list[list[int]]) -> NDArray[np.float64]:
    """The gradient [N, D] of -log p of each output by some weights [D]."""
    steps = 1e-5 * np.eye(len(weights[name]))
    sides = [
        [oracle.losses({**weights, name: weights[name] + sign * step}, points, outputs) for sign in (1, -1)]
        for step in steps
    ]
    return np.stack([(above - below) / 2e-5 for above, below in sides], axis=1)


def unlikely(counts: NDArray[Any], shares: NDArray[np.float64]) -> float:
    """The chance of counts at least as far from such shares of them, by a chi-squared test."""
    from scipy import stats

    return float(stats.chisquare(counts, counts.sum() * shares).pvalue)


def taken(network: PointerNetwork, setting: Setting) -> Measurements:
    """Which of five examples of three points, and of two of four, 60 batches of three take: inferred from how v moves.

    Examples may be taken in passes or be drawn anew for each batch; and what a batch has twice counts twice.

    Measures:
        apart: how far a move is from that for the nearest batch of one length, as a share of it.
        fewest: how often each example is taken, by how often it should be at least.
        chance: of counts as uneven, among examples of one length.
        repeats: batches of the two that have one twice, where those of the five never have.
    """
    few, rare = (_problems(count, n, n, setting.seed + n) for count, n in ((5, 3), (2, 4)))
    items = np.concatenate([np.pad(few.inputs.items, ((0, 0), (0, 1), (0, 0))), rare.inputs.items])
    places = [*_places(few.outputs), *_places(rare.outputs)]
    data = SimpleNamespace(
        inputs=Sequences(items=items, lengths=np.repeat([3, 4], [5, 2])),
        outputs=Sequences(
            items=np.array([[*own, *[0] * (4 - len(own))] for own in places]), lengths=np.array([*map(len, places)])
        ),
    )
    config = replace(setting.config, batch=3, updates=60, lr=0.01, clip=1e6)
    sets = [np.eye(7)[list(own)].sum(0) for m in (1, 2, 3) for own in combinations_with_replacement(range(5), m)]
    sets += [np.eye(7)[list(own)].sum(0) for m in (1, 2, 3) for own in combinations_with_replacement((5, 6), m)]
    counts, gaps, seen = np.array(sets), [], []
    for before, after in pairwise(_course(network, replace(setting, config=config), data)):
        slopes = [
            _slopes("v", before, part.inputs.items.astype(np.float64), _places(part.outputs)) for part in (few, rare)
        ]
        moves = -0.01 * counts @ np.concatenate(slopes) / counts.sum(1, keepdims=True)
        far = np.abs(moves - (after["v"] - before["v"])).max(1) / np.abs(moves).max(1)
        gaps.append(far.min())
        seen.append(counts[far.argmin()])
    total, twice = np.sum(seen, 0), np.array([own.max() > 1 for own in seen])
    of_five = np.array([own[:5].any() for own in seen])
    chances = [unlikely(own, np.full(len(own), 1 / len(own))) if own.any() else 0.0 for own in (total[:5], total[5:])]
    return {
        "apart": cases(gaps, 0.0, "1"),
        "fewest": cases(total / 5, 1.0, "1"),
        "chance": cases(chances, 1e-5, "probability"),
        "repeats": cases([twice[~of_five].sum() * (not twice[of_five].any())], 0, "batches"),
    }


def _course(network: PointerNetwork, setting: Setting, problems: Any, first: int = 0) -> list[Weights]:
    """Weights after so many updates and after each that follows."""
    steps = tuple(range(first, setting.config.updates))
    found = {}
    for step, pointer in network.train(
        setting.config, problems, seed=setting.seed, device=setting.device, eval_steps=steps
    ):
        found[step] = canonical(network.state(pointer), setting.config.hidden)
    return [found[step] for step in (*steps, setting.config.updates)]


def _loss(problems: SolvedPoints, chosen: Iterable[int]) -> Callable[[Weights], float]:
    rows, places = list(chosen), _places(problems.outputs)
    points, outputs = problems.inputs.items[rows].astype(np.float64), [places[row] for row in rows]
    return lambda weights: oracle.loss(weights, points, outputs)


def start(network: PointerNetwork, setting: Setting) -> Measurements:
    """How likely initial weights are if they are uniform in +-0.08: of each array, over four seeds."""
    parts: dict[str, list[NDArray[Any]]] = {}
    for seed in range(4):
        problems = _problems(4, 5, 5, seed)
        pointer = trained(network, replace(setting, seed=setting.seed + seed), problems)
        for name, value in canonical(network.state(pointer), setting.config.hidden).items():
            parts.setdefault(name, []).append(value.ravel())
    again = [np.array_equal(one, other) for each in parts.values() for one, other in combinations(each, 2)]
    likely = [from_uniform(np.concatenate(each), -0.08, 0.08) for each in parts.values()]
    return {
        "likely": cases(likely, 1e-4, "probability"),
        "same at other seeds": cases(again, 0, "1"),
    }
