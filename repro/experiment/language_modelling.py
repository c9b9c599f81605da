"""Training a language model and measuring its perplexity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from repro.data import Text
from repro.errors import ReproError
from repro.experiment import Setting
from repro.measurement import Measurement, curve, scalar
from repro.streaming import log_likelihood
from repro.task import Reader


@dataclass(frozen=True)
class LanguageModelling:
    """Train on a dataset's training text through the contract; measure how well what follows is predicted.

    Every number is computed here, from the scores that the implementation commits to before it is told what follows.

    Attributes:
        tokens: how many tokens of the training text are given, from its start; None for all.
        checkpoints: updates after which a text is looked at to choose by; the end of training always is one.
        evaluated: how many tokens of each text are read for a measurement, from its start; None for all.
        lanes: how many lanes the test text is read in; 1 for published numbers.
        others: how many lanes the training and validation texts are read in.
        test: whether the test text is read.

    Measures:
        validation_perplexity: the lowest over the checkpoints.
        test_perplexity: at that checkpoint, the first if several are equal; with `test`.
        train_perplexity: at the end, on what was given to train on, as far as `evaluated` says.
        validation_loss: mean over tokens at the checkpoints, in nats, over updates.
    """

    tokens: int | None = None
    checkpoints: tuple[int, ...] = ()
    evaluated: int | None = None
    lanes: int = 1
    others: int = 20
    test: bool = False
    passes_config_on: ClassVar[bool] = True  # so a control that only changes configs shares the reference's trials

    def __call__(self, implementation: Any, setting: Setting) -> dict[str, Measurement]:
        """Train one model at `setting.seed` and measure it.

        Raises:
            ReproError: if training yields nothing, or scores of a wrong form.
        """
        train, test, words = setting.dataset.train, setting.dataset.test, setting.dataset.train.vocabulary
        given = first(train, self.tokens)
        losses: dict[int, float] = {}
        best, test_loss = np.inf, np.inf
        reader: Any = None
        for step, reader in trained(implementation, setting, given, self.checkpoints):
            losses[step] = loss(reader, train.validation[: self.evaluated], words, self.others)
            if losses[step] < best:
                best = losses[step]
                test_loss = loss(reader, test.tokens[: self.evaluated], words, self.lanes) if self.test else np.inf
        found = {
            "validation_perplexity": perplexity(best),
            "train_perplexity": perplexity(loss(reader, given.tokens[: self.evaluated], words, self.others)),
            "validation_loss": curve(list(losses), list(losses.values()), unit="nats", x_unit="updates"),
        }
        return found | ({"test_perplexity": perplexity(test_loss)} if self.test else {})


def first(text: Text, tokens: int | None) -> Text:
    """The first tokens of a text, all for None, without its validation text."""
    return replace(text, tokens=text.tokens[:tokens], validation=text.validation[:0])


def trained(
    implementation: Any, setting: Setting, text: Text, checkpoints: tuple[int, ...] = (), seed: int | None = None
) -> Iterator[tuple[int, Reader]]:
    """Train at the setting's seed, or another; yield what the contract says.

    Raises:
        ReproError: if training yields nothing.
    """
    own = setting.seed if seed is None else seed
    step = None
    for step, reader in implementation.train(
        setting.config, text, seed=own, device=setting.device, checkpoints=checkpoints
    ):
        yield step, reader
    if step is None:
        raise ReproError("Training gave no model", "train must yield a reader at its end.")


def loss(reader: Reader, tokens: NDArray[np.int64], vocabulary: int, lanes: int = 1) -> float:
    """Mean negative log-likelihood, in nats, of every token of a text after its first; infinite if one is impossible.

    In one lane each token is predicted from all before it. For more, the text is cut into as many pieces of equal
    length (the last may be shorter); each lane reads first the last token of the piece before, which is counted there
    alone, and knows nothing older. So each token counts once, save the very first, which nothing precedes.

    Raises:
        ReproError: for a text of fewer than two tokens, or scores of a wrong form.
    """
    if len(tokens) < 2:
        raise ReproError(f"A text of {len(tokens)} tokens has none to predict", "Two or more are needed.")
    each = -(-(len(tokens) - 1) // lanes)
    lanes = -(-(len(tokens) - 1) // each)  # no lane without a token to predict
    padded = np.concatenate([tokens, np.zeros(lanes * each + 1 - len(tokens), tokens.dtype)])
    cut = np.stack([padded[start : start + each + 1] for start in range(0, lanes * each, each)])
    found = log_likelihood(reader.start(lanes), cut, vocabulary).ravel()[: len(tokens) - 1]
    return float(-found.mean())


def perplexity(nats: float) -> Measurement:
    """The exponential of a mean loss; infinite where that is too large for a number."""
    with np.errstate(over="ignore"):
        return scalar(float(np.exp(np.float64(nats))), "perplexity")
