"""What a record may not exceed, checked before anything is computed from it: its depth, and what its trials used."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec

from repro.errors import ReproError
from repro.machine.telemetry import Usage

DEEPEST = 40  # lists and objects within one another; records have had 9 so far
MOST = 1e15  # seconds, bytes or joules of one trial: their sums stay far from what a float can hold


def check_depth(data: bytes) -> None:
    """Refuse JSON that nests too deep, before a recursive reader sees it.

    Brackets within texts count too, so that nothing but the bytes is looked at where they are few.

    Raises:
        ReproError: for what nests deeper than `DEEPEST`.
        ValueError: for what is no JSON.
    """
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return
    try:
        level = [msgspec.json.decode(data)]
    except RecursionError as error:
        raise too_deep() from error
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise too_deep()


def check_usages(usages: Iterable[Usage]) -> None:
    """Refuse what no trial can have used: less than nothing, or more than sums can hold.

    Raises:
        ReproError: with the name and the number.
    """
    for usage, name in product(usages, ("wall_s", "cpu_s", "peak_rss_bytes", "gpu_peak_bytes", "energy_j")):
        value = getattr(usage, name)
        if value is not None and not 0 <= value <= MOST:
            raise ReproError(
                f"A trial of the record says {name} is {value:.6g}, which is not between 0 and {MOST:g}",
                "Run the claim again, on a machine whose clock and counters work.",
            )


def too_deep() -> ReproError:
    """The error for a record that nests too deep."""
    return ReproError(f"The record nests deeper than {DEEPEST} levels", "Let its config be flatter.")


def _inside(value: Any) -> list[Any]:
    """The lists and objects that a value holds; numbers, of which there may be many, are passed over."""
    items = value.values() if isinstance(value, dict) else value
    return [one for one in items if isinstance(one, dict | list)]
