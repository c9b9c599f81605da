"""Codes of the minimum description length principle: cases worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from reference import grunwald2004 as mdl

COIN, CHAIN, NORMAL, COINS = (mdl.CONFIGS[name] for name in ("coin", "chain", "normal", "nine-coins"))


def test_words_of_examples():
    """Sections 2.2.1 and 2.2.2: the code of a, b and c; integers; nothing is said where only one thing can be."""
    assert mdl.codewords([0.5, 0.25, 0.25]) == ["0", "10", "11"]
    assert mdl.codewords([0.25, 0.1, 0.6]) == ["10", "1100", "0"]
    assert mdl.codewords([1.0]) == [""]
    assert [mdl.integer_codeword(k) for k in (1, 2, 3, 4, 5)] == ["1", "011", "00110", "00111", "0001100"]


def test_lengths_of_one_sequence():
    """Of 0 0 1 by chains of order 1: in state 0 one 0 and one 1 were seen, so the likeliest takes two bits."""
    outcomes = np.array([[0, 0, 1]])
    lengths = {
        code: float(mdl.code_lengths(replace(CHAIN, order=1, code=code), outcomes)[0])
        for code in ("ml", "two-part", "eq-2.8", "eq-2.9", "plug-in")
    }
    assert lengths == pytest.approx(
        {"ml": 2, "two-part": 2 + 1 + 1 + 4, "eq-2.8": 2 + 1 + 2, "eq-2.9": 2 + math.log2(3), "plug-in": 1 + 1 + 2}
    )


def test_complexity_of_two_tosses():
    """00 and 11 have probability 1 in hindsight, 01 and 10 a quarter: log 2.5; and Laplace's rule gives 1/3 to 00."""
    assert mdl.complexity(COIN, 2) == pytest.approx(math.log2(2.5))
    laplace = replace(COIN, code="plug-in", virtual=1.0)
    assert mdl.code_lengths(laplace, np.array([[0, 0], [0, 1]])) == pytest.approx(np.log2([3, 6]))


def test_normal_codes_have_words_up_to_the_bound():
    """One number at the bound has a word, and any within the bound as many bits; beyond it there is none."""
    found = mdl.code_lengths(replace(NORMAL, bound=3.0), np.array([[3.0], [-3.0], [3.1]]))
    assert found == pytest.approx([math.log2(6), math.log2(6), math.inf])


def test_chains_begin_as_they_are_to_and_repeat():
    """The starting state comes first, seeds differ, and sure chances leave no choice."""
    sure = replace(CHAIN, order=2, thetas=(1.0, 0.0, 0.0, 1.0), start=(0, 1))
    assert mdl.simulate(sure, range(6), seed=3).tolist() == [0, 1, 0, 0, 1, 0]
    assert mdl.simulate(sure, [1, 4], seed=3).tolist() == [1, 1]
    assert not np.array_equal(*(mdl.simulate(CHAIN, range(50), seed=seed) for seed in (1, 2)))


def test_codes_of_another_family_are_refused():
    """NML of chains that remember something, and codes that a family does not have."""
    for config in (replace(CHAIN, code="nml"), replace(NORMAL, code="bayes"), replace(COINS, code="meta")):
        with pytest.raises(ValueError, match="there is no code"):
            mdl.code_lengths(config, np.zeros((1, 3), dtype=np.int64))
