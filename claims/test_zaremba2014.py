"""Recurrent Neural Network Regularization (Zaremba, Sutskever & Vinyals, 2014)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import (
    Contract,
    LanguageModelling,
    Measurements,
    Paper,
    Reported,
    Run,
    Setting,
    all_of,
    at_most,
    cases,
    claim,
    higher,
    holds,
    lower,
    scalar,
)
from repro.language_modelling import first, loss, perplexity, trained
from repro.task import LanguageModel, Reader

PAPER = Paper(
    key="zaremba2014",
    title="Recurrent Neural Network Regularization",
    authors=("Wojciech Zaremba", "Ilya Sutskever", "Oriol Vinyals"),
    year=2014,
    arxiv="1409.2329v5",
    url="https://arxiv.org/abs/1409.2329",
    story=(
        "Dropout had not worked for recurrent networks. The paper says where to put it: on the connections from a "
        "layer to the one above and never on those from one step to the next, so that what a cell remembers passes "
        "the noise as often as there are layers, however long it is kept. Large LSTM networks could then be trained "
        "on a small text, and the recipe became the standard for language models. Masks that stay the same for a "
        "whole sequence were later shown to make dropout on recurrent connections work as well. Much trouble with "
        "repeating the numbers came from one phrase: the gradient is normalized by the minibatch's size and not by "
        "the number of steps, so a loss averaged over both needs another learning rate and another threshold."
    ),
)

PERPLEXITY = {
    "small": Reported(114.5, "perplexity", "Table 1, non-regularized LSTM, test set"),
    "medium": Reported(82.7, "perplexity", "Table 1, medium regularized LSTM, test set"),
    "large": Reported(78.4, "perplexity", "Table 1, large regularized LSTM, test set"),
}
AVERAGED = {
    "small-2": Reported(96.1, "perplexity", "Table 1, 2 non-regularized LSTMs, test set"),
    "small-5": Reported(84.1, "perplexity", "Table 1, 5 non-regularized LSTMs, test set"),
    "small-10": Reported(80.0, "perplexity", "Table 1, 10 non-regularized LSTMs, test set"),
    "medium-2": Reported(77.0, "perplexity", "Table 1, 2 medium regularized LSTMs, test set"),
    "medium-5": Reported(73.3, "perplexity", "Table 1, 5 medium regularized LSTMs, test set"),
    "medium-10": Reported(72.0, "perplexity", "Table 1, 10 medium regularized LSTMs, test set"),
    "large-2": Reported(73.6, "perplexity", "Table 1, 2 large regularized LSTMs, test set"),
    "large-10": Reported(69.5, "perplexity", "Table 1, 10 large regularized LSTMs, test set"),
    "large-38": Reported(68.7, "perplexity", "Table 1, 38 large regularized LSTMs, test set"),
}
EPOCHS = {
    "small": range(2_323, 13 * 2_323 + 1, 2_323),  # each of 13
    "medium": range(3 * 1_327, 39 * 1_327 + 1, 3 * 1_327),  # every third of 39
    "large": range(5 * 1_327, 55 * 1_327 + 1, 5 * 1_327),  # every fifth of 55
}
"""Updates at the ends of the epochs that the validation text chooses from; 1,327 and 2,323 updates are an epoch."""

PYDOC: dict[str, Any] = {
    "vocabulary": 2000,
    "hidden": 64,
    "batch": 10,
    "unroll": 10,
    "epochs": 16,
    "constant_epochs": 13,
    "decay": 1.2,
    "clip": 3.0,
}
"""The small network's recipe at reduced size: 4,000 words of Python's help text, 39 updates an epoch."""

READ = LanguageModelling(tokens=4_000, checkpoints=(234, 312, 390, 468), evaluated=2_000)
"""Looked at after epochs 6, 8, 10 and 12, around which networks without dropout are at their best, and after 16."""

SHORT = {**PYDOC, "epochs": 13, "constant_epochs": 13, "clip": 5.0}
"""Fewer epochs at the rate that they begin with, for averages of many models: of 2,500 words, 24 updates each."""


class RecurrentRegularization(LanguageModel, Protocol):
    """What an implementation of this paper offers beside training and reading."""

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of everything that is learnt, by name, without allocating it."""
        ...

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


CONTRACT = Contract(
    protocol=RecurrentRegularization,
    preset="small",
    data="pydoc",
    overrides={"vocabulary": 2000, "hidden": 32, "epochs": 1, "dropout": 0.5},
)


def parameters(implementation: RecurrentRegularization, setting: Setting) -> Measurements:
    """How far the number of parameters is from the nearer of two: cells with one bias vector, or with two."""
    config, found = setting.config, implementation.shapes(setting.config)
    count = sum(prod(shape) for shape in found.values())
    exact = 2 * config.vocabulary * config.hidden + config.vocabulary + 8 * config.layers * config.hidden**2
    gates = 4 * config.layers * config.hidden
    return {"missing": cases([min((count - exact - biases * gates for biases in (1, 2)), key=abs)], 0, "1")}


@dataclass(frozen=True)
class Crossings:
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
class Memory:
    """What dropout does to a cell's memory, and to a network that is read: nothing."""

    draws: int = 20

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Cell-to-cell derivatives over draws of masks, and a network that has hardly been trained read twice."""
        gaps: list[float] = []
        for seed in range(setting.seed * self.draws, (setting.seed + 1) * self.draws):
            slope, forget = implementation.cell_jacobian(setting.config, seed=seed)
            gaps.append(float(np.abs(slope - np.diag(forget)).max()))
        text = setting.dataset.train
        given = first(text, 2 * setting.config.batch * (setting.config.unroll + 1))
        *_, (_, reader) = trained(implementation, replace(setting, config=replace(setting.config, epochs=1)), given)
        once, again = (read(reader, given.tokens[:200].reshape(4, 50)) for _ in range(2))
        return {"gap": cases(gaps, 0, "1"), "change": cases(np.abs(once - again).max((0, 2)), 0, "nats")}


@dataclass(frozen=True)
class Conventions:
    """Training on losses summed over steps against training on their mean, at other settings that undo it."""

    updates: int = 20

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """The largest change of a score by lane, between two networks trained from the same seed."""
        summed = setting.config
        steps = summed.unroll
        mean = replace(summed, reduction="mean", lr=summed.lr * steps, clip=summed.clip / steps)
        text = setting.dataset.train
        given = first(text, summed.batch * (steps * self.updates + 1))
        scores: list[NDArray[np.float64]] = []
        for config in (summed, mean):
            *_, (_, reader) = trained(implementation, replace(setting, config=config), given)
            scores.append(read(reader, text.validation[:200].reshape(4, 50)))
        return {"change": cases(np.abs(scores[0] - scores[1]).max((0, 2)), 0, "nats")}


def read(reader: Reader, texts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores [T, B, V] while texts [B, T] are read."""
    stream = reader.start(len(texts))
    return np.stack([stream.step(column).astype(np.float64) for column in np.ascontiguousarray(texts.T)])


@dataclass(frozen=True)
class Averaging:
    """Train several models and read the test text with averages of them.

    Attributes:
        sizes: how many models are averaged, ascending; the last says how many are trained, and is a multiple of all.
        tokens: how many tokens of the training text are given; None for all.
        evaluated: how many tokens of the test text are read; None for all.
        lanes: how many lanes it is read in.
        alone: whether each model is read by itself too.

    Measures:
        perplexity_of_K: of averages of K models, for each of the sizes; where the trained ones make several groups of
            K, each in one of them, their geometric mean.
        gain: log of the members' geometric mean perplexity over that of the largest average; with `alone`.
        unordered_perplexity: of the training words' frequencies, half a word added to each kind's count; with `alone`.
        above_parts: by what the log perplexity of each average exceeds the mean over its parts, which are single models
            or averages of the next smaller size; with `alone`.
    """

    sizes: tuple[int, ...]
    tokens: int | None = None
    evaluated: int | None = None
    lanes: int = 1
    alone: bool = False
    passes_config_on: ClassVar[bool] = True

    def __call__(self, implementation: RecurrentRegularization, setting: Setting) -> Measurements:
        """Train members at seeds that never coincide between trials, each to its end."""
        members = self.sizes[-1]
        given, text = first(setting.dataset.train, self.tokens), setting.dataset.test.tokens[: self.evaluated]
        readers: list[Reader] = []
        for seed in range(setting.seed * members, (setting.seed + 1) * members):
            *_, (_, reader) = trained(implementation, setting, given, seed=seed)
            readers.append(reader)
        losses: dict[int, NDArray[np.float64]] = {}
        for size in self.sizes:
            groups = [implementation.ensemble(readers[at : at + size]) for at in range(0, members, size)]
            losses[size] = np.array([loss(group, text, given.vocabulary, self.lanes) for group in groups])
        found = {f"perplexity_of_{size}": perplexity(nats.mean()) for size, nats in losses.items()}
        if not self.alone:
            return found
        alone = np.array([loss(reader, text, given.vocabulary, self.lanes) for reader in readers])
        steps = pairwise([alone, *losses.values()])
        above = [larger - smaller.reshape(len(larger), -1).mean(1) for smaller, larger in steps]
        gain = alone.mean() - losses[members].mean()
        counts = np.bincount(given.tokens, minlength=given.vocabulary) + 0.5
        return found | {
            "gain": scalar(gain, "nats"),
            "unordered_perplexity": perplexity(-np.log(counts / counts.sum())[text[1:]].mean()),
            "above_parts": cases(np.concatenate(above), 0, "nats"),
        }


# Mechanism: exact.


@claim("parameters", rows={name: holds() for name in PERPLEXITY}, controls=["tied_embeddings"])
def test_parameters(run: Run, row: str):
    """Section 4.1: two layers of 200, 650 or 1500 LSTM units between 10,000 embedded words and a softmax over them."""
    return run(parameters, row)["missing"]


@claim("crossings-do-not-grow", holds(tolerance=1e-6), controls=["dropout_on_recurrence", "dropout_on_all_connections"])
def test_crossings_do_not_grow(run: Run):
    """Section 3.2: information crosses dropout exactly L + 1 times, however many steps ago it was read."""
    return run(Crossings(), "small")["crossings"]


@claim(
    "memory-is-untouched",
    all_of(holds(tolerance=1e-10), holds()),
    controls=["dropout_on_cells", "dropout_at_evaluation"],
)
def test_memory_is_untouched(run: Run):
    """Section 3.2: dropout never acts from cell to cell: d c_t / d c_(t-1) is diag(f_t), and reading has no noise."""
    arm = run(Memory(), "small", data="pydoc", vocabulary=2000, hidden=100, dropout=0.5)
    return arm["gap"], arm["change"]


@claim("normalized-by-minibatch-size", holds(tolerance=1e-5), controls=["rate_and_clip_of_the_sum"])
def test_normalized_by_minibatch_size(run: Run):
    """Section 4.1: averaging losses over T steps is the same at T times the learning rate and a T-th of the clip."""
    small = {"vocabulary": 2000, "hidden": 50, "epochs": 1, "dropout": 0.5, "precision": "float64"}
    return run(Conventions(), "small", data="pydoc", **small)["change"]


@claim("averages-beat-their-parts", holds(relation="at_most"), controls=["copies_of_one_model"])
def test_averages_beat_their_parts(run: Run):
    """Table 1: averages of 2, 4 and 8 models are better than the mean of their halves, as log is concave."""
    average = Averaging(sizes=(2, 4, 8), tokens=2_500, evaluated=1_000, lanes=20, alone=True)
    return run(average, "small", data="pydoc", **{**SHORT, "epochs": 2})["above_parts"]


# Direction: the pydoc setting above.


@claim(
    "dropout-helps",
    all_of(lower(times=0.9, log=True), higher(times=2.0, log=True)),
    seeds=9,
    controls=["without_dropout", "dropout_at_evaluation"],
)
def test_dropout_helps(run: Run):
    """Table 1: dropout lowers the perplexity of other text, though it raises that of the training text."""
    with_it = run(READ, "small", data="pydoc", arm="dropout", dropout=0.7, **PYDOC)
    without = run(READ, "small", data="pydoc", arm="no dropout", **PYDOC)
    validation, training = ((with_it[name], without[name]) for name in ("validation_perplexity", "train_perplexity"))
    return validation, training


@claim("recurrent-dropout-is-worse", lower(times=0.93, log=True), seeds=8, controls=["dropout_on_recurrence"])
def test_recurrent_dropout_is_worse(run: Run):
    """Section 3.2: dropout helps less on the connections from one step to the next than on all others."""
    others = run(READ, "small", data="pydoc", arm="dropout", dropout=0.7, **PYDOC)
    recurrent = run(READ, "small", data="pydoc", arm="recurrent dropout", dropout=0.7, where="recurrent", **PYDOC)
    return others["validation_perplexity"], recurrent["validation_perplexity"]


@claim(
    "averaging-helps-more-without-dropout",
    all_of(higher(), lower(times=0.85, log=True)),  # the second part: they know more than how frequent words are
    seeds=8,
    controls=["without_dropout"],
)
def test_averaging_helps_more_without_dropout(run: Run):
    """Table 1: averaging models lowers perplexity by a larger factor where they were trained without dropout."""
    average = Averaging(sizes=(4,), tokens=2_500, evaluated=2_000, lanes=20, alone=True)
    plain = run(average, "small", data="pydoc", arm="no dropout", **SHORT)
    regular = run(average, "small", data="pydoc", arm="dropout", dropout=0.65, **SHORT)
    return (plain["gain"], regular["gain"]), (plain["perplexity_of_4"], plain["unordered_perplexity"])


# Number: the Penn Treebank and the paper's schedules. Costs are estimates.
# None is for a CPU: at 13,000 words a second on one core (benchmarks/bench_zaremba2014.py, bfloat16), 13 epochs of the
# small network take a quarter of an hour, and three seeds with their control three quarters of an hour of two cores.


def within(figures: Mapping[str, Reported]) -> dict[str, Any]:
    """At most two per cent above each figure."""
    return {row: at_most(figure, plus=0.02 * figure.value) for row, figure in figures.items()}


def published(run: Run, row: str):
    """The test perplexity of a network of Table 1 at the epoch that the validation text chooses."""
    return run(LanguageModelling(checkpoints=tuple(EPOCHS[row]), test=True), row, data="ptb")["test_perplexity"]


@claim(
    "non-regularized-perplexity",
    rows=within({"small": PERPLEXITY["small"]}),
    tier="gpu",
    seeds=3,
    controls=["averaged_over_steps"],
    cost="an estimated 10 minutes a seed on one H200, as much for the control",
)
def test_non_regularized_perplexity(run: Run, row: str):
    """Table 1: the small network without dropout reaches a test perplexity of 114.5 on the Penn Treebank."""
    return published(run, row)


@claim(
    "regularized-perplexity",
    rows=within({name: PERPLEXITY[name] for name in ("medium", "large")}),
    tier="gpu",
    seeds=3,
    controls=["without_dropout"],
    cost="an estimated 20 minutes (medium) or an hour (large) a seed on one H200, as much for the control",
)
def test_regularized_perplexity(run: Run, row: str):
    """Table 1: with dropout the medium and the large network reach 82.7 and 78.4 on the Penn Treebank."""
    return published(run, row)


@claim(
    "averaged-perplexity",
    rows=within(AVERAGED),
    tier="gpu",
    seeds=3,
    controls=["copies_of_one_model"],
    cost="an estimated 5 (small), 15 (medium) or 40 minutes (large) a model and seed on one H200, as much again for "
    "the control: about 6 days for 38 large ones",
)
def test_averaged_perplexity(run: Run, row: str):
    """Table 1: averages of 2 to 38 models reach the reported test perplexities on the Penn Treebank."""
    name, _, size = row.partition("-")
    return run(Averaging(sizes=(int(size),)), name, data="ptb")[f"perplexity_of_{size}"]
