"""How many of the names that a character-level network writes are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel
from repro import Carried, Experiment, Measurements, Setting, first_tokens, scalar, train_language_model
from repro.task import Sequences


@dataclass(frozen=True)
class NewNames(Experiment):
    """Train on a list of names, let the network write others, and look which are not in the list.

    Attributes:
        texts, length: how many texts are written after a line's end, and their characters; cut names do not count.

    Measures:
        new: per cent of the written names that the training text does not have.
        distinct: per cent of written names that differ from those before.
        lettered: per cent of written names that have 2 to 15 characters, as all of the list.
    """

    texts: int = 200
    length: int = 60
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """At temperature 1; a line's end is the character 0."""
        given = first_tokens(setting.dataset.train, None)
        *_, (_, trained) = train_language_model(implementation, setting, given)
        ends = Sequences(items=np.zeros((self.texts, 1), np.int64), lengths=np.ones(self.texts, np.int64))
        with Carried.of(implementation, setting, trained).reading() as reader:
            writer: Any = reader
            rows = writer.generate(ends, self.length, temperature=1.0, seed=setting.seed)
        known = set(_lines(given.tokens))
        told = [name for row in rows for name in _lines(row)[:-1] if name]
        share = 100 / max(len(told), 1)
        return {
            "new": scalar(share * sum(name not in known for name in told), "%"),
            "distinct": scalar(share * len(set(told)), "%"),
            "lettered": scalar(share * sum(2 <= len(name) <= 15 for name in told), "%", better="higher"),
        }


def _lines(tokens: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """What stands between the line's ends of a text, and after the last."""
    return [tuple(part[part > 0].tolist()) for part in np.split(tokens, np.flatnonzero(tokens == 0))]
