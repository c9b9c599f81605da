"""What the suite costs: a trial through it against the same training loop written bare.

    OMP_NUM_THREADS=1 python benchmarks/bench_training.py [pairs]

Both train the 56-layer residual network of the digits claims and count errors on both splits. They take turns, each
pair at a seed of its own, so that a slow minute of the machine falls on both. The suite's turn begins with an empty
cache and ends with the outcome written. Prints seconds of CPU time and of wall time, and the ratio of the medians;
fails above 1.02 in CPU time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from reference import he2015
from repro import Classification, data
from repro.claim.claim import name_arm
from repro.machine.determinism import make_deterministic
from repro.trial.cache import Cache
from repro.trial.implementation import reference
from repro.trial.trial import Trial, compute

FIELDS = {
    "widths": (8, 16, 32),
    "image": 8,
    "channels": 1,
    "augment": "none",
    "batch": 64,
    "iterations": 100,
    "lr": 0.02,
    "milestones": (80,),
}
LIMIT = 1.02


def bare(seed: int) -> tuple[float, float]:
    """Train and count errors (train, test, in %) with torch alone."""
    digits = data.load("digits")
    make_deterministic(seed, "cpu")
    config = replace(he2015.CONFIGS["resnet-56"], **FIELDS)
    weights_seed, order_seed = (int(word) for word in np.random.SeedSequence(seed).generate_state(2))
    net = he2015.Net(config)
    he2015.initialise(net, weights_seed)
    net.to(memory_format=torch.channels_last)
    images, labels = torch.from_numpy(digits.train.images), torch.from_numpy(digits.train.labels)
    mean = images.sum(0) / len(images)
    rule = {"momentum": config.momentum, "weight_decay": config.weight_decay, "fused": True}
    optimizer = torch.optim.SGD(net.parameters(), config.lr, **rule)
    generator = torch.Generator().manual_seed(order_seed)
    step = 0
    while step < config.iterations:
        order = torch.randperm(len(images), generator=generator)
        torch.randint(-4, 5, (len(images), 2), generator=generator)  # the reference's draws for augmentation,
        torch.randint(0, 2, (len(images),), generator=generator)  # so that both take the same batches
        for chosen in order[: len(order) // config.batch * config.batch].split(config.batch):
            if step == config.iterations:
                break
            optimizer.param_groups[0]["lr"] = config.lr * (0.1 if step >= config.milestones[0] else 1.0)
            x = (images[chosen].float() - mean).permute(0, 3, 1, 2) / 255
            loss = cross_entropy(net(x), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    he2015.recalibrate_batchnorm(net, ((part.float() - mean).permute(0, 3, 1, 2) / 255 for part in images.chunk(2)))
    with torch.no_grad():
        scored = [
            net((torch.from_numpy(split.images).float() - mean).permute(0, 3, 1, 2) / 255).argmax(1).numpy()
            for split in (digits.train, digits.test)
        ]
    wrong = [
        100 * (found != split.labels).mean() for found, split in zip(scored, (digits.train, digits.test), strict=True)
    ]
    return float(wrong[0]), float(wrong[1])


def through_the_suite(seed: int) -> tuple[float, float]:
    """The same as a trial: looked up, computed, metered and cached."""
    arm = name_arm(Classification(), "resnet-56", data="digits", **FIELDS)
    with tempfile.TemporaryDirectory() as folder:
        outcome = compute(Trial(arm, reference("he2015"), seed, "cpu"), Cache(Path(folder)), wait=0)
    assert outcome is not None
    return float(outcome.measurements["train_error"].value), float(outcome.measurements["test_error"].value)


def timed(run: Callable[[int], object], seed: int) -> tuple[float, float]:
    """CPU and wall seconds of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    run(seed)
    return time.process_time() - cpu, time.perf_counter() - wall


def main(pairs: int) -> int:
    """Run the pairs and print the comparison; 1 if the suite costs more than the limit."""
    torch.set_num_threads(1)
    if bare(999) != through_the_suite(999):  # which also sets up the libraries
        print("the two do not train the same network")
        return 1
    taken: dict[str, list[tuple[float, float]]] = {"bare": [], "suite": []}
    for seed in range(pairs):
        turns = [("bare", bare), ("suite", through_the_suite)]
        for name, run in turns if seed % 2 else reversed(turns):
            taken[name].append(timed(run, seed))
    median = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()}
    for name, (cpu, wall) in median.items():
        print(f"{name:6} {cpu:7.3f} s CPU {wall:7.3f} s wall, median of {pairs}")
    ratio = [suite / alone for suite, alone in zip(median["suite"], median["bare"], strict=True)]
    print(f"ratio  {ratio[0]:7.3f}   CPU {ratio[1]:7.3f}   wall, limit {LIMIT}")
    return int(ratio[0] > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
