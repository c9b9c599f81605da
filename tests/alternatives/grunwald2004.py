"""The codes written a second time: by counting in dictionaries, by cumulated chances, and by Bayes' integrals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf, log, log2, pi
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import betaln


@dataclass(frozen=True, kw_only=True)
class Config:
    family: str = "chains"
    code: str = "plug-in"
    thetas: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    order: int = 0
    start: tuple[int, ...] = ()
    virtual: float = 0.5
    sigma: float = 1.0
    bound: float = 1.0


NINE = Config(family="coins", thetas=tuple(tenths / 10 for tenths in range(1, 10)))
CONFIGS = {"nine-coins": NINE, "coin": Config(), "chain": Config(thetas=(0.3,)), "normal": Config(family="normal")}


def codewords(probabilities: Sequence[float]) -> list[str]:
    """Shannon's: the first digits of the sum of all larger probabilities."""
    words, total = [""] * len(probabilities), Fraction(0)
    for p, place in sorted(((p, place) for place, p in enumerate(probabilities)), reverse=True):
        bits = next(bits for bits in range(1100) if Fraction(p) * 2**bits >= 1)
        words[place] = format(int(total * 2**bits), f"0{bits}b") if bits else ""
        total += Fraction(p)
    return words


def integer_codeword(number: int) -> str:
    """The uniform code begins with the largest number."""
    m = len(bin(number - 1)) - 2 if number > 1 else 0
    return "0" * m + "1" + "".join(str(1 - (number - 1 >> digit & 1)) for digit in range(m))


def simulate(config: Config, times: Sequence[int], *, seed: int) -> Any:
    """One outcome after the other."""
    rng, path = np.random.RandomState(seed % 2**32), list(config.start)
    last = max(times)
    while len(path) <= last:
        before = path[len(path) - config.order :]
        path.append(rng.binomial(1, config.thetas[sum(x << i for i, x in enumerate(reversed(before)))]))
    return np.array([path[time] for time in times])


def complexity(config: Config, n: int) -> float:
    """Sums of binomial chances."""
    if config.family == "normal":
        return log2(2 * config.bound * (n / (2 * pi)) ** 0.5 / config.sigma)
    ones = np.arange(n + 1)
    return float(np.log2(np.max([stats.binom.pmf(ones, n, p) for p in config.thetas or [ones / n]], axis=0).sum()))


def code_lengths(config: Config, outcomes: Any) -> Any:
    """Bits, one sequence after the other."""
    lengths = {"coins": _coins, "chains": _chains, "normal": _normal}[config.family]
    nml = complexity(config, outcomes.shape[1]) if config.code == "nml" else 0
    return np.array([lengths(config, row) + nml for row in outcomes.tolist()])


def _coins(config: Config, x: list[int]) -> float:
    each = [p ** sum(x) * (1 - p) ** (len(x) - sum(x)) for p in config.thetas]
    weighted = [p * w for p, w in zip(each, config.prior or [1 / len(each)] * len(each), strict=True)]
    p = {"two-part": max(weighted), "bayes": sum(weighted)}.get(config.code, max(each))
    return -log2(p) if p else inf


def _chains(config: Config, x: list[int]) -> float:
    k, n, a, state, counts = config.order, len(x), config.virtual, 0, Counter[int]()
    for i, outcome in enumerate(x):
        state = state % 2**k * 2 + outcome
        counts[state] += i >= k
    pairs = [(counts[2 * s], counts[2 * s + 1]) for s in {state // 2 for state in counts}]
    if config.code == "plug-in" and not a:
        return k + (inf if any(zeros and ones for zeros, ones in pairs) else len(pairs))
    if config.code == "plug-in":  # integrals under the prior Beta(virtual, virtual)
        return k + sum(betaln(a, a) - betaln(zeros + a, ones + a) for zeros, ones in pairs) / log(2)
    best = sum(c * log2((zeros + ones) / c) for zeros, ones in pairs for c in (zeros, ones) if c)
    if config.code == "two-part":
        return best + k + (1 + log2(k**2) if k else 3) + 2**k * log2(n + 1)
    if config.code == "eq-2.8":
        return best + 1 + log2(k**2) + k * log2(n + 1)
    return best + 2 ** (k - 1) * log2(n) * (config.code == "eq-2.9")


def _normal(config: Config, x: list[float]) -> float:
    mean = sum(x) / len(x)
    ml, m = -float(stats.norm.logpdf(x, mean, config.sigma).sum()) / log(2), ceil(log2(max(abs(mean), 2)))
    if config.code == "meta":
        return ml + 0.5 * log2(len(x) / (2 * pi)) - log2(config.sigma) + 2 + m + 2 * log2(m)
    return inf if config.code == "nml" and abs(mean) > config.bound else ml
