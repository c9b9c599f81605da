"""What character-level networks of drawn weights write at a temperature, against their equations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel
from claims.experiments.karpathy2015_exact import NETWORKS, drawn_writer
from claims.experiments.truncated_updates import with_config
from claims.oracles import karpathy2015 as oracle
from repro import Measurements, Setting, Weights, cases
from repro.task import Sequences


def sampled(implementation: CharacterModel, setting: Setting) -> Measurements:
    """What networks of drawn weights write after prompts of different lengths, against the equations.

    Measures:
        unlikely: p-values of a chi-squared test of the first two characters that are written, by temperature.
        greedy: characters at temperature 0 that are not the likeliest, or at 0.00001, or at another seed.
        same: texts of one seed that differ when written again, and seeds that give the same texts.
        heated: probabilities at a temperature against the equations', of scores of any size.
        cooler: by what the entropy falls as the temperature rises.
        ranks: pairs of characters in another order than their scores.
    """
    rng = np.random.default_rng(setting.seed)
    unlikely, greedy, same = list[float](), list[float](), list[float]()
    for network in NETWORKS[:3]:
        own = with_config(setting, **network)
        writer, weights = drawn_writer(implementation, own, rng, 3.0)
        prompts = [rng.integers(0, own.config.vocabulary, size).tolist() for size in (1, 2, 7)]
        for heat in (0.5, 1.0, 2.0):
            written = writer.generate(_prompts(prompts, 300), 2, temperature=heat, seed=int(heat * 10))
            unlikely += [_chance(own.config.cell, weights, p, written[k::3], heat) for k, p in enumerate(prompts)]
        lengthy = np.random.default_rng([setting.seed, 1]).integers(0, own.config.vocabulary, 40)
        longer = [*prompts, lengthy.tolist()]
        due = np.array([_likeliest(own.config.cell, weights, prompt, 150) for prompt in longer])
        for heat, seed in ((0.0, 1), (0.0, 2), (1e-5, 3)):
            greedy += (writer.generate(_prompts(longer, 1), 150, temperature=heat, seed=seed) != due).sum(1).tolist()
        hot = 5.0  # at which no network is so sure that two seeds may write the same
        texts = [writer.generate(_prompts(prompts, 5), 30, temperature=hot, seed=seed) for seed in (4, 4, 5)]
        same += [float((texts[0] != texts[1]).sum()), float((texts[0] == texts[2]).all())]
    return {
        "unlikely": cases(unlikely, 1e-6, "1"),
        "greedy": cases(greedy, 0, "characters"),
        "same": cases(same, 0, "1"),
        **_heated(implementation, rng),
    }


def _heated(implementation: CharacterModel, rng: np.random.Generator) -> Measurements:
    """Of `distribution`: 1,000 rows of scores, some equal, some far from nothing, multiples of 1/64 for float32."""
    scores = rng.normal(size=(1000, 7)) * 10.0 ** rng.integers(-2, 4, (1000, 1)) + 10.0 ** rng.integers(0, 3, (1000, 1))
    scores = np.round(64 * scores) / 64
    scores[::10, 3] = scores[::10, 2]
    heats, found, due = (1e-3, 0.1, 0.5, 1.0, 2.0, 100.0), list[Any](), list[Any]()
    for heat in heats:
        found.append(np.asarray(implementation.distribution(scores, heat), np.float64))
        due.append(oracle.at_temperature(scores, heat))
    with np.errstate(all="ignore"):
        entropy = [-np.sum(np.where(p > 0, p * np.log(p), 0), axis=1) for p in found]
    order = np.argsort(scores, axis=1)
    ranked = [np.diff(np.take_along_axis(p, order, 1), axis=1).min(1) for p in found]
    return {
        "heated": cases(np.ravel(found), np.ravel(due), "1"),
        "cooler": cases(np.diff(entropy, axis=0).ravel(), 0, "nats"),
        "ranks": cases(np.ravel(ranked), 0, "1"),
    }


def _prompts(prompts: Sequence[Sequence[int]], copies: int) -> Sequences:
    """Prompts one after the other, several times; beyond its length stands in each what must not be read."""
    longest = max(map(len, prompts))
    items = np.array([[*prompt, *[1] * (longest - len(prompt))] for prompt in prompts])
    lengths = np.array([len(prompt) for prompt in prompts])
    return Sequences(items=np.tile(items, (copies, 1)), lengths=np.tile(lengths, copies))


def _chance(cell: str, weights: Weights, prompt: Sequence[int], written: NDArray[np.int64], heat: float) -> float:
    """The p-value of pairs of characters [N, 2] that follow a prompt; 0 if one of them is none."""
    from scipy import stats

    vocabulary = len(weights["b_y"])
    if written.min() < 0 or written.max() >= vocabulary:
        return 0.0
    scores, states, _ = oracle.forward(cell, weights, np.array([prompt]), oracle.zeros(weights, 1))
    first = oracle.at_temperature(scores[-1, 0], heat)
    repeated = [(h.repeat(vocabulary, 0), c.repeat(vocabulary, 0)) for h, c in states]
    then, _, _ = oracle.forward(cell, weights, np.arange(vocabulary)[:, None], repeated)
    due = (first[:, None] * oracle.at_temperature(then[0], heat)).ravel() * len(written)
    seen = np.bincount(written[:, 0] * vocabulary + written[:, 1], minlength=vocabulary**2)
    rare = due < 5  # together, where a chi-squared test needs more
    groups = [np.append(each[~rare], each[rare].sum()) for each in (seen, due)]
    groups = [each[groups[1] > 0] for each in groups]
    return float(stats.chi2.sf(((groups[0] - groups[1]) ** 2 / groups[1]).sum(), max(1, len(groups[0]) - 1)))


def _likeliest(cell: str, weights: Weights, prompt: Sequence[int], length: int) -> list[int]:
    """The continuation whose every character is the likeliest."""
    read, states, written = np.array([prompt]), oracle.zeros(weights, 1), list[int]()
    for _ in range(length):
        scores, states, _ = oracle.forward(cell, weights, read, states)
        written.append(int(scores[-1, 0].argmax()))
        read = np.array([written[-1:]])
    return written
