"""What character-level language models have, and what they learn of a text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel, astray
from claims.oracles import karpathy2015 as oracle
from repro import (
    Carried,
    Experiment,
    Measurements,
    Setting,
    cases,
    first_tokens,
    scalar,
    train_language_model,
)


def counted(implementation: CharacterModel, setting: Setting) -> Measurements:
    """Parameters by `shapes`; how far they are from the equations' with one bias or two; growth of the recurrence.

    Measures:
        parameters: how many there are.
        missing: how many too few or too many.
        growth: of multiply-adds between steps where `hidden` is doubled, as a factor.
        total: the same of all weights, for 2, 4, ... 64 times the units; it rises to the former.
    """
    config, counts = setting.config, list[int]()
    recurrent: list[int] = []
    for times in (1, 2, 4, 8, 16, 32, 64):
        wide = replace(config, hidden=times * config.hidden)
        found = implementation.shapes(wide)
        counts.append(sum(prod(shape) for shape in found.values()))
        recurrent.append(sum(prod(shape) for name, shape in found.items() if name.startswith("W_h")))
    gates, n, v = oracle.GATES[config.cell], config.hidden, config.vocabulary
    exact = gates * n * (v + n) + (config.layers - 1) * gates * n * 2 * n + v * n + v
    biases = config.layers * gates * n
    total = np.divide(counts[1:], counts[:-1])
    return {
        "parameters": scalar(counts[0], "parameters"),
        "missing": cases([min(abs(counts[0] - exact - k * biases) for k in (1, 2))], 0, "parameters"),
        "growth": cases(np.divide(recurrent[1:], recurrent[:-1]), 4, "1"),
        "below": cases(total, 4, "1"),
        "rises": cases(np.diff(total), 0, "1"),
    }


def unordered(given: NDArray[np.int64], text: NDArray[np.int64], vocabulary: int) -> float:
    """The loss of a text by how often the characters that were learnt from occur, with half of one added to each."""
    counts = np.bincount(given, minlength=vocabulary) + 0.5
    return float(-np.log(counts / counts.sum())[text[1:]].mean())


@dataclass(frozen=True)
class CharacterLearning(Experiment):
    """Train one network on the text of `characters`, and read other text with it.

    The first `tokens` characters are given, and `evaluated` ones are read in some streams. Measured are the loss at the
    end, that by frequencies alone (`unordered`), and by what the loss differs from the equations' (`astray`).
    """

    tokens: int
    evaluated: int = 4_000
    streams: int = 20
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """It is read by a network of the learnt arrays alone."""
        train, given = setting.dataset.train, first_tokens(setting.dataset.train, self.tokens)
        text = train.validation[: self.evaluated]
        *_, (_, trained) = train_language_model(implementation, setting, given)
        model = Carried.of(implementation, setting, trained)
        nats = model.loss(text, self.streams)
        return {
            "loss": scalar(nats, "nats", better="lower"),
            "unordered": scalar(unordered(given.tokens, text, given.vocabulary), "nats"),
            "astray": cases([astray(model, nats, text, self.streams)], 0, "nats"),
        }
