"""How GPipe is measured: the contract, and experiments that turn gradients, updates and timetables into numbers.

Times are taken by the clock here, around each update; an implementation reads none. What is timed are layers that only
wait, so that any number of partitions can be timed on any number of processors.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations, product
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from repro import Measurements, Reported, ReproError, Setting, Unavailable, cases, scalar
from repro.machine import machine
from repro.paths import cache_dir
from repro.task import PipelineTrainer

EXAMPLES = 16
SPREADS = ((1, 4), (2, 1), (2, 8), (4, 2), (4, 16))  # partitions and micro-batches
UPDATES = 5
MOST = 8  # updates that are timed
AGREES = 1e-6  # losses of the same updates, in units of their change
COUNT, FREE = 10_000_000, 0.9  # numbers to add, and the share of its speed that a process keeps beside others
CAPTION = 12  # bytes that each parameter needs, by the caption of Table 1
GIB = float(1 << 30)


class GPipe(PipelineTrainer, Protocol):
    """The contract: beside gradients and updates, what the exact claims need. K partitions, M micro-batches.

    The config of an implementation has at least the fields `partitions`, `micro_batches`, `layers`, `width`,
    `vocabulary`, `momentum`, `rematerialize` ("partition", "layer" or "none"), `costs`, seconds of layers that only
    wait, and `memory`, bytes that each GPU may use: `steps` raises MemoryError where an update needs more.
    """

    def moments(
        self, config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int
    ) -> dict[str, NDArray[Any]]:
        """Moving "mean" and "variance" [R, D] of every batch normalization after one update, from 0 and 1.

        They stand in the order of execution. The first one normalizes the inputs themselves.
        """
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
    inputs, outputs = _batch(seed, EXAMPLES, 16)
    return SimpleNamespace(inputs=inputs, outputs=outputs)


def _batch(seed: int, examples: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs and targets [N, D]; the inputs' columns differ in mean and scale."""
    rng = np.random.default_rng(seed)
    columns = np.arange(width) / width
    return rng.normal(columns, 1 + columns, (examples, width)), rng.standard_normal((examples, width))


def _tokens(seed: int, shape: tuple[int, int], config: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random tokens [N, T], and what follows each."""
    tokens = np.random.default_rng(seed).integers(0, config.vocabulary, shape)
    return tokens[:, :-1].copy(), tokens[:, 1:].copy()


def _spread(config: Any, partitions: int, micro_batches: int) -> Any:
    return replace(config, partitions=partitions, micro_batches=micro_batches)


def _gap(found: dict[str, NDArray[Any]], known: dict[str, NDArray[Any]]) -> list[float]:
    """Largest difference of each array, in units of the known array's largest value; NaN where one is missing."""
    if found.keys() != known.keys():
        return [np.nan]
    return [float(np.abs(found[name] - known[name]).max() / np.abs(known[name]).max()) for name in known]


def gradients(pipeline: GPipe, setting: Setting) -> Measurements:
    """Gradients over partitions and micro-batches against those of one partition and one micro-batch."""
    batch, config = _batch(setting.seed, EXAMPLES, setting.config.width), setting.config
    known = pipeline.gradients(_spread(config, 1, 1), *batch, seed=setting.seed)
    found = [pipeline.gradients(_spread(config, *spread), *batch, seed=setting.seed) for spread in SPREADS]
    return {"difference": cases([gap for each in found for gap in _gap(each, known)], 0.0, "1")}


def updates(pipeline: GPipe, setting: Setting) -> Measurements:
    """Losses of a few updates over partitions and micro-batches against those on one accelerator."""
    batch, losses = _batch(setting.seed, EXAMPLES, setting.config.width), []
    for spread in ((1, 1), (2, 4), (4, 16)):
        config = _spread(setting.config, *spread)
        with closing(pipeline.steps(config, *batch, seed=setting.seed, device="cpu")) as steps:  # pyright: ignore
            losses.append([next(steps) for _ in range(UPDATES)])
    known = np.array(losses[0])
    return {
        "difference": cases(np.abs(np.array(losses[1:]) / known - 1).ravel(), 0.0, "1"),
        "fall": cases(np.diff(known), 0.0, "1"),
    }


def normalized_alone(pipeline: GPipe, setting: Setting) -> Measurements:
    """Gradients of micro-batches in a pipeline against the mean of their gradients as mini-batches of their own."""
    inputs, targets = _batch(setting.seed, EXAMPLES, setting.config.width)
    found = pipeline.gradients(_spread(setting.config, 2, 4), inputs, targets, seed=setting.seed)
    alone = [
        pipeline.gradients(_spread(setting.config, 1, 1), *part, seed=setting.seed)
        for part in zip(np.split(inputs, 4), np.split(targets, 4), strict=True)
    ]
    mean = {name: np.mean([each[name] for each in alone], axis=0) for name in alone[0]}
    return {"difference": cases(_gap(found, mean), 0.0, "1")}


def moving_averages(pipeline: GPipe, setting: Setting) -> Measurements:
    """Moving averages after one update: of the first normalization, whose inputs are known, and over partitions."""
    config, (inputs, targets) = setting.config, _batch(setting.seed, EXAMPLES, setting.config.width)
    one, two = (
        pipeline.moments(_spread(config, k, 4), inputs, targets, seed=setting.seed) for k in (1, 2)
    )  # fmt: skip
    weight = config.momentum
    known = [weight * inputs.mean(0), 1 - weight + weight * inputs.var(0, ddof=1)]
    return {
        "moments": cases(np.ravel([one["mean"][0], one["variance"][0]]), np.ravel(known), "1"),
        "difference": cases(_gap(two, one), 0.0, "1"),
    }


# Tables and timetables


@dataclass(frozen=True)
class Counts:
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
            table = pipeline.timetable(forward, backward, m)
            wrong += _faults(table, forward, [0.0] * k, backward, 0.0)
            idle = 1 - 3.0 * m / _length(table)
            found.append(idle)
            exact.append((k - 1) / (m + k - 1))
            long += [idle] * (m >= 4 * k)
    wrong += sum(_uneven(pipeline, np.random.default_rng((setting.seed, case))) for case in range(20))
    return {
        "idle": cases(found, exact, "1"),
        "idle where M is 4 K or more": cases(long, 0.2, "1"),
        "faults": cases([wrong], 0, "1"),
    }


def _uneven(pipeline: GPipe, rng: np.random.Generator) -> int:
    """Faults of a timetable of partitions that differ, with re-materialization and slow links."""
    k, m, latency = int(rng.integers(1, 6)), int(rng.integers(1, 9)), float(rng.random())
    forward, again, backward = (rng.random(k).tolist() for _ in range(3))
    table = pipeline.timetable(forward, backward, m, recompute=again, latency=latency)
    return _faults(table, forward, again, backward, latency)


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
    table = pipeline.timetable(share, [2 * cost for cost in share], micro_batches)
    return 3 * sum(forward) / _length(table)


@dataclass(frozen=True)
class AgainstModel:
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
    """Variance of the partitions' costs against the least of all contiguous partitions, over random costs."""
    found, least = [], []
    for case in range(20):
        rng = np.random.default_rng((setting.seed, case))
        count, k = 12, int(rng.integers(2, 6))
        costs = 8 ** rng.random(count)
        found.append(_variance(costs, np.cumsum(pipeline.partition(costs, k))[:-1], k))
        least.append(min(_variance(costs, cuts, k) for cuts in combinations(range(1, count), k - 1)))
    return {"variance": cases(found, least, "1")}


def _variance(costs: NDArray[Any], cuts: Any, partitions: int) -> float:
    """Variance of partitions' costs; infinite where the number of partitions or their order is wrong."""
    if len(cuts) != partitions - 1:
        return np.inf
    parts = np.split(costs, np.asarray(cuts, int))
    return float(np.var([part.sum() for part in parts])) if all(len(part) for part in parts) else np.inf


def imbalance(pipeline: GPipe, setting: Setting) -> Measurements:
    """Speed with uneven layers, cut into as many each, over that with even ones; and what a better partition gains."""
    k, count, gains = 8, 24, []
    rising = 8 ** (np.arange(count) / (count - 1))
    lost = _cut_speed(pipeline, rising, np.full(k, count // k)) / _speed(pipeline, k, 32)
    for case in range(100):
        costs = 8 ** np.random.default_rng((setting.seed, case)).random(count)
        even = _cut_speed(pipeline, costs, np.full(k, count // k))
        gains.append(_cut_speed(pipeline, costs, pipeline.partition(costs, k)) / even)
    return {"left": cases([lost], 0.75, "1"), "gain": cases([np.mean(gains)], 1.1, "1")}


def _cut_speed(pipeline: GPipe, costs: NDArray[Any], sizes: NDArray[Any]) -> float:
    parts = np.add.reduceat(costs, np.concatenate([[0], np.cumsum(sizes)[:-1]]))
    return _speed(pipeline, len(sizes), 32, (parts / costs.sum()).tolist())


def memory_law(pipeline: GPipe, setting: Setting) -> Measurements:
    """Bytes of activations over layers, partitions and micro-batches, fitted by a N + b (L / K) (N / M)."""
    n, rows, found = 256, [], []
    for layers, k, m in product((8, 32), (1, 4), (1, 2, 8)):
        config = _spread(replace(setting.config, layers=layers), k, m)
        rows.append((n, layers / k * n / m))
        found.append(float(pipeline.footprint(config, n).max()))
    fitted = np.array(rows) @ (solved := np.linalg.lstsq(np.array(rows), np.array(found), rcond=None)[0])
    r2 = 1 - ((fitted - found) ** 2).sum() / np.var(found) / len(found)
    everything = pipeline.footprint(replace(_spread(setting.config, 4, 8), layers=32, rematerialize="none"), n).max()
    return {
        "r2": cases([r2], 0.99, "r2"),
        "coefficients": cases(solved, 0.0, "B"),
        "share": cases([found[-1] / everything], 0.25, "1"),
    }


# Time


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes of this suite from timing at the same time."""
    path = cache_dir() / "timing.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Throughput over partitions and micro-batches, in units of the first of them.

    All micro-batches are the same, and so are losses, however many there are and wherever they are computed.

    Attributes:
        spreads: partitions and micro-batches; the first is the unit.
        micro_batch: examples of a micro-batch.
        length: tokens of an example; 0 for vectors.
        seconds: for which updates are begun, of which the quickest counts; the very first does not.

    Measures:
        speed K,M: examples per second over the first spread's.
        efficiency K,M: the same over K M / (M + K - 1), itself in units of the first spread.
        waited: seconds of an update over what its layers must wait at least, the least of all spreads.
        unit: the same of the first spread.
        disagreement: of losses over spreads, the largest, in units of what the first one's change by updates.
    """

    spreads: tuple[tuple[int, int], ...]
    micro_batch: int = 1
    length: int = 0
    seconds: float = 1.2
    passes_config_on: ClassVar[bool] = True

    @property
    def most(self) -> int:
        """The most partitions at once."""
        return max(k for k, _ in self.spreads)

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Time them one after another."""
        with _alone():
            timed = {spread: self._timed(pipeline, setting, *spread) for spread in self.spreads}
        speeds = {(k, m): m / seconds for (k, m), (seconds, _) in timed.items()}
        ideal = {(k, m): k * m / (m + k - 1) for k, m in self.spreads}
        first, each = self.spreads[0], sum(setting.config.costs) * 3
        waited = [k / (speed * each) if each else np.nan for (k, _), speed in speeds.items()]
        found = {"waited": scalar(min(waited), "1"), "unit": scalar(waited[0], "1")}
        for k, m in self.spreads[1:]:
            speed = speeds[k, m] / speeds[first]
            found[f"speed {k},{m}"] = scalar(speed, "1")
            found[f"efficiency {k},{m}"] = scalar(speed * ideal[first] / ideal[k, m], "1")
        shared = min(len(losses) for _, losses in timed.values())
        losses = np.array([losses[:shared] for _, losses in timed.values()])
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.abs(losses - losses[0]).max() / np.abs(losses[0, -1] - losses[0, 0])
        return found | {"disagreement": scalar(gap, "1")}

    def _timed(self, pipeline: GPipe, setting: Setting, k: int, m: int) -> tuple[float, list[float]]:
        """Seconds of the quickest update, and the losses of all."""
        config, shape = setting.config, (self.micro_batch, self.length + 1)
        inputs, targets = (
            _tokens(setting.seed, shape, config)
            if self.length
            else _batch(setting.seed, self.micro_batch, config.width)
        )
        batch = (np.concatenate([part] * m) for part in (inputs, targets))
        taken, losses = [0.0], []
        steps = pipeline.steps(_spread(config, k, m), *batch, seed=setting.seed, device=setting.device)
        with closing(steps):  # pyright: ignore -- a generator of the contract's
            losses.append(next(steps))  # which starts the processes
            while sum(taken) < self.seconds and len(taken) <= MOST:
                before = time.perf_counter()
                losses.append(next(steps))
                taken.append(time.perf_counter() - before)
        return min(taken[1:]), losses


@dataclass(frozen=True, kw_only=True)
class OnGPUs(Throughput):
    """Throughput on as many GPUs as there are partitions."""

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Time them.

        Raises:
            Unavailable: if there are not as many GPUs.
        """
        if setting.device == "cuda" and machine().gpus < self.most:
            raise Unavailable(f"needs {self.most} GPUs, and {machine().gpus} are here", "Run it where there are more.")
        return super().__call__(pipeline, setting)


@dataclass(frozen=True, kw_only=True)
class OnCores(Throughput):
    """Throughput of layers that compute, on as many cores as there are partitions, whatever the device."""

    needs_gpu: ClassVar[bool] = False

    def __call__(self, pipeline: GPipe, setting: Setting) -> Measurements:
        """Time them, and then whether there were cores to time them on.

        Raises:
            Unavailable: if there were not as many, or others kept them busy.
        """
        found = super().__call__(pipeline, replace(setting, device="cpu"))
        if found["disagreement"].value < AGREES:  # what computes something else is wrong on any machine
            with _alone():
                require_cores(self.most)
        return found


def require_cores(count: int) -> None:
    """Check by measuring that as many processes compute at once as if each were alone.

    Raises:
        Unavailable: if there are fewer cores, or others keep them busy.
    """
    if machine().cores < count:
        raise Unavailable(f"needs {count} cores, and {machine().cores} are here", "Run it where there are more.")
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        list(pool.map(_compute, [1] * 4 * count))  # all have started
        alone, together = (min(_seconds(pool, many) for _ in range(3)) for many in (1, count))
    if alone < FREE * together:
        busy = f"{count} processes take {together / alone:.2f} times as long as one"
        raise Unavailable(f"needs {count} idle cores, and here {busy}", "Run it while nothing else computes.")


def _seconds(pool: ProcessPoolExecutor, many: int) -> float:
    before = time.perf_counter()
    list(pool.map(_compute, [COUNT] * many))
    return time.perf_counter() - before


def _compute(count: int) -> int:
    return sum(range(count))


# Memory


@dataclass(frozen=True, kw_only=True)
class Largest:
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
        naive = replace(_spread(setting.config, 1, 1), rematerialize="none")
        cut = replace(_spread(setting.config, 1, self.examples), rematerialize="partition")
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
        batch = _tokens(setting.seed, (self.examples, self.length + 1), config)
        try:
            with closing(pipeline.steps(config, *batch, seed=setting.seed, device=setting.device)) as steps:  # pyright: ignore
                return bool(np.isfinite([next(steps), next(steps)]).all())
        except MemoryError:
            return False
        except ReproError as error:  # a submission's errors come as text
            if "MemoryError" in str(error):
                return False
            raise
