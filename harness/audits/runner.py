"""How a submission is audited, whatever its contract: in two fresh processes, which must answer alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.audits.checks import Answers, Fault, differ, function, kind, same
from harness.sandbox.broker import clean
from harness.sandbox.jail import Jailed
from repro.task import Device

OpenProcess = Callable[[], AbstractContextManager[Any]]
"""Starts a fresh process; what it yields looks like the submission's module."""

Audit = tuple[str, Callable[[], str]]
"""The name of an audit, and the audit: it returns the line that says what was found, or raises `Fault`."""

Audits = Generator[Audit, None, None]
"""Audits in their order; each is made before the next one is asked for."""

TOLERANCE: dict[Device, float] = {"cpu": 1e-4, "cuda": 2e-2, "mps": 2e-2}
"""Of the spread of scores: what batch sizes may change by rounding, float32 on a CPU, bfloat16 elsewhere."""

CHECKPOINT = 1  # the update after which training is looked at as well
MESSAGE = 4000  # characters of a message; a submission may have written some of them


@dataclass(frozen=True, kw_only=True)
class AuditInputs:
    """What audits run on.

    Attributes:
        config: small, so that training takes about a second.
        data: training data of the contract: `task.Images`, `task.Corpus` or `task.Pairs`; for a pipeline, the
            mini-batch as inputs and outputs; None for simulators.
        inputs: what to predict, at least two and never test data: images [N, H, W, C], `Sequences`, `Graphs`, or the
            tokens of texts [streams, T]. For simulators ascending times, or None.
        device: what to train on.
        seed: of the training.
        other: another seed. A submission's are derived like those of its trials, so that neither tells an audit.
    """

    config: Any
    data: Any = None
    inputs: Any = None
    device: Device = "cpu"
    seed: int = 12345
    other: int = 12346


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """What one audit found.

    Attributes:
        audit: its name, such as "same seed, same result".
        passed: whether the submission may go on.
        message: one line: what was compared, and where it differs; below it, what the submission printed before dying.
    """

    audit: str
    passed: bool
    message: str


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
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


def results(audits: Audits) -> Iterator[AuditResult]:
    """Make audits one by one; ends early where nothing more can be compared."""
    name = "fresh process"
    with contextlib.closing(audits):
        try:
            for name, audit in audits:
                try:
                    yield AuditResult(audit=name, passed=True, message=clean(audit(), MESSAGE))
                except Fault as fault:
                    yield AuditResult(audit=name, passed=False, message=clean(fault, MESSAGE))
                    if fault.last:
                        return
                name = "fresh process"
        except Jailed as error:
            yield AuditResult(audit=name, passed=False, message=clean(error, MESSAGE))


class AuditRunner:
    """Audits of a contract under which nothing is trained: what is "learnt" is the functions and the seed."""

    def __init__(self, open_process: OpenProcess, given: AuditInputs) -> None:
        self.open_process, self.given = open_process, given
        self.learnt: Any = None
        self.answers: dict[str, Answers] = {}
        self.loose = TOLERANCE[given.device]
        self.exact = 0.0 if given.device == "cpu" else self.loose

    def queries(self) -> Sequence[AuditQuery]:
        """What to ask; the same in every process."""
        raise NotImplementedError

    def learn(self, names: Any, seed: int, eval_steps: tuple[int, ...] = ()) -> Any:
        """What is asked."""
        return names, seed

    def begin(self, names: Any) -> Audits:
        """Audits that lead to something learnt."""
        self.learnt = self.learn(names, self.given.seed)
        yield from ()

    def special(self, names: Any) -> Audits:
        """Audits of this contract alone, in the first process."""
        yield from ()

    def end(self, names: Any) -> Audits:
        """Audits of this contract alone, after all others, in the second process."""
        yield from ()

    def audits(self) -> Audits:
        """All audits in their order."""
        with self.open_process() as names:
            yield from self.begin(names)
            for query in self.queries():
                yield "shapes and types", partial(self.form, query)
                yield "asked twice, same answer", partial(self.twice, query)
                if query.pick is not None:
                    yield "order in a batch", partial(self.order, query)
                    yield "company in a batch", partial(self.company, query)
                if query.pad is not None:
                    yield "padding", partial(self.padding, query)
            yield from self.special(names)
        with self.open_process() as names:
            yield "same seed, same result", partial(self.again, names)
            yield "another seed, another result", partial(self.other, names)
            yield from self.end(names)

    def form(self, query: AuditQuery) -> str:
        """Ask for the first time."""
        self.answers[query.name] = found = query.ask(self.learnt, query.inputs)
        label, first = next(iter(found.items()))
        return f"{query.name}: {len(found)} answers, {label} is {first.dtype} {list(first.shape)}"

    def twice(self, query: AuditQuery) -> str:
        """Ask once more."""
        found = query.ask(self.learnt, query.inputs)
        return same(query.name, found, self.answers[query.name], self.exact, "it is asked again")

    def order(self, query: AuditQuery) -> str:
        """Ask in the reverse order."""
        return self.part(query, np.arange(query.size)[::-1].copy(), "the batch is in reverse order")

    def company(self, query: AuditQuery) -> str:
        """Ask about every other input, and about three of them alone."""
        self.part(query, np.arange(0, query.size, 2), "only every other one is in the batch")
        for place in sorted({0, query.size // 2, query.size - 1}):
            self.part(query, np.array([place]), "it is alone in its batch")
        return f"{query.name}: the same in a smaller batch and alone"

    def part(self, query: AuditQuery, places: NDArray[np.int64], when: str) -> str:
        """Ask about the inputs at some places and compare with the answers about all of them."""
        assert query.pick is not None
        known = self.answers[query.name]
        labels = [list(known)[place] for place in places]
        found = query.ask(self.learnt, query.pick(query.inputs, places))
        by_label = dict(zip(labels, found.values(), strict=True))
        return same(query.name, by_label, {k: known[k] for k in labels}, self.loose, when, among=known)

    def padding(self, query: AuditQuery) -> str:
        """Ask with other and more padding."""
        assert query.pad is not None
        found = query.ask(self.learnt, query.pad(query.inputs))
        return same(query.name, found, self.answers[query.name], self.loose, "the padding is another")

    def again(self, names: Any) -> str:
        """Learn and ask in a fresh process."""
        self.compare(self.learn(names, self.given.seed, (CHECKPOINT,)), "the seed is the same in a fresh process")
        return f"{self.asked}: the same in a fresh process"

    def compare(self, learnt: Any, when: str) -> None:
        """Put all queries to something else learnt; its answers must be the same."""
        for query in self.queries():
            found = query.ask(learnt, query.inputs)
            same(query.name, found, self.answers[query.name], self.exact, when)

    def other(self, names: Any) -> str:
        """Learn and ask with another seed."""
        learnt = self.learn(names, self.given.other, (CHECKPOINT,))
        for query in self.queries():
            if differ(query.ask(learnt, query.inputs), self.answers[query.name]):
                return f"{query.name}: not the same at another seed"
        raise Fault(f"{self.asked}: the same to the last bit at another seed; it ignores its seed", last=False)

    @property
    def asked(self) -> str:
        """The functions that are asked."""
        return " and ".join(query.name for query in self.queries())


class TrainingAuditRunner(AuditRunner):
    """Audits of a contract with `train`; what is learnt is what training yields last."""

    def __init__(self, open_process: OpenProcess, given: AuditInputs) -> None:
        super().__init__(open_process, given)
        self.updates: list[list[int]] = []  # at which each training yielded

    def learn(self, names: Any, seed: int, eval_steps: tuple[int, ...] = ()) -> Any:
        """Train to the end.

        Raises:
            Fault: if it yields in another form, or at other updates.
        """
        given = self.given
        train = function(names, "train")
        trained = train(given.config, given.data, seed=seed, device=given.device, eval_steps=eval_steps)
        if not isinstance(trained, Iterator):
            raise Fault(f"train gives {kind(trained)}, not an iterator")
        steps, learnt = [], None
        for item in trained:
            step, learnt = _pair(item)
            if steps and (step <= steps[-1] or steps[-1] not in eval_steps):
                raise Fault(
                    f"train yields at update {steps[-1]} and then at update {step}: asked for are, ascending, "
                    f"{', '.join(map(str, eval_steps)) or 'no eval_steps'} and the end"
                )
            steps.append(step)
        if not steps:
            raise Fault("train yields nothing, not even at its end")
        if missed := [step for step in eval_steps if step <= steps[-1] and step not in steps]:
            raise Fault(f"train yields at its end, update {steps[-1]}, and not at the checkpoint {missed[0]} before")
        self.updates.append(steps)
        return learnt

    def begin(self, names: Any) -> Audits:
        """Train in the first process."""
        yield "training", partial(self.train, names, (CHECKPOINT,))

    def train(self, names: Any, eval_steps: tuple[int, ...]) -> str:
        """Train and keep what is learnt."""
        self.learnt = self.learn(names, self.given.seed, eval_steps)
        return f"train: yields at updates {', '.join(map(str, self.updates[-1]))}"

    def end(self, names: Any) -> Audits:
        """Train without a checkpoint."""
        yield "eval_steps", partial(self.unseen, names)

    def unseen(self, names: Any) -> str:
        """Whether training is the same where nobody looks at it before its end."""
        learnt = self.learn(names, self.given.seed)
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
