"""Training of small networks of kaplan2020 side by side against the same networks one by one.

    OMP_NUM_THREADS=1 python benchmarks/bench_kaplan2020.py [pairs]

Both train networks of two layers for the same updates on random tokens, 16 contexts of 32 each: in one pass of batched
products, and each in a pass of its own. They take turns, so that a slow minute of the machine falls on both. Prints for
each width tokens per second of processor time and the geometric mean of the pairs' ratios with its 95 % t interval;
fails if the smallest network gains nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from reference import kaplan2020
from repro.criterion.statistics import mean_effect, superior
from repro.machine.determinism import make_deterministic

WIDTHS, REPLICAS, UPDATES, LEVEL = (8, 16, 32), 4, 20, 0.025


class Arm:
    """Networks of a width that are trained in groups, and how fast."""

    def __init__(self, width: int, groups: Sequence[Sequence[int]], corpus: Any) -> None:
        self.config = kaplan2020.Config(layers=2, width=width, heads=1, context=32, vocabulary=96, batch=16, lr=0.01)
        self.trainings = [kaplan2020.Training(self.config, corpus, seeds, "cpu") for seeds in groups]
        self.rates: list[float] = []

    def turn(self) -> float:
        """Tokens per second of processor time over the next updates of all networks."""
        begun = time.process_time()
        for training in self.trainings:
            for number in range(UPDATES):
                training.update(number)
        tokens = UPDATES * REPLICAS * self.config.batch * self.config.context
        return tokens / (time.process_time() - begun)


def main(pairs: int) -> int:
    """Run the pairs and print the comparison; 1 if the smallest network gains nothing."""
    make_deterministic(0, "cpu")
    tokens = np.random.default_rng(0).integers(0, 96, 100_000)
    corpus = SimpleNamespace(tokens=tokens, validation=tokens[:0], vocabulary=96)
    seeds, gains = range(REPLICAS), []
    for width in WIDTHS:
        arms = [Arm(width, [seeds], corpus), Arm(width, [[seed] for seed in seeds], corpus)]
        for turn in range(pairs + 1):  # the first is not counted
            for arm in arms if turn % 2 else reversed(arms):
                found = arm.turn()
                if turn:
                    arm.rates.append(found)
        batched, single = (np.array(arm.rates) for arm in arms)
        effect = mean_effect(np.log(batched / single))
        low, high = superior(effect, 0.0, LEVEL).interval or (np.nan, np.nan)
        gains.append(effect.estimate)
        print(
            f"width {width:3}: {REPLICAS} at once {np.median(batched):8,.0f} tokens/s, one by one "
            f"{np.median(single):8,.0f}, ratio {np.exp(effect.estimate):.2f} [{np.exp(low):.2f}, {np.exp(high):.2f}]"
        )
    return int(gains[0] <= 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
