"""What a character-level network learns of one word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from claims.experiments.character_models import CharacterModel, astray
from repro import Carried, Experiment, Measurements, Setting, Text, cases, scalar, text_loss, train_language_model

WORD = np.array([0, 1, 2, 2, 3])


@dataclass(frozen=True)
class HelloString(Experiment):
    """The post's example: a network that is trained on "hello" predicts e, l, l, o from h, e, l, l.

    A map of one character cannot: l is followed by l and by o, so its mean loss is 2 ln 2 / 4 = 0.347 nats at least.
    An epoch is one word, and begins with zeros or with the states that the last one ended with. So the word is read as
    the first one and as the third in a row, and the lower loss counts.
    """

    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """The mean loss of the four characters, read from a network of the learnt arrays."""
        text = Text(tokens=np.append(WORD, 0), validation=WORD[:0], vocabulary=4)
        *_, (_, trained) = train_language_model(implementation, setting, text)
        model = Carried.of(implementation, setting, trained)
        texts = [np.tile(WORD, 3)[:length] for length in (5, 11, 15)]  # the word; two and an h; three words
        with model.reading() as reader:
            nats = [text_loss(reader, each, 4) for each in texts]
        return {
            "loss": scalar(min(nats[0], (14 * nats[2] - 10 * nats[1]) / 4), "nats", better="lower"),
            "astray": cases([astray(model, *read, 1) for read in zip(nats, texts, strict=True)], 0, "nats"),
        }
