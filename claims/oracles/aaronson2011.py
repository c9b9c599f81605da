"""Two-part descriptions by their definitions, cell by cell, and the systems that are described.

From the post: sophistication is the least K(S) over sets S with x in S and K(x|S) >= log2|S| - c. Sets here are all
pictures with given numbers of cream in the blocks of a grid, and their programs are written as CONTRACT says.
Shapes: a picture [rows, columns] of cells 0 and 1; a ring [n]; T times.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import comb, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[Any]


def ring(rule: int, n: int, times: Sequence[int]) -> Cells:
    """Second-order rule: next = rule(left, own, right) xor the step before, from a single 1 at n // 2, [T, n]."""
    bits = np.array([int(digit) for digit in f"{rule:08b}"[::-1]])
    before, now = np.zeros(n, int), (np.arange(n) == n // 2).astype(int)
    states = []
    for time in range(max(times) + 1):
        if time in times:
            states.append(now)
        before, now = now, bits[4 * np.roll(now, 1) + 2 * now + np.roll(now, -1)] ^ before
    return np.array(states)


def sheared(cells: Cells, amplitude: float, stroke: int) -> Cells:
    """A stroke, before blocks are shuffled: even ones move row y to the right, odd ones column y down. [n, n]."""
    shifts = [round(amplitude * len(cells) * np.sin(2 * np.pi * y / len(cells))) for y in range(len(cells))]
    lines = cells.T if stroke % 2 else cells
    moved = np.array([np.roll(line, shift) for line, shift in zip(lines, shifts, strict=True)])
    return moved.T if stroke % 2 else moved


def high_bytes(multiplier: int, increment: int, start: int, count: int) -> bytes:
    """Of the congruential sequence modulo 2**64, without its start."""
    found, x = bytearray(), start
    for _ in range(count):
        x = (multiplier * x + increment) % 2**64
        found.append(x // 2**56)
    return bytes(found)


def sides(length: int) -> list[int]:
    """Powers of two below the length, and the length."""
    return [2**k for k in range(length) if 2**k < length] + [length]


def blocks(picture: Cells, height: int, width: int) -> list[tuple[int, int]]:
    """Cells and cream of every block, row by row; the last ones are cut off."""
    rows, columns = picture.shape
    cut = [picture[y : y + height, x : x + width] for y in range(0, rows, height) for x in range(0, columns, width)]
    return [(block.size, int(block.sum())) for block in cut]


def gamma(value: int) -> str:
    """Elias's code of a positive integer: its binary digits after as many zeros, less one."""
    return "0" * (value.bit_length() - 1) + f"{value:b}"


def description(rule: int, n: int, time: int) -> list[int]:
    """What gives a ring's state: its rule, its size and the time, each plus 1, in Elias's code."""
    return [int(bit) for bit in gamma(rule + 1) + gamma(n + 1) + gamma(time + 1)]


def written(picture: Cells, height: int, width: int) -> list[int]:
    """The program of a grid's set S, as `parsed` reads it."""
    counts = "".join(f"{cream:0{cells.bit_length()}b}" for cells, cream in blocks(picture, height, width))
    return [int(bit) for bit in "".join(map(gamma, (*picture.shape, height, width))) + counts]


def sizes(picture: Cells, height: int, width: int) -> tuple[int, float]:
    """Bits of the program of a grid's set S, and log2 |S|."""
    found = blocks(picture, height, width)
    head = sum(len(gamma(value)) for value in (*picture.shape, height, width))
    return head + sum(cells.bit_length() for cells, _ in found), sum(log2(comb(*block)) for block in found)


def shortest(picture: Cells, slack: float) -> tuple[int, float]:
    """Bits of the shortest program of a set in which the picture is generic, and of the shortest whole description."""
    rows, columns = picture.shape
    pairs = [sizes(picture, *grid) for grid in product(sides(rows), sides(columns))]
    least = min(map(sum, pairs))
    return min(program for program, index in pairs if program + index <= least + slack), least


def parsed(program: Sequence[int]) -> tuple[tuple[int, ...], list[int]] | None:
    """Rows, columns, height and width of blocks, and the cream in each; None for what is no program.

    The four stand in Elias's gamma code, each count in as many digits as the number of its block's cells has.
    """
    text, head = "".join(map(str, program)), []
    for _ in range(4):
        zeros = len(text) - len(text.lstrip("0"))
        if zeros == len(text):
            return None
        head.append(int(text[zeros : 2 * zeros + 1], 2))
        text = text[2 * zeros + 1 :]
    rows, columns, height, width = head
    if height > rows or width > columns:
        return None
    cream = []
    for y, x in product(range(0, rows, height), range(0, columns, width)):
        long = (min(height, rows - y) * min(width, columns - x)).bit_length()
        if len(text) < long:
            return None
        cream.append(int(text[:long], 2))
        text = text[long:]
    return None if text else (tuple(head), cream)


def contains(program: Sequence[int], picture: Cells) -> bool:
    """Whether a picture is in the set that a program samples from."""
    found = parsed(program)
    if found is None or found[0][:2] != picture.shape:
        return False
    return found[1] == [cream for _, cream in blocks(picture, *found[0][2:])]


def index_bits(program: Sequence[int]) -> float:
    """log2 |S| of a program that can be parsed."""
    (rows, columns, height, width), cream = parsed(program) or ((1, 1, 1, 1), [0])
    cells = blocks(np.zeros((rows, columns), int), height, width)
    return sum(log2(comb(size, made)) for (size, _), made in zip(cells, cream, strict=True))
