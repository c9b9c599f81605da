"""How a submission is questioned, whatever its contract: in two fresh processes, which must answer alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.answers import Answers, Fault, differ, function, kind, same
from harness.jail import Jailed
from repro.task import Device

Opens = Callable[[], AbstractContextManager[Any]]
"""Starts a fresh process; what it yields looks like the submission's module."""

Check = tuple[str, Callable[[], str]]
"""The name of an audit, and the audit: it returns the line that says what was found, or raises `Fault`."""

Checks = Generator[Check, None, None]
"""Audits in their order; each is made before the next one is asked for."""

TOLERANCE: dict[Device, float] = {"cpu": 1e-4, "cuda": 2e-2, "mps": 2e-2}
"""Of the spread of scores: what batch sizes may change by rounding, float32 on a CPU, bfloat16 elsewhere."""

CHECKPOINT = 1  # the update after which training is looked at as well
MESSAGE = 4000  # characters of a finding; a submission may have written some of them


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What audits run on.

    Attributes:
        config: small, so that training takes about a second.
        data: training data of the contract: `task.Images`, `task.Corpus` or `task.Pairs`; for a pipeline, the
            mini-batch as inputs and outputs; None for simulators.
        inputs: what to predict, at least two and never test data: images [N, H, W, C], `Sequences`, `Graphs`, or the
            tokens of texts [lanes, T]. For simulators ascending times, or None.
        device: what to train on.
        seed: of the training; the next one is used as well.
    """

    config: Any
    data: Any = None
    inputs: Any = None
    device: Device = "cpu"
    seed: int = 12345


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one audit found.

    Attributes:
        audit: its name, such as "same seed, same result".
        passed: whether the submission may go on.
        says: one line: what was compared, and where it differs. What a submission printed before it died stands below.
    """

    audit: str
    passed: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that a contract lets one ask.

    Attributes:
        name: of the function that answers.
        ask: answers about inputs, from what was learnt; raises `Fault` for a wrong form.
        inputs: what to ask about.
        size: how many inputs these are.
        pick: the inputs at some places [M] alone; None where answers do not belong to inputs one by one.
        pad: the same inputs with other padding; None where nothing is padded.
    """

    name: str
    ask: Callable[[Any, Any], Answers]
    inputs: Any
    size: int = 0
    pick: Callable[[Any, NDArray[np.int64]], Any] | None = None
    pad: Callable[[Any], Any] | None = None


def findings(checks: Checks) -> Iterator[Finding]:
    """Make audits one by one; ends early where nothing more can be compared."""
    name = "fresh process"
    with contextlib.closing(checks):
        try:
            for name, check in checks:
                try:
                    yield Finding(audit=name, passed=True, says=_clean(check()))
                except Fault as fault:
                    yield Finding(audit=name, passed=False, says=_clean(str(fault)))
                    if fault.last:
                        return
                name = "fresh process"
        except Jailed as error:
            yield Finding(audit=name, passed=False, says=_clean(str(error)))


def _clean(text: str) -> str:
    """Text that cannot move a terminal's cursor, nor fill its screen."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text[:MESSAGE])


class Examiner:
    """Audits of a contract under which nothing is trained: what is "learnt" is the functions and the seed."""

    def __init__(self, opens: Opens, ground: Ground) -> None:
        self.opens, self.ground = opens, ground
        self.learnt: Any = None
        self.answers: dict[str, Answers] = {}
        self.loose = TOLERANCE[ground.device]
        self.exact = 0.0 if ground.device == "cpu" else self.loose

    def questions(self) -> Sequence[Question]:
        """What to ask; the same in every process."""
        raise NotImplementedError

    def learn(self, names: Any, seed: int, checkpoints: tuple[int, ...] = ()) -> Any:
        """What questions are put to."""
        return names, seed

    def begin(self, names: Any) -> Checks:
        """Audits that lead to something learnt."""
        self.learnt = self.learn(names, self.ground.seed)
        yield from ()

    def special(self, names: Any) -> Checks:
        """Audits of this contract alone, in the first process."""
        yield from ()

    def end(self, names: Any) -> Checks:
        """Audits of this contract alone, after all others, in the second process."""
        yield from ()

    def checks(self) -> Checks:
        """All audits in their order."""
        with self.opens() as names:
            yield from self.begin(names)
            for question in self.questions():
                yield "shapes and types", partial(self.form, question)
                yield "asked twice, same answer", partial(self.twice, question)
                if question.pick is not None:
                    yield "order in a batch", partial(self.order, question)
                    yield "company in a batch", partial(self.company, question)
                if question.pad is not None:
                    yield "padding", partial(self.padding, question)
            yield from self.special(names)
        with self.opens() as names:
            yield "same seed, same result", partial(self.again, names)
            yield "another seed, another result", partial(self.other, names)
            yield from self.end(names)

    def form(self, question: Question) -> str:
        """Ask for the first time."""
        self.answers[question.name] = found = question.ask(self.learnt, question.inputs)
        label, first = next(iter(found.items()))
        return f"{question.name}: {len(found)} answers, {label} is {first.dtype} {list(first.shape)}"

    def twice(self, question: Question) -> str:
        """Ask once more."""
        found = question.ask(self.learnt, question.inputs)
        return same(question.name, found, self.answers[question.name], self.exact, "it is asked again")

    def order(self, question: Question) -> str:
        """Ask in the reverse order."""
        return self.part(question, np.arange(question.size)[::-1].copy(), "the batch is in reverse order")

    def company(self, question: Question) -> str:
        """Ask about every other input, and about three of them alone."""
        self.part(question, np.arange(0, question.size, 2), "only every other one is in the batch")
        for place in sorted({0, question.size // 2, question.size - 1}):
            self.part(question, np.array([place]), "it is alone in its batch")
        return f"{question.name}: the same in a smaller batch and alone"

    def part(self, question: Question, places: NDArray[np.int64], when: str) -> str:
        """Ask about the inputs at some places and compare with the answers about all of them."""
        assert question.pick is not None
        known = self.answers[question.name]
        labels = [list(known)[place] for place in places]
        found = question.ask(self.learnt, question.pick(question.inputs, places))
        by_label = dict(zip(labels, found.values(), strict=True))
        return same(question.name, by_label, {k: known[k] for k in labels}, self.loose, when, among=known)

    def padding(self, question: Question) -> str:
        """Ask with other and more padding."""
        assert question.pad is not None
        found = question.ask(self.learnt, question.pad(question.inputs))
        return same(question.name, found, self.answers[question.name], self.loose, "the padding is another")

    def again(self, names: Any) -> str:
        """Learn and ask in a fresh process."""
        self.compare(self.learn(names, self.ground.seed, (CHECKPOINT,)), "the seed is the same in a fresh process")
        return f"{self.asked}: the same in a fresh process"

    def compare(self, learnt: Any, when: str) -> None:
        """Put all questions to something else; its answers must be the same."""
        for question in self.questions():
            found = question.ask(learnt, question.inputs)
            same(question.name, found, self.answers[question.name], self.exact, when)

    def other(self, names: Any) -> str:
        """Learn and ask with another seed."""
        learnt = self.learn(names, self.ground.seed + 1, (CHECKPOINT,))
        for question in self.questions():
            if differ(question.ask(learnt, question.inputs), self.answers[question.name]):
                return f"{question.name}: not the same at another seed"
        raise Fault(f"{self.asked}: the same to the last bit at another seed; it ignores its seed", last=False)

    @property
    def asked(self) -> str:
        """The functions that are asked."""
        return " and ".join(question.name for question in self.questions())


class Trainer(Examiner):
    """Audits of a contract with `train`; what is learnt is what training yields last."""

    def __init__(self, opens: Opens, ground: Ground) -> None:
        super().__init__(opens, ground)
        self.updates: list[list[int]] = []  # at which each training yielded

    def learn(self, names: Any, seed: int, checkpoints: tuple[int, ...] = ()) -> Any:
        """Train to the end.

        Raises:
            Fault: if it yields in another form, or at other updates.
        """
        ground = self.ground
        train = function(names, "train")
        trained = train(ground.config, ground.data, seed=seed, device=ground.device, checkpoints=checkpoints)
        if not isinstance(trained, Iterator):
            raise Fault(f"train gives {kind(trained)}, not an iterator")
        steps, learnt = [], None
        for item in trained:
            step, learnt = _pair(item)
            if steps and (step <= steps[-1] or steps[-1] not in checkpoints):
                raise Fault(
                    f"train yields at update {steps[-1]} and then at update {step}: asked for are, ascending, "
                    f"{', '.join(map(str, checkpoints)) or 'no checkpoints'} and the end"
                )
            steps.append(step)
        if not steps:
            raise Fault("train yields nothing, not even at its end")
        if missed := [step for step in checkpoints if step <= steps[-1] and step not in steps]:
            raise Fault(f"train yields at its end, update {steps[-1]}, and not at the checkpoint {missed[0]} before")
        self.updates.append(steps)
        return learnt

    def begin(self, names: Any) -> Checks:
        """Train in the first process."""
        yield "training", partial(self.train, names, (CHECKPOINT,))

    def train(self, names: Any, checkpoints: tuple[int, ...]) -> str:
        """Train and keep what is learnt."""
        self.learnt = self.learn(names, self.ground.seed, checkpoints)
        return f"train: yields at updates {', '.join(map(str, self.updates[-1]))}"

    def end(self, names: Any) -> Checks:
        """Train without a checkpoint."""
        yield "checkpoints", partial(self.unseen, names)

    def unseen(self, names: Any) -> str:
        """Whether training is the same where nobody looks at it before its end."""
        learnt = self.learn(names, self.ground.seed)
        first, last = self.updates[0][-1], self.updates[-1][-1]
        if first != last:
            raise Fault(f"train ends at update {last}, and at {first} with a checkpoint at {CHECKPOINT}", last=False)
        self.compare(learnt, "training has no checkpoint")
        return f"train: the same after {last} updates, with a checkpoint and without"


def _pair(item: Any) -> tuple[int, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise Fault(f"train yields {kind(item)}, not a pair of an update and what is learnt")
    step = item[0]
    if not isinstance(step, int | np.integer) or isinstance(step, bool) or step < 0:
        raise Fault(f"train yields at update {repr(step)[:40]}, which is no number of updates")
    return int(step), item[1]
