"""Units and times as people read them."""

from __future__ import annotations

from repro.numbers import duration, number


def unit_suffix(unit: str) -> str:
    """A unit as it follows a number: nothing for a pure number, no space before a percent sign."""
    return "" if unit in ("1", "") else unit if unit == "%" else f" {unit}"


def short_time(seconds: float) -> str:
    """Seconds as people read them, down to a millisecond."""
    return duration(seconds) if seconds >= 1 or seconds == 0 else f"{number(round(1000 * seconds, 1))} ms"


def several(count: int, noun: str) -> str:
    """How many there are of something, such as "1 claim" or "1,200 claims"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
