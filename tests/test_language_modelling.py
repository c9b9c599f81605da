"""Perplexities: every token counts once, nothing is chosen on the test text, and nothing diverged is forgiven."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from repro import ReproError, Setting
from repro.claim.claim import name_arm
from repro.data import Dataset, Text
from repro.experiment.language_modelling import LanguageModelling
from repro.experiment.likelihood import text_loss
from repro.trial.implementation import LoadedImplementation, Opened
from repro.trial.trial import Trial

WORDS = 7


class Bigram:
    """A reader that knows how often each word follows each, and remembers what it was told."""

    def __init__(self, counts: np.ndarray) -> None:
        self.counts = counts
        self.told: list[np.ndarray] = []

    def start(self, streams: int) -> Bigram:
        """Itself: it keeps no state."""
        return self

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Logarithms of counts [B, V]."""
        self.told.append(tokens.copy())
        return np.log(self.counts[tokens]).astype(np.float32)


def by_hand(counts: np.ndarray, text: np.ndarray) -> float:
    """The mean loss of a text, token by token."""
    return float(np.mean([-math.log(counts[a, b] / counts[a].sum()) for a, b in pairwise(text)]))


@pytest.fixture
def counts() -> np.ndarray:
    """How often each word follows each."""
    return np.random.default_rng(0).integers(1, 30, (WORDS, WORDS)).astype(float)


def text(length: int, seed: int = 1) -> np.ndarray:
    """Words at random."""
    return np.random.default_rng(seed).integers(0, WORDS, length)


def corpus() -> Dataset[Text]:
    """A small dataset of words at random."""
    train = Text(tokens=text(400), validation=text(90, 2), vocabulary=WORDS)
    test = Text(tokens=text(80, 3), validation=text(0), vocabulary=WORDS)
    return Dataset(name="words", train=train, test=test, digest="0")


def setting() -> Setting:
    """What an experiment is run with."""
    return Setting(config=None, seed=0, device="cpu", data=corpus())


def model(*readers: Any, seen: list[Any] | None = None) -> Any:
    """An implementation whose training yields these readers at updates 10, 20, ..."""

    def train(config: Any, data: Any, **asked: Any) -> Any:
        if seen is not None:
            seen.append((data, asked))
        yield from ((10 * place, reader) for place, reader in enumerate(readers, start=1))

    def state(reader: Any) -> dict[str, np.ndarray]:
        return {"place": np.array([readers.index(reader)])}

    def restore(config: Any, state: dict[str, np.ndarray], *, device: str) -> Any:
        return readers[int(state["place"][0])]

    return SimpleNamespace(train=train, state=state, restore=restore, shapes=lambda config: {"place": (1,)})


@pytest.mark.parametrize("length", [2, 3, 20, 99, 100, 101])
@pytest.mark.parametrize("streams", [1, 2, 7, 20, 500])
def test_every_token_after_the_first_counts_once(counts, length, streams):
    """For a model without memory the loss is the same in any number of streams, and what is computed by hand."""
    tokens = text(length)
    assert text_loss(Bigram(counts), tokens, WORDS, streams) == pytest.approx(by_hand(counts, tokens), rel=1e-5)


def test_one_lane_is_read_in_the_order_of_the_text(counts):
    """A model with memory is told each word of the text once, in order, and the last one never."""
    reader, tokens = Bigram(counts), text(30)
    text_loss(reader, tokens, WORDS)
    assert np.concatenate(reader.told).tolist() == tokens[:-1].tolist()


@pytest.mark.parametrize("length", [0, 1])
def test_a_text_without_anything_to_predict_is_an_error(counts, length):
    """Fewer than two tokens make no loss."""
    with pytest.raises(ReproError, match=f"A text of {length} tokens has none to predict"):
        text_loss(Bigram(counts), text(length), WORDS)


def test_the_best_checkpoint_is_chosen_by_validation_alone(counts):
    """The test perplexity is that of the checkpoint with the lowest validation perplexity, not its own lowest."""
    data = corpus()
    follows = np.full((WORDS, WORDS), 1.0)
    np.add.at(follows, (data.train.validation[:-1], data.train.validation[1:]), 50.0)
    peeking = np.full((WORDS, WORDS), 1.0)
    np.add.at(peeking, (data.test.tokens[:-1], data.test.tokens[1:]), 50.0)
    found = LanguageModelling(test=True)(model(Bigram(counts), Bigram(follows), Bigram(peeking)), setting())
    assert {measurement.better for measurement in found.values()} == {"lower"}
    assert found["validation_loss"].x.tolist() == [10, 20, 30]
    assert found["validation_loss"].value.argmin() == 1
    assert found["validation_perplexity"].value == pytest.approx(math.exp(by_hand(follows, data.train.validation)))
    assert found["test_perplexity"].value == pytest.approx(math.exp(by_hand(follows, data.test.tokens)), rel=1e-5)
    assert found["train_perplexity"].value == pytest.approx(math.exp(by_hand(peeking, data.train.tokens)), rel=1e-5)


def test_an_implementation_is_given_what_it_may_see():
    """It is given the first tokens asked for and never the validation or test text."""
    seen: list[Any] = []
    LanguageModelling(tokens=100, eval_steps=(10,))(model(Bigram(np.ones((WORDS, WORDS))), seen=seen), setting())
    ((data, asked),) = seen
    assert data.tokens.tolist() == corpus().train.tokens[:100].tolist()
    assert (len(data.validation), data.vocabulary) == (0, WORDS)
    assert asked == {"seed": 0, "device": "cpu", "eval_steps": (10,)}


def test_scores_that_are_not_finite_make_an_infinite_perplexity(counts):
    """A model that diverged is never the best, and where nothing else is there the perplexity is infinite."""
    bad = counts.copy()
    bad[0, 0] = np.nan
    found = LanguageModelling(test=True)(model(Bigram(bad)), setting())
    assert [found[name].value for name in ("validation_perplexity", "test_perplexity", "train_perplexity")] == [
        math.inf
    ] * 3
    found = LanguageModelling(test=True)(model(Bigram(bad), Bigram(counts)), setting())
    assert found["validation_perplexity"].value == pytest.approx(
        math.exp(by_hand(counts, corpus().train.validation)), rel=1e-5
    )


def test_training_that_yields_nothing_is_an_error():
    """An implementation without a model at its end gets one clear message."""
    with pytest.raises(ReproError, match="Training gave no model"):
        LanguageModelling()(model(), setting())


class Replaying:
    """A reader that remembers the first text that it reads and predicts it from then on."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.read = 0

    def start(self, streams: int) -> Replaying:
        """Itself, from the beginning."""
        self.read = 0
        return self

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Scores [B, V] that are certain of what followed the last time."""
        self.read += 1
        if self.read > len(self.seen):
            self.seen.append(tokens.copy())
        scores = np.zeros((len(tokens), WORDS))
        if self.read < len(self.seen):
            scores[np.arange(len(tokens)), self.seen[self.read]] = 50.0
        return scores


def test_a_text_is_read_by_a_model_that_has_read_no_other():
    """What a model keeps of a text beside its arrays is not there when the next text, or the same, is read."""
    trained = Replaying()
    replaying = SimpleNamespace(
        train=lambda config, data, **asked: ((step, trained) for step in (10, 20, 30)),
        state=lambda reader: {},
        restore=lambda config, state, device: Replaying(),
        shapes=lambda config: {},
    )
    found = LanguageModelling()(replaying, setting())
    assert found["validation_loss"].value == pytest.approx([math.log(WORDS)] * 3)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "no 'a' \\[2\\]"),
        ({"a": np.zeros(3)}, "'a' as \\[3\\], where \\[2\\] is due"),
        ({"a": np.zeros(2), "table": np.zeros(9)}, "'table', which is none of the weights"),
    ],
)
def test_a_state_is_what_is_said_to_be_learnt(arrays, message):
    """Missing, misshapen and additional arrays are named."""
    bad = SimpleNamespace(
        train=lambda config, data, **asked: iter([(1, None)]),
        state=lambda reader: arrays,
        shapes=lambda config: {"a": (2,)},
    )
    with pytest.raises(ReproError, match=message):
        LanguageModelling()(bad, setting())


class Elsewhere:
    """A host whose every process trains, or restores and reads one text, and nothing more."""

    isolation = "none"

    def __init__(self) -> None:
        self.done: list[list[str]] = []

    def seed(self, seed: int) -> int:
        """The same."""
        return seed

    @contextmanager
    def open(self, *, seed: int, device: str, dataset: str | None) -> Iterator[Opened]:
        """One more process; what is called in it is noted."""
        calls: list[str] = []
        self.done.append(calls)

        def train(config: Any, data: Any, **asked: Any) -> Any:
            calls.append("train")
            yield from ((step, step) for step in (10, 20))

        def restore(config: Any, state: dict[str, np.ndarray], *, device: str) -> Any:
            calls.append(f"restore {int(state['step'][0])}")
            return Bigram(np.ones((2000, 2000)))

        names = SimpleNamespace(
            train=train,
            restore=restore,
            state=lambda step: {"step": np.array([step])},
            shapes=lambda config: {"step": (1,)},
        )
        yield Opened(names)


@dataclass(frozen=True)
class Empty:
    """A config without anything."""


def test_models_of_a_submission_are_read_where_nothing_was_trained():
    """Each text, of each model, is read in a process of its own."""
    host = Elsewhere()
    submission = LoadedImplementation(
        kind="submission",
        paper="zaremba2014",
        name="elsewhere",
        names=SimpleNamespace(CONFIGS={"empty": Empty()}),
        source="0",
        host=host,
    )
    arm = name_arm(LanguageModelling(tokens=100, eval_steps=(10,), evaluated=50), "empty", data="pydoc")
    Trial(arm, submission, 0, "cpu").run()
    assert host.done == [["train"], ["restore 10"], ["restore 20"], ["restore 20"]]
