"""Inputs from Hypothesis for what reads files of others: a result or one clear error, soon and in little memory."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psutil
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from repro.errors import ReproError

EXAMPLES = int(os.environ.get("REPRO_FUZZ_EXAMPLES") or 30)
"""Of each target; `make fuzz` has many more."""
HANG_S = 5
MEMORY = 1 << 30  # bytes of addresses that reading one input may add
T = TypeVar("T")


class Hung(BaseException):
    """An input took too long; no handler of ours catches it."""


def fuzz(inputs: st.SearchStrategy[T], read: Callable[[T], Any]) -> None:
    """Read inputs; anything but a result or a ReproError of one line fails, with the input that did it."""

    @settings(
        max_examples=EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    @given(inputs)
    def each(one: T) -> None:
        said = refusal(lambda: read(one))
        if said is not None:
            assert "MemoryError" not in said
            assert len(said.splitlines()) == 1
            assert len(said.encode()) < 2000

    each()


def refusal(read: Callable[[], Any]) -> str | None:
    """What the error for the user says; None where there is a result."""
    try:
        with bounded():
            read()
    except ReproError as error:
        return str(error)
    return None


@contextmanager
def bounded() -> Iterator[None]:
    """End what takes longer than `HANG_S` or more than `MEMORY`."""

    def hung(number: int, frame: object) -> None:
        faulthandler.dump_traceback()
        raise Hung

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    before = signal.signal(signal.SIGALRM, hung)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


CHUNKS = st.binary(max_size=12) | st.sampled_from(
    [
        b"", b"\0" * 8, b"\xff" * 8, b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"NaN", b"-1", b"1e999", b"9" * 400,
        b"[" * 3000, b"{" * 3000, b'"', b"\\ud800", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", "é".encode(), b"null",
        b"\xff\xfe", b"\0",
    ]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, *whole: bytes) -> bytes:
    """One of some files with up to four of its places cut out, overwritten, filled or doubled; or any bytes."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40) | st.integers(0, len(data))))
        kind = draw(st.sampled_from(["over", "in", "out", "double", "short"]))
        new = draw(CHUNKS)
        data = {
            "over": data[:start] + new + data[start + len(new) :],
            "in": data[:start] + new + data[start:],
            "out": data[:start] + data[end:],
            "double": data[:end] + data[start:],
            "short": data[:start],
        }[kind]
    return draw(CHUNKS) if draw(st.integers(0, 19)) == 0 else data
