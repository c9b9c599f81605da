"""Character-level networks whose weights are known, against the oracle of karpathy2015."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel, learnt
from claims.experiments.truncated_updates import ASTRAY, some_text, trajectory, untrained, updates_astray, with_config
from claims.oracles import karpathy2015 as oracle
from repro import (
    Experiment,
    Measurements,
    Setting,
    cases,
    from_uniform,
)

NETWORKS: tuple[dict[str, Any], ...] = (
    {"cell": "lstm", "layers": 2, "hidden": 3, "vocabulary": 5, "dropout": 0.5},
    {"cell": "gru", "layers": 3, "hidden": 2, "vocabulary": 3},
    {"cell": "rnn", "layers": 2, "hidden": 4, "vocabulary": 6},
    {"cell": "lstm", "layers": 1, "hidden": 64, "vocabulary": 96},
    {"cell": "gru", "layers": 1, "hidden": 40, "vocabulary": 96},
    {"cell": "rnn", "layers": 1, "hidden": 96, "vocabulary": 96, "dropout": 0.3},
)
"""What is read by; the last three are as large as what is trained elsewhere."""


def drawn_writer(
    implementation: CharacterModel, setting: Setting, rng: np.random.Generator, scale: float
) -> tuple[Any, dict[str, NDArray[np.float64]]]:
    """A network of drawn weights, whose size falls with the number that are added up."""
    state = untrained(implementation, setting)
    size = scale / np.sqrt(setting.config.hidden)
    state = {name: (size * rng.normal(size=array.shape)).astype(array.dtype) for name, array in state.items()}
    return implementation.restore(setting.config, state, device=setting.device), learnt(setting.config, state)


def cell_scores(implementation: CharacterModel, setting: Setting) -> Measurements:
    """Log-probabilities while texts are read by networks of drawn weights, as a share of their size where above 1.

    Texts of one character and of 110, one at a time and four; and weights so large that every gate is shut or open.
    """
    rng, found, wanted = np.random.default_rng(setting.seed), list[Any](), list[Any]()
    for network in NETWORKS:
        own = with_config(setting, **network)
        for scale, streams, length in ((0.8, 4, 110), (2.0, 1, 12), (0.8, 3, 1), (12.0, 2, 3)):
            reader, weights = drawn_writer(implementation, own, rng, scale)
            texts = rng.integers(0, own.config.vocabulary, (streams, length))
            stream = reader.start(streams)
            scores = np.stack([stream.step(column) for column in np.ascontiguousarray(texts.T)]).astype(np.float64)
            due, _, _ = oracle.forward(own.config.cell, weights, texts, oracle.zeros(weights, streams))
            size = np.maximum(1.0, np.abs(due))
            found.append((oracle.log_softmax(scores) / size).ravel())
            wanted.append((due / size).ravel())
    return {"scores": cases(np.concatenate(found), np.concatenate(wanted), "1")}


SEEDS = (0, 1, 2, 4, 10, 256, 1_000, 65_536)
"""Any two must differ, also to what keeps a few of a seed's bits or digits alone."""


def starts(implementation: CharacterModel, setting: Setting) -> Measurements:
    """The weights that training begins with, over seeds, cells and bounds.

    Measures:
        likely: p-values of uniform weights, by array.
        open: by how much biases of forget gates are off the config's, beyond its bound.
        related: correlations between seeds and between arrays, and of all weights of any two seeds, in standard errors.
        again: how far a network of the same seed is from itself, after two updates.
    """
    likely, related, opened, again = list[float](), list[float](), list[float](), list[float]()
    for number, (cell, init, bias) in enumerate(
        (("lstm", 0.08, 1.0), ("lstm", 0.3, 2.5), ("gru", 0.1, 1.0), ("rnn", 0.5, 1.0))
    ):
        own = with_config(
            setting, cell=cell, init=init, forget_bias=bias, hidden=12, vocabulary=20, layers=2, batch=2, unroll=3
        )
        drawn = [learnt(own.config, untrained(implementation, own, seed + 3 * number)) for seed in SEEDS]
        together = {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}
        if cell == "lstm":
            n = own.config.hidden
            for layer in (1, 2):
                names = [name for name in (f"b {layer}", f"b_x {layer}", f"b_h {layer}") if name in together]
                gate = sum(together[name][:, n : 2 * n] for name in names)
                opened += (np.abs(gate - bias) - init).ravel().tolist()
                together |= {name: np.delete(together[name], np.s_[n : 2 * n], axis=1) for name in names}
        likely += [from_uniform(values, -init, init) for values in together.values()]
        flat = [values.reshape(8, -1) for values in together.values()]
        pairs = [(values[:-1], values[1:]) for values in flat]
        pairs += [(a, b) for a, b in combinations(flat, 2) if a.shape == b.shape]
        pairs += combinations(np.concatenate(flat, axis=1), 2)
        with np.errstate(all="ignore"):  # of constants
            found = [np.corrcoef(a.ravel(), b.ravel())[0, 1] * a.size**0.5 for a, b in pairs]
        related += np.nan_to_num(np.abs(found), nan=np.inf).tolist()
        short = with_config(own, epochs=1, dropout=0.3)
        ends = [trajectory(implementation, short, some_text(own.config, 2, 0), 3, 2) for _ in range(2)]
        again += (
            [float(np.abs(ends[0][-1][name] - ends[1][-1][name]).max()) for name in drawn[0]] if ends[0] else [np.inf]
        )
    return {
        "likely": cases(likely, 1e-6, "1"),
        "open": cases(opened, 1e-6, "1"),
        "related": cases(related, 5.0, "standard errors"),
        "again": cases(again, 0, "1"),
    }


@dataclass(frozen=True)
class CharacterUpdates(Experiment):
    """Every update of some epochs of two chunks, against the equations, for all arrays; none is left out.

    Of networks with some fields replaced, such as a clip that bites, up to the first whose updates are astray. The
    fields may say "chunks" and "entries" for one network.
    """

    networks: tuple[tuple[tuple[str, Any], ...], ...]
    chunks: int = 2
    entries: int = 6

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """How far each update leads astray, as a share of how far it leads."""
        found: list[float] = []
        for number, fields in enumerate(self.networks):
            replaced = dict(fields)
            chunks, entries = replaced.pop("chunks", self.chunks), replaced.pop("entries", self.entries)
            own, seed = with_config(setting, **replaced), 10 * setting.seed + number
            text = some_text(own.config, chunks, seed)
            weights = trajectory(implementation, own, text, seed, own.config.epochs * chunks)
            found += updates_astray(own.config, text, weights, entries)
            if max(found) > ASTRAY:
                break
        return {"updates": cases(found, 0, "1")}
