"""Exact checks: systems against their laws, descriptions and programs against the oracle, samples against their set.

Where something is drawn, what is counted is compared with its exact expectation, in standard errors; claims allow six.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from dataclasses import replace
from itertools import product
from math import log2

import numpy as np

from claims.experiments.aaronson2011 import Array, Complexodynamics, bits_of, packed_bits, whole_bits
from claims.oracles import aaronson2011 as oracle
from repro import Measurements, Setting, cases

FILLING = (30, 45, 57, 62, 110, 158)  # rules of which the ring, from a single 1, looks random soon
SHAPES = ((1, 1), (1, 2), (2, 3), (5, 1), (7, 12), (16, 16), (33, 20), (1, 500), (64, 64))


def _errors(found: Array, expected: Array | float, variance: Array | float) -> Array:
    """Differences in standard errors."""
    return np.abs(found - expected) / np.sqrt(variance)


# Kolmogorov complexity


def rings(system: Complexodynamics, setting: Setting) -> Measurements:
    """Cells of rings of 24 rules and sizes at some times, watched and replayed, and the descriptions of these."""
    rng, wrong = np.random.default_rng(setting.seed), []
    for n in (1, 2, 3, 7, 8, 9, 64, 65, *rng.integers(4, 200, 16).tolist()):
        rule, times = int(rng.integers(256)), [0, 1, 2, *np.sort(3 + rng.permutation(297)[:3]).tolist()]
        config, expected = replace(setting.config, n=n, rule=rule), oracle.ring(rule, n, times)
        for time, state in zip(times, expected, strict=True):  # replayed before any is seen
            description = oracle.description(rule, n, time)
            wrong.append(not np.array_equal(system.replay(np.array(description, np.uint8)), state))
            wrong.append(bits_of(system.describe(config, time)) != description)
        wrong.append(not np.array_equal(system.simulate(config, times, seed=setting.seed), expected))
    return {"wrong": cases(wrong, 0, "states and descriptions")}


def described(system: Complexodynamics, setting: Setting) -> Measurements:
    """A large ring that looks random: what its description replays, its length, and its cells by gzip.

    The constant that lengths may have is 64 bits. Times of descriptions alone reach 2**60.
    """
    rng = np.random.default_rng(setting.seed)
    n, rule = int(rng.integers(1500, 2500)), int(rng.choice(FILLING))
    config, times = replace(setting.config, n=n, rule=rule), np.sort(rng.integers(4 * n, 12_000, 8)).tolist()
    states = system.simulate(config, times, seed=setting.seed)
    descriptions = [np.asarray(system.describe(config, time)) for time in times]
    wrong = [int((system.replay(bits) != state).sum()) for bits, state in zip(descriptions, states, strict=True)]
    far = [*times, *(int(2**power) for power in rng.uniform(0, 60, 40))]
    lengths = [len(bits_of(system.describe(config, time))) for time in far]
    return {
        "wrong": cases(wrong, 0, "cells"),
        "length": cases(lengths, [64 + 2 * log2(time + 1) for time in far], "bit"),
        "gzip": cases([packed_bits(state) / n for state in states], 0.95, "bit"),
    }


def congruential(system: Complexodynamics, setting: Setting) -> Measurements:
    """High bytes of congruential generators of full period, drawn by the seed, and 64 KiB of them by compressors."""
    rng = np.random.default_rng(setting.seed)
    wrong, ratios = [], []
    for count in (1, 2, 3, 100, 1000, 1 << 16):
        multiplier, increment, start = (int(word) for word in rng.integers(1 << 62, (1 << 64) - 1, 3, dtype=np.uint64))
        parameters = (multiplier // 8 * 8 + 5, increment | 1, start)
        found = system.pseudorandom(*parameters, count)
        wrong.append(found != oracle.high_bytes(*parameters, count))
        ratios = [len(pack(found)) / count for pack in (zlib.compress, bz2.compress, lzma.compress)]
    return {"wrong": cases(wrong, 0, "texts"), "ratio": cases(ratios, 0.99, "1")}


# Sophistication


def _picture(shape: tuple[int, int], kind: str, rng: np.random.Generator) -> Array:
    """A picture of cells of one kind, of one density, of two in blocks of any size, or half cream."""
    rows, columns = shape
    if kind in ("coffee", "cream", "half"):
        return (np.arange(rows)[:, None] < {"coffee": 0, "cream": rows, "half": rows / 2}[kind]).repeat(columns, 1) + 0
    if kind == "random":
        return (rng.random(shape) < rng.random()) + 0
    sides = [rng.choice(oracle.sides(length)) for length in shape]
    grid = rng.choice([0.05, 0.95], [-(-length // side) for length, side in zip(shape, sides, strict=True)])
    return (rng.random(shape) < np.kron(grid, np.ones(sides))[:rows, :columns]) + 0


def programs(system: Complexodynamics, setting: Setting) -> Measurements:
    """Programs of pictures of five kinds and nine shapes, each at a c of its own; of small ones five of each."""
    rng, found, expected, wholes, bounds = np.random.default_rng(setting.seed), [], [], [], []
    for shape, kind in product([*SHAPES, *SHAPES[:-1] * 4], ("coffee", "cream", "half", "random", "blocks")):
        picture, slack = _picture(shape, kind, rng).astype(np.uint8), float(rng.uniform(0.01, 100))
        program = bits_of(system.program(replace(setting.config, slack=slack), picture))
        length, least = oracle.shortest(picture, slack)
        found.append(len(program))
        wholes.append(whole_bits(program, picture))
        expected.append(length)
        bounds.append(least + slack)
    return {"length": cases(found, expected, "bit"), "whole": cases(wholes, bounds, "bit")}


def strings(system: Complexodynamics, setting: Setting) -> Measurements:
    """Sophistication of strings of 2**14 bits: constant, random, and of two densities in runs of 16."""
    rng, n = np.random.default_rng(setting.seed), 1 << 14
    runs = np.where(rng.random(n // 16) < 0.5, 0.1, 0.9).repeat(16)
    texts = [np.zeros(n), np.ones(n), rng.random(n) < 0.5, rng.random(n) < runs]
    pictures = [text.astype(np.uint8)[None] for text in texts]
    *simple, structured = [len(bits_of(system.program(setting.config, picture))) for picture in pictures]
    return {"simple": cases(simple, 8 * log2(n), "bit"), "structured": cases([structured], 10 * max(simple), "bit")}


def samples(system: Complexodynamics, setting: Setting) -> Measurements:
    """Samples of programs that the suite wrote: pictures of the set, all alike, each on its own.

    Of a small set every member is counted, and samples that equal the one before, or the same place of another seed; of
    a large one the cream of each cell, and cells that two blocks share; of a single block of 64 x 64 with 64 cream,
    where the cream lies, which is uneven if cells are sorted by keys of which many are alike.
    """
    rng = np.random.default_rng(setting.seed)
    small, large = rng.integers(0, 2, (3, 4)), rng.integers(0, 2, (40, 72))
    while (members := round(2 ** oracle.sizes(small, 2, 3)[1])) < 90:
        small = rng.integers(0, 2, (3, 4))
    grids = ((small, 2, 3), (large, 16, 32), (np.eye(64), 64, 64))
    programs = [np.array(oracle.written(*each), np.uint8) for each in grids]
    few, again = (system.sample(programs[0], 16_000, seed=2 * setting.seed + k) for k in (0, 1))
    many, sparse = (np.asarray(system.sample(each, 400, seed=setting.seed)) for each in programs[1:])
    drawn = zip(programs, (few[:400], many, sparse), strict=True)
    outside = [not oracle.contains(each.tolist(), picture) for each, pictures in drawn for picture in pictures]
    off = [*_counted(few, again, members), *_placed(many, large), *_strewn(sparse)]
    return {"outside": cases(outside, 0, "pictures"), "uniform": cases(off, 0, "standard errors")}


def _counted(few: Array, again: Array, members: int) -> list[float]:
    """How often each member came, and the same one twice: chi-square and numbers of repeats."""
    codes, others = (draws.reshape(len(draws), -1).astype(int) @ (1 << np.arange(12)) for draws in (few, again))
    counts, each = np.unique(codes, return_counts=True)[1], len(codes) / members
    chi_square = ((counts - each) ** 2 / each).sum() + max(members - len(counts), 0) * each
    repeats = np.array([(codes[1:] == codes[:-1]).sum(), (codes == others).sum()])
    return [abs(chi_square - members + 1) / (2 * members) ** 0.5, *_errors(repeats, each, each)]


def _placed(many: Array, large: Array) -> list[float]:
    """Cream of each cell, and cells of cream that the first two blocks have at the same places."""
    share = np.empty(large.shape)
    for y, x in product(range(0, 40, 16), range(0, 72, 32)):
        share[y : y + 16, x : x + 32] = large[y : y + 16, x : x + 32].mean()
    both = (many[:, :16, :32].astype(int) * many[:, :16, 32:64]).sum((1, 2)).mean()
    a, b = share[0, 0], share[0, 32]
    variance = 512**2 / 511 * a * (1 - a) * b * (1 - b) / len(many)
    cells = _errors(many.mean(0), share, share * (1 - share) / len(many))
    return [*cells.ravel(), *_errors(both, 512 * a * b, variance).ravel()]


def _strewn(sparse: Array) -> list[float]:
    """The mean place of 64 cream in the order of the cells of one block, and how often cream follows cream."""
    cells = sparse.reshape(len(sparse), -1).astype(int)
    place, each, pairs = np.arange(4096) - 2047.5, 63 / 64 * len(cells), (cells[:, 1:] * cells[:, :-1]).sum()
    variance = 64 * 4032 / (4096 * 4095) * (place**2).sum() / len(cells)
    return [*_errors(np.array([(cells @ place).mean(), pairs]), np.array([0, each]), np.array([variance, each]))]
