"""A cell of a trained network that follows quotations: found on one text, scored on another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel, astray, learnt
from claims.oracles import karpathy2015 as oracle
from repro import (
    Carried,
    Experiment,
    Measurements,
    Setting,
    Text,
    axis,
    cases,
    exhibit,
    scalar,
    text_loss,
    train_language_model,
)

MARK, VOCABULARY = 9, 10
"""Of the quoted texts: the character that opens and closes a quotation, and how many characters there are."""


def quoted(rng: np.random.Generator, length: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A text of letters with quotations, and whether each character lies in one.

    Stretches in and out of quotations have 5 to 32 characters. Six letters are drawn alike everywhere; seven times in
    a hundred a seventh one comes, which is followed by another letter within a quotation than outside.
    """
    most = length // 5 + 1  # of stretches, each of five or more
    lengths = rng.integers(5, 31, most)
    drawn = np.where(rng.random(40 * most) < 0.07, 6, rng.integers(0, 6, 40 * most)).tolist()
    text, within, at = list[int](), list[bool](), 0
    for number, stretch in enumerate(lengths.tolist()):
        if len(text) >= length:
            break
        inside, part = bool(number % 2), list[int]()
        while len(part) < stretch:
            part += [6, 7 + inside] if drawn[at] == 6 else [drawn[at]]
            at += 1
        text += [*part, MARK]
        within += [inside] * (len(part) + 1)
    return np.array(text[:length]), np.array(within[:length])


@dataclass(frozen=True)
class QuoteCell(Experiment):
    """Train on a text with quotations; how well single cells tell whether a character lies in one.

    Cells are tanh(c) of the last layer by the equations with the learnt weights, after each character is read. The cell
    is the one that does best on a text; it is scored on another, and so are all for `follow`.

    Attributes:
        trained_on, searched, scored: characters of the three texts; the latter two are read in stretches of 200, whose
            first 20 do not count.

    Measures:
        untrained, trained: the absolute correlation of the cell with lying in a quotation, before and after training.
        follow: share of cells for which it is above 0.4.
        loss, unordered: of the scored text, and by frequencies of characters alone.
        activation: the cell over a piece of text, beside whether it lies in a quotation, for a picture.
    """

    trained_on: int = 19_200
    searched: int = 4_000
    scored: int = 6_000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """Train once, and look before the first update and at the end."""
        rng = np.random.default_rng([setting.seed, 2015])
        train, _ = quoted(rng, self.trained_on)
        search, score = quoted(rng, self.searched), quoted(rng, self.scored)
        text = Text(tokens=train, validation=train[:0], vocabulary=VOCABULARY)
        found: list[tuple[Carried, NDArray[np.float64], int]] = []
        for _, trained in train_language_model(implementation, setting, text, (0,)):
            model = Carried.of(implementation, setting, trained)
            best = int(np.argmax(_told(model, *search)))
            found.append((model, _told(model, *score), best))
        (_, before, first), (model, after, best) = found[0], found[-1]
        counts = np.bincount(train, minlength=VOCABULARY) / len(train)
        nats, part = _loss(model, score[0]), score[0][:400]
        with model.reading() as reader:
            read = text_loss(reader, part, VOCABULARY, 2)
        return {
            "untrained": scalar(before[first], "1"),
            "trained": scalar(after[best], "1", better="higher"),
            "follow": scalar(float((after > 0.4).mean()), "1"),
            "loss": scalar(nats, "nats", better="lower"),
            "unordered": scalar(float(-np.log(counts[score[0]]).mean()), "nats"),
            "astray": cases([astray(model, read, part, 2)], 0, "nats"),
            "activation": _picture(model, best, *score),
        }


def _cells(model: Carried, text: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-probabilities [T, B, V] and tanh(c) of the last layer [T, B, n], over stretches of 200 characters."""
    weights, stretches = learnt(model.setting.config, model.arrays), text.reshape(-1, 200)
    with np.errstate(all="ignore"):
        start = oracle.zeros(weights, len(stretches))
        scores, _, seen = oracle.forward(model.setting.config.cell, weights, stretches, start)
        return scores, np.tanh(seen[:, -1])


def _told(model: Carried, text: NDArray[np.int64], within: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of each cell, the absolute correlation with lying in a quotation; 0 for cells that never change."""
    cells = _cells(model, text)[1][20:].reshape(-1, model.setting.config.hidden)
    inside = within.reshape(-1, 200).T[20:].reshape(-1, 1).astype(float)
    with np.errstate(all="ignore"):
        a, b = cells - cells.mean(0), inside - inside.mean()
        return np.nan_to_num(np.abs((a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum())))


def _loss(model: Carried, text: NDArray[np.int64]) -> float:
    scores, stretches = _cells(model, text)[0][20:-1], text.reshape(-1, 200)
    return float(-np.take_along_axis(scores, stretches.T[21:, :, None], 2).mean())


def _picture(model: Carried, cell: int, text: NDArray[np.int64], within: NDArray[np.bool_]) -> Any:
    """The cell over 120 characters, and whether they lie in a quotation (1) or not (-1)."""
    part, own = slice(20, 140), _cells(model, text)[1][:, 0, cell]
    sides = np.where(within[:200], 1.0, -1.0)
    sign = 1.0 if ((own[20:] - own[20:].mean()) * sides[20:]).sum() >= 0 else -1.0
    return exhibit(
        np.nan_to_num(np.stack([sign * own[part], sides[part]])),
        axis("shown", ["cell", "in quotation"]),
        axis("character", range(20, 140)),
        unit="tanh(c)",
        kind="lines",
        place="Section Visualizing the neuron firings",
        says="One cell of the network over a text: it is high within quotations and low outside.",
    )
