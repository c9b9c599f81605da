"""What models have learnt, as named arrays: checked, restored elsewhere, and whether training has moved them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import ReproError, Setting


@contextmanager
def elsewhere(implementation: Any, setting: Setting) -> Iterator[Any]:
    """The implementation where models are restored: of a submission, a process that has trained nothing."""
    if setting.untrained is None:
        yield implementation
    else:
        with setting.untrained() as names:
            yield names


def named(
    state: Mapping[str, NDArray[Any]], wanted: Mapping[str, tuple[int, ...]], optional: Collection[str]
) -> dict[str, NDArray[Any]]:
    """What `state` gave, in float64; optional arrays of zeros are left out.

    Raises:
        ReproError: if something is missing, is none of the weights, or has another shape.
    """
    try:
        found = {name: np.array(value, np.float64) for name, value in state.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ReproError(f"state gives no arrays of numbers by name: {error}") from error
    for name, shape in wanted.items():
        if name not in found and name not in optional:
            raise ReproError(f"state has no {name!r} {list(shape)}", f"It has {', '.join(state)}.")
        if name in found and found[name].shape != shape:
            raise ReproError(f"state has {name!r} as {list(found[name].shape)}, where {list(shape)} is due")
    if more := sorted(found.keys() - wanted.keys()):
        raise ReproError(f"state has {more[0]!r}, which is none of the weights", f"They are {', '.join(wanted)}.")
    return {name: value for name, value in found.items() if name not in optional or value.any()}


def moved(first: Mapping[str, Any], last: Mapping[str, Any], still: Collection[str]) -> bool:
    """Whether training has moved most numbers of every array, but for some."""
    return all(float(np.mean(first[name] != last[name])) > 0.5 for name in last if name not in still)
