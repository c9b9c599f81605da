"""Codes for chains and for normal distributions against the oracle, on drawn sequences."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from claims.experiments.grunwald2004 import Array, DescriptionLengths, chains, drawn, lengths_by
from claims.oracles import grunwald2004 as oracle
from repro import Measurements, Setting, cases

NO_WORD = 1e9  # bits that stand for infinitely many, which are not kept
CHAINS = ("ml", "two-part", "eq-2.9", "plug-in")
SIZES = ((0, 1), (0, 30), (1, 2), (1, 40), (2, 25), (2, 8192), (3, 1000), (4, 5), (9, 400), (10, 1000), (20, 500))


def sources(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """How often a 1 follows each state of chains and two seeds agree, in standard errors; paths of sure chains."""
    rng, off, sure, n = np.random.default_rng(setting.seed), [], [], 20_000
    for order, step in ((0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (1, 3)):
        thetas, fixed, path = (
            rng.uniform(0.1, 0.9, 2**order),
            rng.random(2**order).round(),
            [*rng.integers(0, 2, order)],
        )
        config = replace(setting.config, order=order, thetas=tuple(thetas.tolist()), start=tuple(map(int, path)))
        places, seeds = range(0, n * step, step), rng.integers(2**31, size=2).tolist()
        one, two = (np.asarray(codes.simulate(config, places, seed=seed)) for seed in seeds)
        table = np.linalg.matrix_power(np.stack([1 - thetas, thetas], 1), step)[:, 1] if step > 1 else thetas
        found, states = oracle.visits(one.tolist(), order), [*product((0, 1), repeat=order)]
        pairs = [(found.get(state, [99]), chance) for state, chance in zip(states, table, strict=True)]
        pairs += [((one == two).tolist(), thetas[0] ** 2 + (1 - thetas[0]) ** 2)] * (not order)
        off += [(sum(after) - len(after) * p) / np.sqrt(len(after) * p * (1 - p)) for after, p in pairs]
        while len(path) < 30:
            path.append(int(fixed[states.index(tuple(path[len(path) - order :]))]))
        config = replace(config, thetas=tuple(fixed.tolist()))
        sure.append(np.mean(np.asarray(codes.simulate(config, range(30), seed=0)) == path))
    return {"frequencies": cases(off, 0, "standard errors"), "paths": cases(sure, 1, "1")}


def chain_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Lengths of drawn sequences by all codes; the cost of parameters by Eq. 2.8, against log of how many there are."""
    rng, found, wanted, last, parameters, apart = np.random.default_rng(setting.seed), [], [], [], [], []
    for order, n in SIZES:
        virtual = float(rng.uniform(0.2, 2))
        config = replace(setting.config, order=order, virtual=virtual)
        outcomes = drawn(chains(3, 4, rng), n, rng)
        right = [oracle.chain(x, order, virtual) for x in outcomes.tolist()]
        for code in CHAINS + ("eq-2.8",) * (order > 0):
            lengths = lengths_by(codes, config, outcomes, code)
            found += lengths.tolist()
            wanted += [one[code] for one in right]
            if code == "eq-2.8":
                parameters.append(lengths[0] - right[0]["ml"])
                apart.append(2**order * np.log2(n + 1))
        last += lengths_by(codes, replace(config, order=min(n, 12) - 1), outcomes[:, :12], "ml").tolist()
    return {
        "lengths": cases(found, wanted, "bit"),
        "last": cases(last, 0, "bit"),
        "parameters": cases(parameters, apart, "bit"),
    }


def plug_in_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Plug-in codes against Bayes' mixtures, as codes of all sequences, and with nothing added to what was seen."""
    rng, found, wanted, totals = np.random.default_rng(setting.seed), [], [], []
    for order, (virtual, prior) in product((0, 1, 3), ((1.0, "uniform"), (0.5, "jeffreys"))):
        config = replace(setting.config, order=order, virtual=virtual)
        outcomes = rng.integers(0, 2, (6, 30)) & rng.integers(0, 2, (6, 1))
        found += lengths_by(codes, config, outcomes, "plug-in").tolist()
        wanted += [oracle.mixture(x, order, prior) for x in outcomes.tolist()]
        other = replace(config, virtual=float(rng.uniform(0.1, 3)))
        totals.append((2.0 ** -lengths_by(codes, other, oracle.sequences(9), "plug-in")).sum())
    unseen = np.concatenate([np.tile([0, 0, 1], (6, 1)), rng.integers(0, 2, (6, 20))], 1)
    ml_plug_in = replace(setting.config, order=0, virtual=0.0)
    never, once = (lengths_by(codes, ml_plug_in, x, "plug-in") for x in (unseen, np.repeat([[0], [1]], 7, 1)))
    return {
        "mixtures": cases(found, wanted, "bit"),
        "totals": cases(totals, 1, "1"),
        "nothing added": cases(2.0 ** -np.array([*never, *once]), [0.0] * 6 + [0.5] * 2, "1"),
    }


def against_nml(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """The plug-in code with half an outcome of each kind against NML, inside and at the edge."""
    rng, gaps, n = np.random.default_rng(setting.seed), {}, 10_000
    for length in (100, n):
        rows = [rng.permutation(np.arange(length) < share * length) for share in (0.1, 0.3, 0.5, 0.8, 0.9)]
        outcomes = np.array([*rows, np.zeros(length), np.ones(length)], dtype=np.int64)
        plug_in, nml = (lengths_by(codes, setting.config, outcomes, code) for code in ("plug-in", "nml"))
        gaps[length] = plug_in - nml
    return {
        "inside": cases(gaps[n][:5], 0, "bit"),
        "nearer": cases(np.abs(gaps[n][:5]), np.abs(gaps[100][:5]), "bit"),
        "edge": cases(gaps[n][5:], 0.5, "bit"),
    }


def _with_means(n: int, means: Array, sigma: float, rng: np.random.Generator) -> Array:
    """A sequence of n numbers for each mean, which it has exactly."""
    values = rng.normal(0, sigma, (len(means), n))
    return values - values.mean(1, keepdims=True) + means[:, None]


def normal_codes(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Lengths of drawn numbers by the codes for normal distributions, and the integral of what NML gives to pairs."""
    rng, found, wanted, stated, right, integrals = np.random.default_rng(setting.seed), [], [], [], [], []
    for n in (1, 2, 3, 50):
        sigma, bound = float(rng.uniform(0.2, 4)), float(rng.uniform(0.3, 20))
        config = replace(setting.config, sigma=sigma, bound=bound)
        outcomes = _with_means(n, bound * np.array([0.5, -0.97, 1.03, -3, rng.normal()]), sigma, rng)
        for code in ("ml", "nml"):
            found += np.minimum(lengths_by(codes, config, outcomes, code), NO_WORD).tolist()
            wanted += [min(oracle.normal(x, sigma, bound)[code], NO_WORD) for x in outcomes.tolist()]
        stated.append(codes.complexity(config, n))
        right.append(np.log2(2 * bound * np.sqrt(n) / (np.sqrt(2 * np.pi) * sigma)))
        middles, halves = bound * (np.arange(20) - 9.5) / 10, sigma * np.linspace(-8, 8, 161)
        pairs = np.stack(np.broadcast_arrays(middles[:, None] + halves, middles[:, None] - halves), 2).reshape(-1, 2)
        density = 2.0 ** -lengths_by(codes, config, pairs, "nml")
        integrals.append(2 * density.sum() * (bound / 10) * (sigma / 10))
    found += lengths_by(codes, replace(setting.config, bound=4.0), np.array([[4.0], [-4.0]]), "nml").tolist()
    wanted += [oracle.normal([4.0], setting.config.sigma, 4.0)["nml"]] * 2  # up to K, and K is included
    return {
        "lengths": cases(found, wanted, "bit"),
        "complexities": cases(stated, right, "bit"),
        "integrals": cases(integrals, 1, "1"),
    }


def meta_code(codes: DescriptionLengths, setting: Setting) -> Measurements:
    """Regret with an encoded bound on the mean; what Eq. 2.35 prints for |mean| > 1; for |mean| > 2, with 5 for 4."""
    rng, found, wanted, bounds, sizes = np.random.default_rng(setting.seed), [], [], [], []
    for n in (1, 7, 40):
        config = replace(setting.config, sigma=float(rng.uniform(0.2, 4)), bound=float(rng.uniform(0.3, 20)))
        sizes_of = np.array([0.0, *10 ** rng.uniform(-3, 6, 60), *10 ** rng.uniform(0.001, 1, 60)])
        outcomes = _with_means(n, means := sizes_of * rng.choice([-1, 1], 121), config.sigma, rng)
        meta, ml = (lengths_by(codes, config, outcomes, code) for code in ("meta", "ml"))
        right = [oracle.normal(x, config.sigma, 1.0) for x in outcomes.tolist()]
        found += (meta - ml).tolist()
        wanted += [one["meta"] - one["ml"] for one in right]
        bounds += [oracle.printed_bound(mean, n, config.sigma) if abs(mean) > 1 else np.nan for mean in means]
        sizes += np.abs(means).tolist()
    regret, bound, size = np.array(found), np.array(bounds), np.array(sizes)
    edges = np.array([[2.0], [-4.0], [8.0], [1024.0]])  # the next K would do as well, and takes more
    found += np.subtract(*(lengths_by(codes, setting.config, edges, code) for code in ("meta", "ml"))).tolist()
    wanted += [one["meta"] - one["ml"] for one in (oracle.normal(x, setting.config.sigma, 1.0) for x in edges.tolist())]
    return {
        "regret": cases(found, wanted, "bit"),
        "printed": cases(regret[size > 1], bound[size > 1], "bit"),
        "far": cases(regret[size > 2], bound[size > 2] + 1, "bit"),
    }
