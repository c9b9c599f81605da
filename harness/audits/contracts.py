"""What is tried on a submission before it is scored, from the contract of its paper.

Two fresh processes, three where layers are counted: the first is trained and questioned, the others must answer alike.
An audit that does not pass says which answer differs, by how much, and when. Audits find mistakes and some ways to
cheat; that labels, future tokens and the clock are out of reach is the broker's work, not theirs.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.audits import checks as answer_checks
from harness.audits.checks import Answers, Fault, by, function, kind, same, scores
from harness.audits.runner import (
    AuditInputs,
    AuditQuery,
    AuditResult,
    AuditRunner,
    Audits,
    OpenProcess,
    TrainingAuditRunner,
    results,
)
from repro import task
from repro.errors import ReproError

CARRIED = 1e-5  # of the spread of scores, between a predictor and its copy in another process
LENGTH, LOSSES = 8, 3  # tokens to generate, losses to read
TIMES = (0, 1, 2, 4, 8, 16, 32)  # enough for what has two states to differ between seeds


def run(protocol: type, open_process: OpenProcess, given: AuditInputs) -> Iterator[AuditResult]:
    """Audit a submission; ends early where nothing more can be compared.

    Args:
        protocol: the protocol of the paper's contract, one of `repro.task` or derived from one.
        open_process: starts a fresh process.
        given: what to run it on.

    Raises:
        ReproError: for a contract that has no audits, or a machine on which no process can be started.
    """
    yield from results(_audits_of(protocol)(open_process, given).audits())


def rehearse(protocol: type, names: Any, given: AuditInputs) -> None:
    """Learn and ask each question once, whatever is answered.

    Args:
        protocol: as in `run`.
        names: of an implementation.
        given: what to run it on.

    Raises:
        Fault: for an answer of another form.
        ReproError: for a contract that has no audits, or what the implementation raises.
    """
    runner = _audits_of(protocol)(lambda: nullcontext(names), given)
    learnt = runner.learn(names, given.seed)
    for query in runner.queries():
        query.ask(learnt, query.inputs)


def _audits_of(protocol: type) -> type[AuditRunner]:
    known = next((AUDITS[kind] for kind in protocol.__mro__ if kind in AUDITS), None)
    if known is None:
        raise ReproError(
            f"No audits are known for the contract {protocol.__name__}",
            f"Derive it from one of repro/task.py: {', '.join(sorted(kind.__name__ for kind in AUDITS))}.",
        )
    return known


def count(open_process: OpenProcess, given: AuditInputs, preset: str) -> Iterator[AuditResult]:
    """Audit only that the layers of one preset are what it learns; `given.config` need not train at all.

    Raises:
        ReproError: for a machine on which no process can be started.
    """
    for result in results(_Counted(open_process, given).counting()):
        yield replace(result, message=f"{preset}: {result.message}")


def _padded(name: str, ask: Callable[[Any, Any], Answers], inputs: task.Sequences) -> AuditQuery:
    """A question about sequences."""
    pick, pad = answer_checks.sequences, answer_checks.repadded
    return AuditQuery(name=name, ask=ask, inputs=inputs, size=len(inputs.lengths), pick=pick, pad=pad)


class _Classifier(TrainingAuditRunner):
    """Audits of `task.Classifier`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Scores of images."""
        images = self.given.inputs
        return [AuditQuery(name="predict", ask=self.predict, inputs=images, size=len(images), pick=operator.getitem)]

    def predict(self, predictor: Any, images: NDArray[Any]) -> Answers:
        """Scores by image."""
        found = scores(function(predictor, "predict")(images), (len(images), self.given.data.classes), "predict")
        return by("image", found)


class _Counted(_Classifier):
    """Audits of `task.Counted`."""

    state: Any = None

    def special(self, names: Any) -> Audits:
        """Compare layers with what was learnt."""
        yield "declared weights", partial(self.declared, names)

    def end(self, names: Any) -> Audits:
        """Carry what was learnt to a process that has trained nothing."""
        yield from super().end(names)
        yield from self.carrying()

    def carrying(self) -> Audits:
        """Restore in a fresh process."""
        with self.open_process() as names:
            yield "state and restore", partial(self.carried, names)

    def counting(self) -> Audits:
        """These audits without those of the other contracts."""
        (query,) = self.queries()
        with self.open_process() as names:
            yield "training", partial(self.train, names, ())
            yield "shapes and types", partial(self.form, query)
            yield "declared weights", partial(self.declared, names)
        yield from self.carrying()

    def declared(self, names: Any) -> str:
        """Whether the state has all declared weights, and no more than statistics beyond them."""
        layers = answer_checks.layers(function(names, "layers")(self.given.config))
        self.state = answer_checks.state(function(names, "state")(self.learnt))
        return answer_checks.accounted(layers, self.state, math.prod(np.shape(self.given.inputs)[1:]))

    def carried(self, names: Any) -> str:
        """Whether the state is all that predictions depend on."""
        restore = function(names, "restore")
        predictor = restore(self.given.config, self.state, device=self.given.device)
        found = self.predict(predictor, self.given.inputs)
        most = max(CARRIED, self.exact)
        return same("predict", found, self.answers["predict"], most, "its state is restored in a fresh process")


class _Stream:
    """A submission's stream whose every answer is checked."""

    def __init__(self, stream: Any, streams: int, vocabulary: int | None) -> None:
        self._step, self._shape = function(stream, "step"), (streams, vocabulary)

    def step(self, tokens: NDArray[np.int64]) -> NDArray[Any]:
        """Scores [B, V] after one more token of each stream [B]."""
        found = scores(self._step(np.ascontiguousarray(tokens)), self._shape, "step")
        self._shape = (self._shape[0], found.shape[1])
        return found


class _LanguageModel(TrainingAuditRunner):
    """Audits of `task.LanguageModel`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Scores of what follows in texts."""
        tokens = self.given.inputs
        return [AuditQuery(name="step", ask=self.read, inputs=tokens, size=len(tokens), pick=operator.getitem)]

    def start(self, reader: Any, streams: int) -> _Stream:
        """A stream of texts."""
        return _Stream(function(reader, "start")(streams), streams, self.given.data.vocabulary)

    def read(self, reader: Any, tokens: NDArray[np.int64]) -> Answers:
        """Scores by stream, [T, V]."""
        stream = self.start(reader, len(tokens))
        return by("stream", np.stack([stream.step(column) for column in tokens.T], 1))

    def special(self, names: Any) -> Audits:
        """Two readers at once."""
        yield "readers at once", self.interleaved

    def interleaved(self) -> str:
        """Read two interleaved continuations of the same texts; each as if alone, and alike while they are the same."""
        tokens = self.given.inputs
        half = tokens.shape[1] // 2
        changed = np.concatenate([tokens[:, :half], (tokens[:, half:] + 1) % self.given.data.vocabulary], 1)
        alone = self.read(self.learnt, changed)
        readers = [self.start(self.learnt, len(tokens)) for _ in range(2)]
        columns = zip(tokens.T, changed.T, strict=True)
        by_turns = [[stream.step(column) for stream, column in zip(readers, pair, strict=True)] for pair in columns]
        first, second = (by("stream", np.stack(steps, 1)) for steps in zip(*by_turns, strict=True))
        known, when = self.answers["step"], "another stream is read interleaved with it"
        same("step", first, known, self.loose, when)
        same("step", second, alone, self.loose, when)
        before = [{stream: found[:half] for stream, found in each.items()} for each in (second, known)]
        same("step", before[0], before[1], self.loose, "the text goes on in another way")
        return "step: two interleaved streams are as each alone, and alike as far as their texts are"


class _TextGenerator(_LanguageModel):
    """Audits of `task.TextGenerator`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Scores, and the likeliest continuations of prompts of two lengths."""
        tokens = self.given.inputs
        streams, length = tokens.shape
        lengths = np.where(np.arange(streams) % 2, length, (length + 1) // 2)
        prompts = task.Sequences(items=tokens, lengths=lengths)
        write = partial(self.write, temperature=0.0, seed=self.given.seed)
        return [*super().queries(), _padded("generate", write, prompts)]

    def write(self, writer: Any, prompts: task.Sequences, *, temperature: float, seed: int) -> Answers:
        """Continuations by prompt."""
        found = function(writer, "generate")(prompts, LENGTH, temperature=temperature, seed=seed)
        shape, vocabulary = (len(prompts.lengths), LENGTH), self.given.data.vocabulary
        return by("prompt", answer_checks.whole(found, shape, vocabulary, "generate"))

    def special(self, names: Any) -> Audits:
        """What the seed may change."""
        yield from super().special(names)
        yield "greedy ignores the seed", self.greedy
        yield "same seed, same text", self.sampled

    def greedy(self) -> str:
        """Write the likeliest continuation at another seed."""
        prompts = self.queries()[-1].inputs
        found = self.write(self.learnt, prompts, temperature=0.0, seed=self.given.other)
        return same("generate", found, self.answers["generate"], 0, "the temperature is 0 and the seed another")

    def sampled(self) -> str:
        """Write twice at temperature 1."""
        prompts = self.queries()[-1].inputs
        write = partial(self.write, self.learnt, prompts, temperature=1.0, seed=self.given.seed)
        return same("generate", write(), write(), 0, "it is sampled twice with the same seed")


class _SequenceTransducer(TrainingAuditRunner):
    """Audits of `task.SequenceTransducer`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Scores of given outputs, and the outputs that it prefers."""
        inputs, outputs = self.given.inputs, self.given.data.outputs
        size = len(inputs.lengths)
        rows = np.arange(size) % len(outputs.lengths)
        told = outputs.items[rows, : max(1, min(4, outputs.lengths[rows].min()))]
        return [
            AuditQuery(
                name="step",
                ask=self.read,
                inputs=(inputs, told),
                size=size,
                pick=lambda both, places: (answer_checks.sequences(both[0], places), both[1][places]),
                pad=lambda both: (answer_checks.repadded(both[0]), both[1]),
            ),
            _padded("decode", self.decode, inputs),
        ]

    def read(self, translator: Any, both: tuple[task.Sequences, NDArray[Any]]) -> Answers:
        """Scores by input, [T, V], while given outputs are read."""
        inputs, told = both
        stream = _Stream(function(translator, "start")(inputs), len(told), None)
        found = np.stack([stream.step(column) for column in told.T.astype(np.int64)], 1)
        outputs = self.given.data.outputs
        real = np.arange(outputs.items.shape[1]) < outputs.lengths[:, None]
        if found.shape[2] <= (most := int(outputs.items[real].max())):
            raise Fault(f"step: scores of {found.shape[2]} tokens, and the outputs have token {most}")
        return by("input", found)

    def decode(self, translator: Any, inputs: task.Sequences) -> Answers:
        """Preferred outputs by input."""
        longest = self.given.data.outputs.items.shape[1]
        return answer_checks.listed(
            function(translator, "decode")(inputs, longest), "decode", len(inputs.lengths), longest
        )


class _PointerDecoder(TrainingAuditRunner):
    """Audits of `task.PointerDecoder`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Places in inputs."""
        return [_padded("point", self.point, self.given.inputs)]

    def point(self, pointer: Any, inputs: task.Sequences) -> Answers:
        """Places by input."""
        longest = self.given.data.outputs.items.shape[1]
        found = answer_checks.listed(function(pointer, "point")(inputs, longest), "point", len(inputs.lengths), longest)
        for (label, places), length in zip(found.items(), inputs.lengths, strict=True):
            if places.size and places.max() >= length:
                raise Fault(f"point: {label} has {length} items, and place {places.max()} is pointed at")
        return found


class _GraphRegressor(TrainingAuditRunner):
    """Audits of `task.GraphRegressor`."""

    def queries(self) -> Sequence[AuditQuery]:
        """Numbers of graphs."""
        graphs = self.given.inputs
        size = len(graphs.nodes_of)
        return [AuditQuery(name="predict", ask=self.predict, inputs=graphs, size=size, pick=answer_checks.graphs)]

    def predict(self, regressor: Any, graphs: task.Graphs) -> Answers:
        """Numbers by graph."""
        shape = (len(graphs.nodes_of), *np.shape(self.given.data.outputs)[1:])
        return by("graph", scores(function(regressor, "predict")(graphs), shape, "predict"))

    def special(self, names: Any) -> Audits:
        """Orders that mean nothing."""
        yield (
            "order of nodes",
            partial(self.shuffled, answer_checks.renumbered, "the nodes of each graph are renumbered"),
        )
        yield "order of edges", partial(self.shuffled, answer_checks.reordered, "the edges of each graph are reordered")

    def shuffled(self, change: Callable[[task.Graphs, np.random.Generator], task.Graphs], when: str) -> str:
        """Predict graphs that are the same in another order."""
        found = self.predict(self.learnt, change(self.given.inputs, np.random.default_rng(self.given.seed)))
        return same("predict", found, self.answers["predict"], self.loose, when)


class _Simulator(AuditRunner):
    """Audits of `task.Simulator`."""

    def queries(self) -> Sequence[AuditQuery]:
        """States at a few times."""
        times = TIMES if self.given.inputs is None else tuple(int(time) for time in self.given.inputs)
        return [AuditQuery(name="simulate", ask=self.simulate, inputs=times)]

    def simulate(self, learnt: tuple[Any, int], times: tuple[int, ...]) -> Answers:
        """States by snapshot."""
        names, seed = learnt
        states = answer_checks.array(function(names, "simulate")(self.given.config, times, seed=seed), "simulate")
        if states.ndim < 1 or len(states) != len(times):
            raise Fault(f"simulate gives {list(states.shape)} for {len(times)} times")
        return by("snapshot", states)


class _PipelineTrainer(AuditRunner):
    """Audits of `task.PipelineTrainer`; `given.data` has the mini-batch as inputs and outputs."""

    def queries(self) -> Sequence[AuditQuery]:
        """Gradients, and the first losses."""
        data = self.given.data
        batch = (data.inputs, data.outputs)
        return [
            AuditQuery(name="gradients", ask=self.gradients, inputs=batch),
            AuditQuery(name="steps", ask=self.losses, inputs=batch),
        ]

    def gradients(self, learnt: tuple[Any, int], batch: tuple[NDArray[Any], NDArray[Any]]) -> Answers:
        """Gradients by parameter."""
        names, seed = learnt
        found = function(names, "gradients")(self.given.config, *batch, seed=seed)
        if not isinstance(found, dict) or not found:
            raise Fault(f"gradients gives {kind(found)}, not a dict of arrays")
        return {
            f"the gradient of {name}": answer_checks.floating(array, f"gradients, for {name},")
            for name, array in found.items()
        }

    def losses(self, learnt: tuple[Any, int], batch: tuple[NDArray[Any], NDArray[Any]]) -> Answers:
        """The losses of the first updates."""
        names, seed = learnt
        steps = function(names, "steps")(self.given.config, *batch, seed=seed, device=self.given.device)
        if not isinstance(steps, Iterator):
            raise Fault(f"steps gives {kind(steps)}, not an iterator")
        found: Answers = {}
        for update in range(LOSSES):
            loss = next(steps, None)
            if not isinstance(loss, float | np.floating) or not math.isfinite(loss):
                raise Fault(f"steps yields {loss!r:.40} at update {update}, not a finite float")
            found[f"loss {update}"] = np.array(loss, np.float64)
        return found


AUDITS: Mapping[type, type[AuditRunner]] = {
    task.Counted: _Counted,
    task.Classifier: _Classifier,
    task.Simulator: _Simulator,
    task.TextGenerator: _TextGenerator,
    task.LanguageModel: _LanguageModel,
    task.SequenceTransducer: _SequenceTransducer,
    task.PointerDecoder: _PointerDecoder,
    task.GraphRegressor: _GraphRegressor,
    task.PipelineTrainer: _PipelineTrainer,
}
