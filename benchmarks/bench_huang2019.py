"""What a pipeline of processes costs: its throughput against one process, and its overhead for each micro-batch.

    OMP_NUM_THREADS=1 python benchmarks/bench_huang2019.py [updates]

Four layers wait 20 ms forward and 40 ms backward, so computing takes no time and what is left is the schedule, its
messages and the processes' waking up. One process and pipelines of two and four take turns. Prints the median seconds
of an update, the speedup over one process beside the one that the bubble leaves, and milliseconds that each micro-batch
takes beyond the timetable; fails if a pipeline reaches less than 0.85 of its speedup.
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from reference import huang2019

SPREADS = ((1, 1), (2, 4), (4, 4), (4, 8))  # partitions and micro-batches
LIMIT = 0.85


def seconds(partitions: int, micro_batches: int, updates: int) -> list[float]:
    """Wall seconds of each update after the first, which starts the processes."""
    config = replace(huang2019.CONFIGS["waiting"], partitions=partitions, micro_batches=micro_batches)
    batch, taken = np.ones((micro_batches, 1)), []
    steps = huang2019.steps(config, batch, batch, seed=0, device="cpu")
    with closing(steps):  # pyright: ignore -- a generator
        for _ in range(updates + 1):
            before = time.perf_counter()
            next(steps)
            taken.append(time.perf_counter() - before)
    return taken[1:]


def timetable(partitions: int, micro_batches: int) -> float:
    """Seconds of an update if nothing but waiting took time."""
    costs = huang2019.CONFIGS["waiting"].costs
    each = [sum(costs) / partitions] * partitions
    return float(huang2019.timetable(each, [3 * c for c in each], micro_batches).max())  # computed again, then back


def main(updates: int) -> int:
    """Time all pipelines and print the comparison; 1 if one is too slow."""
    torch.set_num_threads(1)
    taken: dict[tuple[int, int], list[float]] = {spread: [] for spread in SPREADS}
    for _ in range(updates):
        for spread in SPREADS:
            taken[spread] += seconds(*spread, 1)
    median = {spread: statistics.median(times) for spread, times in taken.items()}
    rate = {(k, m): m / wall for (k, m), wall in median.items()}
    worst = 1.0
    for (k, m), wall in median.items():
        speedup, ideal = rate[k, m] / rate[1, 1], k * m / (m + k - 1)
        overhead = 1000 * (wall - timetable(k, m)) / (m + k - 1)
        worst = min(worst, speedup / ideal)
        print(f"K={k} M={m}: {wall:.3f} s, speedup {speedup:.2f} of {ideal:.2f}, {overhead:.1f} ms more a micro-batch")
    return int(worst < LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
