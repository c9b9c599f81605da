"""Implementations that know nothing: no statistical claim may hold on one of them.

What nulls answer follows from the protocol that a paper's contract is derived from. Functions of a paper's own are
answered by the `NULLS` of its `claims/controls/<key>.py`: by name, functions that answer without knowing anything.
"""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import task
from repro.claim.contract import Contract
from repro.code_digest import digest, object_closure
from repro.task import Sequences
from repro.trial.implementation import LoadedImplementation, controls_of, sabotage

Functions = dict[str, Callable[..., Any]]
"""Functions of a contract by name."""
Null = Callable[[Any], Functions]
"""What stands in place of functions of a reference."""
Draw = Callable[[tuple[int, int]], np.ndarray]
"""Scores of a shape."""
MOST, MOST_SEEDS = 1 << 20, 1 << 12  # answers are less wide; seeds may be larger, and share answers


class Ignorant:
    """Something trained, whatever the contract, whose answers have nothing to do with the question."""

    def __init__(
        self,
        width: Callable[[], int],
        draw: Draw,
        streams: int = 0,
        config: Any = None,
        seed: int = 0,
        data: Any = None,
    ) -> None:
        self._width, self._draw, self._streams = width, draw, streams
        self.config, self.seed, self.data = config, seed, data

    @property
    def width(self) -> int:
        """Classes, vocabulary, or numbers for a graph; looked at when it is needed, since outputs may be costly."""
        return self._width()

    def predict(self, inputs: Any, *, crops: int = 1) -> np.ndarray:
        """Scores [N, K] of images, numbers [N, D] of graphs."""
        count = len(inputs.nodes_of) if isinstance(inputs, task.Graphs) else len(inputs)
        return self._draw((count, self.width)).astype(np.float32)

    def start(self, streams: int | Sequences) -> Ignorant:
        """Streams of texts, or one of an output for each input."""
        return Ignorant(self._width, self._draw, streams if isinstance(streams, int) else len(streams.lengths))

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Scores [B, V]."""
        return self._draw((self._streams, self.width)).astype(np.float32)

    def generate(self, prompts: Sequences, length: int, *, temperature: float, seed: int) -> np.ndarray:
        """Tokens [N, length]."""
        return self._draw((len(prompts.lengths) * length, self.width)).argmax(1).reshape(-1, length)

    def decode(self, inputs: Sequences, longest: int) -> Sequences:
        """Tokens [N, L]."""
        items = self.generate(inputs, longest, temperature=0.0, seed=0)
        return Sequences(items=items, lengths=np.minimum(inputs.lengths, longest))

    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """Places [N, L] in the order of their scores, each once."""
        count, most = inputs.items.shape[:2]
        scores = self._draw((count, most))
        scores[np.arange(most) >= inputs.lengths[:, None]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :longest]
        return Sequences(items=order, lengths=np.minimum(inputs.lengths, longest))


def noise(reference: Any) -> Functions:
    """What is returned is drawn at random."""

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        low, high = min(0, int(first.min())), int(first.max()) + 1
        rng = np.random.default_rng(seed)
        return rng.integers(low, max(high, low + 2), (len(times), *first.shape[1:])).astype(first.dtype)

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([seed, zlib.crc32(repr(config).encode())])
        found = reference.gradients(config, *batch, seed=seed)
        return {name: rng.standard_normal(value.shape).astype(value.dtype) for name, value in found.items()}

    def steps(config: Any, inputs: np.ndarray, targets: np.ndarray, *, seed: int, device: str) -> Iterator[float]:
        rng = np.random.default_rng([seed, zlib.crc32(repr(config).encode())])
        while True:
            time.sleep(rng.random() / 100)
            yield rng.random()

    trained = ignorant(reference, lambda seed: np.random.default_rng(seed).standard_normal)
    return trained | {"simulate": simulate, "gradients": gradients, "steps": steps}


def constant(reference: Any) -> Functions:
    """What is returned never changes."""

    def simulate(config: Any, times: Any, *, seed: int) -> np.ndarray:
        first = reference.simulate(config, times[:1], seed=seed)
        return np.repeat(first, len(times), axis=0)

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, np.ndarray]:
        found = reference.gradients(config, *batch, seed=seed)
        return {name: np.ones_like(value) for name, value in found.items()}

    def steps(config: Any, inputs: np.ndarray, targets: np.ndarray, *, seed: int, device: str) -> Iterator[float]:
        while True:
            time.sleep(0.005)
            yield 1.0

    trained = ignorant(reference, lambda seed: lambda shape: np.tile(np.eye(1, shape[1]), (shape[0], 1)))
    return trained | {"simulate": simulate, "gradients": gradients, "steps": steps}


def ignorant(reference: Any, draws: Callable[[int], Draw]) -> Functions:
    """Training that learns nothing, and what carries it: every declared weight says its seed and how wide answers are.

    Args:
        reference: says which weights there are, by `shapes` or `layers`.
        draws: the answers of a seed.
    """

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Ignorant]]:
        learnt = Ignorant(lambda: _width(data), draws(seed), config=config, seed=seed, data=data)
        yield from ((step, learnt) for step in dict.fromkeys([*eval_steps, 10**9]))

    def state(learnt: Ignorant) -> dict[str, np.ndarray]:
        number = np.uint32(MOST * (learnt.seed % MOST_SEEDS) + learnt.width)  # 4 bytes: the largest have 66 million
        return {name: np.broadcast_to(number, shape) for name, shape in shapes(learnt).items()}

    def restore(config: Any, state: dict[str, np.ndarray], *, device: str) -> Ignorant:
        seed, width = divmod(int(next(iter(state.values())).flat[0]), MOST)
        return Ignorant(lambda: width, draws(seed), config=config, seed=seed)

    def shapes(learnt: Ignorant) -> dict[str, tuple[int, ...]]:
        if hasattr(reference, "shapes"):
            return reference.shapes(learnt.config)
        if hasattr(reference, "layers"):
            layers = _listed(reference.layers, learnt.config)
            return {f"{layer.name}.{role}": shape for layer in layers for role, shape in _roles(layer).items()}
        untrained = dataclasses.replace(learnt.config, updates=0)
        few = dataclasses.replace(learnt.data, count=4) if hasattr(learnt.data, "solver") else learnt.data
        *_, (_, model) = reference.train(untrained, few, seed=0, device="cpu")
        return {name: np.shape(value) for name, value in reference.state(model).items()}

    functions: Functions = {"train": train, "state": state, "restore": restore}
    if hasattr(reference, "layers"):
        functions["layers"] = partial(_listed, reference.layers)
    return functions


@cache
def _listed(layers: Callable[[Any], tuple[task.Layer, ...]], config: Any) -> tuple[task.Layer, ...]:
    """The layers of a network, which takes seconds for a thousand, and is asked for by every seed of every null."""
    return layers(config)


def _roles(layer: task.Layer) -> dict[str, tuple[int, ...]]:
    """The shapes of a layer's arrays, a normalization's statistics among them."""
    if layer.kind != "norm":
        return {str(place): shape for place, shape in enumerate(layer.weights)}
    return dict(zip(("gamma", "beta", "mean", "variance"), [*layer.weights, *[layer.output[:1]] * 2], strict=True))


def permuted_labels(reference: Any) -> Functions:
    """It is trained on labels that belong to other images, on words in any order, on outputs of other inputs."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: tuple[int, ...] = ()
    ) -> Iterator[tuple[int, Any]]:
        shuffled = _permuted(data, np.random.default_rng(seed))
        yield from reference.train(config, shuffled, seed=seed, device=device, eval_steps=eval_steps)

    return {"train": train}


TRAINED = (noise, constant, permuted_labels)
NULLS: Mapping[type, tuple[Null, ...]] = {
    task.Classifier: TRAINED,
    task.LanguageModel: TRAINED,
    task.TextGenerator: TRAINED,
    task.SequenceTransducer: TRAINED,
    task.PointerDecoder: TRAINED,
    task.GraphRegressor: TRAINED,
    task.Simulator: (noise, constant),
    task.PipelineTrainer: (noise, constant),
}
"""By the protocol that a contract is derived from."""


def nothing(reference: Any) -> Functions:
    """For a contract of a paper's own: only what its `NULLS` say."""
    return {}


def nulls_for(protocol: type, own: Functions) -> tuple[Null, ...]:
    """The nulls of a contract.

    Args:
        protocol: the contract's.
        own: the paper's own, by name.

    Raises:
        AssertionError: if the contract is one that no null knows and the paper brings none.
    """
    shared = next((NULLS[kind] for kind in protocol.__mro__ if kind in NULLS), ())
    assert shared or own, f"no null knows {protocol.__name__}: put NULLS into the paper's claims/controls/<key>.py"
    return shared or (nothing,)


def own_nulls(paper: str) -> Functions:
    """What a paper's own functions are answered by, from its controls."""
    return dict(getattr(controls_of(paper), "NULLS", {}))


def nulls(
    contract: Contract, reference: LoadedImplementation, own: Functions | None = None
) -> dict[str, LoadedImplementation]:
    """By name, the reference with each null of its contract in its place, keyed by all sources."""
    mine = own_nulls(reference.paper) if own is None else own
    return {null.__name__: _applied(null, mine, reference) for null in nulls_for(contract.protocol, mine)}


def _applied(null: Null, own: Functions, reference: LoadedImplementation) -> LoadedImplementation:
    functions = {name: f for name, f in null(reference.names).items() if hasattr(reference.names, name)} | own
    sources = [reference.source, object_closure(null), *(object_closure(f) for _, f in sorted(own.items()))]
    return dataclasses.replace(
        reference,
        kind="control",
        name=null.__name__,
        names=sabotage(reference.names, **functions),
        source=digest("".join(sources)),
    )


def _width(data: Any) -> int:
    if hasattr(data, "classes") or hasattr(data, "vocabulary"):
        return int(getattr(data, "classes", getattr(data, "vocabulary", 0)))
    if hasattr(data, "solver"):  # answers are places; to draw a million problems takes a second, to solve them minutes
        return data.high
    if isinstance(data.outputs, Sequences):
        return int(data.outputs.items.max()) + 1
    return data.outputs.shape[1]


def _permuted(data: Any, rng: np.random.Generator) -> Any:
    """The same data with what is to be predicted in another order."""
    if hasattr(data, "labels"):
        return _changed(data, labels=rng.permutation(data.labels))
    if hasattr(data, "tokens"):
        return SimpleNamespace(
            tokens=rng.permutation(data.tokens), validation=data.validation, vocabulary=data.vocabulary
        )
    if not isinstance(data.outputs, Sequences):
        return SimpleNamespace(inputs=data.inputs, outputs=rng.permutation(data.outputs))
    order = np.arange(len(data.inputs.lengths))
    for length in np.unique(data.inputs.lengths):  # an output of a longer input may point beyond a shorter one
        same = np.flatnonzero(data.inputs.lengths == length)
        order[same] = rng.permutation(same)
    outputs = Sequences(items=data.outputs.items[order], lengths=data.outputs.lengths[order])
    return SimpleNamespace(inputs=data.inputs, outputs=outputs)


def _changed(data: Any, **fields: Any) -> Any:
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return dataclasses.replace(data, **fields)
    return SimpleNamespace(**(vars(data) | fields))
