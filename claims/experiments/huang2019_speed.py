"""How the speed of a pipeline is measured: by the clock, around each update; an implementation reads none.

What is timed by default are layers that only wait, so that any number of partitions can be timed on any number of
processors.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import ClassVar

import numpy as np
from filelock import FileLock

from claims.experiments.huang2019 import GPipe, mini_batch, random_tokens, spread_over
from repro import Experiment, Measurements, Setting, Unavailable, cache_dir, scalar, this_machine

MOST = 8  # updates that are timed
AGREES = 1e-6  # losses of the same updates, in units of their change
COUNT, FREE = 10_000_000, 0.9  # numbers to add, and the share of its speed that a process keeps beside others


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes of this suite from timing at the same time."""
    path = cache_dir() / "timing.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@dataclass(frozen=True, kw_only=True)
class Throughput(Experiment):
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
        found = {"waited": scalar(min(waited), "1"), "unit": scalar(waited[0], "1", better="lower")}
        for k, m in self.spreads[1:]:
            speed = speeds[k, m] / speeds[first]
            found[f"speed {k},{m}"] = scalar(speed, "1", better="higher")
            found[f"efficiency {k},{m}"] = scalar(speed * ideal[first] / ideal[k, m], "1", better="higher")
        shared = min(len(losses) for _, losses in timed.values())
        losses = np.array([losses[:shared] for _, losses in timed.values()])
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.abs(losses - losses[0]).max() / np.abs(losses[0, -1] - losses[0, 0])
        return found | {"disagreement": scalar(gap, "1", better="lower")}

    def _timed(self, pipeline: GPipe, setting: Setting, k: int, m: int) -> tuple[float, list[float]]:
        """Seconds of the quickest update, and the losses of all."""
        config, shape = setting.config, (self.micro_batch, self.length + 1)
        inputs, targets = (
            random_tokens(setting.seed, shape, config)
            if self.length
            else mini_batch(setting.seed, self.micro_batch, config.width)
        )
        batch = (np.concatenate([part] * m) for part in (inputs, targets))
        taken, losses = [0.0], []
        steps = pipeline.steps(spread_over(config, k, m), *batch, seed=setting.seed, device=setting.device)
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
        if setting.device == "cuda" and this_machine().gpus < self.most:
            raise Unavailable(
                f"needs {self.most} GPUs, and {this_machine().gpus} are here", "Run it where there are more."
            )
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
    if this_machine().cores < count:
        raise Unavailable(f"needs {count} cores, and {this_machine().cores} are here", "Run it where there are more.")
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
