"""What real compressors and a randomness test make of texts, coins and generators, and the contract of the book.

A compressor bounds complexity from above (Section 1.1: it is a decompressor whose programs are files). Every file is
unpacked here by Python's own library before its size counts.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import shen2017 as oracle
from repro import Experiment, Measurements, Setting, cases, curve, scalar
from repro.task import Simulator

COMPRESSORS = ("zlib", "bz2", "lzma")
KNUTH = 6364136223846793005  # a multiplier modulo 2**64 (MMIX)
CHANCES = (0.01, 0.05, 0.11, 0.2, 0.3, 0.4, 0.5)
SHARED = (0, 1000, 2000, 4000, 8000)  # bytes


class Complexity(Simulator, Protocol):
    """The contract. Bit strings are texts of 0 and 1; string x has the number int("1" + x, 2); T times, S numbers.

    The machine, whose output has at most `width` bits: 0b appends the bit b, 10 a copy of the output, 110 the
    condition; 1110 starts again with the first operation if the output has fewer than `width` bits; 1111 halts. It
    never halts if the output would get longer or nothing is left to read; a program must be read whole. The plain
    machine (`prefix=False`) also halts where its input ends between operations, and reads one bit first: after 0 the
    rest of the input is the output, in one step. Each operation takes one step. `simulate` gives outputs of `runs`
    machines that read random bits without end (a plain one halts by 1111 alone), by number, [T, runs], or 0 where they
    have not halted; another seed gives other bits.
    """

    def complexities(self, config: Any, times: Sequence[int]) -> NDArray[Any]:
        """Bits of the shortest program within some steps, [T, S], or `longest` + 1 if that has more than `longest`."""
        ...

    def semimeasure(self, config: Any, times: Sequence[int]) -> NDArray[Any]:
        """The sum of 2**-bits of programs of at most `longest` bits within some steps, [T, S]."""
        ...

    def requests(self, stages: NDArray[Any]) -> list[tuple[int, int]]:
        """Strings and bits of codewords, in order, to be had while a semimeasure [T, S] rises."""
        ...

    def allocate(self, lengths: Sequence[int]) -> list[str]:
        """Codewords, each chosen before the next length is read; it ends before the first that finds no room."""
        ...

    def describe_pair(self, lengths: NDArray[Any], x: int, y: int) -> tuple[str, str]:
        """Codes of x and of y given x, by complexities of pairs [X, Y]: up to C(x, y) + 4 + 4 digits of the largest."""
        ...

    def encode(self, bits: NDArray[Any]) -> str:
        """A code of these n bits only, by their share p of ones: up to n h(p) + 4 log2(n + 1) + 4 bits; h: entropy."""
        ...

    def entropies(self, joint: NDArray[Any]) -> NDArray[Any]:
        """Entropies in bits of the groups of variables of `joint`, an axis for each; bit i of a group is axis i."""
        ...

    def violation(self, seed: int) -> NDArray[Any]:
        """Chances [2, 2, 2, 2] of bits A, B, C, D that break Ingleton's inequality for entropies."""
        ...

    def deficiency(self, sequences: NDArray[Any]) -> NDArray[Any]:
        """-log2 p of sequences [N, n] by 18 tests [N, 18]: of ones, of lags 1 to 16, of first 2, 4, 8 and so on bits.

        p is twice the smaller tail of a binomial distribution, at most 1; for the first 2**k bits it is k (k + 1) times
        that, and the least of these counts. No p is below 2**-n, also where it underflows.
        """
        ...

    def compress(self, payload: bytes, compressor: Any) -> bytes:
        """A "zlib", "bz2" or "lzma" (xz) file that unpacks to `payload`."""
        ...


def size(names: Complexity, payload: bytes, compressor: str) -> float:
    """Bits of a compressed file; NaN if it does not unpack to what went in, and to no more."""
    packed = names.compress(payload, compressor)
    xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, 1 << 27)
    one: Any = {"zlib": zlib.decompressobj(), "bz2": bz2.BZ2Decompressor(), "lzma": xz}[compressor]
    try:
        same = one.decompress(packed, len(payload) + 1) == payload and one.eof and not one.unused_data
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        same = False
    return 8.0 * len(packed) if same else np.nan


def code_length(code: str) -> float:
    """Bits of a code; NaN if it is written in anything but bits."""
    return float(len(code)) if not set(code) - {"0", "1"} else np.nan


def texts(names: Complexity, setting: Setting) -> Measurements:
    """Pairs x, y of different parts of a text, 8,000 and 60,000 characters each, one byte a character.

    Of every compressor |C(xy) - C(yx)| / C(xy), and C(xy) - C(x) - C(y) in bits; of xz, C(xx) / C(x) - 1.
    """
    rng, text = np.random.default_rng(setting.seed), setting.dataset.train.tokens.astype(np.uint8).tobytes()
    asymmetry, twice, excess = list[Any](), list[Any](), list[Any]()
    for length, pairs in ((8_000, 8), (60_000, 3)):
        for _ in range(pairs):
            start = int(rng.integers(len(text) % length))
            x, y = (text[i : i + length] for i in start + length * rng.choice(len(text) // length, 2, replace=False))
            for name in COMPRESSORS:
                own, other, both = (size(names, part, name) for part in (x, y, x + y))
                asymmetry.append(abs(both - size(names, y + x, name)) / both)
                excess.append(both - own - other)
            twice.append(size(names, x + x, "lzma") / size(names, x, "lzma") - 1)
    return {"asymmetry": cases(asymmetry, 0, "1"), "twice": cases(twice, 0, "1"), "excess": cases(excess, 0, "bit")}


@dataclass(frozen=True, kw_only=True)
class SharedBlocks(Experiment):
    """C(x) + C(y) - C(xy) of random strings that have 0 to 8,000 bytes in common."""

    compressor: str

    def __call__(self, names: Complexity, setting: Setting) -> Measurements:
        """Slope over the bits in common, and the share of the variance that a line explains."""
        rng, found, shared = np.random.default_rng(setting.seed), list[float](), 8.0 * np.array(SHARED)
        for count in SHARED:
            same, (a, b, c, d) = rng.bytes(count), (rng.bytes(int(n)) for n in rng.integers(3000, 6000, 4))
            x, y = a + same + b, c + same + d
            own, other, both = (size(names, part, self.compressor) for part in (x, y, x + y))
            found.append(own + other - both)
        finite = bool(np.isfinite(found).all() and np.ptp(found))
        slope, offset = np.polyfit(shared, found, 1) if finite else (np.nan, np.nan)
        r2 = 1 - np.var(found - slope * shared - offset) / np.var(found) if finite else np.nan
        return {"slope": cases([slope], 1, "1"), "r2": cases([float(r2)], 0.99, "1")}


def random_strings(names: Complexity, setting: Setting) -> Measurements:
    """How often files of 100 random strings are more than k bits shorter than these, for k up to 32."""
    rng, bits = np.random.default_rng(setting.seed), np.arange(33)
    savings = [8 * n - size(names, rng.bytes(n), name) for name in COMPRESSORS for n in (16, 64, 256, 4096) * 25]
    shares = np.mean(~(np.array(savings).reshape(3, 100, 1) <= bits), axis=1)
    return {"shares": cases(shares.ravel(), np.tile(2.0**-bits, 3), "probability")}


def pseudorandom(names: Complexity, setting: Setting) -> Measurements:
    """Rates of 60,000 bytes that 24 bytes generate, and the share of noise that is seen in it masked with these."""
    rng, count, stream = np.random.default_rng(setting.seed), 60_000, bytearray()
    increment, state = (int(number) | 1 for number in rng.integers(1 << 62, size=2))
    for _ in range(count):
        state = (KNUTH * state + increment) % 2**64
        stream.append(state // 2**56)
    x = rng.bytes(count)
    masked = bytes(np.frombuffer(x, np.uint8) ^ np.frombuffer(bytes(stream), np.uint8))
    same = [size(names, x, name) + size(names, masked, name) - size(names, x + masked, name) for name in COMPRESSORS]
    return {
        "rate": cases([size(names, bytes(stream), name) / 8 / count for name in COMPRESSORS], 0.99, "1"),
        "seen": cases(np.array(same) / 8 / count, 0.02, "1"),
    }


@dataclass(frozen=True, kw_only=True)
class RatesAgainstEntropy(Experiment):
    """The book's picture of Chapter 7: bits of code for a bit of coin, over the coin's entropy.

    The coder is a compressor or "frequencies", and gets `count` bits of coin for each of seven chances of a one. Its
    rate may reach `times` H + `plus`, where H is the entropy of the share of ones that is drawn.
    """

    coder: str
    count: int
    times: float = 1.3
    plus: float = 0.03

    def __call__(self, names: Complexity, setting: Setting) -> Measurements:
        """The curve, the most that it lies above `times` H + `plus`, and the least that it lies above H."""
        rng = np.random.default_rng(setting.seed)
        drawn = [(rng.random(self.count) < chance).astype(np.uint8) for chance in CHANCES]
        rates = np.array([self._bits(names, bits) / self.count for bits in drawn])
        shares = np.array([oracle.entropy(float(bits.mean())) for bits in drawn])
        entropy = [oracle.entropy(chance) for chance in CHANCES]
        return {
            "rate": curve(entropy, rates, unit="bit", x_unit="bit"),
            "most": scalar(float(np.max(rates - self.times * shares - self.plus)), "bit"),
            "least": scalar(float(np.min(rates - shares)), "bit"),
        }

    def _bits(self, names: Complexity, bits: NDArray[Any]) -> float:
        if self.coder != "frequencies":
            return size(names, np.packbits(bits).tobytes(), self.coder)
        return sum(code_length(names.encode(block)) for block in bits.reshape(-1, 4096))


def randomness(names: Complexity, setting: Setting) -> Measurements:
    """Share of 200 sequences of 2**14 bits by PCG64 deficient by less than 7 bits; what others are deficient by.

    A million bits each: binary numbers one after another, lowest bits of a congruential generator, a coin of 0.51.
    """
    rng, million = np.random.default_rng(setting.seed), 1_000_000
    written = "".join(format(number, "b") for number in range(int(rng.integers(1, 1000)), 70_000))[:million]
    lowest = (np.arange(million) + rng.integers(2)) % 2  # of s <- a s + c mod 2**k with odd a and c
    others = [np.frombuffer(written.encode(), np.uint8) - ord("0"), lowest, rng.random(million) < 0.51]
    found = [_deficient(names, row[None].astype(np.uint8)) for row in others]
    accepted = _deficient(names, rng.integers(0, 2, (200, 1 << 14), np.uint8)) < 7
    return {"accepted": scalar(accepted.mean(), "1"), "others": scalar(float(np.min(found)), "bit")}


def _deficient(names: Complexity, sequences: NDArray[Any]) -> NDArray[Any]:
    """By all tests together, each of which has the same share: [N]."""
    found = np.asarray(names.deficiency(sequences))
    return found.max(axis=1) - math.log2(found.shape[1])
