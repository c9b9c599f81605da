"""Codes of the tutorial from their definitions: probabilities are multiplied out, lengths are in bits."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import ceil, factorial, frexp, inf, log2, nan, pi, prod, sqrt

import numpy as np
from numpy.typing import NDArray

Outcomes = Sequence[int]


def bits(probability: float) -> float:
    """Figure 2.2: the length of the codeword of what has this probability."""
    return -log2(probability) if probability > 0 else inf


def sequences(n: int) -> NDArray[np.int64]:
    """All sequences of n outcomes, [2**n, n]."""
    return np.array(list(product((0, 1), repeat=n)))


def word_length(probability: float) -> int:
    """Figure 2.1: -log P rounded up, read off the exponent of the floating-point number, so that nothing is rounded."""
    return 1 - frexp(probability)[1]


def integer_length(k: int) -> int:
    """Section 2.2.2, Example 2.4: as many zeros as the rounded logarithm says, a one, and as many bits again."""
    return 2 * next(m for m in range(99) if 2**m >= k) + 1


def coin(x: Outcomes, theta: float) -> float:
    """Section 2.3, Example 2.7: the probability of a sequence of tosses."""
    return prod(theta if outcome else 1 - theta for outcome in x)


def coins(x: Outcomes, thetas: Sequence[float], prior: Sequence[float]) -> dict[str, float]:
    """Section 2.5: lengths of one sequence by the codes for a few coins (Eqs. 2.11 to 2.14)."""
    each = [coin(x, theta) for theta in thetas]
    return {
        "ml": bits(max(each)),
        "two-part": min(bits(p) + bits(w) for p, w in zip(each, prior, strict=True)),
        "bayes": bits(sum(p * w for p, w in zip(each, prior, strict=True))),
        "nml": bits(max(each)) + complexity(len(x), thetas),
    }


def complexity(n: int, thetas: Sequence[float] = ()) -> float:
    """Eq. 2.17, over sequences with equally many ones together: of some coins, or, if none are given, of all coins."""
    from scipy import stats

    ones = np.arange(n + 1)
    chances = np.array([stats.binom.pmf(ones, n, theta) for theta in thetas or [ones / n]])
    return log2(chances.max(0).sum())


def coin_constant() -> float:
    """Eq. 2.21 for all coins, without (1/2) log n: the information is 1 / (theta (1 - theta)), of its root pi."""
    return 0.5 * log2(1 / (2 * pi)) + log2(pi)


def visits(x: Outcomes, k: int) -> dict[tuple[int, ...], list[int]]:
    """What followed each state of a chain of order k: the k outcomes before, and the outcomes after them in order."""
    found: dict[tuple[int, ...], list[int]] = {}
    for i in range(k, len(x)):
        found.setdefault(tuple(x[i - k : i]), []).append(x[i])
    return found


def chain(x: Outcomes, k: int, virtual: float) -> dict[str, float]:
    """Lengths of one sequence by codes for chains of order k (Eqs. 2.8, 2.9, 2.31); a starting state takes k bits."""
    n, after = len(x), visits(x, k)
    ml = sum(bits(coin([x_i], sum(seen) / len(seen))) for seen in after.values() for x_i in seen)
    past = [(seen[:i], seen[i]) for seen in after.values() for i in range(len(seen))]
    plug_in = sum(bits(coin([x_i], (sum(before) + virtual) / (len(before) + 2 * virtual))) for before, x_i in past)
    order = 2 * log2(k) + 1 if k else 3.0
    return {
        "ml": ml,
        "two-part": order + k + 2**k * log2(n + 1) + ml,
        "eq-2.8": 2 * log2(k) + 1 + k * log2(n + 1) + ml if k else nan,
        "eq-2.9": ml + 2**k / 2 * log2(n),
        "plug-in": k + plug_in,
    }


def mixture(x: Outcomes, k: int, prior: str) -> float:
    """Eq. 2.22: Bayes' length under the uniform or Jeffreys' prior, uniform in phi with theta = sin(phi)**2."""
    total = float(k)
    for seen in visits(x, k).values():
        ones, zeros = sum(seen), len(seen) - sum(seen)
        if prior == "uniform":
            found = float(Fraction(factorial(ones) * factorial(zeros), factorial(ones + zeros + 1)))
        else:
            angles = (np.arange(2 * len(seen) + 2) + 0.5) * pi / (2 * len(seen) + 2)  # enough for the integral itself
            found = float((np.sin(angles) ** (2 * ones) * np.cos(angles) ** (2 * zeros)).mean())
        total += bits(found)
    return total


def normal(x: Sequence[float], sigma: float, bound: float) -> dict[str, float]:
    """Section 2.7.2: lengths by the codes for normal distributions of one variance; NML for means up to the bound."""
    n, mean = len(x), sum(x) / len(x)
    ml = sum(log2(sqrt(2 * pi) * sigma) + (x_i - mean) ** 2 / (2 * sigma**2) / np.log(2) for x_i in x)
    widest = max(1, ceil(log2(abs(mean))) if mean else 1)
    regret = min(m + 0.5 * log2(n / (2 * pi)) - log2(sigma) + 1 + 2 * log2(m) for m in range(widest, widest + 9)) + 1
    nml = ml + log2(2 * bound * sqrt(n) / (sqrt(2 * pi) * sigma)) if abs(mean) <= bound else inf
    return {"ml": ml, "nml": nml, "meta": ml + regret}


def printed_bound(mean: float, n: int, sigma: float) -> float:
    """The third line of Eq. 2.35, as it is printed."""
    return log2(abs(mean)) + 2 * log2(log2(abs(mean))) + 0.5 * log2(n / (2 * pi)) - log2(sigma) + 4
