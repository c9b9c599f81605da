"""Codes for words, integers and a few coins against their definitions: every word, every short sequence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np

from claims.experiments.grunwald2004 import DescriptionLengths, lengths_by
from claims.oracles import grunwald2004 as oracle
from repro import Measurements, Setting, cases, scalar

COINS = ("ml", "two-part", "bayes", "nml")


def clashes(words: list[str]) -> int:
    """How many words are no words of "0" and "1", or are the beginning of another one or the same."""
    wrong = sum(bool(set(word) - {"0", "1"}) for word in words)
    return wrong + sum(longer.startswith(word) for word, longer in pairwise(sorted(words)))


def prefix_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Words for drawn distributions, proper, defective and of powers of two, of one thing, and of all sequences."""
    rng, tree, n = np.random.default_rng(setting.seed), [1.0], 11
    for _ in range(40):
        half = tree.pop(int(rng.integers(len(tree)))) / 2
        tree += [half, half]
    drawn = [rng.dirichlet(np.full(size, peak)) for size in (2, 3, 17, 60) for peak in (0.2, 1.0, 50.0)]
    steep = rng.permutation(0.5 ** np.array([*range(1, 80), 79]))
    tosses = 2.0 ** -lengths_by(codes, setting.config, oracle.sequences(n), "plug-in")
    given = (*drawn, 0.6 * drawn[5], steep, rng.permutation(tree), np.ones(1), tosses)
    given = [[float(p) for p in one if p > 1e-300] for one in given]
    found = [codes.codewords(one) for one in given]
    lengths, saved = [len(word) for words in found for word in words], n - np.array([*map(len, found[-1])])
    return {
        "lengths": cases(lengths, [oracle.word_length(p) for one in given for p in one], "bit"),
        "clashes": cases([clashes(words) for words in found], 0, "words"),
        "shares": cases([(saved > k).mean() for k in range(n)], 0.5 ** np.arange(n), "1"),
        "most saved": cases([saved.max()], 1, "bit"),
    }


def integer_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Words of the first 600 integers, of those around powers of two up to 2**62, and of drawn ones."""
    edges = [2**m + more for m in range(10, 62) for more in (-1, 0, 1)]
    far = 2 ** np.random.default_rng(setting.seed).uniform(9, 40, 200)
    numbers = sorted({*range(1, 601), *edges, *far.astype(int).tolist()})
    words, wanted = [codes.integer_codeword(number) for number in numbers], [*map(oracle.integer_length, numbers)]
    return {
        "lengths": cases([len(word) for word in words], wanted, "bit"),
        "zeros": cases([len(word) - len(word.lstrip("0")) for word in words], np.array(wanted) // 2, "bit"),
        "clashes": cases([clashes(words)], 0, "words"),
    }


def few_coins(setting: Setting) -> list[Any]:
    """The config's coins, and drawn ones, of which some always fall on one side, and some have no weight."""
    rng, own = np.random.default_rng(setting.seed), setting.config
    one = replace(own, thetas=(float(rng.uniform(0.1, 0.9)),))
    four = replace(own, thetas=tuple(rng.uniform(0.02, 0.98, 4).tolist()))
    weights = (0.0, *rng.dirichlet(np.ones(4)).tolist())
    sided = replace(own, thetas=(*rng.random(3).tolist(), 0.0, 1.0), prior=weights)
    return [own, one, four, sided, replace(own, prior=tuple(rng.dirichlet(np.ones(len(own.thetas))).tolist()))]


def coin_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Lengths of all short sequences by the codes for a few coins, and how the codes compare."""
    found, wanted, gaps, regrets = [], [], [], []
    for config, n in product(few_coins(setting), (1, 4, 8)):
        outcomes = oracle.sequences(n)
        prior = config.prior or [1 / len(config.thetas)] * len(config.thetas)
        own = {code: lengths_by(codes, config, outcomes, code) for code in COINS}
        right = [oracle.coins(x, config.thetas, prior) for x in outcomes.tolist()]
        found += [length for code in COINS for length in own[code]]
        wanted += [one[code] for code in COINS for one in right]
        possible = np.isfinite(own["two-part"])
        gaps += (own["bayes"][possible] - own["two-part"][possible]).tolist()
        if config == setting.config:
            regrets += (own["two-part"] - own["ml"]).tolist()
    return {
        "lengths": cases(found, wanted, "bit"),
        "bayes over two-part": cases(gaps, 0, "bit"),
        "regret": cases(regrets, np.log2(len(setting.config.thetas)), "bit"),
    }


def minimax(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """NML over all sequences: its probabilities' sum, its regrets, and the largest regrets of other codes."""
    models = [(config, ("two-part", "bayes")) for config in few_coins(setting)[:3]]
    models.append((replace(setting.config, family="chains", thetas=()), ("plug-in", "two-part")))
    totals, regrets, wanted, stated, right, others, least = [], [], [], [], [], [], []
    for (config, rest), n in product(models, (1, 2, 5, 11)):
        outcomes = oracle.sequences(n)
        ml, nml = (lengths_by(codes, config, outcomes, code) for code in ("ml", "nml"))
        totals.append((2.0**-nml).sum())
        stated.append(codes.complexity(config, n))
        right.append(oracle.complexity(n, config.thetas))
        regrets += (nml - ml).tolist()
        wanted += [right[-1]] * len(nml)
        others += [(lengths_by(codes, config, outcomes, code) - ml).max() for code in rest]
        least += [right[-1] - 1e-9] * len(rest)
    return {
        "totals": cases(totals, 1, "1"),
        "regrets": cases(regrets, wanted, "bit"),
        "complexities": cases(stated, right, "bit"),
        "regrets of others": cases(others, least, "bit"),
    }


def coin_complexity(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """COMP_n of all coins, up to a million outcomes; its distance from Eq. 2.21 in units of 1 / sqrt(n)."""
    rng = np.random.default_rng(setting.seed)
    numbers = [1, 2, 3, *rng.integers(4, 3000, 12).tolist(), 10_000, int(rng.integers(20_000, 100_000)), 1_000_000]
    found = np.array([codes.complexity(setting.config, n) for n in numbers])
    beside = found - 0.5 * np.log2(numbers)
    return {
        "complexity": cases(found, [oracle.complexity(n) for n in numbers], "bit"),
        "rest": cases(np.abs(beside - oracle.coin_constant()) * np.sqrt(numbers), 1, "bit"),
        "constant": scalar(beside[-1], "bit"),
    }


def finite_complexity(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """COMP_n of a few coins as n grows: its values, its steps up to log M, and how far from it the config's ends."""
    numbers, models = [1, 2, 3, 5, 20, 100, 500, 2000, 6000], few_coins(setting)[:3]
    found = np.array([[codes.complexity(config, n) for n in numbers] for config in models])
    wanted = np.array([[oracle.complexity(n, config.thetas) for n in numbers] for config in models])
    most = np.log2([len(config.thetas) for config in models])
    return {
        "complexity": cases(found.ravel(), wanted.ravel(), "bit"),
        "steps": cases(np.diff(np.column_stack([found, most])).ravel(), 0, "bit"),
        "last": cases([found[0, -1]], most[0], "bit"),
    }
