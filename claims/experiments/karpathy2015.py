"""How character-level language models are measured: the contract, and what they learn from text and from marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import karpathy2015 as oracle
from repro import (
    Carried,
    Experiment,
    Measurements,
    Setting,
    Text,
    cases,
    check_state,
    first_tokens,
    scalar,
    text_loss,
    train_language_model,
)
from repro.task import Stateful, TextGenerator


class CharacterModel(TextGenerator, Stateful, Protocol):
    """The contract: character-level networks by the equations of the companion paper, trained as its code trains them.

    Arrays of `state`, for layers l = 1 to L of n units and V characters: "W_x l", [G n, V] for l = 1 and [G n, n]
    above, acts on the one-hot vector or on the layer below, "W_h l" [G n, n] on the step before; the bias is "b l"
    [G n], or two that add up and both learn, "b_x l" and "b_h l"; then "W_y" [V, n] and "b_y" [V]. Rows are those of
    i, f, o, g (LSTM, G = 4), of r, z and the candidate (GRU, G = 3), or of h (RNN, G = 1), n each.

    A text is cut to a whole number of chunks (`batch` x `unroll` characters) and into `batch` stretches of equal
    length; each character's target is the one that follows in the text, of the very last the first one of the text, or
    the one that was cut off after it. An update is one chunk's: the loss is summed over its steps and averaged over its
    streams, states are carried on from the chunk before, an epoch begins with zeros or with the last one's states.
    RMSProp: m <- smoothing m + (1 - smoothing) g^2, w <- w - rate g / (sqrt(m) + epsilon), where each entry of g is cut
    to at most `clip`, m begins at 0, and the rate is lr, but is multiplied by `decay` after epoch `constant_epochs` and
    each later one. Parameters start uniformly in [-init, init], biases of forget gates, of one vector if there are
    two, at `forget_bias`. Dropout acts on what a layer gives to the one above and to the scores, and scales the rest.
    Continuations of the same prompt in one batch are independent; what stands beyond a prompt's length means nothing.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every array of `state`, by canonical name, without allocating it."""
        ...

    def distribution(self, scores: NDArray[Any], temperature: float) -> NDArray[Any]:
        """Probabilities [N, V] of characters with scores [N, V] at a temperature above 0."""
        ...


def learnt(config: Any, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, in float64.

    Raises:
        ReproError: for arrays that are missing, of another shape, or not the paper's.
    """
    found = {name: np.asarray(array, dtype=np.float64) for name, array in state.items()}
    rows, wanted = oracle.GATES[config.cell] * config.hidden, dict[str, tuple[int, ...]]()
    for layer in range(1, config.layers + 1):
        wanted[f"W_x {layer}"] = (rows, config.vocabulary if layer == 1 else config.hidden)
        wanted[f"W_h {layer}"] = (rows, config.hidden)
        biases = ("b",) if f"b {layer}" in found else ("b_x", "b_h")
        wanted |= {f"{bias} {layer}": (rows,) for bias in biases}
    check_state(found, wanted | {"W_y": (config.vocabulary, config.hidden), "b_y": (config.vocabulary,)})
    return found


class Recurrence:
    """A reader, or a stream, of the oracle: a network of known weights."""

    def __init__(self, cell: str, weights: Mapping[str, NDArray[np.float64]], streams: int = 0) -> None:
        self.cell, self.weights, self.states = cell, weights, oracle.zeros(weights, streams)

    def start(self, streams: int) -> Recurrence:
        """A stream of texts of which nothing has been read."""
        return Recurrence(self.cell, self.weights, streams)

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more character of each stream [B]; log-probabilities [B, V] of the next."""
        scores, self.states, _ = oracle.forward(self.cell, self.weights, tokens[:, None], self.states)
        return scores[0].astype(np.float32)


def astray(model: Carried, nats: float, text: NDArray[np.int64], streams: int) -> float:
    """By what a text's loss differs from that of the equations with the same weights."""
    weights = learnt(model.setting.config, model.arrays)
    with np.errstate(all="ignore"):
        reader = Recurrence(model.setting.config.cell, weights)
        return nats - text_loss(reader, text, model.setting.config.vocabulary, streams)


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


@dataclass(frozen=True)
class Hello(Experiment):
    """The post's example: a network that is trained on "hello" predicts e, l, l, o from h, e, l, l.

    A map of one character cannot: l is followed by l and by o, so its mean loss is 2 ln 2 / 4 = 0.347 nats at least.
    """

    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """The mean loss of the four characters, read from a network of the learnt arrays."""
        word = np.array([0, 1, 2, 2, 3])
        text = Text(tokens=np.append(word, 0), validation=word[:0], vocabulary=4)
        *_, (_, trained) = train_language_model(implementation, setting, text)
        model = Carried.of(implementation, setting, trained)
        with model.reading() as reader:
            nats = text_loss(reader, word, 4)
        return {
            "loss": scalar(nats, "nats", better="lower"),
            "astray": cases([astray(model, nats, word, 1)], 0, "nats"),
        }


def unordered(given: NDArray[np.int64], text: NDArray[np.int64], vocabulary: int) -> float:
    """The loss of a text by how often the characters that were learnt from occur, with half of one added to each."""
    counts = np.bincount(given, minlength=vocabulary) + 0.5
    return float(-np.log(counts / counts.sum())[text[1:]].mean())


@dataclass(frozen=True)
class CharacterLearning(Experiment):
    """Train one network on the text of `characters`, and read other text with it.

    Attributes:
        tokens: how many characters of the training text are given.
        evaluated: characters of the validation text that are read.
        streams: how many streams it is read in.

    Measures:
        loss: of the validation text at the end.
        unordered: of the same text by frequencies alone.
        astray: by what the loss differs from that of the equations with the network's weights.
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
