"""Scoring a language model token by token, where it has committed to its scores before it sees what follows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError
from repro.task import Reader, Stream


def log_likelihood(stream: Stream, tokens: NDArray[np.int64], vocabulary: int) -> NDArray[np.float64]:
    """Log-likelihood, in nats, of each token of each stream after the first, [streams, T - 1].

    Scores are normalised here. Where one of a stream's scores is not finite, what follows counts as impossible: -inf.

    Args:
        stream: one that has read nothing, of as many streams.
        tokens: what is read, one column after the other, [streams, T].
        vocabulary: how many different tokens there are.

    Raises:
        ReproError: for scores that are not a floating-point array [streams, vocabulary].
    """
    streams, length = tokens.shape
    columns = np.ascontiguousarray(tokens.T)
    told, found = np.arange(streams), np.empty((max(length - 1, 0), streams))
    for read, follows, into in zip(columns[:-1], columns[1:], found, strict=True):
        scores = _checked(stream.step(read), streams, vocabulary)
        with np.errstate(all="ignore"):
            shifted = scores - scores.max(1, keepdims=True)
            into[:] = shifted[told, follows] - np.log(np.exp(shifted).sum(1))
            into[~np.isfinite(scores).all(1)] = -np.inf
    return np.ascontiguousarray(found.T)


def text_loss(reader: Reader, tokens: NDArray[np.int64], vocabulary: int, streams: int = 1) -> float:
    """Mean negative log-likelihood, in nats, of every token of a text after its first; infinite if one is impossible.

    In one stream each token is predicted from all before it. For more, the text is cut into as many pieces of equal
    length (the last may be shorter); each stream reads first the last token of the piece before, which is counted there
    alone, and knows nothing older. So each token counts once, save the very first, which nothing precedes.

    Raises:
        ReproError: for a text of fewer than two tokens, or scores of a wrong form.
    """
    if len(tokens) < 2:
        raise ReproError(f"A text of {len(tokens)} tokens has none to predict", "Two or more are needed.")
    each = -(-(len(tokens) - 1) // streams)
    streams = -(-(len(tokens) - 1) // each)  # no stream without a token to predict
    padded = np.concatenate([tokens, np.zeros(streams * each + 1 - len(tokens), tokens.dtype)])
    cut = np.stack([padded[start : start + each + 1] for start in range(0, streams * each, each)])
    found = log_likelihood(reader.start(streams), cut, vocabulary).ravel()[: len(tokens) - 1]
    return float(-found.mean())


def _checked(scores: Any, streams: int, vocabulary: int) -> NDArray[np.float64]:
    """Scores as float64, if they are scores."""
    if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f" or scores.shape != (streams, vocabulary):
        is_array = isinstance(scores, np.ndarray)
        found = f"{scores.dtype} {list(scores.shape)}" if is_array else f"a {type(scores).__name__}"
        raise ReproError(
            f"A stream gave {found}, where floating-point scores [{streams}, {vocabulary}] are due",
            "Its step must return the scores of every token for every stream.",
        )
    return scores.astype(np.float64)
