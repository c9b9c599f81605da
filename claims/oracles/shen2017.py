"""Machines, entropies, codes and tests by their definitions, on small strings; nothing is read from the reference.

A bit string is a str of "0" and "1"; its number is int("1" + x, 2). Times count operations of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
OPERATIONS = ("00", "01", "10", "110", "1110", "1111")


def output(program: str, condition: str, *, prefix: bool, width: int) -> tuple[str, int] | None:
    """Output and operations of the machine of our choice, or None: see the contract. A state that recurs recurs always.

    Sections 1.1 and 4.3 let any machine be taken: the prefix machine has no program that continues another one.
    """
    if not prefix and program[:1] != "1":
        return (program[1:], 1) if 1 <= len(program) <= width + 1 else None
    start = place = 0 if prefix else 1
    out, taken, seen = "", 0, set[tuple[int, str]]()
    while len(out) <= width and (place, out) not in seen:
        seen.add((place, out))
        if place == len(program) and not prefix:
            return out, taken
        operation = next((one for one in OPERATIONS if program.startswith(one, place)), None)
        if operation is None:
            return None
        place, taken = place + len(operation), taken + 1
        if operation == "1111":
            return (out, taken) if place == len(program) else None
        if operation == "1110":
            place = start if len(out) < width else place
        else:
            out += {"10": out, "110": condition}.get(operation, operation[-1])
    return None


@cache
def known(longest: int, condition: str, times: tuple[int, ...], *, prefix: bool, width: int) -> tuple[Array, Array]:
    """Section 1.1, the length of a shortest program, and Section 4.2, the sum of 2**-length, within times: [T, S]."""
    shortest = np.full((len(times), 2 << width), longest + 1.0)
    chances = np.zeros((len(times), 2 << width))
    for program in ("".join(bits) for length in range(longest + 1) for bits in product("01", repeat=length)):
        found = output(program, condition, prefix=prefix, width=width)
        if found is not None:
            within, number = np.array(times) >= found[1], int("1" + found[0], 2)
            shortest[within, number] = np.minimum(shortest[within, number], len(program))
            chances[within, number] += 2.0 ** -len(program)
    return shortest, chances


def nested(words: Sequence[str]) -> int:
    """Section 4.3: how many pairs of codewords there are of which one begins with the other."""
    return sum(a.startswith(b) or b.startswith(a) for a, b in combinations(words, 2))


def entropies(joint: Array) -> Array:
    """Chapter 7: H = sum p log2 1/p of each group of variables; bit i of a group is axis i of `joint`."""
    found = []
    for group in range(1 << joint.ndim):
        sums: dict[tuple[int, ...], float] = {}
        for values, chance in np.ndenumerate(joint):
            own = tuple(value for axis, value in enumerate(values) if group >> axis & 1)
            sums[own] = sums.get(own, 0.0) + float(chance)
        found.append(sum(p * math.log2(1 / p) for p in sums.values() if p > 0))
    return np.array(found)


def shannon(h: Array, count: int) -> Array:
    """Chapter 10: H(i | others) and I(i : j | group), of which Shannon's inequalities say that none is negative."""
    everything = (1 << count) - 1
    found = [h[everything] - h[everything & ~(1 << i)] for i in range(count)]
    for i, j in combinations(range(count), 2):
        for group in (g for g in range(1 << count) if not g & (1 << i | 1 << j)):
            found.append(h[group | 1 << i] + h[group | 1 << j] - h[group | 1 << i | 1 << j] - h[group])
    return np.array(found)


def ingleton(h: Array) -> float:
    """Chapter 10: I(A:B|C) + I(A:B|D) + I(C:D) - I(A:B), never negative for dimensions; A is bit 0."""
    a, b, c, d = 1, 2, 4, 8
    given_c, given_d = h[a | c] + h[b | c] - h[a | b | c] - h[c], h[a | d] + h[b | d] - h[a | b | d] - h[d]
    return float(given_c + given_d + (h[c] + h[d] - h[c | d]) - (h[a] + h[b] - h[a | b]))


def entropy(p: float) -> float:
    """Chapter 7: bits of a coin that shows one with a chance p."""
    return sum(-q * math.log2(q) for q in (p, 1 - p) if q > 0)


def tail(ones: int, n: int) -> float:
    """Twice the smaller tail of the number of ones of n fair coins, at most 1; in whole numbers up to the division."""
    below = sum(math.comb(n, i) for i in range(min(ones, n - ones) + 1))
    return min(1.0, 2 * below / 2**n)


def deficiencies(bits: Sequence[int]) -> Array:
    """Chapter 3, tests of our choice: -log2 p by frequency, lags 1 to 16, and the first 2, 4, 8 and so on bits."""
    n, chances = len(bits), [tail(sum(bits), len(bits))]
    for lag in range(1, 17):
        differ = [a != b for a, b in zip(bits, bits[lag:], strict=False)]
        chances.append(tail(sum(differ), len(differ)))
    beginnings = [k * (k + 1) * tail(sum(bits[: 2**k]), 2**k) for k in range(1, n + 1) if 2**k <= n]
    return -np.log2([*chances, min([1.0, *beginnings])])
