"""Sophistication and complextropy: Aaronson 2011, "The First Law of Complexodynamics".

A blog post of 23 September 2011, scottaaronson.blog/?p=762; the cup is that of arXiv:1405.6903v1, which follows it up
(`reference/aaronson2014.py`). Implemented: Kolmogorov complexity of deterministic systems, sophistication and
complextropy for one class of sets S, and the cup of coffee, stirred or left alone.

Shapes: T snapshots, n cells along each side of a cup or around a ring, L bits. A state of a cup is [n, n], cream 1 and
coffee 0, row 0 at the top; a state of a ring is [n]. Programs and descriptions are arrays [L] of bits 0 and 1.

Units: lengths in bits. A tick of the stirred cup is one stroke, of the cup left alone one swap of a differing pair, of
the ring one step.

Deviations, where the post leaves open what is needed to compute:
  1. Complextropy is a minimum over all programs, which nobody can compute. Sets S here are all pictures with given
     numbers of cream in the blocks of a grid, so the result is an upper bound. Sides of blocks are powers of two, cut
     off at the last row and column.
  2. Condition (ii) is taken within that class: program and index of the picture in S are together at most c bits, the
     config's `slack`, longer than those of any other grid. S = {x} (blocks of one cell) is in the class.
  3. Time is not counted: sampling sorts the cells once, which takes n log n comparisons of n cells.
  4. The post names no dynamics beside coffee and milk. The stirred cup has no walls; a stroke shifts rows along a
     sine, the one before columns, and blocks of 2 x 2 cells are shuffled after each.
  5. The deterministic system is a second-order elementary cellular automaton (Fredkin's rule), which is reversible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference import aaronson2014 as coffee

Bits = NDArray[np.uint8]
States = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Config:
    """One system, and how closely it is to be described.

    Attributes:
        system: a cup that is stirred, one that is left alone (symmetric exclusion), or a deterministic ring.
        n: cells along each side of the cup, or around the ring.
        amplitude: the largest shift of a stroke, in units of n.
        rule: of the ring, as Wolfram numbers elementary cellular automata.
        slack: the constant c in bits.
    """

    system: Literal["stirred", "exclusion", "ring"] = "stirred"
    n: int = 64
    amplitude: float = 0.12
    rule: int = 30
    slack: float = 64.0

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.rule < 256 or self.slack < 0:
            raise ValueError(f"n must be positive, a rule below 256, slack not negative, got {self}")
        if self.system == "stirred" and self.n % 2:
            raise ValueError(f"a stirred cup is shuffled in blocks of 2 x 2, so n must be even, got {self.n}")


CONFIGS = {"stirred": Config(), "exclusion": Config(system="exclusion"), "ring": Config(system="ring", n=4096)}


# The systems


def simulate(config: Config, times: Sequence[int], *, seed: int) -> States:
    """States [T, n, n] of a cup or [T, n] of a ring at ascending times.

    Raises:
        ValueError: if times descend or are negative.
    """
    ticks = np.asarray(times, dtype=np.int64)
    if ticks.ndim != 1 or (np.diff(ticks, prepend=0) < 0).any():
        raise ValueError("times must be ascending and not negative")
    if config.system == "exclusion":
        return coffee.simulate(coffee.Config(n=config.n, grain=1), ticks.tolist(), seed=seed)
    return _ring(config.rule, config.n, ticks) if config.system == "ring" else _stirred(config, ticks, seed)


def _stirred(config: Config, strokes: Ints, seed: int) -> States:
    """The stirred cup, from cream in the upper half: [T, n, n]."""
    rng, n = np.random.default_rng(seed), config.n
    cells, done = coffee.start(coffee.Config(n=n, grain=1)), 0
    states = np.empty((len(strokes), n, n), dtype=np.uint8)
    for k, stroke in enumerate(strokes):
        while done < stroke:
            done += 1
            moved = _shear(config, cells.T).T if done % 2 else _shear(config, cells)
            cells = _shuffle_blocks(moved, rng)
        states[k] = cells
    return states


def _shear(config: Config, cells: States) -> States:
    """Shift row y by amplitude * n * sin(2 pi y / n) cells to the right, around the cup. [n, n]."""
    line = np.arange(config.n)
    shift = np.round(config.amplitude * config.n * np.sin(2 * np.pi * line / config.n)).astype(np.int64)
    return np.take_along_axis(cells, (line - shift[:, None]) % config.n, axis=1)


def _shuffle_blocks(cells: States, rng: np.random.Generator) -> States:
    """Shuffle the cells of every block of 2 x 2; the grid of blocks lies at one of its four places. [n, n]."""
    half, (down, right) = len(cells) // 2, rng.integers(0, 2, 2)
    blocks = np.roll(cells, (-down, -right), (0, 1)).reshape(half, 2, half, 2).swapaxes(1, 2)
    mixed = rng.permuted(blocks.reshape(-1, 4), axis=1).reshape(half, half, 2, 2).swapaxes(1, 2)
    return np.roll(mixed.reshape(cells.shape), (down, right), (0, 1))


def _ring(rule: int, n: int, ticks: Ints) -> States:
    """The ring, from a single 1 in its middle and nothing the step before: [T, n]; cell i is bit i of an integer."""
    before, now, done = 0, 1 << n // 2, 0
    states = np.empty((len(ticks), n), dtype=np.uint8)
    for k, tick in enumerate(ticks.tolist()):
        for _ in range(tick - done):
            before, now = now, _next(rule, n, now) ^ before
        octets = np.frombuffer(now.to_bytes(-(-n // 8), "little"), dtype=np.uint8)
        states[k], done = np.unpackbits(octets, count=n, bitorder="little"), tick
    return states


def _next(rule: int, n: int, now: int) -> int:
    """The first-order rule: a cell is bit 4 left + 2 own + right of the rule's number."""
    full = (1 << n) - 1
    left, right = (now << 1 | now >> (n - 1)) & full, (now >> 1 | now << (n - 1)) & full
    found = 0
    for bit in range(8):
        if rule >> bit & 1:
            sides = ((left, bit & 4), (now, bit & 2), (right, bit & 1))
            a, b, c = (cells if wanted else ~cells for cells, wanted in sides)
            found |= a & b & c
    return found & full


# Kolmogorov complexity: a deterministic system's state is known from its rule, its size and the time


def describe(config: Config, time: int) -> Bits:
    """What a ring's state at a time can be computed from: [L], L = 2 floor(log2(time + 1)) and a constant."""
    return np.concatenate([_integer(value + 1) for value in (config.rule, config.n, time)])


def replay(description: Bits) -> States:
    """The state [n] of the ring that is described."""
    (rule, n, time), _ = _read(description, 3)
    return _ring(rule - 1, n - 1, np.array([time - 1]))[0]


def pseudorandom(multiplier: int, increment: int, start: int, count: int) -> bytes:
    """High bytes of x_1, x_2 ... with x_k+1 = multiplier x_k + increment mod 2**64 and x_0 = start."""
    x = np.empty(count, dtype=np.uint64)
    x[:1] = (multiplier * start + increment) % 2**64
    done, (a, c) = 1, (multiplier, increment)  # x_k+done = a x_k + c
    while done < count:
        more = x[done : 2 * done]
        more[:] = x[: len(more)] * np.uint64(a) + np.uint64(c)
        a, c, done = a * a % 2**64, (a * c + c) % 2**64, 2 * done
    return (x >> np.uint64(56)).astype(np.uint8).tobytes()


def _integer(value: int) -> Bits:
    """Elias's gamma code of a positive integer, 2 floor(log2 value) + 1 bits."""
    digits = f"{value:b}"
    return np.array([0] * (len(digits) - 1) + [int(digit) for digit in digits], dtype=np.uint8)


def _read(bits: Bits, count: int) -> tuple[list[int], int]:
    """The first integers in gamma code, and where they end."""
    values, place = [], 0
    for _ in range(count):
        zeros = int(np.argmax(bits[place:]))
        values.append(_binary(bits[place + zeros : place + 2 * zeros + 1]))
        place += 2 * zeros + 1
    return values, place


def _binary(bits: Bits) -> int:
    """A number from its digits, the highest first."""
    return int("".join(map(str, bits.tolist())), 2)


# Sophistication and complextropy: the shortest program that samples from a set S of which x is a generic member


def program(config: Config, state: NDArray[Any]) -> Bits:
    """The shortest sampling program of a set S in which a state [rows, columns] is generic, [L].

    It says the numbers of rows and columns, the height and width of blocks, and the cream of each block, row by row, in
    as many digits as the number of the block's cells has.
    """
    shape = state.shape
    logs = np.concatenate([[0.0], np.cumsum(np.log2(np.arange(1, state.size + 1)))])  # log2 of factorials
    grids = list(product(_sides(shape[0]), _sides(shape[1])))
    sizes = np.array([_sizes(state, grid, logs) for grid in grids])  # [grids, 2]
    generic = sizes.sum(1) <= sizes.sum(1).min() + config.slack
    best = min(np.flatnonzero(generic), key=lambda k: tuple(sizes[k]))
    cream, cells = _blocks(state, grids[best])
    digits = np.frexp(cells)[1].flat  # as many as each number of cells has
    counts = [f"{made:0{long}b}" for made, long in zip(cream.flat, digits, strict=True)]
    head = [_integer(value) for value in (*shape, *grids[best])]
    return np.concatenate([*head, np.array(list("".join(counts)), dtype=np.uint8)])


def sample(program: Bits, count: int, *, seed: int) -> States:
    """Independent, uniform samples [count, rows, columns] from the program's set S, each by sorting the cells."""
    (rows, columns, height, width), place = _read(program, 4)
    block = (np.arange(rows)[:, None] // height) * -(-columns // width) + np.arange(columns) // width
    order = block.ravel()
    cells = np.bincount(order)
    digits = np.frexp(cells)[1]
    ends = place + np.cumsum(digits)
    cream = [_binary(program[end - long : end]) for end, long in zip(ends, digits, strict=True)]
    rank = np.arange(rows * columns) - np.repeat(np.cumsum(cells) - cells, cells)  # within the block
    chosen = (rank < np.repeat(cream, cells)).astype(np.uint8)
    rng, states = np.random.default_rng(seed), np.empty((count, rows * columns), dtype=np.uint8)
    for state in states:
        state[np.lexsort((rng.random(rows * columns), order))] = chosen
    return states.reshape(count, rows, columns)


def _sides(length: int) -> list[int]:
    """Sides that a block may have: powers of two below the length, and the length."""
    return [2**k for k in range((length - 1).bit_length())] + [length]


def _sizes(state: NDArray[Any], grid: tuple[int, int], logs: NDArray[np.float64]) -> tuple[float, float]:
    """Length of the program that says the cream in each block, and log2 |S|, from log2 of factorials."""
    cream, cells = _blocks(state, grid)
    head = sum(2 * value.bit_length() - 1 for value in (*state.shape, *grid))
    digits = np.frexp(cells)[1]  # of a positive integer, as many as it has
    return float(head + digits.sum()), float((logs[cells] - logs[cream] - logs[cells - cream]).sum())


def _blocks(state: NDArray[Any], grid: tuple[int, int]) -> tuple[Ints, Ints]:
    """Cream and cells of each block: a grid of blocks [blocks down, blocks across]."""
    starts = [np.arange(0, length, side) for length, side in zip(state.shape, grid, strict=True)]
    cream = np.add.reduceat(np.add.reduceat(state, starts[0], 0, dtype=np.int64), starts[1], 1)
    down, across = (np.diff(start, append=length) for start, length in zip(starts, state.shape, strict=True))
    return cream, np.outer(down, across)
