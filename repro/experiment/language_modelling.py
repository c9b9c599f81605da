"""Training a language model and measuring its perplexity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from repro.criterion.measurement import Measurement, curve, scalar
from repro.data import Text
from repro.errors import ReproError
from repro.experiment.carried import Carried
from repro.experiment.setting import Experiment, Setting
from repro.task import Reader


@dataclass(frozen=True)
class LanguageModelling(Experiment):
    """Train on a dataset's training text through the contract; measure how well what follows is predicted.

    Every number is computed here, from the scores that the implementation commits to before it sees what follows.

    Attributes:
        tokens: how many tokens of the training text are given, from its start; None for all.
        eval_steps: updates after which a text is looked at to choose by; the end of training always is one.
        evaluated: how many tokens of each text are read for a measurement, from its start; None for all.
        streams: how many streams the test text is read in; 1 for published numbers.
        others: how many streams the training and validation texts are read in.
        test: whether the test text is read.

    Measures:
        validation_perplexity: the lowest over the eval_steps.
        test_perplexity: at that checkpoint, the first if several are equal; with `test`.
        train_perplexity: at the end, on what was given to train on, as far as `evaluated` says.
        validation_loss: mean over tokens at the eval_steps, in nats, over updates.
    """

    tokens: int | None = None
    eval_steps: tuple[int, ...] = ()
    evaluated: int | None = None
    streams: int = 1
    others: int = 20
    test: bool = False
    passes_config_on: ClassVar[bool] = True  # so a control that only changes configs shares the reference's trials

    def __call__(self, implementation: Any, setting: Setting) -> dict[str, Measurement]:
        """Train one model at `setting.seed` and measure it.

        Raises:
            ReproError: if training yields nothing, or scores of a wrong form.
        """
        train, test = setting.dataset.train, setting.dataset.test
        given = first_tokens(train, self.tokens)
        losses: dict[int, float] = {}
        best, test_loss = np.inf, np.inf
        model: Any = None
        for step, trained in train_language_model(implementation, setting, given, self.eval_steps):
            model = Carried.of(implementation, setting, trained)
            losses[step] = model.loss(train.validation[: self.evaluated], self.others)
            if losses[step] < best:
                best = losses[step]
                if self.test:
                    test_loss = model.loss(test.tokens[: self.evaluated], self.streams)
        found = {
            "validation_perplexity": perplexity(best),
            "train_perplexity": perplexity(model.loss(given.tokens[: self.evaluated], self.others)),
            "validation_loss": curve(
                list(losses), list(losses.values()), unit="nats", x_unit="updates", better="lower"
            ),
        }
        return found | ({"test_perplexity": perplexity(test_loss)} if self.test else {})


def first_tokens(text: Text, tokens: int | None) -> Text:
    """The first tokens of a text, all for None, without its validation text."""
    return replace(text, tokens=text.tokens[:tokens], validation=text.validation[:0])


def train_language_model(
    implementation: Any, setting: Setting, text: Text, eval_steps: tuple[int, ...] = (), seed: int | None = None
) -> Iterator[tuple[int, Reader]]:
    """Train at the setting's seed, or another; yield what the contract says.

    Raises:
        ReproError: if training yields nothing.
    """
    own = setting.seed if seed is None else seed
    step = None
    for step, reader in implementation.train(
        setting.config, text, seed=own, device=setting.device, eval_steps=eval_steps
    ):
        yield step, reader
    if step is None:
        raise ReproError("Training gave no model", "train must yield a reader at its end.")


def perplexity(nats: float) -> Measurement:
    """The exponential of a mean loss; infinite where that is too large for a number."""
    with np.errstate(over="ignore"):
        return scalar(float(np.exp(np.float64(nats))), "perplexity", better="lower")
