"""Which sequences training is fed, inferred from what each update does to the output layer."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.gated_networks import GatedMemory, Weights, course, small, some
from claims.experiments.long_lag_tasks import Drawn
from claims.oracles import olah2015 as oracle
from repro import Measurements, Setting, cases

PASSES = 30


def fed(network: GatedMemory, setting: Setting) -> Measurements:
    """Which sequences each update was on, inferred from how the output layer moves: each once a pass, in any order.

    Measures:
        unexplained: of updates, the share that no choice of sequences explains.
        repeats: sequences that a pass has twice.
        even: the chances of counts as uneven, of which sequence stands where, and of which follows which.
        seeded: whether the same seed gives the same order, also where nobody looks on, and another one another.

    Of forty sequences, that two passes have each once.
    """
    off, repeats, same, even = list[float](), list[int](), list[bool](), list[float]()
    for count, batch in ((5, 1), (5, 2)):
        orders = list[NDArray[np.int64]]()
        for seed in (setting.seed, setting.seed, setting.seed + 1):
            how = {"optimizer": "sgd", "lr": 1e-3, "clip": 0.0, "batch": batch, "updates": count // batch * PASSES}
            config = small(setting, "rnn", 3, 2, 2, **how)
            data = some(np.random.default_rng(batch), config, (3, 1, 2, 4, 3))
            found = course(network, replace(setting, config=config, seed=seed), data)
            rows, gaps = zip(*(match(config, a, b, data, batch) for a, b in pairwise(found)), strict=True)
            orders.append(np.array(rows).reshape(PASSES, -1))
            off += gaps
            repeats += [one.size - len(set(one)) for one in orders[-1]]
            unseen = course(network, replace(setting, config=config, seed=seed), data, ())
            same += [bool(np.array_equal(unseen[-1][name], found[-1][name])) for name in found[-1]]
        same += [bool((orders[0] == orders[1]).all()), bool((orders[0] != orders[2]).any())]
        both = np.concatenate(orders[1:])
        batches = count // batch  # within one, sequences have no order
        places = (both * batches + np.arange(both.shape[1]) // batch).ravel()
        even.append(uneven(np.bincount(places, minlength=count * batches)))
        if batch == 1:
            follows = np.bincount((both[:, :-1] * count + both[:, 1:]).ravel(), minlength=count**2)
            even.append(uneven(follows[np.arange(count**2) % (count + 1) > 0]))
    config = small(setting, "rnn", 3, 2, 2, optimizer="sgd", lr=1e-3, clip=0.0, batch=1, updates=80)
    data = some(np.random.default_rng(3), config, [1 + row % 4 for row in range(40)])
    rows, gaps = zip(
        *(match(config, a, b, data, 1) for a, b in pairwise(course(network, replace(setting, config=config), data))),
        strict=True,
    )
    off += gaps
    repeats += [one.size - len(set(one)) for one in np.array(rows).reshape(2, -1)]
    return {
        "unexplained": cases(off, 0, "1"),
        "repeats": cases(repeats, 0, "sequences"),
        "even": cases(even, 1e-6, "probability"),
        "seeded": cases(same, 1, "1"),
    }


def uneven(counts: NDArray[np.int64]) -> float:
    """The chance of counts at least as far from equal."""
    from scipy import stats

    return float(stats.chisquare(counts).pvalue)


def match(config: Any, before: Weights, after: Weights, drawn: Drawn, batch: int) -> tuple[tuple[int, ...], float]:
    """The rows whose mean gradient by the output layer explains an update best, and the share that is left."""
    items, lengths, targets = drawn
    steps = oracle.path(config.cell, before, items)
    h = np.stack([steps[n - 1]["h"][row] for row, n in enumerate(lengths)])
    wrong = h @ before["W_y"].T + before["b_y"] - targets
    each = np.concatenate([wrong[:, :, None] * h[:, None], wrong[:, :, None]], 2).reshape(len(h), -1)
    moved = np.concatenate([after["W_y"] - before["W_y"], (after["b_y"] - before["b_y"])[:, None]], 1).ravel()
    sets = list(combinations(range(len(h)), batch))
    gaps = [float(np.linalg.norm(moved / -config.lr - each[list(rows)].mean(0))) for rows in sets]
    return sets[int(np.argmin(gaps))], min(gaps) / (float(np.linalg.norm(moved / config.lr)) + 1e-12)
