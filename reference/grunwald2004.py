"""Codes of the minimum description length principle: Grünwald 2004, arXiv:math/0406077v1.

"A Tutorial Introduction to the Minimum Description Length Principle". Implemented: prefix codes and a code for integers
(Section 2.2), Markov chains (2.3), two-part codes (2.4, 2.5), Bayes' mixtures and normalized maximum likelihood (NML;
2.5, 2.6), plug-in codes (2.6.4), and codes for normal distributions, whose complexity is infinite (2.7.2).

Shapes: N sequences of n outcomes each, M parameters of a finite model, S = 2**k states of a chain of order k. A state's
number is its k outcomes read as binary digits, the earliest first, as in the paper's n_[1|0...01].

Units: bits; all logarithms are to base 2. Lengths of real numbers are those of densities, at unit precision.

Deviations, where the paper is silent or undefined:
  1. Example 2.8 does not encode the starting state that Example 2.7 gives a chain. Here "two-part" and "plug-in" spend
     a bit on each of the first k outcomes; "ml", "eq-2.8" and "eq-2.9" are as printed.
  2. The code for integers begins at 1, and orders at 0. The order 0 takes 3 bits, for which Kraft's sum leaves room;
     "eq-2.8" does not have it.
  3. "eq-2.8" is as printed, with k log(n + 1); "two-part" has the 2**k parameters of which the text speaks. In Eq. 2.9,
     k is the dimension, 2**k, and the small constant, which is not given, is 0.
  4. A maximum likelihood estimate from nothing, 0 / 0 in Eq. 2.31 with lambda = 0, is taken to be 1/2.
  5. K in Eq. 2.35 is at least |mean|, without which the code for M_K has no word for the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

Outcomes = NDArray[np.int64]
Floats = NDArray[np.float64]
LN2 = math.log(2)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A model, and a code for sequences that is built on it.

    Attributes:
        family: a few coins, Markov chains of one order (of order 0, all coins), or normal distributions.
        code: "ml" is the shortest length that the model allows in hindsight, and no code.
        thetas: probabilities of a 1: of each coin, [M], or after each state of the chain that is simulated, [S].
        prior: W of each coin, [M]; uniform where it is empty.
        order: k, the number of outcomes that a chain remembers.
        start: the first k outcomes of the chain that is simulated.
        virtual: lambda of Eq. 2.31.
        sigma: standard deviation of the normal distributions.
        bound: K, the largest |mean| for which the NML code of normal distributions has words.
    """

    family: Literal["coins", "chains", "normal"] = "chains"
    code: Literal["ml", "two-part", "eq-2.8", "eq-2.9", "bayes", "nml", "plug-in", "meta"] = "plug-in"
    thetas: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    order: int = 0
    start: tuple[int, ...] = ()
    virtual: float = 0.5
    sigma: float = 1.0
    bound: float = 1.0


CONFIGS = {
    "nine-coins": Config(family="coins", thetas=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
    "coin": Config(code="nml"),
    "chain": Config(order=2, thetas=(0.1, 0.8, 0.7, 0.3), start=(0, 1)),
    "normal": Config(family="normal", code="nml"),
}


# Section 2.2: codes


def codewords(probabilities: Sequence[float]) -> list[str]:
    """Figure 2.1: a prefix code in which what has probability P takes -log P bits, rounded up."""
    lengths = [math.ceil(-math.log2(p)) for p in probabilities]
    words, value, before = [""] * len(lengths), 0, 0
    for length, place in sorted((length, place) for place, length in enumerate(lengths)):
        value <<= length - before
        words[place] = f"{value:0{length}b}"[:length]  # none, where length is 0
        value, before = value + 1, length
    return words


def integer_codeword(number: int) -> str:
    """Example 2.4: m zeros and a one, where m is log k rounded up, then k by the uniform code for 1 to 2**m."""
    m = (number - 1).bit_length()
    return "0" * m + "1" + f"{number - 1:0{m}b}"[:m]


# Section 2.3: chains


def simulate(config: Config, times: Sequence[int], *, seed: int) -> Outcomes:
    """Outcomes [T] of the chain at the given places, the first of the starting state at place 0."""
    outcomes, state = list(config.start), int("0" + "".join(map(str, config.start)), 2)
    for draw in np.random.default_rng(seed).random(max(times) + 1).tolist()[len(outcomes) :]:
        outcomes.append(int(draw < config.thetas[state]))
        state = (2 * state + outcomes[-1]) % 2**config.order
    return np.array(outcomes, dtype=np.int64)[list(times)]


def _states(outcomes: Outcomes, order: int) -> Outcomes:
    """The state before each outcome but the first `order`, [N, n - order]."""
    later = outcomes.shape[1] - order
    states = np.zeros((len(outcomes), later), dtype=np.int64)
    for back in range(order):
        states = 2 * states + outcomes[:, back : back + later]
    return states


# Sections 2.4 to 2.7: code lengths


def code_lengths(config: Config, outcomes: NDArray[Any]) -> Floats:
    """Bits of each sequence [N] of [N, n] by the config's code; ValueError for a code that the family does not have."""
    return {"coins": _coins, "chains": _chains, "normal": _normal}[config.family](config, outcomes)


def complexity(config: Config, n: int) -> float:
    """COMP_n of a few coins, of all coins (Eq. 2.17), or of normal distributions with means up to K (Eq. 2.33)."""
    if config.family == "normal":
        return math.log2(config.bound) + 0.5 * math.log2(n / (2 * math.pi)) - math.log2(config.sigma) + 1
    ones = np.arange(n + 1)
    alike = (gammaln(n + 1) - gammaln(ones + 1) - gammaln(n - ones + 1)) / LN2  # sequences with equally many ones
    coins = config.family == "coins"
    best = _of_coins(config, ones, n - ones).min(axis=1) if coins else _in_hindsight(ones, n - ones)
    return float(np.logaddexp2.reduce(alike - best))


def _of_coins(config: Config, ones: NDArray[Any], zeros: NDArray[Any]) -> Floats:
    """-log P(x | theta) for each of the config's coins, [N, M] (Eq. 2.7)."""
    thetas = np.array(config.thetas)
    return -(xlogy(ones[:, None], thetas) + xlogy(zeros[:, None], 1 - thetas)) / LN2


def _in_hindsight(ones: NDArray[Any], zeros: NDArray[Any]) -> Floats:
    """-log P(x | the best theta), for any counts."""
    seen = np.maximum(ones + zeros, 1)
    return -(xlogy(ones, ones / seen) + xlogy(zeros, zeros / seen)) / LN2


def _coins(config: Config, outcomes: Outcomes) -> Floats:
    """Examples 2.9 to 2.12: codes for a finite model."""
    ones = outcomes.sum(axis=1)
    each = _of_coins(config, ones, outcomes.shape[1] - ones)
    prior = np.array(config.prior or [1 / len(config.thetas)] * len(config.thetas))
    with np.errstate(divide="ignore"):
        weighted = each - np.log2(prior)
    if config.code == "ml":
        return each.min(axis=1)
    if config.code == "two-part":  # Eq. 2.14
        return weighted.min(axis=1)
    if config.code == "bayes":  # Eq. 2.12
        return -np.logaddexp2.reduce(-weighted, axis=1)
    if config.code == "nml":  # Eq. 2.18
        return each.min(axis=1) + complexity(config, outcomes.shape[1])
    raise ValueError(f"there is no code {config.code} for coins")


def _chains(config: Config, outcomes: Outcomes) -> Floats:
    """Examples 2.7, 2.8 and 2.19: codes for chains of order k."""
    k, n, rows = config.order, outcomes.shape[1], len(outcomes)
    states, later = _states(outcomes, k), outcomes[:, k:]
    if config.code == "plug-in":
        return k + _predicted(config.virtual, states, later)
    places = states + 2**k * np.arange(rows)[:, None]
    seen = np.bincount(places.ravel(), minlength=rows * 2**k).reshape(rows, 2**k)
    ones = np.bincount(places.ravel(), later.ravel(), minlength=rows * 2**k).reshape(rows, 2**k)
    best = _in_hindsight(ones, seen - ones).sum(axis=1)
    if config.code == "ml":
        return best
    if config.code == "two-part":
        return best + (2 * math.log2(k) + 1 if k else 3) + k + 2**k * math.log2(n + 1)
    if config.code == "eq-2.8":
        return best + 2 * math.log2(k) + 1 + k * math.log2(n + 1)
    if config.code == "eq-2.9":
        return best + 2**k / 2 * math.log2(n)
    if config.code == "nml" and not k:  # Eq. 2.18
        return best + complexity(config, n)
    raise ValueError(f"there is no code {config.code} for chains of order {k}")


def _predicted(virtual: float, states: Outcomes, outcomes: Outcomes) -> Floats:
    """Eqs. 2.28 to 2.31: bits [N] of outcomes, each predicted by what followed its state before it; all are [N, n]."""
    order = np.argsort(states, axis=1, kind="stable")  # visits of a state stand together, in the order of time
    states, outcomes = np.take_along_axis(states, order, axis=1), np.take_along_axis(outcomes, order, axis=1)
    new = np.ones(states.shape, dtype=bool)
    new[:, 1:] = states[:, 1:] != states[:, :-1]
    index = np.arange(states.shape[1])
    first = np.maximum.accumulate(np.where(new, index, 0), axis=1)
    ones = np.cumsum(outcomes, axis=1) - outcomes
    ones, seen = ones - np.take_along_axis(ones, first, axis=1), index - first
    right = np.where(outcomes == 1, ones, seen - ones) + virtual
    known = seen + 2 * virtual
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.log2(np.where(known > 0, right / known, 0.5)).sum(axis=1)


def _normal(config: Config, outcomes: Floats) -> Floats:
    """Section 2.7.2: codes for normal distributions with unknown mean."""
    n, means = outcomes.shape[1], outcomes.mean(axis=1)
    squares = ((outcomes - means[:, None]) ** 2).sum(axis=1) / (2 * config.sigma**2)
    best = n * math.log2(math.sqrt(2 * math.pi) * config.sigma) + squares / LN2
    if config.code == "ml":
        return best
    if config.code == "nml":
        return np.where(np.abs(means) <= config.bound, best + complexity(config, n), math.inf)
    if config.code == "meta":  # Eq. 2.34: log K is encoded as an integer, and the smallest that will do is the cheapest
        with np.errstate(divide="ignore"):
            log_k = np.maximum(1, np.ceil(np.log2(np.abs(means))))
        return best + log_k + complexity(replace(config, bound=1.0), n) + 2 * np.log2(log_k) + 1
    raise ValueError(f"there is no code {config.code} for normal distributions")
