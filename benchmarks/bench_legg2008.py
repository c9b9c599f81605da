"""How fast legg2008 learns and runs programs, against the loops one writes first; every number that counts is a ratio.

    OMP_NUM_THREADS=1 python benchmarks/bench_legg2008.py [pairs]

Processor time, in pairs that take turns, so that a slow minute of the machine falls on both. Prints, with the geometric
mean of the pairs' ratios and its 95 % t interval: AIQ's machine against the same machine in plain Python, updates of HL
and of TD on 21 states against NumPy's (an update is one step, which changes all states), and HL's time per step over
that of Sarsa in the gridworld, which the thesis puts at about 1.7 (Section 6.7): here it is more, since the division
by N(s) costs most of a step that is vectorised. Fails if the machine gains less than a
hundredfold, or if HL or TD does fewer than ten million changes of a state's value a second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from claims.experiments.legg2008 import GRID
from claims.oracles import legg2008 as oracle
from reference import legg2008 as thesis
from repro.criterion.statistics import mean_effect, superior

STATES, STEPS, LEVEL = 21, 100_000, 0.025
HL, TD = thesis.CONFIGS["hl"], replace(thesis.CONFIGS["hl"], method="td", lam=0.7, alpha=0.07)
RANDOM = replace(HL, method="random")


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def ratios(name: str, pairs: int, one: Callable[[], float], other: Callable[[], float]) -> float:
    """Print the medians of two rates, or of two costs, and how they compare; returns the mean ratio."""
    _ = one(), other()  # compile
    found = np.array([(one(), other()) if turn % 2 else (other(), one())[::-1] for turn in range(pairs)])
    effect = mean_effect(np.log(found[:, 0] / found[:, 1]))
    low, high = superior(effect, 0.0, LEVEL).interval or (np.nan, np.nan)
    middle = np.median(found, axis=0)
    print(
        f"{name:34} {middle[0]:14,.4g} {middle[1]:14,.4g}   "
        f"ratio {np.exp(effect.estimate):,.3g} [{np.exp(low):,.3g}, {np.exp(high):,.3g}]"
    )
    return float(np.exp(effect.estimate))


def machine_rates() -> tuple[Callable[[], float], Callable[[], float]]:
    """Instructions per second of AIQ's machine, compiled and in plain Python, on programs of some 800 a cycle."""
    rng = np.random.default_rng(0)
    programs = ["".join(rng.choice(list("<>+-,"), 800)) + ",[>+<-]>.,.#" for _ in range(20)]

    def compiled() -> float:
        begun = time.process_time()
        episodes = thesis.interact(RANDOM, programs, 1000, 5, 1, seed=0)
        return episodes[..., 3].sum(dtype=float) / (time.process_time() - begun)

    def plain() -> float:
        begun, steps = time.process_time(), 0
        for program in programs:
            machine = oracle.Machine(program, 5)
            steps += sum(machine.cycle(action % 5)[2] for action in range(10))
        return steps / (time.process_time() - begun)

    return compiled, plain


def learning_rates(config: thesis.Config) -> tuple[Callable[[], float], Callable[[], float]]:
    """Changes of a state's value per second on a path of 21 states, compiled and by NumPy."""
    rng, few = np.random.default_rng(0), STEPS // 20
    path, rewards, end = rng.integers(0, STATES, STEPS + 1), rng.normal(size=STEPS), np.array([STEPS])

    def by_numpy() -> None:
        v, n, e, hl = np.zeros(STATES), np.ones(STATES), np.zeros(STATES), config.method == "hl"
        for t in range(few):
            now, then = path[t], path[t + 1]
            e[now] += 1
            n[now] += 1
            rate = n[then] / (n[then] - config.gamma * e[then]) / n if hl else config.alpha
            v += rate * e * (rewards[t] + config.gamma * v[then] - v[now])
            e *= config.gamma * config.lam
            n *= config.lam

    return (
        lambda: STATES * STEPS / seconds(lambda: thesis.estimate(config, path, rewards, end, STATES)),
        lambda: STATES * few / seconds(by_numpy),
    )


def step_costs() -> tuple[Callable[[], float], Callable[[], float]]:
    """Microseconds per step of HLS and of Sarsa with the same lambda in the windy gridworld."""
    hls = replace(thesis.CONFIGS["hlq"], method="hls")
    both = [
        lambda c=c: 20 * seconds(lambda: thesis.act(c, *GRID, 50_000, seed=0))
        for c in (hls, replace(hls, method="sarsa"))
    ]
    return both[0], both[1]


def main(pairs: int) -> int:
    """Run all pairs and print them; 1 if a bound is not met."""
    machine = ratios("AIQ's machine, instructions/s", pairs, *machine_rates())
    rates = []
    for name, config in (("HL", HL), ("TD", TD)):
        compiled, by_numpy = learning_rates(config)
        ratios(f"{name}, changes of a value/s", pairs, compiled, by_numpy)
        rates.append(np.median([compiled() for _ in range(pairs)]))
    ratios("HLS and Sarsa, us a step", pairs, *step_costs())
    return int(machine < 100 or min(rates) < 1e7)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
