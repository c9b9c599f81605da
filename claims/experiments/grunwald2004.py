"""What the tutorial asks of an implementation, and experiments on sequences that the suite draws or reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Experiment, Measurements, Setting, curve, scalar
from repro.task import Simulator

Array = NDArray[Any]
ORDER = 3  # of the chains that are drawn
LETTER = 7  # bits of a character


class DescriptionLengths(Simulator, Protocol):
    """The contract: codes, and lengths of sequences by codes, in bits. Nothing is trained, and there is no state.

    The config's `code` is one of these, of its `family`:

    - "coins", of chances `thetas` and weights `prior` (uniform if empty): "ml", "two-part" (Eq. 2.14), "bayes" (2.12),
      "nml" (2.18);
    - "chains", of `order` k: "ml", the likeliest chain's length of what follows its starting state; "two-part", 2 log k
      + 1 bits for k (3 if it is 0), k for the starting state, log(n + 1) for each of 2**k parameters, and "ml";
      "plug-in" (2.28 to 2.31, lambda is `virtual`, 0 / 0 is 1/2), after k bits for that state; "nml" of order 0;
      "eq-2.8" as printed, for k >= 1; "eq-2.9" with 2**k for k and no constant;
    - "normal", of deviation `sigma`: "ml"; "nml" for |mean| up to K, which is `bound`, and infinite beyond; "meta"
      (2.34), with K = 2, 4, 8, ... at least |mean|.

    `simulate` gives outcomes of a chain at ascending places from 0. It begins with `start`, k outcomes; `thetas` are
    chances of a 1 after each state, whose number is its outcomes in binary, the earliest first.
    """

    def codewords(self, probabilities: Sequence[float]) -> list[str]:
        """Words of "0" and "1" of the prefix code for positive probabilities (Figure 2.1)."""
        ...

    def integer_codeword(self, number: int) -> str:
        """The word of a positive integer below 2**63 (Example 2.4)."""
        ...

    def code_lengths(self, config: Any, outcomes: Array) -> Array:
        """Bits of each sequence [N]: of outcomes 0 and 1, or of real numbers for normal distributions, [N, n]."""
        ...

    def complexity(self, config: Any, n: int) -> float:
        """COMP_n of coins, of chains of order 0 (all coins), and of normal distributions with means up to K."""
        ...


def lengths_by(codes: DescriptionLengths, config: Any, outcomes: Array, code: str) -> Array:
    """Bits of each sequence [N] by a code, which is asked twice, for one half of them each."""
    halves, own = np.array_split(outcomes, min(2, len(outcomes))), replace(config, code=code)
    return np.concatenate([np.asarray(codes.code_lengths(own, half), dtype=float) for half in halves])


def chains(order: int, rows: int, rng: np.random.Generator) -> Array:
    """Chances of a 1 after each state of some chains, for which all of its outcomes matter, [rows, 2**order]."""
    low = rng.uniform(0.15, 0.35, (rows, 2**order))
    if not order:
        return low
    flipped = rng.integers(0, 2, (rows, 2 ** (order - 1)))
    return np.where(np.concatenate([flipped, 1 - flipped], 1), 1 - low, low)  # the earliest outcome turns it round


def drawn(thetas: Array, n: int, rng: np.random.Generator) -> Array:
    """A sequence of each chain, [rows, n], which starts with fair tosses."""
    rows, states = thetas.shape
    found, uniform, state = np.zeros((n, rows), np.int64), rng.random((n, rows)), np.zeros(rows, np.int64)
    for i in range(n):
        found[i] = uniform[i] < (thetas[np.arange(rows), state] if 2**i >= states else 0.5)
        state = (2 * state + found[i]) % states
    return found.T.copy()


def by_order(codes: DescriptionLengths, config: Any, outcomes: Array, highest: int) -> Array:
    """Bits of each sequence by chains of each order, [highest + 1, N]."""
    return np.array([lengths_by(codes, replace(config, order=k), outcomes, config.code) for k in range(highest + 1)])


@dataclass(frozen=True, kw_only=True)
class OrderChoice(Experiment):
    """Which order the shortest code length picks, for sequences of chains of order 3, each of another chain."""

    n: int = 1000
    highest: int = 10
    repeats: int = 30

    def __call__(self, codes: DescriptionLengths, setting: Setting) -> Measurements:
        """Shares of sequences for which the true and the highest order are picked, and the mean length by order."""
        rng = np.random.default_rng(setting.seed)
        lengths = by_order(codes, setting.config, drawn(chains(ORDER, self.repeats, rng), self.n, rng), self.highest)
        picked = np.where(np.isnan(lengths).any(0), -1, lengths.argmin(0))
        mean = lengths.mean(1) / self.n
        return {
            "right": scalar((picked == ORDER).mean(), "1", better="higher"),
            "highest": scalar((picked == self.highest).mean(), "1"),
            "length": curve(range(self.highest + 1), mean, unit="bit/outcome", x_unit="order", better="lower"),
            **{
                name: scalar(mean[k], "bit/outcome")
                for name, k in (("at 0", 0), ("at 3", ORDER), ("at the highest", -1))
            },
        }


@dataclass(frozen=True, kw_only=True)
class RegretGrowth(Experiment):
    """How the regret of a code for chains grows with the outcomes that are read of sequences from such chains."""

    lengths: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192)
    repeats: int = 8

    def __call__(self, codes: DescriptionLengths, setting: Setting) -> Measurements:
        """Bits of regret for each doubling, and bits for each outcome at the end."""
        config, rng = setting.config, np.random.default_rng(setting.seed)
        read = drawn(chains(config.order, self.repeats, rng), self.lengths[-1], rng)
        own, likely = (
            np.array([lengths_by(codes, config, read[:, :n], code).mean() for n in self.lengths])
            for code in (config.code, "ml")
        )
        return {
            "slope": scalar(np.polyfit(np.log2(self.lengths), own - likely, 1)[0], "bit"),
            "regret": curve(self.lengths, own - likely, unit="bit", x_unit="outcomes"),
            "length": scalar(own[-1] / self.lengths[-1], "bit/outcome", better="lower"),
        }


@dataclass(frozen=True, kw_only=True)
class OrderOfText(Experiment):
    """Which order is picked for more and more of a text's bits, the binary digits of tokens. Seeds begin elsewhere."""

    lengths: tuple[int, ...] = (500, 2000, 8000, 32_000)
    highest: int = 20

    def __call__(self, codes: DescriptionLengths, setting: Setting) -> Measurements:
        """The order picked at each length, whether in the end nothing is likelier than the highest, and bits."""
        tokens, characters = setting.dataset.train.tokens, -(-self.lengths[-1] // LETTER)
        start = np.random.default_rng(setting.seed).integers(len(tokens) - characters)
        bits = (tokens[start : start + characters, None] >> np.arange(LETTER)[::-1] & 1).reshape(1, -1)
        own = np.array([by_order(codes, setting.config, bits[:, :n], self.highest)[:, 0] for n in self.lengths])
        likely = by_order(codes, replace(setting.config, code="ml"), bits[:, : self.lengths[-1]], self.highest)
        orders = own.argmin(1)
        return {
            "order": curve(self.lengths, orders, unit="1", x_unit="outcomes"),
            "first order": scalar(orders[0], "1"),
            "last order": scalar(orders[-1], "1"),
            "highest order": scalar(self.highest, "1"),
            "overfitted": scalar(float(likely[-1, 0] <= likely.min()), "1"),
            "length": scalar(own[-1].min() / self.lengths[-1], "bit/outcome", better="lower"),
        }
