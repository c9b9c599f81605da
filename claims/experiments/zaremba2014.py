"""How recurrent language models are measured: the contract, exact checks, and averages of many models.

Perplexities are measured by the suite, from scores that a network commits to before the next word is revealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import zaremba2014 as oracle
from repro import (
    Carried,
    Experiment,
    Measurement,
    Measurements,
    Setting,
    Weights,
    cases,
    check_state,
    curve,
    first_tokens,
    perplexity,
    scalar,
    text_loss,
    train_language_model,
)
from repro.task import LanguageModel, Reader

GATES = "ifog"
"""In the paper's order."""


class RecurrentRegularization(LanguageModel, Protocol):
    """The contract: networks by the paper's equations, and what D does in them.

    Arrays of `state`, for layers l = 1 to L of n units and V words: "embedding" [V, n]; "W_x l" and "W_h l" [4n, n],
    the parts of T_{2n,4n} that act on the layer below and on the step before; its bias "b l" [4n], or two that add up,
    "b_x l" and "b_h l"; "W_y" [V, n] and "b_y" [V], below the softmax. Rows belong to i, f, o and g in this order, n
    each; they may stand apart as "W_xi l" ... "W_hg l" and "b_i l" ... (or "b_xi l" ...). A text is read without
    dropout by h_t = T(h_{t-1}) as printed, so weights are those that need no further scaling.

    One bias vector or two, both learnt: with two, an update moves their sum twice as far. Where one of "b_x l" and
    "b_h l" is missing, or is given as zeros, the other is the only one, and zeros are to be given back as zeros.
    A text is cut into `batch` stretches of equal length, a few words at its end left out. A last segment that is not
    whole is left out too, or trained on as short as it is. Training may start an epoch from zero states or from those
    that the epoch before ended with, and lower the rate an epoch later than Section 4.1 says.
    """

    def influence(self, config: Any, factor: float, lag: int) -> float:
        """The sum of all |d y_t / d x_(t - lag)| in float64; x are embedded words, y what enters the softmax function.

        Of the network whose dropout operator D multiplies by `factor`, wherever the config puts it, and whose cells
        are linearised; at random weights, the same for every factor and lag.
        """
        ...

    def cell_jacobian(self, config: Any, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For one draw of D's masks: d c_t / d c_(t-1) of one layer at fixed h_(t-1), [H, H], and its forget gate [H].

        At random weights, input and states, in float64.
        """
        ...

    def ensemble(self, readers: Sequence[Reader]) -> Reader:
        """The reader whose probabilities are the means of some readers' probabilities."""
        ...


def learnt(config: Any, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, with gates put together that it keeps apart.

    Raises:
        ReproError: for arrays that are missing, of another shape, or not the paper's.
    """
    found = {name: np.asarray(array, dtype=np.float64) for name, array in state.items()}
    wanted: dict[str, tuple[int, ...]] = {
        "embedding": (config.vocabulary, config.hidden),
        "W_y": (config.vocabulary, config.hidden),
        "b_y": (config.vocabulary,),
    }
    for layer in range(1, config.layers + 1):
        for part in ("W_x", "W_h", "b", "b_x", "b_h"):
            shape = (config.hidden, config.hidden) if part.startswith("W") else (config.hidden,)
            apart = [f"{part}_{gate} {layer}" if part == "b" else f"{part}{gate} {layer}" for gate in GATES]
            if found.keys() & set(apart):
                check_state({name: found[name] for name in apart if name in found}, dict.fromkeys(apart, shape))
                found[f"{part} {layer}"] = np.concatenate([found.pop(name) for name in apart])
        learns = [name for name in (f"b_x {layer}", f"b_h {layer}") if name in found and found[name].any()]
        if f"b {layer}" not in found and len(learns) < 2:
            only = [found.pop(name) for name in (f"b_x {layer}", f"b_h {layer}") if name in found]
            found |= {f"b {layer}": next((bias for bias in only if bias.any()), only[0])} if only else {}
        biases = ("b_x", "b_h") if len(learns) == 2 else ("b",)
        wanted |= {f"{part} {layer}": (4 * config.hidden, config.hidden) for part in ("W_x", "W_h")}
        wanted |= {f"{part} {layer}": (4 * config.hidden,) for part in biases}
    check_state(found, wanted)
    return found


class Equations:
    """A reader, or a stream, of the oracle: networks of known weights, whose probabilities are averaged."""

    def __init__(self, networks: Sequence[Weights], streams: int = 0) -> None:
        self.networks = networks
        self.states = [oracle.zeros(weights, streams) for weights in networks]

    def start(self, streams: int) -> Equations:
        """A stream of texts of which nothing has been read."""
        return Equations(self.networks, streams)

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more word of each stream [B]; log-probabilities [B, V] of the next."""
        known = zip(self.networks, self.states, strict=True)
        results = [oracle.forward(weights, tokens[:, None], states) for weights, states in known]
        self.states = [states for _, states in results]
        return np.log(np.mean([np.exp(scores[0]) for scores, _ in results], axis=0)).astype(np.float32)


def parameters(implementation: RecurrentRegularization, setting: Setting) -> Measurements:
    """How far the number of parameters is from the nearer of two: cells with one bias vector, or with two."""
    config, found = setting.config, implementation.shapes(setting.config)
    count = sum(prod(shape) for shape in found.values())
    exact = 2 * config.vocabulary * config.hidden + config.vocabulary + 8 * config.layers * config.hidden**2
    gates = 4 * config.layers * config.hidden
    return {"missing": cases([min((count - exact - biases * gates for biases in (1, 2)), key=abs)], 0, "1")}


@dataclass(frozen=True)
class Crossings(Experiment):
    """How often what was read some steps ago has crossed D: the power of D's factor in its influence."""

    lags: tuple[int, ...] = (1, 5, 20)

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """The power by which halving D's factor from 1 lowers the influence, for each lag."""
        powers: list[float] = []
        for lag in self.lags:
            half, whole = (implementation.influence(setting.config, factor, lag) for factor in (0.5, 1.0))
            with np.errstate(all="ignore"):
                powers.append(float(np.log2(np.divide(whole, half))))
        return {"crossings": cases(powers, setting.config.layers + 1, "1")}


@dataclass(frozen=True)
class Memory(Experiment):
    """What dropout does to a cell's memory, and to a network that is read: nothing."""

    draws: int = 20

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Cell-to-cell derivatives over draws of masks, and a network that has hardly been trained read twice."""
        gaps: list[float] = []
        for seed in range(setting.seed * self.draws, (setting.seed + 1) * self.draws):
            slope, forget = implementation.cell_jacobian(setting.config, seed=seed)
            gaps.append(float(np.abs(slope - np.diag(forget)).max()))
        text = setting.dataset.train
        given = first_tokens(text, 2 * setting.config.batch * (setting.config.unroll + 1))
        own = replace(setting, config=replace(setting.config, epochs=1))
        *_, (_, trained) = train_language_model(implementation, own, given)
        with Carried.of(implementation, own, trained).reading() as reader:
            once, again = (read(reader, given.tokens[:200].reshape(4, 50)) for _ in range(2))
        return {"gap": cases(gaps, 0, "1"), "change": cases(np.abs(once - again).max((0, 2)), 0, "nats")}


@dataclass(frozen=True)
class Conventions(Experiment):
    """Training on losses summed over steps against training on their mean, at other settings that undo it."""

    updates: int = 20

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """The largest change of a score by stream, between two networks trained from the same seed."""
        summed = setting.config
        steps = summed.unroll
        mean = replace(summed, reduction="mean", lr=summed.lr * steps, clip=summed.clip / steps)
        text = setting.dataset.train
        given = first_tokens(text, summed.batch * (steps * self.updates + 1))
        scores: list[NDArray[np.float64]] = []
        for config in (summed, mean):
            own = replace(setting, config=config)
            *_, (_, trained) = train_language_model(implementation, own, given)
            with Carried.of(implementation, own, trained).reading() as reader:
                scores.append(read(reader, text.validation[:200].reshape(4, 50)))
        return {"change": cases(np.abs(scores[0] - scores[1]).max((0, 2)), 0, "nats")}


def read(reader: Reader, texts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores [T, B, V] while texts [B, T] are read."""
    stream = reader.start(len(texts))
    return np.stack([stream.step(column).astype(np.float64) for column in np.ascontiguousarray(texts.T)])


def unordered(given: NDArray[np.int64], text: NDArray[np.int64], vocabulary: int) -> Measurement:
    """The perplexity of a text by how often the words that were learnt from occur, with half a word added to each."""
    counts = np.bincount(given, minlength=vocabulary) + 0.5
    return perplexity(-np.log(counts / counts.sum())[text[1:]].mean())


def astray(members: Sequence[Carried], nats: float, text: NDArray[np.int64], streams: int) -> float:
    """By what a text's loss differs from that of an average of networks with the members' weights, by the equations.

    Raises:
        ReproError: for arrays that are not the paper's.
    """
    weights = [learnt(member.setting.config, member.arrays) for member in members]
    with np.errstate(all="ignore"):
        return nats - text_loss(Equations(weights), text, members[0].setting.dataset.train.vocabulary, streams)


@dataclass(frozen=True)
class Regularized(Experiment):
    """Train one network and read the validation text with it, which is chosen by, and the training text.

    Attributes:
        tokens: how many tokens of the training text are given.
        eval_steps: updates after which the validation text is read; the end of training always is one.
        evaluated: how many tokens of each text are read.
        streams: how many streams they are read in.

    Measures:
        validation_perplexity: the lowest over the eval_steps.
        train_perplexity: at the end.
        unordered_perplexity: of the validation text, by the training words' frequencies; see `unordered`.
        astray: by what each loss differs from that of the equations with the network's weights. So what reads is a
            network whose weights are all that it knows: no table, and no text that was read before.
        validation_loss: over updates.
    """

    tokens: int
    eval_steps: tuple[int, ...]
    evaluated: int
    streams: int = 20
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Read by the implementation and by the oracle."""
        train, given = setting.dataset.train, first_tokens(setting.dataset.train, self.tokens)
        own, validation = given.tokens[: self.evaluated], train.validation[: self.evaluated]
        steps: list[int] = []
        losses: list[float] = []
        gaps: list[float] = []
        model: Any = None
        for step, trained in train_language_model(implementation, setting, given, self.eval_steps):
            model = Carried.of(implementation, setting, trained)
            steps.append(step)
            losses.append(model.loss(validation, self.streams))
            gaps.append(astray([model], losses[-1], validation, self.streams))
        last = model.loss(own, self.streams)
        gaps.append(astray([model], last, own, self.streams))
        return {
            "validation_perplexity": perplexity(min(losses)),
            "train_perplexity": perplexity(last),
            "unordered_perplexity": unordered(given.tokens, validation, given.vocabulary),
            "astray": cases(gaps, 0, "nats"),
            "validation_loss": curve(steps, losses, unit="nats", x_unit="updates", better="lower"),
        }


@dataclass(frozen=True)
class Averaging(Experiment):
    """Train several models and read the test text with averages of them.

    Attributes:
        sizes: how many models are averaged, ascending; the last says how many are trained, and is a multiple of all.
        tokens: how many tokens of the training text are given; None for all.
        evaluated: how many tokens of the test text are read; None for all.
        streams: how many streams it is read in.
        alone: whether each model is read by itself too.

    Measures:
        perplexity_of_K: of averages of K models, for each of the sizes; where the trained ones make several groups of
            K, each in one of them, their geometric mean.
        gain: log of the members' geometric mean perplexity over that of the largest average; with `alone`.
        unordered_perplexity: of the test text, by the training words' frequencies; with `alone`.
        astray: by what the losses of members and of the largest average differ from the equations'; with `alone`.
        above_parts: by what the log perplexity of each average exceeds the mean over its parts, which are single models
            or averages of the next smaller size; with `alone`. Of copies it is nothing but rounding.
    """

    sizes: tuple[int, ...]
    tokens: int | None = None
    evaluated: int | None = None
    streams: int = 1
    alone: bool = False
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Train members at seeds that never coincide between trials, each to its end."""
        count = self.sizes[-1]
        given, text = first_tokens(setting.dataset.train, self.tokens), setting.dataset.test.tokens[: self.evaluated]
        members: list[Carried] = []
        for seed in range(setting.seed * count, (setting.seed + 1) * count):
            *_, (_, trained) = train_language_model(implementation, setting, given, seed=seed)
            members.append(Carried.of(implementation, setting, trained))
        losses: dict[int, NDArray[np.float64]] = {}
        for size in self.sizes:
            groups = [members[at : at + size] for at in range(0, count, size)]
            losses[size] = np.array([self._averaged(group, text) for group in groups])
        found = {f"perplexity_of_{size}": perplexity(nats.mean()) for size, nats in losses.items()}
        if not self.alone:
            return found
        alone = np.array([each.loss(text, self.streams) for each in members])
        steps = pairwise([alone, *losses.values()])
        above = [larger - smaller.reshape(len(larger), -1).mean(1) for smaller, larger in steps]
        gain = alone.mean() - losses[count].mean()
        gaps = [astray([each], nats, text, self.streams) for each, nats in zip(members, alone, strict=True)]
        gaps.append(astray(members, losses[count].item(), text, self.streams))
        return found | {
            "gain": scalar(gain, "nats", better="higher"),
            "unordered_perplexity": unordered(given.tokens, text, given.vocabulary),
            "astray": cases(gaps, 0, "nats"),
            "above_parts": cases(np.concatenate(above), -1e-6, "nats"),
        }

    def _averaged(self, members: Sequence[Carried], text: NDArray[np.int64]) -> float:
        """The loss of a text that is read by the average of some members."""
        first = members[0]
        with first.opened() as names:
            average = names.ensemble([member.restored(names) for member in members])
            return text_loss(average, text, first.setting.dataset.train.vocabulary, self.streams)
