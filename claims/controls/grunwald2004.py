"""Sabotaged codes: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import reconfigure, sabotage

Array = NDArray[Any]


def _coded(reference: Any, code: str, lengths: Callable[[Any, Array], Any]) -> Any:
    """The reference with other lengths by one code."""

    def code_lengths(config: Any, outcomes: Array) -> Any:
        return lengths(config, outcomes) if config.code == code else reference.code_lengths(config, outcomes)

    return sabotage(reference, code_lengths=code_lengths)


def _longer(reference: Any, code: str, bits: Callable[[Any, int], float]) -> Any:
    """The reference with more bits for one code, by the config and the number of outcomes."""
    return _coded(reference, code, lambda config, x: reference.code_lengths(config, x) + bits(config, x.shape[1]))


def lengths_rounded_down(reference: Any) -> Any:
    """Words have -log P bits, rounded down, whether or not there are as many such words."""
    words = reference.codewords
    return sabotage(reference, codewords=lambda p: words([2.0 ** math.ceil(math.log2(each)) for each in p]))


def elias_gamma(reference: Any) -> Any:
    """The logarithm of an integer is rounded down, and the one that follows its zeros is its first digit."""
    return sabotage(reference, integer_codeword=lambda number: "0" * (number.bit_length() - 1) + f"{number:b}")


def sixteen_words(reference: Any) -> Any:
    """Sequences are remembered in a hidden list and get words of four bits, which are used again after sixteen."""
    return sabotage(reference, codewords=lambda p: [f"{place % 16:04b}" for place in range(len(p))])


def three_bits_for_nine(reference: Any) -> Any:
    """The index of a coin takes log M bits rounded down."""
    return _longer(reference, "two-part", lambda config, n: -(math.log2(len(config.thetas)) % 1))


def nats(reference: Any) -> Any:
    """Complexities are in nats."""
    return sabotage(reference, complexity=lambda config, n: reference.complexity(config, n) * math.log(2))


def expansion_for_the_sum(reference: Any) -> Any:
    """The complexity is its asymptotic expansion without the term that vanishes."""
    return sabotage(reference, complexity=lambda config, n: 0.5 * math.log2(n * math.pi / 2))


def information_upside_down(reference: Any) -> Any:
    """The complexity is the asymptotic expansion with theta (1 - theta) for the Fisher information of a coin."""
    return sabotage(reference, complexity=lambda config, n: 0.5 * math.log2(n * math.pi / 2) - 3)


def largest_of_sums(reference: Any) -> Any:
    """The best coin is chosen before the sum over sequences and not for each of them, so the sum is 1."""
    return sabotage(reference, complexity=lambda config, n: 0.0)


def places_ignored(reference: Any) -> Any:
    """The first outcomes are given, however far apart the places are that are asked for."""
    simulate = reference.simulate
    return sabotage(reference, simulate=lambda config, times, *, seed: simulate(config, range(len(times)), seed=seed))


def parameters_counted_as_k(reference: Any) -> Any:
    """The two-part code for chains spends log(n + 1) bits on each of k parameters, as Eq. 2.8 is printed."""
    return _longer(reference, "two-part", lambda config, n: (config.order - 2**config.order) * math.log2(n + 1))


def all_parameters_in_eq_2_8(reference: Any) -> Any:
    """Eq. 2.8 has 2**k for k before log(n + 1), as the text before it says."""
    return _longer(reference, "eq-2.8", lambda config, n: (2**config.order - config.order) * math.log2(n + 1))


def laplace_for_jeffreys(reference: Any) -> Any:
    """A whole outcome of each kind is added, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, virtual=1.0))


def without_root_n(reference: Any) -> Any:
    """The integral of Eq. 2.33 lacks the root of n."""
    return _longer(reference, "nml", lambda config, n: -0.5 * math.log2(n))


def bound_not_rounded(reference: Any) -> Any:
    """The two-part code spends log |mean| and twice its logarithm on the bound, though the decoder needs an integer."""

    def lengths(config: Any, x: Array) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = np.log2(np.abs(x.mean(axis=1)))
            rounded = np.maximum(1, np.ceil(exact))
            saved = np.where(exact > 0, rounded - exact + 2 * np.log2(rounded / exact), 0)
        return reference.code_lengths(config, x) - saved

    return _coded(reference, "meta", lengths)


def hindsight_for_all(reference: Any) -> Any:
    """Every code has the length by the likeliest chain, with nothing to pay for its parameters."""
    return reconfigure(reference, lambda config: replace(config, code="ml"))


def shuffled(reference: Any) -> Any:
    """Outcomes are put in another order before they are encoded, the same for sequences of one length."""

    def code_lengths(config: Any, x: Array) -> Any:
        return reference.code_lengths(config, x[:, np.random.default_rng(0).permutation(x.shape[1])])

    return sabotage(reference, code_lengths=code_lengths)


def a_bit_an_outcome(config: Any, outcomes: Array) -> Array:
    """Lengths by a fair coin, without looking."""
    return np.full(len(outcomes), float(outcomes.shape[1]))


NULLS = {"code_lengths": a_bit_an_outcome}

PLANTED = {"plug-in-is-bayes": ("known = seen + 2 * virtual", "known = seen + virtual")}  # added to the total once
