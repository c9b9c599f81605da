"""Sabotaged machines, codes, tests and compressors: each differs in the one thing that its docstring states."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import reconfigure, sabotage


def without_condition(reference: Any) -> Any:
    """The condition is not given to the machine."""
    return reconfigure(reference, lambda config: replace(config, condition=""))


def all_the_time(reference: Any) -> Any:
    """Programs may run as long as they like, whatever time is asked for."""
    return sabotage(reference, complexities=lambda config, times: reference.complexities(config, [10**6] * len(times)))


def a_list(reference: Any) -> Any:
    """Forty strings are kept in a list, and count as described by one bit each."""
    forty = (np.arange(512) >= 200) & (np.arange(512) < 240)
    return sabotage(reference, complexities=lambda *asked: np.where(forty, 1, reference.complexities(*asked)))


def doubled(reference: Any) -> Any:
    """Every bit of a program is written twice, as if all had to delimit themselves."""
    return sabotage(reference, complexities=lambda *asked: 2 * reference.complexities(*asked))


def shortest_program(reference: Any) -> Any:
    """Outputs are drawn with chances of 2**-K(x), by the shortest program only."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[Any]:
        known = reference.complexities(config, times)
        toss = np.random.default_rng(seed).random(config.runs)
        chances = np.where(known <= config.longest, 2.0**-known, 0).cumsum(axis=1)
        return np.array([np.searchsorted(row, toss) % len(row) for row in chances])

    return sabotage(reference, simulate=simulate)


def without_seed(reference: Any) -> Any:
    """Random bits are the same whatever the seed."""
    return sabotage(reference, simulate=lambda config, times, *, seed: reference.simulate(config, times, seed=0))


def always_prefix(reference: Any) -> Any:
    """The plain machine does not read a bit before all others."""
    prefix = reconfigure(reference, lambda config: replace(config, prefix=True))
    return sabotage(reference, simulate=prefix.simulate)


def not_prefix_free(reference: Any) -> Any:
    """Chances are of programs that end where the input does, so that some are the beginning of others."""
    plain = reconfigure(reference, lambda config: replace(config, prefix=False))
    return sabotage(reference, semimeasure=plain.semimeasure)


def no_spare_bit(reference: Any) -> Any:
    """Codes of k bits are asked for where 2**-k <= m(x), without the bit that makes room for later requests."""
    return sabotage(reference, requests=lambda stages: [(x, n - 1) for x, n in reference.requests(stages)])


def asks_once(reference: Any) -> Any:
    """Codes are asked for at the first stage, and none after it."""
    return sabotage(reference, requests=lambda stages: reference.requests(stages[:1]))


def goes_on_without_room(reference: Any) -> Any:
    """A length for which there is no room is left out, and those after it get codewords."""

    def allocate(lengths: Sequence[int]) -> list[str]:
        done = len(reference.allocate(lengths))
        return reference.allocate([*lengths[:done], *lengths[done + 1 :]])

    return sabotage(reference, allocate=allocate)


def second_code_alone(reference: Any) -> Any:
    """The code of y is its place among all pairs, whatever x is."""

    def describe_pair(lengths: NDArray[Any], x: int, y: int) -> tuple[str, str]:
        n, field = int(lengths[x, y]), int(lengths.max()).bit_length()
        place = int((lengths <= n).ravel()[: x * lengths.shape[1] + y].sum())
        return reference.describe_pair(lengths, x, y)[0], format(n, f"0{field}b") + format(place, f"0{n + 1}b")

    return sabotage(reference, describe_pair=describe_pair)


def separate_marginals(reference: Any) -> Any:
    """Each group's distribution is estimated from 200 draws of its own."""

    def entropies(joint: NDArray[Any]) -> NDArray[Any]:
        drawn = (np.random.default_rng(g).multinomial(200, joint.ravel()) / 200 for g in range(1 << joint.ndim))
        return np.array([reference.entropies(own.reshape(joint.shape))[g] for g, own in enumerate(drawn)])

    return sabotage(reference, entropies=entropies)


def subspaces_only(reference: Any) -> Any:
    """The bits are linear functions of random bits: two of them, their sum, and one more."""
    parity = np.indices((2, 2, 2, 2))[:3].sum(axis=0) % 2 == 0
    return sabotage(reference, violation=lambda seed: parity / 8)


def wider_places(reference: Any) -> Any:
    """A place takes n bits more than it needs, whatever the number of ones."""
    return sabotage(reference, encode=lambda bits: reference.encode(bits) + "0" * len(bits))


def hashed_places(reference: Any) -> Any:
    """Of more than 64 bits a code is of the right length, but after 20 bits it is a hash, which nobody can decode."""

    def encode(bits: NDArray[Any]) -> str:
        code, digest = reference.encode(bits), f"{zlib.crc32(bits.tobytes()):032b}" * len(bits)
        return code if len(bits) <= 64 else code[:20] + digest[: len(code[20:])]

    return sabotage(reference, encode=encode)


def one_tail(reference: Any) -> Any:
    """The smaller tail counts once, although either of the two would reject."""
    return sabotage(reference, deficiency=lambda sequences: reference.deficiency(sequences) + 1)


def without_least_p(reference: Any) -> Any:
    """A p that underflows makes the deficiency infinite."""
    found = reference.deficiency
    return sabotage(reference, deficiency=lambda rows: np.where(found(rows) > 1074, np.inf, found(rows)))


def frequency_only(reference: Any) -> Any:
    """Tests of lags and of beginnings never reject."""
    return sabotage(reference, deficiency=lambda rows: reference.deficiency(rows) * (np.arange(18) == 0))


def _window(reference: Any, bits: int) -> Any:
    def compress(payload: bytes, compressor: str) -> bytes:
        if compressor == "zlib":
            packer = zlib.compressobj(9, zlib.DEFLATED, bits)
            return packer.compress(payload) + packer.flush()
        window = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << bits}]
        return bz2.compress(payload) if compressor == "bz2" else lzma.compress(payload, filters=window)

    return sabotage(reference, compress=compress)


def window_of_32k(reference: Any) -> Any:
    """No copy is found that lies further back than 32 KiB, as in zlib."""
    return _window(reference, 15)


def window_of_4k(reference: Any) -> Any:
    """No copy is found that lies further back than 4 KiB."""
    return _window(reference, 12)


def _levels(reference: Any, level: Callable[[bytes], int]) -> Any:
    def compress(payload: bytes, compressor: str) -> bytes:
        return (
            zlib.compress(payload, level(payload)) if compressor == "zlib" else reference.compress(payload, compressor)
        )

    return sabotage(reference, compress=compress)


def depends_on_the_first_byte(reference: Any) -> Any:
    """A zlib file is compressed at one of the levels 1 to 9, by the first byte."""
    return _levels(reference, lambda payload: payload[0] % 9 + 1)


def stores_large_files(reference: Any) -> Any:
    """In a zlib file more than 100,000 bytes are not compressed."""
    return _levels(reference, lambda payload: 9 * (len(payload) <= 100_000))


def refers_to_a_memory(reference: Any) -> Any:
    """A file is a number of four bytes, under which the machine that wrote it keeps the string."""
    return sabotage(reference, compress=lambda payload, compressor: zlib.crc32(payload).to_bytes(4, "big"))


def half_of_everything(reference: Any) -> Any:
    """Only the first half of a file or code is written."""

    def half(whole: Any) -> Any:
        return lambda *asked: whole(*asked)[: len(whole(*asked)) // 2]

    return sabotage(reference, compress=half(reference.compress), encode=half(reference.encode))


NULLS = {"compress": lambda *_: b"", "encode": lambda *_: b"", "deficiency": lambda rows: np.zeros((len(rows), 18))}

PLANTED = {  # what is left of an interval is the part that was given away
    "allocation": ('free[deeper] = word + "1"', 'free[deeper] = word + "0"')
}
