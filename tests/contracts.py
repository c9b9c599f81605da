"""A tiny honest implementation of every contract, and what audits run it on.

They are kept as text, as a submission is, so that tests can plant a fault in one and run it in a jail. They need
numpy alone, which a jail imports in a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from harness.audits.contracts import AuditInputs
from repro import task

HEADER = '''
from dataclasses import dataclass

import numpy as np

from repro import task


@dataclass(frozen=True, kw_only=True)
class Config:
    updates: int = 4


CONFIGS = {"tiny": Config()}


def descend(config, seed, eval_steps, update, learnt):
    """Call update(rng) for each update, and yield learnt() when asked for and at the end."""
    rng = np.random.default_rng(seed)
    for step in range(1, config.updates + 1):
        update(rng)
        if step in eval_steps or step == config.updates:
            yield step, learnt()
'''

LANGUAGE = (
    HEADER
    + '''
class Stream:
    def __init__(self, reader, streams):
        self.reader, self.before = reader, np.full(streams, -1)

    def step(self, tokens):
        after, skip = self.reader.after[tokens], self.reader.skip[self.before]
        self.before = tokens
        return (after + skip).astype(np.float32)


class Reader:
    """Logits of what follows a token, and of what follows the one before it; the last row is for none."""

    def __init__(self, after, skip):
        self.after, self.skip = after.copy(), skip.copy()

    def start(self, streams):
        return Stream(self, streams)


def train(config, data, *, seed, device, eval_steps=()):
    vocabulary = data.vocabulary
    after, skip = np.zeros((2, vocabulary + 1, vocabulary))

    def update(rng):
        chosen = rng.integers(2, len(data.tokens), 500)
        np.add.at(after, (data.tokens[chosen - 1], data.tokens[chosen]), 0.1)
        np.add.at(skip, (data.tokens[chosen - 2], data.tokens[chosen]), 0.02)

    return descend(config, seed, eval_steps, update, lambda: Reader(after, skip))
'''
)

WRITER = (
    LANGUAGE.replace("Reader(after, skip)", "Writer(after, skip)")
    + """

class Writer(Reader):
    def generate(self, prompts, length, *, temperature, seed):
        found = np.zeros((len(prompts.lengths), length), np.int64)
        for row, (items, count) in enumerate(zip(prompts.items, prompts.lengths)):
            rng, stream = np.random.default_rng([seed, row]), self.start(1)
            for token in items[:count]:
                scores = stream.step(np.array([token]))[0]
            for place in range(length):
                noise = rng.gumbel(size=len(scores))
                found[row, place] = np.argmax(scores + temperature * noise)
                scores = stream.step(found[row, place, None])[0]
        return found
"""
)

CLASSIFIER = (
    HEADER
    + """
class Predictor:
    def __init__(self, state):
        self.state = state

    def predict(self, images, *, crops=1):
        part = self.state
        x = images.reshape(len(images), -1) / 255 - part["mean"].reshape(-1)
        x = part["norm.scale"] * (x - part["norm.average"]) / np.sqrt(part["norm.variance"] + 1e-3) + part["norm.shift"]
        return (x @ part["head.weight"].T + part["head.bias"]).astype(np.float32)


def train(config, data, *, seed, device, eval_steps=()):
    x = data.images.reshape(len(data.images), -1) / 255
    average = x.mean(0)
    total, count = np.zeros((data.classes, x.shape[1])), np.full((data.classes, 1), 1e-6)

    def update(rng):
        chosen = rng.integers(0, len(x), 20)
        np.add.at(total, data.labels[chosen], x[chosen] - average)
        np.add.at(count, data.labels[chosen], 1)

    def learnt():
        centroids = total / count
        variance = x.var(0)
        return Predictor({
            "mean": average.reshape(data.images.shape[1:]),
            "norm.average": np.zeros_like(average),
            "norm.variance": variance,
            "norm.scale": np.sqrt(variance + 1e-3),
            "norm.shift": np.zeros_like(average),
            "head.weight": 2 * centroids,
            "head.bias": -(centroids**2).sum(1),
        })

    return descend(config, seed, eval_steps, update, learnt)


def layers(config):
    return (
        task.Layer(name="norm", kind="norm", weights=((16,), (16,)), output=(16,)),
        task.Layer(name="head", kind="linear", weights=((3, 16), (3,)), output=(3,)),
    )


def state(predictor):
    return dict(predictor.state)


def restore(config, state, *, device):
    return Predictor(state)
"""
)

SIMULATOR = (
    HEADER
    + """
def simulate(config, times, *, seed):
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.choice([-1, 1], (max(times) + 1, 5)), axis=0)
    return walk[list(times)]
"""
)

TRANSDUCER = (
    HEADER
    + '''
class Stream:
    def __init__(self, logits):
        self.logits, self.place = logits, 0

    def step(self, tokens):
        place = min(self.place, self.logits.shape[1] - 1)
        self.place += 1
        return self.logits[:, place]


class Translator:
    """Logits of an output by the input at the same place; beyond the input, of the last token."""

    def __init__(self, table):
        self.table = table

    def logits(self, inputs):
        found = self.table[inputs.items].astype(np.float32)
        found[np.arange(inputs.items.shape[1]) >= inputs.lengths[:, None]] = np.eye(self.table.shape[1])[-1]
        return found

    def start(self, inputs):
        return Stream(self.logits(inputs))

    def decode(self, inputs, longest):
        return task.Sequences(
            items=self.logits(inputs)[:, :longest].argmax(2), lengths=np.minimum(inputs.lengths, longest)
        )


def train(config, data, *, seed, device, eval_steps=()):
    size = int(max(data.inputs.items.max(), data.outputs.items.max())) + 1
    table = np.zeros((size, size))

    def update(rng):
        row = rng.integers(0, len(data.inputs.lengths), 20)
        place = rng.integers(0, np.minimum(data.inputs.lengths, data.outputs.lengths)[row])
        np.add.at(table, (data.inputs.items[row, place], data.outputs.items[row, place]), 0.1)

    return descend(config, seed, eval_steps, update, lambda: Translator(table.copy()))
'''
)

POINTER = (
    HEADER
    + '''
class Pointer:
    """Sorts items by their projection on a direction."""

    def __init__(self, direction):
        self.direction = direction

    def point(self, inputs, longest):
        keys = inputs.items @ self.direction
        keys[np.arange(keys.shape[1]) >= inputs.lengths[:, None]] = np.inf
        return task.Sequences(items=np.argsort(keys, 1)[:, :longest], lengths=np.minimum(inputs.lengths, longest))


def train(config, data, *, seed, device, eval_steps=()):
    direction = np.zeros(data.inputs.items.shape[2])

    def update(rng):
        row = rng.integers(len(data.inputs.lengths))
        items, places = data.inputs.items[row], data.outputs.items[row, : data.outputs.lengths[row]]
        direction[:] += items[places[-1]] - items[places[0]] + rng.normal(size=len(direction))

    return descend(config, seed, eval_steps, update, lambda: Pointer(direction.copy()))
'''
)

REGRESSOR = (
    HEADER
    + '''
class Regressor:
    def __init__(self, weights):
        self.weights = weights

    def predict(self, graphs):
        return (features(graphs) @ self.weights).astype(np.float32)


def features(graphs):
    """Sums over nodes, and over edges of what lies at both ends and between."""
    found, node, edge = [], 0, 0
    for nodes, edges in zip(graphs.nodes_of, graphs.edges_of):
        x, ends = graphs.nodes[node : node + nodes], graphs.edges[edge : edge + edges]
        between = graphs.links[edge : edge + edges].sum(1, keepdims=True)
        found.append(np.concatenate([x.sum(0), (x[ends[:, 0]] * x[ends[:, 1]] * between).sum(0)]))
        node, edge = node + nodes, edge + edges
    return np.array(found)


def train(config, data, *, seed, device, eval_steps=()):
    x, y = features(data.inputs), np.asarray(data.outputs)
    weights = np.zeros((x.shape[1], y.shape[1]))

    def update(rng):
        row = rng.integers(len(x))
        weights[:] += 0.01 * np.outer(x[row], y[row] - x[row] @ weights)

    return descend(config, seed, eval_steps, update, lambda: Regressor(weights.copy()))
'''
)

PIPELINE = (
    HEADER
    + '''
PARTS = 2


def slopes(weight, inputs, targets):
    """The loss and its gradient, gathered over micro-batches."""
    loss, gradient = 0.0, np.zeros_like(weight)
    for x, y in zip(np.array_split(inputs, PARTS), np.array_split(targets, PARTS)):
        wrong = x @ weight - y
        loss, gradient = loss + (wrong**2).sum(), gradient + 2 * x.T @ wrong
    return loss / len(inputs), gradient / len(inputs)


def first(inputs, targets, seed):
    return np.random.default_rng(seed).normal(size=(inputs.shape[1], targets.shape[1]))


def gradients(config, inputs, targets, *, seed):
    return {"weight": slopes(first(inputs, targets, seed), inputs, targets)[1]}


def steps(config, inputs, targets, *, seed, device):
    weight = first(inputs, targets, seed)
    while True:
        loss, gradient = slopes(weight, inputs, targets)
        weight -= 0.01 * gradient
        yield float(loss)
'''
)

RNG = np.random.default_rng(7)
VOCABULARY = 11
SENTENCE = np.cumsum(RNG.integers(1, 4, 3000)) % VOCABULARY
CORPUS = SimpleNamespace(tokens=SENTENCE, validation=SENTENCE[:0], vocabulary=VOCABULARY)
LANES = np.stack([SENTENCE[start : start + 12] for start in range(100, 700, 100)])
PICTURES = RNG.integers(0, 256, (60, 4, 4, 1), dtype=np.uint8)
LABELLED = SimpleNamespace(images=PICTURES, labels=RNG.integers(0, 3, 60), classes=3)
WORDS = task.Sequences(items=RNG.integers(0, 6, (20, 7)), lengths=RNG.integers(3, 8, 20))
POINTS = task.Sequences(items=RNG.random((20, 7, 2)), lengths=WORDS.lengths)
KEYS = np.where(np.arange(7) < POINTS.lengths[:, None], POINTS.items[..., 0], np.inf)
ORDERS = task.Sequences(items=np.argsort(KEYS, 1), lengths=POINTS.lengths)  # from left to right
MOLECULES = task.Graphs(
    nodes=RNG.random((30, 3), dtype=np.float32),
    edges=RNG.integers(0, 5, (48, 2)),
    links=RNG.random((48, 2), dtype=np.float32),
    nodes_of=np.full(6, 5),
    edges_of=np.full(6, 8),
)
BATCH = SimpleNamespace(inputs=RNG.random((8, 3)), outputs=RNG.random((8, 2)))


def some(sequences: task.Sequences) -> task.Sequences:
    """The first six of some sequences."""
    return task.Sequences(items=sequences.items[:6], lengths=sequences.lengths[:6])


@dataclass(frozen=True)
class Honest:
    """An implementation as text, its contract, and what it is trained and asked on."""

    protocol: type
    text: str
    data: Any = None
    inputs: Any = None

    def faulty(self, changes: dict[str, str]) -> Honest:
        """The same with passages of its text replaced; each must be there."""
        text = self.text
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        return Honest(self.protocol, text, self.data, self.inputs)

    def module(self) -> ModuleType:
        """A fresh module in this process."""
        module = ModuleType("implementation")
        exec(compile(self.text, "implementation.py", "exec", dont_inherit=True), vars(module))
        return module

    def folder(self, path: Path) -> Path:
        """A folder that a jail can show."""
        (path / "implementation.py").write_text(self.text)
        return path

    @property
    def given(self) -> AuditInputs:
        """What audits run it on."""
        return AuditInputs(config=self.module().CONFIGS["tiny"], data=self.data, inputs=self.inputs)


HONEST: dict[type, Honest] = {
    honest.protocol: honest
    for honest in (
        Honest(task.Classifier, CLASSIFIER, LABELLED, PICTURES[:8]),
        Honest(task.Counted, CLASSIFIER, LABELLED, PICTURES[:8]),
        Honest(task.Simulator, SIMULATOR),
        Honest(task.LanguageModel, LANGUAGE, CORPUS, LANES),
        Honest(task.TextGenerator, WRITER, CORPUS, LANES),
        Honest(task.SequenceTransducer, TRANSDUCER, SimpleNamespace(inputs=WORDS, outputs=WORDS), some(WORDS)),
        Honest(task.PointerDecoder, POINTER, SimpleNamespace(inputs=POINTS, outputs=ORDERS), some(POINTS)),
        Honest(
            task.GraphRegressor, REGRESSOR, SimpleNamespace(inputs=MOLECULES, outputs=RNG.random((6, 2))), MOLECULES
        ),
        Honest(task.PipelineTrainer, PIPELINE, BATCH),
    )
}
"""By protocol; every protocol that has audits is here."""
