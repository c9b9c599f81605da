"""Networks for sets against the paper's equations, at a tiny size, from their own weights.

Sets of different sizes stand in one batch, padded by noise; weights are drawn by the suite wherever nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, pairwise, permutations, product
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.vinyals2016 import AUDIT, OPTIONAL, SetNetwork, UnsortedSets, canonical, chain_shapes, shapes
from claims.oracles import vinyals2016 as oracle
from repro import SGD, Adam, Measurements, Setting, Weights, cases, distance, from_uniform, numerical_gradients
from repro.task import Sequences

VARIANTS = [("pointer", 0, g) for g in (0, 1)] + [("process", P, g) for P in (0, 1, 2, 5, 10) for g in (0, 1)]
CLIP = 0.2  # below the norm of gradients here
LEAST = 0.01  # a move below this share of the largest of all arrays counts as that: float32 does not resolve it
TRAINED = [("pointer", 0, 1), ("process", 2, 0), ("process", 1, 1)]
PRESETS = {
    f"{name}-{g}": {"model": model, "steps": steps, "glimpses": g, "updates": 10_000}
    for name, model, steps in (("ptr", "pointer", 0), *((f"p{P}", "process", P) for P in (0, 1, 5, 10)))
    for g in (0, 1)
}


def _variant(setting: Setting, variant: tuple[str, int, int], **fields: Any) -> Any:
    model, steps, glimpses = variant
    return replace(setting.config, model=model, steps=steps, glimpses=glimpses, **fields)


def _sets(sizes: tuple[int, ...], seed: int, features: int = 1, pad: int = 2) -> SimpleNamespace:
    """Sets of these sizes, padded by noise, and places in them, which may repeat, as many as there are elements."""
    rng, count, most = np.random.default_rng((seed, AUDIT)), len(sizes), max(sizes) + pad
    items = rng.normal(0, 2, (count, most, features)).astype(np.float32)
    places = np.array([rng.integers(0, n, most) for n in sizes])
    lengths = np.array(sizes)
    return SimpleNamespace(
        inputs=Sequences(items=items, lengths=lengths), outputs=Sequences(items=places, lengths=lengths.copy())
    )


def _each(sets: Any) -> list[oracle.Set]:
    """Elements and places of each set, without padding."""
    inputs, outputs = sets.inputs, sets.outputs
    rows = zip(inputs.items, inputs.lengths, outputs.items, outputs.lengths, strict=True)
    return [(x[:n].astype(np.float64), o[:m].tolist()) for x, n, o, m in rows]


def _drawn(network: SetNetwork, setting: Setting, config: Any, size: float, features: int = 1) -> tuple[Any, Weights]:
    """A network of normal weights of that size, and these."""
    few = _sets((2, 3), setting.seed, features)
    *_, (_, first) = network.train(replace(config, updates=0), few, seed=setting.seed, device=setting.device)
    rng = np.random.default_rng((setting.seed, AUDIT, 2))
    arrays = {name: rng.normal(0, size, np.shape(a)).astype(np.float32) for name, a in network.state(first).items()}
    weights = canonical(arrays, shapes(config, features))
    return network.restore(config, arrays, device=setting.device), weights


def recipe(network: SetNetwork, setting: Setting) -> Measurements:
    """Fields of the presets of Table 1 that are not those of its columns."""
    known = {name: {f: getattr(network.CONFIGS[name], f) for f in fields} for name, fields in PRESETS.items()}
    return {"other": cases([known[name] != fields for name, fields in PRESETS.items()], 0, "presets")}


def forward(network: SetNetwork, setting: Setting) -> Measurements:
    """Scores, what Process ends with, and greedy answers, for all columns of Table 1 at several widths."""
    gaps, states, wrong = [], [], []
    for number, variant in enumerate(VARIANTS):
        features, size = 1 + number % 3, (0.7, 1.5, 4.0)[number % 3]
        config = _variant(setting, variant, hidden=(2, 3, 5, 4)[number % 4])
        pointer, w = _drawn(network, setting, config, size, features)
        sets = _sets((5, 1, 3, 6, 2, 4), setting.seed + number, features)
        sets.inputs.items[2, 1] = sets.inputs.items[2, 0]  # equal elements
        known = [oracle.scores(w, x, o, config.steps) for x, o in _each(sets)]
        together = np.asarray(network.scores(pointer, *_copies(sets)), np.float64)
        alone = np.asarray(network.scores(pointer, *_copies(_cut(sets, 3))), np.float64)
        for mine, wanted in [*zip(together, known, strict=True), (alone[0], known[3])]:
            m, n = wanted.shape
            gaps.append(np.abs(oracle.log_softmax(mine[:m, :n]) - oracle.log_softmax(wanted)).max())
        wrong += _wrong(pointer, w, sets, config.steps)
        if config.model == "process":
            ends = np.array([oracle.process(w, oracle.embeddings(w, x), config.steps) for x, _ in _each(sets)])
            states.append(np.abs(network.processed(pointer, _copies(sets)[0]) - ends).max())
    return {
        "scores": cases(gaps, 0.0, "nats"),
        "states": cases(states, 0.0, "1"),
        "answers": cases(wrong, 0, "answers"),
    }


def _copies(sets: Any) -> tuple[Sequences, Sequences]:
    parts = (sets.inputs, sets.outputs)
    first, second = (Sequences(items=part.items.copy(), lengths=part.lengths.copy()) for part in parts)
    return first, second


def _cut(sets: Any, row: int) -> Any:
    """One set alone, without padding."""
    n = int(sets.inputs.lengths[row])
    parts = {
        name: Sequences(items=part.items[row : row + 1, :n], lengths=part.lengths[row : row + 1])
        for name, part in vars(sets).items()
    }
    return SimpleNamespace(**parts)


def _wrong(pointer: Any, w: Weights, sets: Any, steps: int) -> list[bool]:
    """Which answers are not the best at each step: of padded sets, with room for four places, and of one alone."""
    own, found = _each(sets), []
    alone = _cut(sets, 3)
    for longest, given, known in ((6, sets, own), (4, sets, own), (6, alone, [own[3]])):
        answer = pointer.point(_copies(given)[0], longest)
        for (x, _), items, m in zip(known, answer.items, answer.lengths, strict=True):
            found.append(m != min(len(x), longest) or not oracle.best(w, x, items[:m].tolist(), steps))
    return found


def sizes(network: SetNetwork, setting: Setting) -> Measurements:
    """Count what is learnt at the paper's steps and for sets of 3 and 15 numbers, and the width of q*."""
    H, counts, widths = setting.config.hidden, [], []
    for steps, n in ((0, 3), (5, 3), (10, 3), (5, 15)):
        config = replace(setting.config, steps=steps, updates=0)
        sets = UnsortedSets(count=4, size=n, seed=(setting.seed, AUDIT))
        *_, (_, pointer) = network.train(config, sets, seed=setting.seed, device=setting.device)
        weights = canonical(network.state(pointer), shapes(config))
        counts.append(sum(part.size for name, part in weights.items() if name not in OPTIONAL))
        widths.append(np.shape(network.processed(pointer, sets.inputs))[1])
    read, process, write = 3 * H + H**2, 8 * H**2 + 4 * H, 2 * H**2 + 8 * H**2 + 4 * H
    wanted = read + process + write + 2 * H**2 + H + setting.config.glimpses * (3 * H**2 + H)
    return {"learnt": cases(counts, wanted, "parameters"), "widths": cases(widths, 2 * H, "1")}


def permuted(network: SetNetwork, setting: Setting) -> Measurements:
    """Sets in another order of elements and of one another: what Process ends with, and what is pointed at."""
    n, rng = 7, np.random.default_rng((setting.seed, AUDIT))
    states, moved, read = [], [], []
    for variant in [("process", P, g) for P in (0, 1, 5) for g in (0, 1)] + [("pointer", 0, 0)]:
        config = _variant(setting, variant)
        pointer, _ = _drawn(network, setting, config, 0.3)
        inputs = _sets((n,) * 6, setting.seed, pad=0).inputs
        order, rows = rng.permutation(n), rng.permutation(6)
        places = np.stack([rng.permutation(n) for _ in range(6)])
        other = Sequences(items=inputs.items[rows][:, order], lengths=inputs.lengths)
        new = np.argsort(order)[places[rows]]
        first, second = (
            np.exp(oracle.log_softmax(np.asarray(network.scores(pointer, x, _places(o)), np.float64)))
            for x, o in ((inputs, places), (other, new))
        )
        gap = np.abs(first[rows][:, :, order] - second).max((1, 2))
        if config.model == "pointer":
            read = gap
            continue
        moved += gap.tolist()
        ends = network.processed(pointer, inputs)[rows], network.processed(pointer, other)
        states.append(np.abs(ends[0] - ends[1]).max())
    return {
        "states": cases(states, 0.0, "1"),
        "moved": cases(moved, 0.0, "probability"),
        "encoded": cases(read, 1e-3, "probability"),
    }


def _places(items: NDArray[Any]) -> Sequences:
    return Sequences(items=items, lengths=np.full(len(items), items.shape[1]))


def blind(network: SetNetwork, setting: Setting) -> Measurements:
    """How scores of other elements change, against each other, where one element of five does.

    Measures:
        first: at the first step, without processing and glimpses.
        later: after that element has been pointed at.
        seen: at the first step with a glimpse, or after processing.
    """
    found: dict[str, list[float]] = {"first": [], "later": [], "seen": []}
    for steps, glimpses in ((0, 0), (0, 1), (1, 0)):
        pointer, _ = _drawn(network, setting, _variant(setting, ("process", steps, glimpses)), 0.8)
        sets = _sets((5,) * 4, setting.seed, pad=0)
        read = _places(np.tile([4, 0, 1, 2, 3], (4, 1)))
        before = np.asarray(network.scores(pointer, sets.inputs, read), np.float64)
        sets.inputs.items[:, 4] += 0.5
        after = np.asarray(network.scores(pointer, sets.inputs, read), np.float64)
        gap = np.abs(np.diff(after[:, :, :4] - before[:, :, :4], axis=2)).max(2)  # [N, M]
        found["seen" if steps or glimpses else "first"] += gap[:, 0].tolist()
        found["later"] += gap[:, 1].tolist()
    return {
        "first": cases(found["first"], 0.0, "nats"),
        "later": cases(found["later"], 1e-3, "nats"),
        "seen": cases(found["seen"], 1e-3, "nats"),
    }


# Training


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
    gaps, sets = [], _sets((3, 1, 2), setting.seed)
    own = _each(sets)
    for model, steps, glimpses in TRAINED:
        config = _variant(setting, (model, steps, glimpses), batch=3)
        gaps += _against(
            lambda w, steps=steps: oracle.loss(w, own, steps), lambda c: _trained(network, setting, c, sets), config
        )
    config = _variant(setting, ("process", 1, 0), batch=5)
    gaps += _by_adam(lambda w: oracle.loss(w, own, 1), lambda c: _trained(network, setting, c, sets), config, "point.v")
    return {"distance": cases(gaps, 0.0, "1")}


def taken(network: SetNetwork, setting: Setting) -> Measurements:
    """Which of five sets 40 batches of two take: inferred from how v moves.

    Measures:
        apart: how far a move is from that for the nearest batch, as a share of it.
        fewest: how often each set is taken, by how often it should be at least.
        chance: of counts as uneven.
    """
    sets = _sets((3, 2, 3, 2, 4), setting.seed + 1)
    own, config = _each(sets), _variant(setting, ("process", 1, 0), batch=2, updates=50, lr=0.05, clip=1e6)
    batches = np.array([np.eye(5)[list(pair)].sum(0) for pair in combinations_with_replacement(range(5), 2)])
    gaps, seen, known = [], np.zeros(5), rates(config)
    found = _trained(network, setting, replace(config, optimizer="sgd", hidden=3), sets)
    for rate, (before, after) in zip(known, pairwise(found[:41]), strict=False):
        slopes = [_slopes(lambda w, each=each: oracle.loss(w, [each], 1), before, "point.v")["point.v"] for each in own]
        moves = -rate * batches @ np.array(slopes) / 2
        far = np.abs(moves - (after["point.v"] - before["point.v"])).max(1) / np.abs(moves).max(1)
        gaps.append(far.min())
        seen += batches[far.argmin()]
    return {
        "apart": cases(gaps, 0.0, "1"),
        "fewest": cases(seen / 6, 1.0, "1"),
        "chance": cases([_unlikely(seen, np.full(5, 1 / 5))], 1e-5, "probability"),
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
    sets, rows, starts, again, likely = _sets((3, 4, 2, 5), setting.seed), np.zeros((4, 3), np.int64), [], [], []
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
    """Which of five rows 40 batches of two take: inferred from how the head's bias moves."""
    rows = np.array([[0, 1, 2], [2, 2, 0], [1, 0, 0], [3, 3, 3], [0, 4, 4]])
    config = replace(setting.config, orders=((2, 0, 1),), batch=2, updates=50, lr=0.05, clip=1e6, optimizer="sgd")
    batches = np.array([np.eye(5)[list(pair)].sum(0) for pair in combinations_with_replacement(range(5), 2)])
    gaps, seen = [], np.zeros(5)
    for rate, (before, after) in zip(rates(config), pairwise(_learnt(network, setting, config, rows, 5)), strict=True):
        moves = -rate * batches @ np.array([_slope(before, row.tolist(), (2, 0, 1)) for row in rows]) / 2
        far = np.abs(moves - (after["head.b"] - before["head.b"])).max(1) / np.abs(moves).max(1)
        if len(gaps) < 40:
            gaps.append(far.min())
            seen += batches[far.argmin()]
    return {
        "apart": cases(gaps, 0.0, "1"),
        "fewest": cases(seen / 6, 1.0, "1"),
        "chance": cases([_unlikely(seen, np.full(5, 1 / 5))], 1e-5, "probability"),
    }


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
    """In which orders 300 updates take a batch of one row twice, the first 100 at random: inferred from the head's bias.

    Measures:
        apart: how far a move is from that for the nearest two orders, as a share of it.
        chance: of shares as far from a third, before, and from the probabilities of orders by the weights, after.
        alone: of so many pairs of one order, were both drawn apart, before.
    """
    orders, row = ((0, 1, 2), (2, 1, 0), (1, 0, 2)), [0, 2, 1]
    config = replace(setting.config, orders=orders, batch=2, uniform=100, updates=300, lr=0.1, clip=1e6)
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
    z = np.abs(excess) / np.sqrt(spread)
    return {
        "apart": cases(gaps, 0.0, "1"),
        "off": cases(z.ravel(), 5.0, "standard deviations"),
        "alone": cases([abs(doubles - 100 / 3) / np.sqrt(100 * 2 / 9)], 5.0, "standard deviations"),
    }


def _slope(w: Weights, row: list[int], order: tuple[int, ...]) -> NDArray[np.float64]:
    """The gradient of -log p by the head's bias: predicted probabilities less what came, summed over places."""
    return np.exp(oracle.predicted(w, row, order)).sum(0) - np.bincount(row, minlength=len(w["head.b"]))
