"""Pair choices per second of the coffee automaton's kernel, against the loop one writes first.

Run: python benchmarks/bench_coffee.py
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from reference import aaronson2014 as coffee

SIZES = (20, 60, 100, 200)
REPEATS = 5


def obvious(config: coffee.Config, choices: int, seed: int) -> int:
    """Choose an adjacent pair, compare, swap: one NumPy array, one choice at a time; returns swaps."""
    state, rng, n, done = coffee.start(config), np.random.default_rng(seed), config.n, 0
    for _ in range(choices):
        y, x = rng.integers(n), rng.integers(n)
        dy, dx = ((0, 1), (1, 0), (0, -1), (-1, 0))[rng.integers(4)]
        if 0 <= y + dy < n and 0 <= x + dx < n and state[y, x] != state[y + dy, x + dx]:
            state[y, x], state[y + dy, x + dx] = state[y + dy, x + dx], state[y, x]
            done += 1
    return done


def rate(choices: int, seconds: float) -> float:
    """Millions of choices per second of CPU time."""
    return choices / seconds / 1e6


def main() -> None:
    """Print the median rate of each and their ratio for several sizes."""
    coffee.stir(replace(coffee.CONFIGS["interacting"], n=20), np.array([1000]), 0)  # compile
    print("one thread, CPU time; choices of an adjacent pair, from the start to n**2 / 2 sweeps or 5e6 swaps")
    print(f"{'n':>5} {'kernel, M/s':>12} {'spread':>15} {'obvious, M/s':>13} {'ratio':>7}")
    for n in SIZES:
        config = replace(coffee.CONFIGS["interacting"], n=n)
        fast, slow = [], []
        for repeat in range(REPEATS):  # alternating, so that both meet the same machine
            begun = time.process_time()
            _, choices = coffee.stir(config, np.array([min(n**4 // 2, 5_000_000)]), repeat)
            fast.append(rate(choices, time.process_time() - begun))
            begun = time.process_time()
            obvious(config, 20_000, repeat)
            slow.append(rate(20_000, time.process_time() - begun))
        middle, base = float(np.median(fast)), float(np.median(slow))
        spread = f"{min(fast):.0f} to {max(fast):.0f}"
        print(f"{n:>5} {middle:>12.0f} {spread:>15} {base:>13.3f} {middle / base:>7.0f}")


if __name__ == "__main__":
    main()
