"""How GPipe is measured: the contract, and experiments that turn gradients, updates and timetables into numbers.

K partitions, M micro-batches, L layers, N examples of a mini-batch, D width, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import (
    Experiment,
    Measurements,
    Reported,
    ReproError,
    Setting,
    cases,
)
from repro.task import PipelineTrainer, Stateful

EXAMPLES = 16
SPREADS = ((1, 4), (2, 1), (2, 8), (4, 2), (4, 16))  # partitions and micro-batches
UPDATES = 5
CAPTION = 12  # bytes that each parameter needs, by the caption of Table 1
GIB = float(1 << 30)


class GPipe(PipelineTrainer, Stateful, Protocol):
    """The contract: beside gradients and updates, what the exact claims need. K partitions, M micro-batches.

    The small network, "residual" or "batch-norm", has L layers x + V relu(U z + b) + c, where z is x [D] or, in
    "batch-norm", x normalized, in training by the moments of its micro-batch. Its loss is the mean square of
    differences from the targets, and it descends at the rate `lr`. Micro-batches of M are consecutive examples of the
    mini-batch, or every M-th one. By canonical name, for each layer l from 0 on, `state` gives l.U [H, D], l.b [H],
    l.V [D, H] and l.c [D], and with normalization l.gamma, l.beta, l.mean and l.variance [D]; `gradients` gives those
    of all but the last two. Moving averages start at 0 and 1, follow the moments of mini-batches, the variance
    divided by N or by N - 1, and weigh the newest by `momentum`. To a variance that divides, 1e-5 is added. Each
    partition works in a process or thread of its own. A mini-batch that does not divide into M equal micro-batches is
    refused with a ValueError, or all of its examples count alike.

    The config has at least the fields `partitions`, `micro_batches`, `layers`, `width`, `hidden`, `lr`, `vocabulary`,
    `momentum`, `rematerialize` ("partition", "layer" or "none"), `costs`, seconds of layers that only wait, and
    `memory`, bytes that each GPU may use: `steps` raises MemoryError where an update needs more.
    """

    def networks(self, config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int) -> Iterator[Any]:
        """For ever: the network before the first update on the mini-batch, and after each."""
        ...

    def outputs(self, network: Any, inputs: NDArray[Any]) -> NDArray[Any]:
        """What a network gives of examples [N, D] in evaluation."""
        ...

    def parameters(self, config: Any) -> int:
        """Weights of the network."""
        ...

    def footprint(self, config: Any, examples: int, length: int = 0) -> NDArray[np.int64]:
        """Most bytes of activations at once in each partition while it updates on a mini-batch, [K]."""
        ...

    def partition(self, costs: NDArray[np.float64], partitions: int) -> NDArray[np.int64]:
        """Layers of each of K contiguous partitions [K], given what each layer costs."""
        ...

    def timetable(
        self,
        forward: Sequence[float],
        backward: Sequence[float],
        micro_batches: int,
        *,
        recompute: Sequence[float] | None = None,
        latency: float = 0.0,
    ) -> NDArray[np.float64]:
        """When each partition does what, [K, M, 3, 2]: forward, forward again, backward; start and end."""
        ...


def some_batch(seed: int) -> SimpleNamespace:
    """A mini-batch for audits, of the small network's width."""
    inputs, outputs = mini_batch(seed, EXAMPLES, 16)
    return SimpleNamespace(inputs=inputs, outputs=outputs)


def mini_batch(seed: int, examples: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and targets [N, D]; the inputs' columns differ in mean and scale."""
    rng = np.random.default_rng(seed)
    columns = np.arange(width) / width
    return rng.normal(columns, 1 + columns, (examples, width)), rng.standard_normal((examples, width))


def random_tokens(seed: int, shape: tuple[int, int], config: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random tokens [N, T], and what follows each."""
    tokens = np.random.default_rng(seed).integers(0, config.vocabulary, shape)
    return tokens[:, :-1].copy(), tokens[:, 1:].copy()


def spread_over(config: Any, partitions: int, micro_batches: int) -> Any:
    """The config over so many partitions and micro-batches."""
    return replace(config, partitions=partitions, micro_batches=micro_batches)


def shaped(value: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    """What an implementation gave, as an array.

    Raises:
        ReproError: if it has another shape.
    """
    if np.shape(value) != shape:
        raise ReproError(f"{what} has the shape {list(np.shape(value))}, where {list(shape)} is due")
    return np.asarray(value, float)


def partition_sizes(pipeline: GPipe, costs: NDArray[np.float64], partitions: int) -> NDArray[np.int64]:
    """Layers of each partition [K].

    Raises:
        ReproError: if they are not all layers, each in one of so many partitions.
    """
    sizes = np.asarray(pipeline.partition(costs, partitions))
    if not np.isfinite(_variance(costs, sizes, partitions)):
        raise ReproError(f"partition cuts {len(costs)} layers into {sizes.tolist()}, which are not {partitions} parts")
    return sizes


def _gap(found: dict[str, NDArray[Any]], known: dict[str, NDArray[Any]]) -> list[float]:
    """Largest difference of each array, in units of the known array's largest value; NaN where a shape differs."""
    if {name: np.shape(value) for name, value in found.items()} != {name: known[name].shape for name in known}:
        return [np.nan]
    return [float(np.abs(found[name] - known[name]).max() / np.abs(known[name]).max()) for name in known]


def gradients(pipeline: GPipe, setting: Setting) -> Measurements:
    """Gradients over partitions and micro-batches against those of one partition and one micro-batch."""
    batch, config = mini_batch(setting.seed, EXAMPLES, setting.config.width), setting.config
    known = pipeline.gradients(spread_over(config, 1, 1), *batch, seed=setting.seed)
    found = [pipeline.gradients(spread_over(config, *spread), *batch, seed=setting.seed) for spread in SPREADS]
    return {"difference": cases([gap for each in found for gap in _gap(each, known)], 0.0, "1")}


def updates(pipeline: GPipe, setting: Setting) -> Measurements:
    """Losses of a few updates over partitions and micro-batches against those on one accelerator."""
    batch, losses = mini_batch(setting.seed, EXAMPLES, setting.config.width), []
    for spread in ((1, 1), (2, 4), (4, 16)):
        config = spread_over(setting.config, *spread)
        with closing(pipeline.steps(config, *batch, seed=setting.seed, device="cpu")) as steps:  # pyright: ignore
            losses.append([next(steps) for _ in range(UPDATES)])
    known = np.array(losses[0])
    return {
        "difference": cases(np.abs(np.array(losses[1:]) / known - 1).ravel(), 0.0, "1"),
        "fall": cases(np.diff(known), 0.0, "1"),
    }


def moving_averages(pipeline: GPipe, setting: Setting) -> Measurements:
    """Moving averages after one update: of the first normalization, whose inputs are known, and over partitions."""
    config, (inputs, targets) = setting.config, mini_batch(setting.seed, EXAMPLES, setting.config.width)
    found = []
    for k in (1, 2):
        course = pipeline.networks(spread_over(config, k, 4), inputs, targets, seed=setting.seed)
        with closing(course):  # pyright: ignore -- a generator of the contract's
            state = pipeline.state(list(islice(course, 2))[1])
        found.append({name: value for name, value in state.items() if name.endswith((".mean", ".variance"))})
    first = [shaped(found[0].get(f"0.{name}"), (config.width,), f"state's 0.{name}") for name in ("mean", "variance")]
    weight, own = config.momentum, np.ravel(first)
    known = [
        np.ravel([weight * inputs.mean(0), 1 - weight + weight * inputs.var(0, ddof=ddof)]) for ddof in (1, 0)
    ]  # the paper does not say which
    return {
        "moments": cases(own, min(known, key=lambda each: np.abs(each - own).max()), "1"),
        "difference": cases(_gap(found[1], found[0]), 0.0, "1"),
    }


# Tables and timetables


@dataclass(frozen=True)
class Counts(Experiment):
    """Parameters of a Transformer by its number of layers, and their memory, against printed numbers."""

    counted: tuple[tuple[int, Reported, float], ...]  # layers, number, what a one in its last digit stands for
    memory: tuple[tuple[int, Reported], ...]

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Count them."""
        digits = [
            (_parameters(pipeline, setting, layers) / {"M": 1e6, "B": 1e9}[fact.unit] - fact.value) / (digit / 2)
            for layers, fact, digit in self.counted
        ]
        ratio = [CAPTION * _parameters(pipeline, setting, layers) / (fact.value * GIB) for layers, fact in self.memory]
        return {"off": cases(digits, 0.0, "halves of the last digit"), "ratio": cases(ratio, 1.0, "1")}


@dataclass(frozen=True)
class EachParameter(Experiment):
    """Bytes for each of AmoebaNet's parameters over those for each of a Transformer's."""

    printed: tuple[tuple[Reported, Reported], ...]  # parameters in millions, and their memory in GB
    transformer: tuple[int, Reported]  # layers, and the memory of the parameters in GiB

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Divide."""
        layers, memory = self.transformer
        known = memory.value * GIB / _parameters(pipeline, setting, layers)
        found = [1e9 * fact.value / (1e6 * count.value) for count, fact in self.printed]
        return {"ratio": cases(np.array(found) / known, 1.0, "1")}


def _parameters(pipeline: GPipe, setting: Setting, layers: int) -> int:
    return pipeline.parameters(replace(setting.config, layers=layers))


def naive_memory(pipeline: GPipe, setting: Setting) -> Measurements:
    """Memory of weights over that of activations on one accelerator, for 32 sentences of 1024 tokens."""
    weights = CAPTION * pipeline.parameters(setting.config)
    return {"ratio": cases([weights / pipeline.footprint(setting.config, 32, 1024)[0]], 1.0, "1")}


def bubble(pipeline: GPipe, setting: Setting) -> Measurements:
    """Idle share of all partitions by the implementation's timetables, once these are checked."""
    found, exact, long, wrong = [], [], [], 0
    for k in range(1, 17):
        for m in (1, 2, 3, 4, 8, 16, 32, 4 * k, 128):
            forward, backward = [1.0] * k, [2.0] * k
            table = _timetable(pipeline, forward, backward, m)
            wrong += _faults(table, forward, [0.0] * k, backward, 0.0)
            idle = 1 - 3.0 * m / _length(table)
            found.append(idle)
            exact.append((k - 1) / (m + k - 1))
            long += [idle] * (m >= 4 * k)
    wrong += sum(_uneven(pipeline, np.random.default_rng((setting.seed, case))) for case in range(20))
    # Section 2.3: the first of two partitions computes again while it waits for gradients, or this would take 8.
    wrong += _length(_timetable(pipeline, [1.0, 1.0], [2.0, 2.0], 1, recompute=[1.0, 1.0])) > 7 + 1e-9
    return {
        "idle": cases(found, exact, "1"),
        "idle where M is 4 K or more": cases(long, 0.2, "1"),
        "faults": cases([wrong], 0, "1"),
    }


def _uneven(pipeline: GPipe, rng: np.random.Generator) -> int:
    """Faults of a timetable of partitions that differ, with re-materialization and slow links."""
    k, m, latency = int(rng.integers(1, 6)), int(rng.integers(1, 9)), float(rng.random())
    forward, again, backward = (rng.random(k).tolist() for _ in range(3))
    table = _timetable(pipeline, forward, backward, m, recompute=again, latency=latency)
    return _faults(table, forward, again, backward, latency)


def _timetable(pipeline: GPipe, forward: Sequence[float], *rest: Any, **options: Any) -> NDArray[np.float64]:
    table = pipeline.timetable(forward, *rest, **options)
    return shaped(table, (len(forward), rest[1], 3, 2), "timetable")


def _length(table: NDArray[Any]) -> float:
    return float(table[..., 1].max() - table[..., 0].min())


def _faults(table: NDArray[Any], forward: Any, again: Any, backward: Any, latency: float) -> int:
    """How often a timetable does what cannot be done."""
    slack = 1e-9
    start, end = table[..., 0], table[..., 1]  # [K, M, 3]
    durations = np.stack([forward, again, backward], 1)[:, None]
    bad = int((np.abs(end - start - durations) > slack).sum())
    bad += int((start[1:, :, 0] < end[:-1, :, 0] + latency - slack).sum())
    bad += int((start[:-1, :, 2] < end[1:, :, 2] + latency - slack).sum())
    bad += int((start[..., 1] < end[..., 0] - slack).sum() + (start[..., 2] < end[..., 1] - slack).sum())
    for first, last in zip(start, end, strict=True):
        order = np.lexsort((last.ravel(), first.ravel()))
        bad += int((first.ravel()[order][1:] < last.ravel()[order][:-1] - slack).sum())
    return bad


def _speed(pipeline: GPipe, partitions: int, micro_batches: int, costs: Sequence[float] | None = None) -> float:
    """Mini-batches in the time that one accelerator needs for one, by the timetable."""
    forward = costs or [1 / partitions] * partitions
    share = [cost / micro_batches for cost in forward]
    table = _timetable(pipeline, share, [2 * cost for cost in share], micro_batches)
    return 3 * sum(forward) / _length(table)


@dataclass(frozen=True)
class AgainstModel(Experiment):
    """Printed throughput over what a timetable of equal partitions says, both in units of K = 2 and M = 1."""

    micro_batches: int
    printed: tuple[tuple[int, Reported], ...]  # partitions and throughput

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Compare."""
        unit = _speed(pipeline, 2, 1)
        model = [_speed(pipeline, k, self.micro_batches) / unit for k, _ in self.printed]
        ratio = [fact.value / speed for (_, fact), speed in zip(self.printed, model, strict=True)]
        return {"ratio": cases(ratio, 1.0, "1")}


# Partitions


def best_partition(pipeline: GPipe, setting: Setting) -> Measurements:
    """Variance of the partitions' costs over that of partitions of as many layers each, where costs rise."""
    left = []
    for case in range(20):
        rng = np.random.default_rng((setting.seed, case))
        count, k = 12, int(rng.integers(2, 6))
        costs = np.sort(8 ** rng.random(count))
        even = np.diff(np.arange(k + 1) * count // k)
        left.append(_variance(costs, pipeline.partition(costs, k), k) / _variance(costs, even, k))
    return {"left": cases(left, 0.5, "1")}


def _variance(costs: NDArray[Any], sizes: NDArray[Any], partitions: int) -> float:
    """Variance of partitions' costs; infinite where their number is wrong, or not all layers are in one each."""
    if len(sizes) != partitions or sum(sizes) != len(costs) or min(sizes) < 1:
        return np.inf
    return float(np.var([part.sum() for part in np.split(costs, np.cumsum(sizes)[:-1])]))


def imbalance(pipeline: GPipe, setting: Setting) -> Measurements:
    """Speed with uneven layers, cut into as many each, over that with even ones; and what a better partition gains."""
    k, count, gains = 8, 24, []
    rising = 8 ** (np.arange(count) / (count - 1))
    lost = _cut_speed(pipeline, rising, np.full(k, count // k)) / _speed(pipeline, k, 32)
    for case in range(100):
        costs = 8 ** np.random.default_rng((setting.seed, case)).random(count)
        even = _cut_speed(pipeline, costs, np.full(k, count // k))
        gains.append(_cut_speed(pipeline, costs, pipeline.partition(costs, k)) / even)
    return {"left": cases([lost], 0.75, "1"), "gain": cases([np.mean(gains)], 1.05, "1")}


def _cut_speed(pipeline: GPipe, costs: NDArray[Any], sizes: NDArray[Any]) -> float:
    parts = np.add.reduceat(costs, np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    return _speed(pipeline, len(sizes), 32, (parts / costs.sum()).tolist())


# Memory


@dataclass(frozen=True, kw_only=True)
class Largest(Experiment):
    """Parameters of the largest network that trains on one accelerator with re-materialization, over without.

    Attributes:
        printed: the ratio that is printed.
        examples: of a mini-batch, each a micro-batch of its own with re-materialization.
        length: tokens of an example.
        most: layers that are tried at most.
    """

    printed: Reported
    examples: int
    length: int
    most: int = 24

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Find both by bisection."""
        naive = replace(spread_over(setting.config, 1, 1), rematerialize="none")
        cut = replace(spread_over(setting.config, 1, self.examples), rematerialize="partition")
        counts = [_parameters(pipeline, setting, self._layers(pipeline, setting, each)) for each in (cut, naive)]
        return {"ratio": cases([counts[0] / counts[1]], self.printed.value, "1")}

    def _layers(self, pipeline: GPipe, setting: Setting, config: Any) -> int:
        """The most layers that fit, 0 for none."""
        fits, too_many = 0, self.most + 1
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self._trains(pipeline, setting, replace(config, layers=middle)):
                fits = middle
            else:
                too_many = middle
        return fits

    def _trains(self, pipeline: GPipe, setting: Setting, config: Any) -> bool:
        """Whether two updates fit: the second finds what the first one leaves."""
        batch = random_tokens(setting.seed, (self.examples, self.length + 1), config)
        try:
            with closing(pipeline.steps(config, *batch, seed=setting.seed, device=setting.device)) as steps:  # pyright: ignore
                return bool(np.isfinite([next(steps), next(steps)]).all())
        except MemoryError:
            return False
        except ReproError as error:  # a submission's errors come as text
            if "MemoryError" in str(error):
                return False
            raise
