"""Networks for sets against the paper's equations, at a tiny size, from their own weights.

Sets of different sizes stand in one batch, padded by noise; weights are drawn by the suite wherever nothing is trained.
Plain descent shows what moves weights, Adam that every array does; whose turn it was is inferred from a move.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.clipped_updates import by_adam, by_descent, rates, slopes_of
from claims.experiments.named_arrays import named
from claims.experiments.number_sets import UnsortedSets, copies_of, each_set, only, padded_sets
from claims.experiments.vinyals2016 import AUDIT, OPTIONAL, SetNetwork, shapes
from claims.oracles import vinyals2016 as oracle
from repro import Measurements, Setting, Weights, cases, from_uniform
from repro.task import Sequences

VARIANTS = [("pointer", 0, g) for g in (0, 1)] + [("process", P, g) for P in (0, 1, 2, 5, 10, 13) for g in (0, 1)]
LATE = (101, 152, 207)  # updates of which the rates are looked at
SEEDS = (1, 4, 10, 256, 65_536)  # added to a seed: what keeps some of its bits or digits alone has two alike
TRAINED = [("pointer", 0, 1), ("process", 2, 0), ("process", 1, 1)]
PRESETS = {
    f"{name}-{g}": {"model": model, "steps": steps, "glimpses": g, "updates": 10_000}
    for name, model, steps in (("ptr", "pointer", 0), *((f"p{P}", "process", P) for P in (0, 1, 5, 10)))
    for g in (0, 1)
}


def _variant(setting: Setting, column: tuple[str, int, int], **fields: Any) -> Any:
    """The config of a column of the table: model, steps and glimpses."""
    model, steps, glimpses = column
    return replace(setting.config, model=model, steps=steps, glimpses=glimpses, **fields)


def _drawn(network: SetNetwork, setting: Setting, config: Any, size: float, features: int = 1) -> tuple[Any, Weights]:
    """A network of normal weights of that size, and these."""
    few = padded_sets((2, 3), setting.seed, features)
    *_, (_, first) = network.train(replace(config, updates=0), few, seed=setting.seed, device=setting.device)
    rng = np.random.default_rng((setting.seed, AUDIT, 2))
    arrays = {name: rng.normal(0, size, np.shape(a)).astype(np.float32) for name, a in network.state(first).items()}
    weights = named(arrays, shapes(config, features), OPTIONAL)
    return network.restore(config, arrays, device=setting.device), weights


def recipe(network: SetNetwork, setting: Setting) -> Measurements:
    """Fields of the presets of Table 1 that are not those of its columns."""
    known = {name: {f: getattr(network.CONFIGS[name], f) for f in fields} for name, fields in PRESETS.items()}
    return {"other": cases([known[name] != fields for name, fields in PRESETS.items()], 0, "presets")}


def forward(network: SetNetwork, setting: Setting) -> Measurements:
    """Scores, what Process ends with, and greedy answers, for all columns of Table 1 at several widths."""
    gaps, states, wrong = [], [], []
    for number, column in enumerate(VARIANTS):
        features, size = 1 + number % 3, (0.7, 1.5, 4.0)[number % 3]
        config = _variant(setting, column, hidden=(2, 3, 5, 4)[number % 4])
        pointer, w = _drawn(network, setting, config, size, features)
        most = 12 if number % 4 == 3 else 6  # elements
        sets = padded_sets((5, 1, 3, most, 2, 4), setting.seed + number, features)
        sets.inputs.items[2, 1] = sets.inputs.items[2, 0]  # equal elements
        known = [oracle.scores(w, x, o, config.steps) for x, o in each_set(sets)]
        together = np.asarray(network.scores(pointer, *copies_of(sets)), np.float64)
        alone = np.asarray(network.scores(pointer, *copies_of(only(sets, 3))), np.float64)
        for mine, wanted in [*zip(together, known, strict=True), (alone[0], known[3])]:
            m, n = wanted.shape
            gaps.append(np.abs(oracle.log_softmax(mine[:m, :n]) - oracle.log_softmax(wanted)).max())
        wrong += _wrong(pointer, w, sets, config.steps)
        if config.model == "process":
            ends = np.array([oracle.process(w, oracle.embeddings(w, x), config.steps) for x, _ in each_set(sets)])
            states.append(np.abs(network.processed(pointer, copies_of(sets)[0]) - ends).max())
    return {
        "scores": cases(gaps, 0.0, "nats"),
        "states": cases(states, 0.0, "1"),
        "answers": cases(wrong, 0, "answers"),
    }


def _wrong(pointer: Any, w: Weights, sets: Any, steps: int) -> list[bool]:
    """Which answers are not the best at each step: of padded sets, with room for four places, and of one alone."""
    own, found = each_set(sets), []
    alone = only(sets, 3)
    for longest, given, known in ((12, sets, own), (4, sets, own), (12, alone, [own[3]])):
        answer = pointer.point(copies_of(given)[0], longest)
        for (x, _), items, m in zip(known, answer.items, answer.lengths, strict=True):
            found.append(m != min(len(x), longest) or not oracle.best(w, x, items[:m].tolist(), steps))
    return found


def sizes(network: SetNetwork, setting: Setting) -> Measurements:
    """Count what is learnt at the paper's steps and for sets of 3 and 15 numbers, and the width of q*."""
    h, counts, widths = setting.config.hidden, [], []
    for steps, n in ((0, 3), (5, 3), (10, 3), (5, 15)):
        config = replace(setting.config, steps=steps, updates=0)
        sets = UnsortedSets(count=4, size=n, seed=(setting.seed, AUDIT))
        *_, (_, pointer) = network.train(config, sets, seed=setting.seed, device=setting.device)
        learnt = network.state(pointer)
        counts.append(sum(np.size(part) for name, part in learnt.items() if name not in OPTIONAL))
        widths.append(np.shape(network.processed(pointer, sets.inputs))[1])
    read, process, write = 3 * h + h**2, 8 * h**2 + 4 * h, 2 * h**2 + 8 * h**2 + 4 * h  # write.start is optional
    wanted = read + process + write + 2 * h**2 + h + setting.config.glimpses * (3 * h**2 + h)
    return {"learnt": cases(counts, wanted, "parameters"), "widths": cases(widths, 2 * h, "1")}


def permuted(network: SetNetwork, setting: Setting) -> Measurements:
    """Sets in another order of elements and of one another: what Process ends with, and what is pointed at."""
    n, rng = 7, np.random.default_rng((setting.seed, AUDIT))
    states, moved, read = [], [], []
    for column in [("process", P, g) for P in (0, 1, 5) for g in (0, 1)] + [("pointer", 0, 0)]:
        config = _variant(setting, column)
        pointer, _ = _drawn(network, setting, config, 0.3)
        inputs = padded_sets((n,) * 6, setting.seed, pad=0).inputs
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
        pointer, _ = _drawn(network, setting, _variant(setting, ("process", steps, glimpses)), 1.2)
        sets = padded_sets((5,) * 4, setting.seed, pad=0)
        read = _places(np.tile([4, 0, 1, 2, 3], (4, 1)))
        before = np.asarray(network.scores(pointer, sets.inputs, read), np.float64)
        sets.inputs.items[:, 4] += 1.0
        after = np.asarray(network.scores(pointer, sets.inputs, read), np.float64)
        gap = np.abs(np.diff(after[:, :, :4] - before[:, :, :4], axis=2)).max(2)  # [N, M]
        if steps or glimpses:
            found["seen"].append(gap[:, 0].max())
        else:
            found["first"] += gap[:, 0].tolist()
        found["later"].append(gap[:, 1].max())
    return {
        "first": cases(found["first"], 0.0, "nats"),
        "later": cases(found["later"], 1e-3, "nats"),
        "seen": cases(found["seen"], 1e-3, "nats"),
    }


def _trained(network: SetNetwork, setting: Setting, config: Any, sets: Any) -> list[Weights]:
    """Weights before the first update and after each; what is optional is left out if it is zeros throughout."""
    steps = tuple(range(config.updates))
    course = network.train(config, sets, seed=setting.seed, device=setting.device, eval_steps=steps)
    arrays = [{n: np.array(a, np.float64) for n, a in network.state(each).items()} for _, each in course]
    kept = {name for each in arrays for name in named(each, shapes(config), OPTIONAL)}
    return [{name: value for name, value in each.items() if name in kept} for each in arrays]


def updates(network: SetNetwork, setting: Setting) -> Measurements:
    """Every array after updates on sets of one to six elements that fill a batch."""
    gaps, sets = [], padded_sets((6, 1, 2), setting.seed)
    own = each_set(sets)
    for model, steps, glimpses in TRAINED:
        config = _variant(setting, (model, steps, glimpses), batch=3)
        gaps += by_descent(
            lambda w, steps=steps: oracle.loss(w, own, steps), lambda c: _trained(network, setting, c, sets), config
        )
    config = _variant(setting, ("process", 1, 0), batch=5)
    gaps += by_adam(lambda w: oracle.loss(w, own, 1), lambda c: _trained(network, setting, c, sets), config, "point.v")
    return {"distance": cases(gaps, 0.0, "1")}


def taken(network: SetNetwork, setting: Setting) -> Measurements:
    """Which of five sets batches of two take: inferred from how v moves.

    Measures:
        apart: how far a move is from that for the nearest batch, as a share of it.
        fewest: how often each set is taken in 40 batches, by how often it should be at least.
        chance: of counts as uneven.
        same at another seed: whether the first twelve batches are, at any two seeds.
    """
    from scipy import stats

    sets, known = padded_sets((3, 2, 3, 2, 4), setting.seed + 1), np.eye(5)
    fields = {"batch": 2, "updates": 212, "lr": 0.05, "clip": 1e6, "optimizer": "sgd", "hidden": 3}
    config = _variant(setting, ("process", 1, 0), **fields)
    batches = np.array([known[list(pair)].sum(0) for pair in combinations_with_replacement(range(5), 2)])
    gaps, seen = [], list[list[int]]()
    slow = rates(config)
    for more, followed in ((0, (*range(40), *LATE)), *((more, range(12)) for more in SEEDS)):
        seen.append([])
        course = _trained(network, replace(setting, seed=setting.seed + more), config, sets)
        for update in followed:
            rate, before, after = slow[update], course[update], course[update + 1]
            slopes = [
                slopes_of(lambda w, x=x: oracle.loss(w, [x], 1), before, "point.v")["point.v"] for x in each_set(sets)
            ]
            moves = -rate * batches @ np.array(slopes) / 2
            far = np.abs(moves - (after["point.v"] - before["point.v"])).max(1) / np.abs(moves).max(1)
            gaps.append(far.min())
            seen[-1].append(int(far.argmin()))
    counts, starts = batches[seen[0][:40]].sum(0), [each[:12] for each in seen]
    return {
        "apart": cases(gaps, 0.0, "1"),
        "fewest": cases(counts / 6, 1.0, "1"),
        "chance": cases([stats.chisquare(counts).pvalue], 1e-5, "probability"),
        "same at another seed": cases([one == other for one, other in combinations(starts, 2)], 0, "1"),
    }


def seeds(network: SetNetwork, setting: Setting) -> Measurements:
    """Weights before training at several seeds, and after ten updates at one seed three times.

    Measures:
        same at other seeds: arrays that are.
        other at this seed: by how much the others differ, one of which is not looked at before its end.
        likely: by how large a chance arrays are as far from uniform in +-0.08.
    """
    sets, config = padded_sets((3, 4, 2, 5), setting.seed), replace(setting.config, batch=2, updates=10, lr=0.1)
    found = [_trained(network, replace(setting, seed=setting.seed + s), config, sets) for s in (0, *SEEDS, 0)]
    *_, (_, unseen) = network.train(config, sets, seed=setting.seed, device=setting.device)
    ends, alone = (found[0][-1], found[-1][-1]), network.state(unseen)
    again = [np.abs(ends[0][name] - other[name]).max() for other in (ends[1], alone) for name in ends[0]]
    starts = {name: [each[0][name].ravel() for each in found[:-1]] for name in found[0][0]}
    same = [np.array_equal(one, other) for parts in starts.values() for one, other in combinations(parts, 2)]
    likely = [from_uniform(np.concatenate(parts), -0.08, 0.08) for parts in starts.values()]
    return {
        "same at other seeds": cases(same, 0, "1"),
        "other at this seed": cases(again, 0.0, "1"),
        "likely": cases(likely, 1e-5, "probability"),
    }
