"""What a pipeline of processes costs: its throughput against one process, and its overhead for each micro-batch.

    OMP_NUM_THREADS=1 python benchmarks/bench_huang2019.py [rounds]

Four layers wait 30 ms forward and 60 ms backward, so computing takes no time and what is left is the schedule, its
messages and the processes' waking up. One process and pipelines of two and four take turns, each with processes of its
own in each round. Prints the median seconds of an update; the geometric mean over rounds of the speedup over one
process, with its 95 % t interval, beside the speedup that the bubble leaves; and milliseconds that each micro-batch
takes beyond the timetable. Fails where an interval lies below 0.85 of what the bubble leaves.
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
from repro.criterion.statistics import interval, mean_effect

SPREADS = ((1, 1), (2, 4), (4, 4), (4, 16))  # partitions and micro-batches
UPDATES, LIMIT = 2, 0.85
WAITING = huang2019.CONFIGS["waiting"]


def seconds(partitions: int, micro_batches: int) -> float:
    """Wall seconds of the quickest update after the first, which starts the processes."""
    config = replace(WAITING, partitions=partitions, micro_batches=micro_batches)
    batch, taken = np.ones((micro_batches, 1)), []
    steps = huang2019.steps(config, batch, batch, seed=0, device="cpu")
    with closing(steps):  # pyright: ignore -- a generator
        for _ in range(UPDATES + 1):
            before = time.perf_counter()
            next(steps)
            taken.append(time.perf_counter() - before)
    return min(taken[1:])


def timetable(partitions: int, micro_batches: int) -> float:
    """Seconds of an update if nothing but waiting took time."""
    each = [sum(WAITING.costs) / partitions] * partitions
    return float(huang2019.timetable(each, [2 * cost for cost in each], micro_batches).max())


def main(rounds: int) -> int:
    """Time all pipelines and print the comparison; 1 if one is too slow."""
    torch.set_num_threads(1)
    taken = {spread: [] for spread in SPREADS}
    for _ in range(rounds):
        for spread in SPREADS:
            taken[spread].append(seconds(*spread))
    one, slow = np.array(taken[1, 1]), False
    for (k, m), walls in taken.items():
        speedups, ideal = np.log(m * one / np.array(walls)), k * m / (m + k - 1)
        low, high = np.exp(interval(mean_effect(speedups), 0.025) or (np.nan, np.nan))
        overhead = 1000 * (statistics.median(walls) - timetable(k, m)) / (m + k - 1)
        slow |= high < LIMIT * ideal
        print(
            f"K={k} M={m}: {statistics.median(walls):.3f} s, speedup {np.exp(speedups.mean()):.2f} [{low:.2f}, "
            f"{high:.2f}] of {ideal:.2f}, {overhead:.1f} ms more a micro-batch"
        )
    return int(slow)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
