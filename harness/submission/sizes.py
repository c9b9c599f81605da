"""Sizes that a submission's presets state, bounded by the reference's before anything here is made by them."""

from __future__ import annotations

import dataclasses
from typing import Any

from repro.errors import ReproError

TIMES, LEAST = 16, 4  # how much larger than the reference's a number may be, and what counts as one that is smaller


def check_sizes(label: str, own: Any, paper: Any) -> None:
    """Check a config of a submission against the reference's, field by field.

    The harness makes data by what configs state, such as images of their size, and oracles compute with them. Whole
    numbers, also within tuples, and the lengths of tuples and texts are looked at; a field that the reference has
    without a number is bounded by the largest of its others. What the reference does not have nobody here reads.

    Args:
        label: what messages call the config.
        own: the submission's.
        paper: the reference's.

    Raises:
        ReproError: for the first field that is too large, or not a whole number where the reference's is one.
    """
    every = largest(paper)
    for field in dataclasses.fields(paper):
        value, known = getattr(own, field.name, None), getattr(paper, field.name)
        if type(known) is int and isinstance(value, float):
            raise ReproError(f"{label}.{field.name} is {value!r}, where a whole number is due", f"Write {known}.")
        most = TIMES * max(LEAST, largest(known) or every)
        if (found := largest(value)) > most:
            raise ReproError(
                f"{label}.{field.name} has the size {found:,}; at most {most:,} is taken, by the reference's",
                "Take a value of the order of the reference's: what claims compute grows with it.",
            )


def largest(value: Any) -> int:
    """The largest whole number or length in a config or one of its values, without signs; 0 for none."""
    if dataclasses.is_dataclass(value):
        return max((largest(getattr(value, field.name)) for field in dataclasses.fields(value)), default=0)
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return abs(value)
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return max([len(value), *map(largest, value), *map(largest, value.values())])
    if isinstance(value, list | tuple):
        return max([len(value), *map(largest, value)])
    return getattr(value, "size", 0)  # an array
