"""Complexodynamics written a second time: cells one by one, numbers as text, sets by their logarithms of gamma."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from tests.alternatives import aaronson2014 as coffee


@dataclass(frozen=True, kw_only=True)
class Config:
    """A system and the constant c."""

    system: str = "stirred"
    n: int = 64
    amplitude: float = 0.12
    rule: int = 30
    slack: float = 64.0


CONFIGS = {"stirred": Config(), "exclusion": Config(system="exclusion"), "ring": Config(system="ring", n=4096)}


def simulate(config: Config, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
    """States at ascending times."""
    if config.system == "exclusion":
        return coffee.simulate(coffee.Config(n=config.n), times, seed=seed)
    states = _ring(config.rule, config.n) if config.system == "ring" else _stirred(config, np.random.default_rng(seed))
    found = {k: next(states) for k in range(max(times) + 1)}
    return np.array([found[k] for k in times], np.uint8)


def _ring(rule: int, n: int) -> Iterator[NDArray[np.uint8]]:
    """All states, one after another."""
    bits, around = np.array([rule >> k & 1 for k in range(8)], np.uint8), np.arange(n)
    before, now = np.zeros(n, np.uint8), (around == n // 2).astype(np.uint8)
    while True:
        yield now
        before, now = now, before ^ bits[now[around - 1] << 2 | now << 1 | now[(around + 1) % n]]


def _stirred(config: Config, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """All states, one after another."""
    n, stroke = config.n, 0
    cup = np.array([[y * n + x < n * n // 2 for x in range(n)] for y in range(n)], np.uint8)
    while True:
        yield cup.copy()
        stroke += 1
        for k in range(n):
            by = round(config.amplitude * n * math.sin(2 * math.pi * k / n))
            line = cup[:, k] if stroke % 2 else cup[k]
            line[:] = np.roll(line, by)
        y, x = (np.arange(start, start + n, 2) for start in rng.integers(0, 2, 2))
        corners = [(y[:, None] + down) % n * n + (x + right) % n for down in (0, 1) for right in (0, 1)]
        cells = np.stack(corners, -1).reshape(-1, 4)
        order = rng.random(cells.shape).argsort(1)
        cup.flat[cells] = cup.flat[np.take_along_axis(cells, order, 1)]


def describe(config: Config, time: int) -> NDArray[np.uint8]:
    """Rule, size and time."""
    return _bits(_gamma(config.rule + 1) + _gamma(config.n + 1) + _gamma(time + 1))


def replay(description: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The state described."""
    (rule, n, time), _ = _numbers(description, 3)
    return next(state for step, state in enumerate(_ring(rule - 1, n - 1)) if step == time - 1)


def pseudorandom(multiplier: int, increment: int, start: int, count: int) -> bytes:
    """High bytes."""
    steps = accumulate(range(count), lambda x, _: (x * multiplier + increment) & (2**64 - 1), initial=start)
    return bytes(x >> 56 for x in steps)[1:]


def program(config: Config, state: NDArray[Any]) -> NDArray[np.uint8]:
    """The shortest generic one."""
    (rows, columns), (y, x), best = state.shape, np.indices(state.shape), []
    for height, width in product(_sides(rows), _sides(columns)):
        block = (y // height * columns + x // width).ravel()
        _, block, cells = np.unique(block, return_inverse=True, return_counts=True)
        cream = np.bincount(block, state.ravel()).astype(int)
        text = "".join(map(_gamma, (rows, columns, height, width)))
        text += "".join(f"{made:b}".zfill(len(f"{of:b}")) for made, of in zip(cream, cells, strict=True))
        index = (gammaln(cells + 1) - gammaln(cream + 1) - gammaln(cells - cream + 1)).sum() / math.log(2)
        best.append((len(text) + index, text))
    least = min(whole for whole, _ in best)
    return _bits(min((text for whole, text in best if whole <= least + config.slack), key=len))


def sample(program: NDArray[np.uint8], count: int, *, seed: int) -> NDArray[np.uint8]:
    """Pictures of the set: each block a permutation of its cells."""
    (rows, columns, height, width), text = _numbers(program, 4)
    rng, found = np.random.default_rng(seed), np.zeros((count, rows, columns), np.uint8)
    for y, x in product(range(0, rows, height), range(0, columns, width)):
        block = found[:, y : y + height, x : x + width]
        cells = block[0].size
        cream, text = int(text[: cells.bit_length()], 2), text[cells.bit_length() :]
        ordered = np.tile(np.arange(cells) < cream, (count, 1))
        block[:] = rng.permuted(ordered, axis=1).reshape(block.shape)
    return found


def _sides(length: int) -> list[int]:
    return sorted({min(1 << k, length) for k in range(length.bit_length() + 1)})


def _gamma(value: int) -> str:
    return f"{value:b}".zfill(2 * value.bit_length() - 1)


def _numbers(bits: NDArray[np.uint8], count: int) -> tuple[list[int], str]:
    text, found = "".join(map(str, bits.tolist())), []
    for _ in range(count):
        long = 2 * text.index("1") + 1
        found.append(int(text[:long], 2))
        text = text[long:]
    return found, text


def _bits(text: str) -> NDArray[np.uint8]:
    return np.array([*map(int, text)], np.uint8)
