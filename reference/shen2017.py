"""Kolmogorov complexity made computable: Shen, Uspensky and Vereshchagin 2017 (AMS, Surveys and Monographs 220).

"Kolmogorov Complexity and Algorithmic Randomness", a book, so there is no arXiv: number. Implemented: decompressors
and complexity (Sections 1.1, 1.2, 2.2), a priori probability and prefix machines (4.1 to 4.5), the code of the
Kolmogorov-Levin theorem (2.3), the code by frequencies (chapter 7), entropies (7 and 10), and a randomness test (3).

Shapes: T times, S = 2**(width + 1) strings, N runs or sequences, n bits, J tests. A bit string is a str of "0" and "1"
or an array of 0 and 1; string x has the number int("1" + x, 2), so the empty one is 1, and 0 is no string.

Units: bits; times are operations that a machine has executed.

Deviations, where the book's objects cannot be computed, or it leaves the choice open:
  1. Optimal decompressors are replaced by one small machine, all of whose programs up to `longest` bits are run. What
     the book says of every decompressor holds of it; what it says of optimal ones only where its own proof is carried
     out on it (`requests` with `allocate`, `describe_pair`).
  2. The machine has an output of at most `width` bits and reads its input from left to right: 0b appends the bit b,
     10 a copy of the output, 110 the condition; 1110 starts again with the first operation if the output has fewer than
     `width` bits, 1111 halts. An output that would get longer, or nothing left to read, means that it never halts. A
     program counts only if all of it was read. The plain machine also halts where its input ends between operations,
     and reads one bit before all others: after 0 the rest of the input is the output, by one operation.
  3. The real compressors are Python's: zlib and bz2 at level 9, and xz with a window of 1 MiB and no checksum.
  4. Of Martin-Lof's test, whose universal form cannot be computed, 18 exact tests are taken: see `deficiency`.
  5. `simulate` gives a machine 310 random bits; at a width of 8 it needs more with a chance below 1e-9.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Bits = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
OPERATIONS = ("00", "01", "10", "110", "1110", "1111")
TAPE = 5  # times 62 random bits
LAGS = 16
STARTS = 2


@dataclass(frozen=True, kw_only=True)
class Config:
    """One machine, and how far it is followed.

    Attributes:
        prefix: self-delimiting programs (Section 4.3), or programs that end where the input does (Section 1.1).
        condition: the string that is given (Section 2.2).
        width: most bits of an output.
        longest: most bits of a program that is tried.
        runs: machines that `simulate` feeds with random bits.
    """

    prefix: bool = True
    condition: str = ""
    width: int = 8
    longest: int = 16
    runs: int = 1000

    def __post_init__(self) -> None:
        if self.width < 1 or self.longest < 0 or self.runs < 1 or set(self.condition) - {"0", "1"}:
            raise ValueError(f"a machine needs width >= 1, longest >= 0, runs >= 1 and a condition of bits, got {self}")


CONFIGS = {"prefix": Config(), "plain": Config(prefix=False)}


# Sections 1.1, 1.2 and 4.3: machines and their complexities


def _execute(bits: str, config: Config) -> tuple[str, int, int] | None:
    """Output, operations executed and bits read of a machine that gets these bits; None if it never halts."""
    if not config.prefix and bits[:1] != "1":
        return (bits[1:], 1, len(bits)) if 0 < len(bits) <= config.width + 1 else None
    start = place = 0 if config.prefix else 1
    out, steps, before = "", 0, -1  # how long the output was when it last started again
    while len(out) <= config.width:
        if place == len(bits) and not config.prefix:
            return out, steps, place
        operation = next((one for one in OPERATIONS if bits.startswith(one, place)), None)
        if operation is None:
            return None
        place, steps = place + len(operation), steps + 1
        if operation == "1111":
            return out, steps, place
        if operation == "1110":
            if len(out) == before < config.width:
                return None
            place, before = (start, len(out)) if len(out) < config.width else (place, before)
        elif operation == "110":
            out += config.condition
        else:
            out += out if operation == "10" else operation[1]
    return None


def _programs(config: Config) -> tuple[Ints, Ints, Ints]:
    """Number of the output, operations and length of every program of at most `longest` bits that halts."""
    found = list[tuple[int, int, int]]()
    if not config.prefix and config.longest > 0:
        short = min(config.width, config.longest - 1)
        found += [(number, 1, number.bit_length()) for number in range(1, 2 << short)]
    bodies, ends = ([""], ["1111"]) if config.prefix else (["1"], ["1111", ""])
    while bodies:
        for program in (body + end for body in bodies for end in ends):
            done = _execute(program, config) if len(program) <= config.longest else None
            if done and done[2] == len(program):
                found.append((int("1" + done[0], 2), done[1], len(program)))
        longer = (body + operation for body in bodies for operation in OPERATIONS[:-1])
        bodies = [body for body in longer if len(body) <= config.longest]
    outputs, steps, lengths = np.array(found, np.int64).reshape(-1, 3).T
    return outputs, steps, lengths


def complexities(config: Config, times: Sequence[int]) -> Ints:
    """C(x | condition), or K, as far as known within some operations: [T, S]; longest + 1 where no program is known."""
    outputs, steps, lengths = _programs(config)
    found = np.full((len(times), 2 << config.width), config.longest + 1, np.int64)
    for row, time in zip(found, times, strict=True):
        np.minimum.at(row, outputs[steps <= time], lengths[steps <= time])
    return found


def semimeasure(config: Config, times: Sequence[int]) -> Floats:
    """Section 4.2: m(x), the chance that random bits begin with a program for x that is known by then. [T, S]."""
    outputs, steps, lengths = _programs(config)
    chances = np.where(steps <= np.asarray(times)[:, None], 2.0**-lengths, 0)
    return np.array([np.bincount(outputs, row, 2 << config.width) for row in chances], np.float64)


def simulate(config: Config, times: Sequence[int], *, seed: int) -> Ints:
    """Section 4.1: outputs of machines that read random bits, by number, or 0 where they have not halted. [T, runs]."""
    tapes = np.random.default_rng(seed).integers(0, 1 << 62, (config.runs, TAPE))
    done = [_execute("".join(format(word, "062b") for word in tape), config) for tape in tapes.tolist()]
    outputs, steps = np.array([(int("1" + run[0], 2), run[1]) if run else (0, 0) for run in done]).T
    return np.where(steps <= np.asarray(times)[:, None], outputs, 0)


# Sections 4.3 and 4.5: codes


def requests(stages: Floats) -> list[tuple[int, int]]:
    """Section 4.5: what is asked of `allocate` while a semimeasure [T, S] rises: (string, length), in order.

    Whenever the least k with 2**-k <= m(x) falls, x is to have a code of k + 1 bits. The requests for x take 2**-k.
    """
    asked, least = list[tuple[int, int]](), np.full(stages.shape[1], np.inf)
    for stage in stages:
        with np.errstate(divide="ignore"):
            now = np.ceil(-np.log2(stage))
        asked += [(int(x), int(now[x]) + 1) for x in np.flatnonzero(now < least)]
        least = np.minimum(least, now)
    return asked


def allocate(lengths: Sequence[int]) -> list[str]:
    """Kraft and Chaitin: codewords of these lengths, none the beginning of another, each before the next is read.

    The list ends before the first length for which no room is left: there the sum of 2**-length exceeds 1.
    """
    free, words = {0: ""}, list[str]()  # free subtrees by depth, of each depth at most one
    for length in lengths:
        depth = max((depth for depth in free if depth <= length), default=None)
        if depth is None:
            break
        word = free.pop(depth)
        for deeper in range(depth + 1, length + 1):
            free[deeper] = word + "1"
            word += "0"
        words.append(word)
    return words


def describe_pair(lengths: Ints, x: int, y: int) -> tuple[str, str]:
    """Section 2.3: codes of x, and of y given x, from complexities [X, Y] of pairs: together C(x, y) + O(log) bits.

    With n = C(x, y), at least 2**m strings y', and fewer than twice as many, have C(x, y') <= n. Fewer than
    2**(n + 1 - m) strings x' have so many. x is given by its place among these, and y by its place among those.
    """
    n, field = int(lengths[x, y]), int(lengths.max()).bit_length()
    known = lengths <= n
    m = int(known[x].sum()).bit_length() - 1
    place = int((known.sum(1) >= 1 << m)[:x].sum())
    head, tail = _binary(n, field), _binary(int(known[x, :y].sum()), m + 1)
    return head + _binary(m, field) + _binary(place, n + 1 - m), head + tail


def _binary(value: int, digits: int) -> str:
    return format(value, f"0{digits}b") if digits else ""


def encode(bits: Bits) -> str:
    """Chapter 7: n, the number of ones, and the place among all strings of n bits with as many ones."""
    n, k, place = len(bits), int(np.count_nonzero(bits)), 0
    head = _binary(n + 1, 2 * (n + 1).bit_length() - 1) + _binary(k, n.bit_length())
    digits, ways = (math.comb(n, k) - 1).bit_length(), math.comb(n - 1, k) if n else 0
    for before in range(n - 1, 0, -1):  # `ways` to choose k of as many places as stand before this one
        if bits[before]:
            place += ways
            ways, k = (ways * k // (before - k + 1) if before >= k else 1), k - 1
        ways = ways * (before - k) // before
    return head + _binary(place, digits)


# Chapters 7 and 10: entropies


def entropies(joint: Floats) -> Floats:
    """Entropies of all groups of variables of a distribution with an axis for each; bit i of a group is axis i."""
    found = np.zeros(1 << joint.ndim)
    for group in range(1, len(found)):
        others = tuple(axis for axis in range(joint.ndim) if not group >> axis & 1)
        found[group] = special.entr(joint.sum(axis=others)).sum() / math.log(2)
    return found


def violation(seed: int) -> Floats:
    """Bits A, B, C, D, [2, 2, 2, 2], with I(A:B) > I(A:B|C) + I(A:B|D) + I(C:D), by descent from random starts."""
    rng = np.random.default_rng(seed)

    def distribution(weights: Floats) -> Floats:
        return (weights**2 / (weights**2).sum()).reshape(2, 2, 2, 2)

    def excess(weights: Floats) -> float:
        h = entropies(distribution(weights))
        return float(h[5] + h[6] - h[7] + h[9] + h[10] - h[11] - h[12] - h[1] - h[2] + h[3])

    starts = (optimize.minimize(excess, rng.standard_normal(16), options={"maxiter": 40}) for _ in range(STARTS))
    return distribution(min(starts, key=lambda end: end.fun).x)


# Chapter 3: a test of randomness


def deficiency(sequences: Bits) -> Floats:
    """By how many bits sequences [N, n] are less random than they could be, by each of 18 tests: -log2 p, [N, J].

    Frequency of ones; for lags 1 to 16, of bits that differ from the one so far back; and of ones in the first 2, 4, 8
    and so on bits, of which 2**k have the share 1 / (k (k + 1)) of the test. p is twice the smaller binomial tail.
    """
    n = sequences.shape[1]
    chances = [_two_sided(sequences.sum(1, dtype=np.int64), n)]
    for lag in range(1, LAGS + 1):
        differ = sequences[:, lag:] != sequences[:, :-lag]
        chances.append(_two_sided(differ.sum(1), max(n - lag, 0)))
    first = sequences.cumsum(1, dtype=np.int64)
    powers = range(1, n.bit_length())
    least = [k * (k + 1) * _two_sided(first[:, (1 << k) - 1], 1 << k) for k in powers]
    chances.append(np.min([np.ones(len(sequences)), *least], axis=0))
    with np.errstate(divide="ignore"):
        return np.minimum(-np.log2(np.stack(chances, axis=1)), n)


def _two_sided(ones: Ints, n: int) -> Floats:
    return np.minimum(1, 2 * stats.binom.cdf(np.minimum(ones, n - ones), n, 0.5))


# Real compressors, which bound complexity from above


def compress(payload: bytes, compressor: str) -> bytes:
    """A zlib, bz2 or xz file that unpacks to `payload`."""
    if compressor != "lzma":
        return zlib.compress(payload, 9) if compressor == "zlib" else bz2.compress(payload)
    window = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
    return lzma.compress(payload, check=lzma.CHECK_NONE, filters=window)
