"""Networks for sets against the paper's equations, at a tiny size, from their own weights.

Sets of different sizes stand in one batch, padded by noise; weights are drawn by the suite wherever nothing is trained.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.vinyals2016 import AUDIT, OPTIONAL, SetNetwork, UnsortedSets, canonical, shapes
from claims.oracles import vinyals2016 as oracle
from repro import Measurements, Setting, Weights, cases
from repro.task import Sequences

VARIANTS = [("pointer", 0, g) for g in (0, 1)] + [("process", P, g) for P in (0, 1, 2, 5, 10) for g in (0, 1)]
PRESETS = {
    f"{name}-{g}": {"model": model, "steps": steps, "glimpses": g, "updates": 10_000}
    for name, model, steps in (("ptr", "pointer", 0), *((f"p{P}", "process", P) for P in (0, 1, 5, 10)))
    for g in (0, 1)
}


def variant(setting: Setting, column: tuple[str, int, int], **fields: Any) -> Any:
    """The config of a column of the table: model, steps and glimpses."""
    model, steps, glimpses = column
    return replace(setting.config, model=model, steps=steps, glimpses=glimpses, **fields)


def some_of(sizes: tuple[int, ...], seed: int, features: int = 1, pad: int = 2) -> Any:
    """Sets of these sizes, padded by noise, and places in them, which may repeat, as many as there are elements."""
    rng, count, most = np.random.default_rng((seed, AUDIT)), len(sizes), max(sizes) + pad
    items = rng.normal(0, 2, (count, most, features)).astype(np.float32)
    places = np.array([rng.integers(0, n, most) for n in sizes])
    lengths = np.array(sizes)
    return SimpleNamespace(
        inputs=Sequences(items=items, lengths=lengths), outputs=Sequences(items=places, lengths=lengths.copy())
    )


def each_set(sets: Any) -> list[oracle.Set]:
    """Elements and places of each set, without padding."""
    inputs, outputs = sets.inputs, sets.outputs
    rows = zip(inputs.items, inputs.lengths, outputs.items, outputs.lengths, strict=True)
    return [(x[:n].astype(np.float64), o[:m].tolist()) for x, n, o, m in rows]


def _drawn(network: SetNetwork, setting: Setting, config: Any, size: float, features: int = 1) -> tuple[Any, Weights]:
    """A network of normal weights of that size, and these."""
    few = some_of((2, 3), setting.seed, features)
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
    for number, column in enumerate(VARIANTS):
        features, size = 1 + number % 3, (0.7, 1.5, 4.0)[number % 3]
        config = variant(setting, column, hidden=(2, 3, 5, 4)[number % 4])
        pointer, w = _drawn(network, setting, config, size, features)
        sets = some_of((5, 1, 3, 6, 2, 4), setting.seed + number, features)
        sets.inputs.items[2, 1] = sets.inputs.items[2, 0]  # equal elements
        known = [oracle.scores(w, x, o, config.steps) for x, o in each_set(sets)]
        together = np.asarray(network.scores(pointer, *_copies(sets)), np.float64)
        alone = np.asarray(network.scores(pointer, *_copies(_cut(sets, 3))), np.float64)
        for mine, wanted in [*zip(together, known, strict=True), (alone[0], known[3])]:
            m, n = wanted.shape
            gaps.append(np.abs(oracle.log_softmax(mine[:m, :n]) - oracle.log_softmax(wanted)).max())
        wrong += _wrong(pointer, w, sets, config.steps)
        if config.model == "process":
            ends = np.array([oracle.process(w, oracle.embeddings(w, x), config.steps) for x, _ in each_set(sets)])
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
    own, found = each_set(sets), []
    alone = _cut(sets, 3)
    for longest, given, known in ((6, sets, own), (4, sets, own), (6, alone, [own[3]])):
        answer = pointer.point(_copies(given)[0], longest)
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
        config = variant(setting, column)
        pointer, _ = _drawn(network, setting, config, 0.3)
        inputs = some_of((n,) * 6, setting.seed, pad=0).inputs
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
        pointer, _ = _drawn(network, setting, variant(setting, ("process", steps, glimpses)), 1.2)
        sets = some_of((5,) * 4, setting.seed, pad=0)
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
