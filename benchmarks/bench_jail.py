"""What the jail costs: training a small residual network behind the pipe and in this process, interleaved.

    python benchmarks/bench_jail.py [PAIRS]

The time is that of `train` up to its end, so starting the jail and importing torch are shown apart. The two networks
must predict the same to the last bit.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from harness.sandbox import host
from repro import data
from repro.machine.determinism import make_deterministic
from repro.trial.implementation import reference

SMALL: dict[str, Any] = {
    "widths": (8, 16, 32), "image": 8, "channels": 1, "augment": "none", "batch": 64, "iterations": 300, "lr": 0.02,
    "milestones": (240,),
}  # fmt: skip


def train(names: Any, config: Any) -> tuple[float, np.ndarray]:
    digits = data.load("digits")
    start = time.perf_counter()
    *_, (_, predictor) = names.train(config, digits.train, seed=0, device="cpu")
    return time.perf_counter() - start, predictor.predict(digits.test.images)


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    here, jailed = reference("he2015"), host.as_reference("he2015")
    make_deterministic(0, "cpu")
    train(here.names, here.config("resnet-20", {**SMALL, "iterations": 5}))
    seconds: dict[str, list[float]] = {"in process": [], "in a jail": [], "start of a jail": []}
    for pair in range(pairs):
        for isolated in (pair % 2 == 0, pair % 2 == 1):
            if not isolated:
                make_deterministic(0, "cpu")
                took, scores = train(here.names, here.config("resnet-20", SMALL))
                seconds["in process"].append(took)
                continue
            start = time.perf_counter()
            with jailed.open(seed=0, device="cpu", dataset="digits") as opened:
                seconds["start of a jail"].append(time.perf_counter() - start)
                took, there = train(opened.names, jailed.config("resnet-20", SMALL))
                seconds["in a jail"].append(took)
        np.testing.assert_array_equal(scores, there)
    for name, values in seconds.items():
        print(f"{name:<16} median {np.median(values):.3f} s of {pairs}, {min(values):.3f} to {max(values):.3f}")
    logs = np.log(np.array(seconds["in a jail"]) / np.array(seconds["in process"]))
    half = 1.96 * logs.std(ddof=1) / np.sqrt(pairs) if pairs > 1 else np.nan
    low, mean, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
    print(f"training in a jail takes {mean:.3f} [{low:.3f}, {high:.3f}] times as long; the networks are the same")


if __name__ == "__main__":
    main()
