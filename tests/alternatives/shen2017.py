"""Machines, codes and tests written a second time: programs grow while they run, places count from the left."""

# ruff: noqa: D103 -- the contract says what each function does

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from reference.shen2017 import CONFIGS as CONFIGS  # settings, and no code

WRITES = {"00": "0", "01": "1", "10": "{out}", "110": "{condition}", "1110": "", "1111": ""}


def _grow(config: Any, read: str, at: int, out: str, steps: int, seen: frozenset[Any], tape: str = "") -> Iterator[Any]:
    """Output, operations and length of all programs that begin with what has been read, or of the one on a tape."""
    if len(out) > config.width or (at, out) in seen:
        return
    if at == len(read) and not config.prefix:
        yield out, steps, len(read)
    for operation, writes in WRITES.items():
        whole = read + operation if at == len(read) else read
        fits = tape.startswith(whole) if tape else len(whole) <= config.longest
        if operation == "1111" and fits and whole.startswith(operation, at):
            yield out, steps + 1, len(whole)
        elif fits and whole.startswith(operation, at):
            again = operation == "1110" and len(out) < config.width
            to = int(not config.prefix) if again else at + len(operation)
            longer = out + writes.format(out=out, condition=config.condition)
            yield from _grow(config, whole, to, longer, steps + 1, seen | {(at, out)}, tape)


def _table(config: Any, times: Sequence[int], empty: float, add: Callable[[float, int], float]) -> Any:
    found, start = np.full((len(times), 2 << config.width), empty), "" if config.prefix else "1"
    programs = [*_grow(config, start, len(start), "", 0, frozenset())] if len(start) <= config.longest else []
    if not config.prefix:
        strings = (format(number, "b")[1:] for number in range(1, 2 << config.width))
        programs += [(x, 1, len(x) + 1) for x in strings if len(x) < config.longest]
    for out, steps, length in programs:
        for row in (row for row, time in zip(found, times, strict=True) if steps <= time):
            row[int("1" + out, 2)] = add(row[int("1" + out, 2)], length)
    return found


def complexities(config: Any, times: Sequence[int]) -> Any:
    return _table(config, times, config.longest + 1, min)


def semimeasure(config: Any, times: Sequence[int]) -> Any:
    return _table(config, times, 0.0, lambda chance, length: chance + 2.0**-length)


def simulate(config: Any, times: Sequence[int], *, seed: int) -> Any:
    rng, prefix, never = np.random.default_rng(seed), replace(config, prefix=True), ("", math.inf, 0)
    tapes = (f"{int.from_bytes(rng.bytes(32), 'big'):0256b}" for _ in range(config.runs))
    ends = [next(_grow(prefix, "", 0, "", 0, frozenset(), tape), never) for tape in tapes]
    ends = ends if config.prefix else [end if rng.random() < 0.5 else never for end in ends]
    return np.array([[int("1" + out, 2) if steps <= time else 0 for out, steps, _ in ends] for time in times])


def requests(stages: Any) -> list[tuple[int, int]]:
    asked, least = list[tuple[int, int]](), [math.inf] * len(stages[0])
    for stage in stages:
        for x, chance in enumerate(stage):
            if chance > 0 and 2 - math.frexp(chance)[1] < least[x]:
                least[x] = 2 - math.frexp(chance)[1]
                asked.append((x, int(least[x])))
    return asked


def allocate(lengths: Sequence[int]) -> list[str]:
    free, words = [""], list[str]()
    for length in lengths:
        best = max((word for word in free if len(word) <= length), key=len, default=None)
        if best is None:
            break
        free.remove(best)
        free += [best + "1" * k + "0" for k in range(length - len(best))]
        words.append(best + "1" * (length - len(best)))
    return words


def describe_pair(lengths: Any, x: int, y: int) -> tuple[str, str]:
    n, field = int(lengths[x, y]), int(lengths.max()).bit_length()
    rows = [np.flatnonzero(row <= n)[::-1].tolist() for row in lengths]
    m = int(math.log2(len(rows[x])))
    large = [i for i, row in enumerate(rows) if len(row) >= 2**m]
    return f"{m:0{field}b}{n:0{field}b}{large.index(x):b}", f"{n:0{field}b}{rows[x].index(y):b}"


def encode(bits: Any) -> str:
    n, k, place = len(bits), int(bits.sum()), 0
    field, ways = n.bit_length(), math.comb(n, k)
    head = "1" * field + "0" + f"{n:b}" + f"{k:0{field}b}"
    for i, bit in enumerate(bits.tolist()):  # `ways` to place k ones from here on
        zero = ways * (n - i - k) // (n - i)
        place, ways, k = (place + zero, ways - zero, k - 1) if bit else (place, zero, k)
    return head + f"{place:b}"


def entropies(joint: Any) -> Any:
    axes = range(joint.ndim)
    sums = ([np.sum(joint, tuple(i for i in axes if not group & 1 << i))] for group in range(1 << joint.ndim))
    return np.array([-sum(p * math.log2(p) for p in np.ravel(one[0]) if p > 0) for one in sums])


def violation(seed: int) -> Any:
    joint = np.zeros((2, 2, 2, 2))
    for c, d in np.ndindex(2, 2):
        joint[c & d, c | d, c, d] = 1 / 4  # each of C and D fixes A or B where it is known
    return joint


def deficiency(sequences: Any) -> Any:
    n, signs = sequences.shape[1], sequences.astype(int)

    def tail(rows: Any) -> Any:
        size, ones = rows.shape[1], rows.sum(1)
        return np.minimum(1, 2 * special.bdtr(np.minimum(ones, size - ones), size, 0.5)) if size else np.ones(len(rows))

    chances = [tail(signs), *(tail(signs[:, lag:] ^ signs[:, :-lag]) for lag in range(1, 17))]
    begun = [k * (k + 1) * tail(signs[:, : 2**k]) for k in range(1, 40) if 2**k <= n]
    with np.errstate(divide="ignore"):
        return np.clip(-np.log2([*chances, np.min([chances[0] * 0 + 1, *begun], axis=0)]), 0, n).T


def compress(payload: bytes, compressor: str) -> bytes:
    return {"zlib": zlib.compress, "bz2": bz2.compress, "lzma": lzma.compress}[compressor](payload)
