"""What a paper's oracle is compared by: gradients by central differences, update rules as printed, and distributions.

An oracle is the paper's equations in NumPy float64, forward only, at a tiny size (a few hundred weights). These helpers
turn its loss into the weights after a few updates, so that no backward pass is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float64]]
"""The weights of a model by canonical name, each of any shape."""

Loss = Callable[[Weights], float]


class UpdateRule(Protocol):
    """How gradients change weights, with what it remembers from one update to the next."""

    def step(self, weights: Weights, gradients: Weights) -> dict[str, NDArray[np.float64]]:
        """The weights after one more update."""
        ...


@dataclass
class SGD:
    """Stochastic gradient descent.

    `u <- momentum u + g + decay w; w <- w - rate u`, or with `rate_inside` as Krizhevsky et al. print it,
    `u <- momentum u - rate (g + decay w); w <- w + u`, which differs where the rate changes.

    Attributes:
        rates: the learning rate of each update; the last one holds on.
        momentum: share of the last step that is kept.
        decay: weight decay, added to the gradient.
        clip: bound on the norm of all gradients together, before decay; 0 for none.
        rate_inside: whether the rate enters what is remembered.
        undecayed: names of weights without decay.
    """

    rates: Sequence[float]
    momentum: float = 0.0
    decay: float = 0.0
    clip: float = 0.0
    rate_inside: bool = False
    undecayed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._done = 0
        self._velocity: dict[str, NDArray[np.float64]] = {}

    def step(self, weights: Weights, gradients: Weights) -> dict[str, NDArray[np.float64]]:
        """The weights after one more update."""
        rate = self.rates[min(self._done, len(self.rates) - 1)]
        self._done += 1
        norm = float(np.sqrt(sum(float((g**2).sum()) for g in gradients.values())))
        shrink = min(1.0, self.clip / norm) if self.clip and norm else 1.0
        after: dict[str, NDArray[np.float64]] = {}
        for name, weight in weights.items():
            pull = shrink * gradients[name] + (0.0 if name in self.undecayed else self.decay) * weight
            pull = rate * pull if self.rate_inside else pull
            velocity = self.momentum * self._velocity.get(name, np.zeros_like(weight)) + pull
            self._velocity[name] = velocity
            after[name] = weight - (velocity if self.rate_inside else rate * velocity)
        return after


@dataclass
class Adam:
    """Adam (Kingma & Ba, Algorithm 1): moments with bias correction.

    Attributes:
        rates: the learning rate of each update; the last one holds on.
        decay: weight decay apart from the moments, times the rate.
    """

    rates: Sequence[float]
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0

    def __post_init__(self) -> None:
        self._done = 0
        self._first: dict[str, NDArray[np.float64]] = {}
        self._second: dict[str, NDArray[np.float64]] = {}

    def step(self, weights: Weights, gradients: Weights) -> dict[str, NDArray[np.float64]]:
        """The weights after one more update."""
        rate = self.rates[min(self._done, len(self.rates) - 1)]
        self._done += 1
        after: dict[str, NDArray[np.float64]] = {}
        for name, weight in weights.items():
            gradient, zero = gradients[name], np.zeros_like(weight)
            self._first[name] = self.beta1 * self._first.get(name, zero) + (1 - self.beta1) * gradient
            self._second[name] = self.beta2 * self._second.get(name, zero) + (1 - self.beta2) * gradient**2
            mean = self._first[name] / (1 - self.beta1**self._done)
            spread = np.sqrt(self._second[name] / (1 - self.beta2**self._done)) + self.epsilon
            after[name] = weight - rate * (mean / spread + self.decay * weight)
        return after


def numerical_gradients(loss: Loss, weights: Weights, epsilon: float = 1e-6) -> dict[str, NDArray[np.float64]]:
    """Central differences of a loss by every weight: two evaluations a weight."""
    own = {name: np.array(value, dtype=np.float64) for name, value in weights.items()}
    found = {name: np.zeros_like(value) for name, value in own.items()}
    for name, value in own.items():
        flat, into = value.reshape(-1), found[name].reshape(-1)
        for place in range(flat.size):
            kept = flat[place]
            flat[place] = kept + epsilon
            above = loss(own)
            flat[place] = kept - epsilon
            into[place] = (above - loss(own)) / (2 * epsilon)
            flat[place] = kept
    return found


def updated(
    losses: Loss | Sequence[Loss], weights: Weights, rule: UpdateRule, updates: int
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights after each of some updates, by numerical gradients of one loss or of one loss for each update."""
    now = {name: np.array(value, dtype=np.float64) for name, value in weights.items()}
    found = []
    for update in range(updates):
        loss = losses if callable(losses) else losses[update]
        now = rule.step(now, numerical_gradients(loss, now))
        found.append(now)
    return found


def distance(found: Mapping[str, NDArray[Any]], wanted: Weights, start: Weights) -> float:
    """How far weights lie from the wanted ones, as a share of how far these moved: the largest over all weights.

    The measure of one array is its largest difference. An array that should not move must not: it counts as infinite,
    as do weights that are not numbers.

    Raises:
        KeyError: for weights that are missing.
        ValueError: for weights of another shape.
    """
    shares = [0.0]
    for name, value in wanted.items():
        if np.shape(found[name]) != value.shape:
            raise ValueError(f"{name} has the shape {np.shape(found[name])}, not {value.shape}")
        off = float(np.abs(np.asarray(found[name], dtype=np.float64) - value).max(initial=0.0))
        moved = float(np.abs(value - start[name]).max(initial=0.0))
        shares.append(off / moved if moved else (0.0 if off == 0.0 else float("inf")))
    return float(np.nan_to_num(np.max(shares), nan=np.inf, posinf=np.inf))  # max() of Python passes over NaN


def from_normal(values: NDArray[Any], scale: float) -> float:
    """The smaller p-value of two tests that values are normal with mean 0: their variance, and their shape."""
    from scipy import stats

    flat = np.asarray(values, dtype=np.float64).ravel()
    chi = float((flat**2).sum() / scale**2)
    tail = 2 * min(stats.chi2.cdf(chi, flat.size), stats.chi2.sf(chi, flat.size))
    return float(min(tail, stats.kstest(flat / scale, "norm").pvalue))


def from_uniform(values: NDArray[Any], low: float, high: float) -> float:
    """The p-value of a test that values are uniform between two bounds; 0 where one lies outside."""
    from scipy import stats

    flat = np.asarray(values, dtype=np.float64).ravel()
    if flat.min() < low or flat.max() > high:
        return 0.0
    return float(stats.kstest((flat - low) / (high - low), "uniform").pvalue)
