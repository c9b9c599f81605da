"""Scoring a language model token by token, where it has committed to its scores before it is told what follows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError
from repro.task import Stream


def log_likelihood(stream: Stream, tokens: NDArray[np.int64], vocabulary: int) -> NDArray[np.float64]:
    """Log-likelihood, in nats, of each token of each lane after the first, [lanes, T - 1].

    Scores are normalised here. Where one of a lane's scores is not finite, what follows counts as impossible: -inf.

    Args:
        stream: one that has read nothing, of as many lanes.
        tokens: what is told, one column after the other, [lanes, T].
        vocabulary: how many different tokens there are.

    Raises:
        ReproError: for scores that are not a floating-point array [lanes, vocabulary].
    """
    lanes, length = tokens.shape
    columns = np.ascontiguousarray(tokens.T)
    told, found = np.arange(lanes), np.empty((max(length - 1, 0), lanes))
    for read, follows, into in zip(columns[:-1], columns[1:], found, strict=True):
        scores = _checked(stream.step(read), lanes, vocabulary)
        with np.errstate(all="ignore"):
            shifted = scores - scores.max(1, keepdims=True)
            into[:] = shifted[told, follows] - np.log(np.exp(shifted).sum(1))
            into[~np.isfinite(scores).all(1)] = -np.inf
    return np.ascontiguousarray(found.T)


def _checked(scores: Any, lanes: int, vocabulary: int) -> NDArray[np.float64]:
    """Scores as float64, if they are scores."""
    if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f" or scores.shape != (lanes, vocabulary):
        is_array = isinstance(scores, np.ndarray)
        found = f"{scores.dtype} {list(scores.shape)}" if is_array else f"a {type(scores).__name__}"
        raise ReproError(
            f"A stream gave {found}, where floating-point scores [{lanes}, {vocabulary}] are due",
            "Its step must return the scores of every token for every lane.",
        )
    return scores.astype(np.float64)
