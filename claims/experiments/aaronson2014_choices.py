"""Which pairs of cells the interacting coffee automaton swaps, against exact chances, in standard errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.aaronson2014 import SIZES, CoffeeAutomaton
from claims.experiments.aaronson2014_exact import Array, in_errors
from claims.oracles import aaronson2014 as oracle
from repro import Measurements, Setting, cases

LARGE = 160  # cells a side: with 50,880 pairs, so that one in four is twice as probable by 16 random bits
MIXED = 2_000_000  # swaps, after which many rows of such a cup have pairs that differ
BAND = 16  # rows or columns of pairs that are counted together


def swap_choices(coffee: CoffeeAutomaton, setting: Setting) -> Measurements:
    """Which pair is swapped, given the cup before: 50,000 swaps of a 6 x 6 cup, and 40 swaps in each of 14 large cups.

    By pair and by kind of pair, how often it was swapped less how often it should be, in standard errors. Kinds are
    horizontal and vertical, beside each wall, with cream above or to the left, and the pair swapped just before. Large
    cups, of all sizes of which curves are taken, are seen at 40 times and one swap later each, so cups must also hold
    together between snapshots; and from one time to the next cream must sink as fast as its swaps let it. In a larger
    cup, too, all pairs must be as probable: chi-squares of 3,600 swaps along the first boundary by pair, and of 1,000
    in a mixed cup by bands of rows and of columns.
    """
    small = coffee.simulate(replace(setting.config, n=6, grain=1), range(50_001), seed=setting.seed)
    by_pair, by_kind = _choices(small[:-1], small[1:], 6)
    kinds, sunk = np.full((1, *by_kind.shape), np.nan), np.full((2, 2), np.nan)
    if np.isfinite(by_pair).all():  # what is wrong already may be slow
        large = [_large_cups(coffee, setting, n, 8 if n == 60 else 1) for n in (*SIZES, 100)]
        kinds, sunk = (np.array(each) for each in zip(*large, strict=True))
    fair = [np.nan] if np.isnan(kinds).any() else _fairness(coffee, setting)
    (off, largest_off), (variance, largest_variance) = np.stack([sunk[:-1].sum(0), sunk[-1]], 1)
    return {
        "pairs": cases(_errors(by_pair), 0, "standard errors"),
        "kinds": cases(_errors(by_kind), 0, "standard errors"),
        "large": cases(_errors(kinds.sum(0)[:-1]), 0, "standard errors"),
        "sunk": cases([off / variance**0.5, largest_off / largest_variance**0.5], 0, "standard errors"),
        "fair": cases(fair, 0, "standard errors"),
    }


def _large_cups(coffee: CoffeeAutomaton, setting: Setting, n: int, cups: int) -> tuple[Array, Array]:
    """Of cups of one size, until small ones are half mixed: by kind of pair [K, 3], and what `_sunk` gives, summed."""
    times = np.array(sorted({int(t) + more for t in np.geomspace(1, 0.05 * min(n, 60) ** 4, 40) for more in (0, 1)}))
    single = np.flatnonzero(np.diff(times) == 1)
    config = replace(setting.config, n=n, grain=1)
    states = [coffee.simulate(config, times.tolist(), seed=setting.seed * cups + cup) for cup in range(cups)]
    before, after = (np.concatenate([cup[single + more] for cup in states]) for more in (0, 1))
    return _choices(before, after, n)[1], np.sum([_sunk(cup[single], times[single]) for cup in states], axis=0)


def _sunk(states: NDArray[Any], times: NDArray[Any]) -> tuple[float, float]:
    """By how many rows all cream together sank less what it should have by the last time, and that number's variance.

    Of D differing pairs one is swapped: summed over vertical ones, cream sinks by (top row - bottom row) / D.
    """
    n, rows, pairs = states.shape[1], states.sum(2, dtype=float), oracle.adjacent(states.shape[1])
    cells = states.reshape(len(states), -1)
    differ = cells[:, pairs[:, 0]] != cells[:, pairs[:, 1]]
    speed = (rows[:, 0] - rows[:, -1]) / differ.sum(1)
    vertical = (differ & (pairs[:, 1] - pairs[:, 0] == n)).sum(1) / differ.sum(1)
    expected, variance = (
        each[0] * times[0] + np.trapezoid(each * times, np.log(times)) for each in (speed, vertical)
    )  # over the time's logarithm, in which both change slowly
    return float(rows[-1] @ np.arange(n) - oracle.start(n).reshape(n, n).sum(1) @ np.arange(n) - expected), variance


def _choices(before: NDArray[Any], after: NDArray[Any], n: int) -> tuple[Array, Array]:
    """By pair [M, 3] and by kind [K, 3]: swaps counted, expected, their variance; NaN if more than a pair changed."""
    pairs = oracle.adjacent(n)
    old, new = before.reshape(len(before), -1), after.reshape(len(before), -1)
    differ = old[:, pairs[:, 0]] != old[:, pairs[:, 1]]
    changed = old != new
    swapped = differ & changed[:, pairs[:, 0]] & changed[:, pairs[:, 1]]
    if not ((changed.sum(1) == 2) & (swapped.sum(1) == 1)).all():
        return np.full((1, 3), np.nan), np.full((8, 3), np.nan)
    chance = differ / differ.sum(1, keepdims=True)
    (y, x), first = np.divmod(pairs.T, n), old[:, pairs[:, 0]] > 0
    flat = y[0] == y[1]
    walls = [(line == edge).all(0) for line in (y, x) for edge in (0, n - 1)]
    again = np.zeros_like(swapped)
    again[1:] = swapped[:-1]
    kinds = [np.broadcast_to(kind, swapped.shape) for kind in (flat, *walls)] + [first, first & flat, again]
    by_kind = [_counted((swapped & kind).sum(1), np.where(kind, chance, 0).sum(1)) for kind in kinds]
    return _counted(swapped, chance), np.array(by_kind)


def _counted(happened: NDArray[Any], chances: Array) -> Array:
    """How often something happened, how often it should have, and that number's variance [..., 3]."""
    return np.stack([happened.sum(0), chances.sum(0), (chances * (1 - chances)).sum(0)], -1)


def _errors(counts: Array) -> Array:
    """By row of what `_counted` gives: how often something happened less what was expected, in standard errors."""
    return np.sign(counts[:, 0] - counts[:, 1]) * in_errors(np.abs(counts[:, 0] - counts[:, 1]), counts[:, 2] ** 0.5)


def _fairness(coffee: CoffeeAutomaton, setting: Setting) -> list[float]:
    """Chi-squares of how often pairs of a large cup were swapped, less what is expected, in standard errors."""
    config, pairs = replace(setting.config, n=LARGE, grain=1), oracle.adjacent(LARGE)
    seeds = range(91 * setting.seed, 91 * (setting.seed + 1))
    first = np.sum([_tally(coffee.simulate(config, range(41), seed=own)) for own in seeds[:-1]], axis=0)
    mixed = _tally(coffee.simulate(config, range(MIXED, MIXED + 1001), seed=seeds[-1]))
    flat = pairs[:, 1] - pairs[:, 0] == 1
    bands = (np.stack(np.divmod(pairs[:, 0], LARGE)) // BAND) * 2 + flat  # of rows and of columns
    by_band = [np.stack([np.bincount(band, part) for part in mixed]) for band in bands]
    return [_chi_square(*counts) for counts in (first, *by_band)]


def _tally(states: NDArray[Any]) -> Array:
    """Of swaps between states [T, n, n] that follow one another: how often each pair was swapped, and expected [2, M].

    NaN if anything but one pair that differed has changed.
    """
    n, cells = states.shape[1], states.reshape(len(states), -1)
    pairs = oracle.adjacent(n)
    where, changed = np.divmod(np.flatnonzero(cells[1:] != cells[:-1]), n * n)
    if not np.array_equal(where, np.repeat(np.arange(len(states) - 1), 2)):
        return np.full((2, len(pairs)), np.nan)
    one, other = changed.reshape(-1, 2).T
    numbers = np.full((n * n, 2), -1)  # of the pair of a cell and the next one right, and below
    numbers[pairs[:, 0], (pairs[:, 1] - pairs[:, 0]) // n] = np.arange(len(pairs))
    found = numbers[one, (other - one == n).astype(int)]
    near = (found >= 0) & ((other - one == 1) | (other - one == n))
    if not (near & (cells[where[::2], one] != cells[where[::2], other])).all():
        return np.full((2, len(pairs)), np.nan)
    low, high = cells.min(0)[pairs].min(1), cells.max(0)[pairs].max(1)
    ever = np.flatnonzero(low != high)  # the only ones that can have differed
    differ = (cells[:-1, pairs[ever, 0]] != cells[:-1, pairs[ever, 1]]).astype(np.float32)
    expected = np.zeros(len(pairs))
    expected[ever] = (1 / differ.sum(1)) @ differ
    return np.stack([np.bincount(found, minlength=len(pairs)).astype(float), expected])


def _chi_square(happened: Array, expected: Array) -> float:
    """Of counts of which at least five are expected, and of the others together: less its mean, in standard errors."""
    many = expected >= 5
    count, mean = (np.append(part[many], part[~many].sum()) for part in (happened, expected))
    freedom = len(count) - 1
    return float((((count - mean) ** 2 / np.maximum(mean, 1)).sum() - freedom) / max(2 * freedom, 1) ** 0.5)
