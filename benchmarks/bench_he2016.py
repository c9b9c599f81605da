"""Updates of ResNet-110 with pre-activation on CIFAR-10-sized images against the loop that torch's users write first.

    OMP_NUM_THREADS=1 python benchmarks/bench_he2016.py [pairs]

Both update on the same batches of 128 random images that are not augmented, on the GPU if there is one. The usual loop:
a module for each unit, images in NCHW order, float32, torch.optim.SGD as it comes. They take turns, so that a slow
minute of the machine falls on both. Prints seconds an update and peak memory (on a CPU, what each adds to a process of
its own; on a GPU, what torch allocates), the geometric mean of the pairs' ratios of time with its 95 % t interval, and
the ratio of memory; fails above 1.0 in time. On a GPU the reference is timed in bfloat16 as well.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from reference import he2015, he2016
from repro.criterion.statistics import mean_effect, superior
from repro.machine.determinism import make_deterministic

CONFIG = replace(he2016.CONFIGS["resnet-110-preactivation"], augment="none")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
UPDATES = 50 if DEVICE == "cuda" else 1
WARM = 6 if DEVICE == "cuda" else 1  # updates that are not counted: the first ones allocate, the fourth is captured
LIMIT, LEVEL = 1.0, 0.025
DATA = SimpleNamespace(
    images=np.random.default_rng(0).integers(0, 256, (1024, 32, 32, 3), dtype=np.uint8),
    labels=np.random.default_rng(1).integers(0, 10, 1024),
    classes=10,
)


class Usual(nn.Module):
    """A unit as one writes it."""

    def __init__(self, inputs: int, outputs: int, stride: int, activated: bool) -> None:
        super().__init__()
        self.activated, self.stride, self.extra = activated, stride, outputs - inputs
        self.norm1 = nn.Identity() if activated else nn.BatchNorm2d(inputs)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)

    def forward(self, x):
        """The unit's output; the first unit's input is activated already."""
        y = x if self.activated else torch.relu(self.norm1(x))
        y = self.conv2(torch.relu(self.norm2(self.conv1(y))))
        if self.extra:
            x = x[:, :, :: self.stride, :: self.stride]
            x = torch.cat([x, x.new_zeros(x.shape[0], self.extra, *x.shape[2:])], 1)
        return x + y


def usual_net() -> nn.Module:
    """ResNet-110 with pre-activation as one writes it."""
    modules = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inputs = 16
    for outputs in (16, 32, 64):
        for index in range(18):
            stride = 2 if outputs > 16 and not index else 1
            modules.append(Usual(inputs, outputs, stride, activated=len(modules) == 3))
            inputs = outputs
    return nn.Sequential(
        *modules, nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


def usual() -> Callable[[], None]:
    """The usual loop: a function that makes one update."""
    net = usual_net().to(DEVICE)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.from_numpy(DATA.images).permute(0, 3, 1, 2).contiguous().to(DEVICE)
    labels, mean = torch.from_numpy(DATA.labels).to(DEVICE), images.float().mean(0)
    batches = cycle(torch.arange(1024, device=DEVICE).split(CONFIG.batch))

    def update() -> None:
        chosen = next(batches)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net((images[chosen].float() - mean) / 255), labels[chosen])
        loss.backward()
        optimizer.step()

    return update


def ours(precision: str) -> Callable[[], None]:
    """The reference's updates."""
    net = he2016.Net(replace(CONFIG, precision=precision))
    he2016.initialise(net, 0)
    net.to(DEVICE, memory_format=torch.channels_last).train()
    feed = he2015.CifarLoader(CONFIG, DATA, DEVICE)
    update = he2016.Update(net, replace(CONFIG, precision=precision), feed, DEVICE, 1)
    batches = feed.batches(torch.Generator().manual_seed(0), 0, 1)
    return lambda: update(next(batches), 0.01)


ARMS = {
    "usual": usual,
    "float32": lambda: ours("float32"),
    **({"bfloat16": lambda: ours("bfloat16")} if DEVICE == "cuda" else {}),
}


def seconds(update: Callable[[], None], count: int) -> float:
    """Wall seconds of one update, on average over `count`."""
    begun = time.perf_counter()
    for _ in range(count):
        update()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / count


def peak(name: str) -> float:
    """MiB that the updates of an arm take, in this process, which should be a fresh one."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds(ARMS[name](), WARM + 1)
    if DEVICE == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def peak_elsewhere(name: str) -> float:
    """The same in a process of its own."""
    result = subprocess.run([sys.executable, __file__, "peak", name], capture_output=True, text=True, check=True)
    return float(result.stdout)


def main(pairs: int) -> int:
    """Run the pairs and print the comparison; 1 if the reference is slower."""
    memory = {name: peak_elsewhere(name) for name in ARMS}
    updates = {name: arm() for name, arm in ARMS.items()}
    taken: dict[str, list[float]] = {name: [] for name in ARMS}
    for update in updates.values():
        seconds(update, WARM)
    for turn in range(pairs):
        for name in sorted(ARMS, reverse=bool(turn % 2)):
            taken[name].append(seconds(updates[name], UPDATES))
    missed = 0
    for name in ARMS:
        effect = mean_effect(np.log(np.divide(taken[name], taken["usual"])))
        low, high = superior(effect, np.log(LIMIT), LEVEL, side="below").interval or (np.nan, np.nan)
        missed += effect.estimate > np.log(LIMIT)
        print(
            f"{name:8} {np.median(taken[name]):8.4f} s an update, ratio {np.exp(effect.estimate):.3f} "
            f"[{np.exp(low):.3f}, {np.exp(high):.3f}]; {memory[name]:7.0f} MiB, ratio "
            f"{memory[name] / memory['usual']:.3f}; median of {pairs}, {DEVICE}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_deterministic(0, DEVICE)
    if sys.argv[1:2] == ["peak"]:
        print(peak(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
