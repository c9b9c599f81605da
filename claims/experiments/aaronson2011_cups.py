"""The laws of the two cups: strokes against shear and shuffled blocks, swaps by what aaronson2014 is judged by."""

from __future__ import annotations

from dataclasses import make_dataclass, replace
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import numpy as np

from claims.experiments.aaronson2011 import Array, Complexodynamics
from claims.experiments.aaronson2014_choices import swap_choices
from claims.oracles import aaronson2011 as oracle
from repro import Measurements, Setting, cases

GRIDS = tuple(product((0, 1), (0, 1)))


CupSize = make_dataclass("CupSize", [("n", int), ("grain", int)], frozen=True)
"""What aaronson2014's experiments replace in a config; pictures, which have a grain, are not taken here."""


def swaps(system: Complexodynamics, setting: Setting) -> Measurements:
    """Which pairs of cells the cup that is left alone swaps, in standard errors: see `swap_choices`."""

    def simulate(config: Any, times: Any, *, seed: int) -> Array:
        return system.simulate(replace(setting.config, n=config.n), times, seed=seed)

    cup: Any = SimpleNamespace(simulate=simulate)
    return swap_choices(cup, Setting(config=CupSize(64, 1), seed=setting.seed, device=setting.device))


def strokes(system: Complexodynamics, setting: Setting) -> Measurements:
    """Small cups of drawn amplitudes at each of 12 strokes, and the preset's at each of 240.

    Some grid of blocks must hold, block by block, the cream of the sheared cup before. Of the preset's strokes, where
    one grid does so alone: how often it is which, and the same as before; what `_shuffled` counts; and whether strokes
    scatter about that as blocks on their own do.
    """
    rng, grids, shuffles, wrong = np.random.default_rng(setting.seed), [], [], []
    sizes = [(n, float(rng.uniform(0.05, 0.3)), 12) for n in (2, 4, 10, 36)]
    for n, amplitude, last in [*sizes, (setting.config.n, setting.config.amplitude, 240)]:
        config = replace(setting.config, n=n, amplitude=amplitude)
        states = np.asarray(system.simulate(config, range(last + 1), seed=setting.seed)).astype(int)
        wrong.append(not np.array_equal(states[0], np.arange(n * n).reshape(n, n) < n * n // 2))
        for stroke in range(1, last + 1):
            before, after = oracle.sheared(states[stroke - 1], amplitude, stroke), states[stroke]
            sums = [[_quarters(cup, at).sum(1) for cup in (before, after)] for at in GRIDS]
            possible = [k for k, pair in enumerate(sums) if np.array_equal(*pair)]
            wrong.append(not possible or not np.isin(after, (0, 1)).all())
            if len(possible) == 1 and n == setting.config.n:
                grids.append(possible[0])
                shuffles.append(_shuffled(*(_quarters(cup, GRIDS[possible[0]]) for cup in (before, after))))
    wrong.append(len(grids) < 180)
    law = [np.nan] if any(wrong) else [*_law(np.array(grids), np.array(shuffles)), *_jumps(system, setting)]
    return {"wrong": cases(wrong, 0, "strokes"), "law": cases(law, 0, "standard errors")}


def _quarters(cells: Array, at: tuple[int, int]) -> Array:
    """The cells of each block of 2 x 2 of a grid that begins at a row and a column: [blocks, 4]."""
    half, rolled = len(cells) // 2, np.roll(cells, (-at[0], -at[1]), (0, 1))
    return rolled.reshape(half, 2, half, 2).swapaxes(1, 2).reshape(-1, 4)


def _shuffled(before: Array, after: Array) -> Array:
    """What is counted in blocks [blocks, 4], less what is expected given the block before; the variance of it: [15, 2].

    Cream at each place, at each two, at each place where there was some, and diagonals that are diagonals again.
    """
    cream, found = before.sum(1), []
    for places in [*combinations(range(4), 1), *combinations(range(4), 2)]:
        chance = cream / 4 if len(places) == 1 else cream * (cream - 1) / 12
        found.append((after[:, places].prod(1), chance))
    found += [(before[:, k] * after[:, k], before[:, k] * cream / 4) for k in range(4)]
    diagonal, again = ((cups[:, 0] == cups[:, 3]) & (cream == 2) for cups in (before, after))
    found.append((diagonal & again, diagonal / 3))
    return np.array([[(counted - chance).sum(), (chance * (1 - chance)).sum()] for counted, chance in found])


def _law(grids: Array, shuffles: Array) -> Array:
    """Standard errors of all that is counted; `shuffles` is [strokes, 15, 2]."""
    counts, repeats, count = np.bincount(grids, minlength=4), (grids[1:] == grids[:-1]).sum(), len(grids)
    off = np.append(counts - count / 4, repeats - (count - 1) / 4) / np.sqrt(count * 3 / 16)
    moved, variance = shuffles.sum(0).T
    moving = shuffles[shuffles[..., 1].min(1) > 5]
    scatter = (moving[..., 0] ** 2 / moving[..., 1]).sum(0)
    return np.abs([*off, *(moved / np.sqrt(variance)), *((scatter - len(moving)) / np.sqrt(2 * len(moving)))])


def _jumps(system: Complexodynamics, setting: Setting) -> list[float]:
    """Cells of 400 cups of 10 x 10 after strokes 0, 0 and 5 against their exact means, in standard errors."""
    config = replace(setting.config, n=10, amplitude=0.2)
    seeds = range(400 * setting.seed, 400 * (setting.seed + 1))
    found = np.mean([system.simulate(config, [0, 0, 5], seed=seed) for seed in seeds], axis=0)
    mean = start = np.repeat([1.0, 0.0], 50).reshape(10, 10)
    for stroke in range(1, 6):
        mean = oracle.sheared(mean, 0.2, stroke)
        for axis in (0, 1):  # half of all grids pair a line with the one before, half with the one after
            mean = mean / 2 + (np.roll(mean, 1, axis) + np.roll(mean, -1, axis)) / 4
    errors = np.abs(found[2] - mean) / np.sqrt(np.maximum(mean * (1 - mean), 0.02) / 400)
    return [*errors.ravel(), np.inf if np.any(found[:2] != start) else 0.0]
