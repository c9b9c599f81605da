"""The network of kaplan2020 in float64, forward passes only: Section 2.1 with the details that it leaves to GPT-2.

Weights by name, for layers i = 0 to n_layer - 1 of d = d_model and f = d_ff, as Table 1 counts them: embedding
[n_vocab, d], which is the softmax's matrix too, and positions [n_ctx, d]; "i attention in" [d, 3 d], for queries, keys
and values, and "i attention out" [d, d]; "i inner in" [d, f] and "i inner out" [f, d]; gains [d] of normalizations,
"i attention norm", "i inner norm" and "norm"; and for each of these "... bias", zero where it is missing.
Shapes: B contexts, T positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def gelu(x: Array) -> Array:
    """In the form of GPT-2."""
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_of_errors(x: Array) -> Array:
    """By the normal distribution, as the tanh form approximates it."""
    from scipy import special

    return x * special.ndtr(x)


FORMS: tuple[Callable[[Array], Array], ...] = (gelu, gelu_of_errors)


def softmax(x: Array) -> Array:
    """Over the last axis."""
    shares = np.exp(x - x.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def norm(weights: Weights, name: str, x: Array) -> Array:
    """Layer normalization."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return scaled * weights.get(name, 1.0) + weights.get(f"{name} bias", 0.0)


def linear(weights: Weights, name: str, x: Array) -> Array:
    """A matrix and its bias."""
    return x @ weights[name] + weights.get(f"{name} bias", 0.0)


def attention(queries: Array, keys: Array, values: Array) -> Array:
    """Of one head [B, T, d / n_heads]: each position sees itself and those before it."""
    scores = queries @ keys.transpose(0, 2, 1) / np.sqrt(queries.shape[2])
    later = np.triu(np.ones(scores.shape[1:]), 1)
    return softmax(np.where(later, -np.inf, scores)) @ values


def forward(weights: Weights, heads: int, tokens: NDArray[np.int64], form: Callable[[Array], Array] = gelu) -> Array:
    """Log-probabilities [B, T, n_vocab] of what follows each position of contexts [B, T], by a form of GELU."""
    x = weights["embedding"][tokens] + weights["positions"][: tokens.shape[1]]
    for i in range(sum(name.endswith("attention in") for name in weights)):
        parts = np.split(linear(weights, f"{i} attention in", norm(weights, f"{i} attention norm", x)), 3, axis=2)
        by_head = zip(*(np.split(part, heads, axis=2) for part in parts), strict=True)
        x = x + linear(weights, f"{i} attention out", np.concatenate([attention(*one) for one in by_head], axis=2))
        h = form(linear(weights, f"{i} inner in", norm(weights, f"{i} inner norm", x)))
        x = x + linear(weights, f"{i} inner out", h)
    scores = norm(weights, "norm", x) @ weights["embedding"].T
    shifted = scores - scores.max(axis=2, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))


def loss(weights: Weights, heads: int, contexts: NDArray[np.int64], form: Callable[[Array], Array] = gelu) -> float:
    """The mean over positions and contexts [B, T + 1], each with the token that follows it (Section 2.1)."""
    scores = forward(weights, heads, contexts[:, :-1], form)
    return -float(np.take_along_axis(scores, contexts[:, 1:, None], axis=2).mean())


def rate(peak: float, update: int, warmup: int, updates: int) -> float:
    """The learning rate after so many updates: a linear warm-up, then a cosine to zero (Section 2.2)."""
    if update <= warmup:
        return peak * update / warmup
    return peak * (1 + np.cos(np.pi * (update - warmup) / (updates - warmup))) / 2
