"""What updates cost that run, in seconds and bytes, over what an implementation states or implies of them.

Layers that are timed only wait, so no processor's speed matters; bytes are those of all processes, as the system says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from claims.experiments.huang2019 import GPipe, mini_batch, partition_sizes, shaped, spread_over
from claims.experiments.huang2019_speed import _alone
from repro import Measurements, Setting, cases

TRIES = 8  # updates that are timed at most, of which the quickest counts
ENOUGH, SEVERAL = 1.05, 1.12  # of what is due: no more are timed after that, on one partition and on several
UNEVEN, EVEN, SINGLE = (0.04, 0.01, 0.01), (0.01,) * 4, (0.04, 0.04)  # seconds that each layer waits
PARTITIONS, SHORT = 4, (0.005,) * 4  # whose processes or threads are counted
NARROW, HIDDEN, EACH = 4, 4100, 1024  # float64 [EACH, HIDDEN] fill over 32 MiB: what C libraries give back when freed
SHAPES = (("none", 2, 2), ("partition", 1, 3))  # what is kept, layers and micro-batches
# Layers, partitions and micro-batches
SPREADS_OF_LAW = ((8, 1, 1), (24, 1, 1), (32, 2, 1), (16, 1, 2), (16, 2, 4), (8, 1, 8))
SPREADS = (("none", 3, 2, 3), ("partition", 5, 3, 2))  # what is kept, layers, partitions and micro-batches


def stated_seconds(pipeline: GPipe, setting: Setting) -> Measurements:
    """Seconds of updates that run over those of timetables, and over what their layers wait; processes or threads."""
    config, k, m = setting.config, 2, 6
    uneven = replace(spread_over(config, 2, 3), layers=len(UNEVEN), costs=UNEVEN)
    sizes = partition_sizes(pipeline, np.array(UNEVEN), 2)
    forward = [float(part.sum()) for part in np.split(np.array(UNEVEN), np.cumsum(sizes)[:-1])]
    table = shaped(pipeline.timetable(forward, [2 * cost for cost in forward], 3), (2, 3, 3, 2), "timetable")
    stated = float(table[..., 1].max() - table[..., 0].min())
    even, equal = replace(spread_over(config, k, m), costs=EVEN), 3 * sum(EVEN) / k * (m + k - 1)
    single = replace(spread_over(config, 1, 1), layers=len(SINGLE), costs=SINGLE)
    kept, again = 3 * sum(SINGLE), 4 * sum(SINGLE)
    with _alone():
        uneven_s, even_s = _quickest(pipeline, setting, uneven, stated), _quickest(pipeline, setting, even, equal)
        kept_s = _quickest(pipeline, setting, replace(single, rematerialize="none"), kept)
        again_s = _quickest(pipeline, setting, replace(single, rematerialize="partition"), again)
        short = [replace(spread_over(config, k, 1), costs=SHORT) for k in (1, PARTITIONS)]
        few, many = (_most(pipeline, setting, each, mini_batch(0, 1, config.width), _threads)[1] for each in short)
    return {
        "timetable": cases([uneven_s / stated], 1.0, "1"),
        "even layers": cases([even_s / equal], 1.0, "1"),
        "one accelerator": cases([kept_s / kept], 1.0, "1"),
        "recomputation": cases([again_s / kept_s], 4 / 3, "1"),
        "workers": cases([many - few], PARTITIONS - 1, "threads"),
    }


def _quickest(pipeline: GPipe, setting: Setting, config: Any, due: float) -> float:
    """Seconds of the quickest update after a first; none follows one that takes little more than is due."""
    batch, taken = mini_batch(setting.seed, config.micro_batches, config.width), [np.inf]
    enough = due * (ENOUGH if config.partitions == 1 else SEVERAL)
    with closing(pipeline.steps(config, *batch, seed=setting.seed, device="cpu")) as steps:  # pyright: ignore
        next(steps)
        while len(taken) <= TRIES and not min(taken) <= enough:
            before = time.perf_counter()
            next(steps)
            taken.append(time.perf_counter() - before)
    return min(taken)


def stated_bytes(pipeline: GPipe, setting: Setting) -> Measurements:
    """Bytes that updates of two networks hold at most, beyond those held before, over those that are stated.

    And bytes that are stated of partitions, over those of networks of as many layers as each of them has.
    """
    wide = replace(setting.config, width=NARROW, hidden=HIDDEN)
    found, shares = [], []
    with _alone():
        for kept, layers, m in SHAPES:
            own = replace(spread_over(wide, 1, m), layers=layers, rematerialize=kept)
            before, most = _most(pipeline, setting, own, mini_batch(setting.seed, m * EACH, NARROW), _resident)
            found.append((most - before) / _stated(pipeline, own)[0])
    for kept, layers, k, m in SPREADS:
        own = replace(spread_over(wide, k, m), layers=layers, rematerialize=kept)
        sizes = partition_sizes(pipeline, np.ones(layers), k)
        alone = [_stated(pipeline, replace(own, partitions=1, layers=int(size))) for size in sizes]
        shares.append(_stated(pipeline, own) / np.concatenate(alone))
    return {"memory": cases(found, 1.0, "1"), "shares": cases(np.concatenate(shares), 1.0, "1")}


def memory_law(pipeline: GPipe, setting: Setting) -> Measurements:
    """Bytes of activations over layers, partitions and micro-batches, fitted by a N + b (L / K) (N / M)."""
    n, rows, found, config = 256, [], [], setting.config
    for layers, k, m in SPREADS_OF_LAW:
        config = spread_over(replace(setting.config, layers=layers), k, m)
        rows.append((n, layers / k * n / m))
        found.append(shaped(pipeline.footprint(config, n), (k,), "footprint").max())
    fitted = np.array(rows) @ (solved := np.linalg.lstsq(np.array(rows), np.array(found), rcond=None)[0])
    r2 = 1 - ((fitted - found) ** 2).sum() / np.var(found) / len(found)
    everything = pipeline.footprint(replace(config, rematerialize="none"), n).max()
    return {
        "r2": cases([r2], 0.99, "r2"),
        "coefficients": cases(solved, 0.0, "B"),
        "share": cases([found[-1] / everything], 0.25, "1"),
    }


def _stated(pipeline: GPipe, config: Any) -> NDArray[Any]:
    """Bytes of each partition [K]."""
    return shaped(pipeline.footprint(config, config.micro_batches * EACH), (config.partitions,), "footprint")


def _most(
    pipeline: GPipe, setting: Setting, config: Any, batch: Any, look: Callable[..., float]
) -> tuple[float, float]:
    """What is seen between the first update and the second, and the most while the second runs."""
    seen, over = list[float](), Event()
    with closing(pipeline.steps(config, *batch, seed=setting.seed, device="cpu")) as steps:  # pyright: ignore
        next(steps)  # which starts the processes
        started = list(_processes())  # to ask for these each time would take longer than to look
        before = look(started)

        def watch() -> None:
            while not over.wait(0.002):
                seen.append(look(started))

        watching = Thread(target=watch, daemon=True)
        watching.start()
        next(steps)
        over.set()
        watching.join()
    return before, max(seen, default=before)


def _resident(processes: Iterable[psutil.Process] | None = None) -> float:
    """Bytes in memory of processes, or of this one and all that it started."""
    return _sum(processes, lambda process: process.memory_info().rss)


def _threads(processes: Iterable[psutil.Process]) -> float:
    return _sum(processes, lambda process: process.num_threads())


def _sum(processes: Iterable[psutil.Process] | None, of: Callable[[psutil.Process], float]) -> float:
    total = 0.0
    for process in _processes() if processes is None else processes:
        with suppress(psutil.Error):  # one that has ended meanwhile
            total += of(process)
    return total


def _processes() -> Iterator[psutil.Process]:
    own = psutil.Process()
    yield from (own, *own.children(recursive=True))
