"""Which sequences training is fed, inferred from what each update does to the output layer."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.gated_networks import Weights, course, small, some
from claims.experiments.long_lag_tasks import Drawn
from claims.experiments.olah2015 import GatedMemory
from claims.oracles import olah2015 as oracle
from repro import Measurements, Setting, cases


def fed(network: GatedMemory, setting: Setting) -> Measurements:
    """Which sequences each update was on, inferred from how the output layer moves: each once a pass, in any order."""
    off, places, same = list[float](), list[int](), list[bool]()
    repeats, passes = list[int](), 20
    for count, batch in ((5, 1), (5, 2)):
        orders, updates = list[list[int]](), count // batch * passes
        for seed in (setting.seed, setting.seed, setting.seed + 1):
            how = {"optimizer": "sgd", "lr": 1e-3, "clip": 0.0, "batch": batch, "updates": updates}
            config = small(setting, "rnn", 3, 2, 2, **how)
            data = some(np.random.default_rng(count * batch), config, (3, 1, 2, 4, 3)[:count])
            found = course(network, replace(setting, config=config, seed=seed), data)
            rows, gap = zip(*(match(config, a, b, data, batch) for a, b in pairwise(found)), strict=True)
            off += gap
            flat = [row for some_rows in rows for row in some_rows]
            orders.append(flat)
            own = count // batch * batch
            one_by_one = [flat[start : start + own] for start in range(0, len(flat), own)]
            repeats += [own - len(set(rows)) for rows in one_by_one]
            places += [row * own + place for rows in one_by_one for place, row in enumerate(rows)] if batch == 1 else []
        same += [orders[0] == orders[1], orders[0] != orders[2]]
    return {
        "unexplained": cases(off, 0, "1"),
        "repeats": cases(repeats, 0, "sequences"),
        "even": cases([uneven(np.bincount(places, minlength=25))], 1e-6, "probability"),
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
