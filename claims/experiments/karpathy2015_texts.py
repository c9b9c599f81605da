"""Character-level networks on the texts of the post: how many written names are new, and n-grams of a long text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from claims.experiments.karpathy2015 import CharacterModel
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
        with Carried.of(implementation, setting, trained).reading() as writer:
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


@dataclass(frozen=True)
class BesideNgrams(Experiment):
    """Train on the first characters of a text; read its test text, and predict it by n-grams of the same characters.

    Attributes:
        longest: characters of the longest n-gram.
        streams: how many the test text is read in; they know nothing of each other.

    Measures:
        loss: of the test text by the network that does best on the validation text, in nats a character.
        ngrams: of the same text by interpolated n-grams (Witten and Bell 1991), of the best length.
    """

    longest: int
    eval_steps: tuple[int, ...]
    streams: int = 20
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """The network is chosen by the validation text, the n-grams by the test text, which favours them."""
        train, test = setting.dataset.train, setting.dataset.test.tokens
        best, nats = np.inf, np.inf
        for _, trained in train_language_model(implementation, setting, first_tokens(train, None), self.eval_steps):
            model = Carried.of(implementation, setting, trained)
            chosen = model.loss(train.validation, self.streams)
            if chosen < best:
                best, nats = chosen, model.loss(test, self.streams)
        return {
            "loss": scalar(nats, "nats", better="lower"),
            "ngrams": scalar(min(ngram_losses(train.tokens, test, train.vocabulary, self.longest)), "nats"),
        }


def ngram_losses(given: NDArray[np.int64], text: NDArray[np.int64], vocabulary: int, longest: int) -> list[float]:
    """The mean loss of a text by n-grams of a given one, for n from 1 to the longest.

    p_n(x | h) = (c(h x) + k p_(n-1)) / (c(h) + k), where k is how many different characters follow h; p_0 is uniform.
    """
    chances = np.full(len(text), 1 / vocabulary)
    losses: list[float] = []
    own, others = np.zeros(len(given), np.int64), np.zeros(len(text), np.int64)  # a number for each context
    for n in range(1, longest + 1):
        begin = n - 1
        pairs = own[begin:] * vocabulary + given[begin:]
        kinds, counts = np.unique(pairs, return_counts=True)
        contexts, inverse = np.unique(kinds // vocabulary, return_inverse=True)
        total, different = np.bincount(inverse, weights=counts), np.bincount(inverse)
        place, known = _found(contexts, others[begin:])
        of, seen = _found(kinds, others[begin:] * vocabulary + text[begin:])
        count = np.where(seen, counts[of], 0)
        after, k = np.where(known, total[place], 0), np.where(known, different[place], 1)
        chances[begin:] = (count + k * chances[begin:]) / (after + k)
        losses.append(float(-np.log(chances).mean()))
        if n < longest:  # contexts of n characters: the character n - 1 before, then those of the shorter one
            own, others = _longer(own, others, given, text, n)
    return losses


def _longer(
    own: NDArray[np.int64], others: NDArray[np.int64], given: NDArray[np.int64], text: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the contexts of n characters before each place; contexts that `given` lacks have the number -1."""
    base = int(max(given.max(), text.max())) + 1
    mine = np.full(len(own), -1, np.int64)
    mine[n:] = own[n:] * base + given[:-n]
    theirs = np.full(len(others), -1, np.int64)
    theirs[n:] = np.where(others[n:] < 0, -1, others[n:] * base + text[:-n])
    kinds = np.unique(mine[n:])
    mine[n:] = np.searchsorted(kinds, mine[n:])
    place, known = _found(kinds, theirs)
    return mine, np.where(known, place, -1)


def _found(kinds: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where values stand among sorted ones, and whether they do."""
    place = np.minimum(np.searchsorted(kinds, values), len(kinds) - 1)
    return place, kinds[place] == values
