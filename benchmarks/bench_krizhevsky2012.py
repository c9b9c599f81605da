"""A training step of the full network: the reference against the loop that one writes first.

    OMP_NUM_THREADS=1 python benchmarks/bench_krizhevsky2012.py [pairs]

The plain version is eager float32 torch: grouped convolutions, `nn.LocalResponseNorm(alpha=5e-4)`, `nn.Dropout` and
`torch.optim.SGD`. Both take batches of 32 inputs of 224 pixels that lie on the device (128 and, for the reference,
bfloat16 as well on a GPU). They take turns, so that a slow minute of the machine falls on both. Prints seconds a step,
the ratio of plain to reference as a geometric mean with its t interval over pairs, and what a step needs beyond
weights, momenta and batch: on a CPU the most that the allocator held at once, on a GPU torch's peak. Fails where the
interval's lower end is below 1.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from reference import krizhevsky2012
from repro.criterion.statistics import mean_effect, superior

LEVEL, WARM = 0.01, 5
Step = Callable[[], None]


def plain(images: torch.Tensor, labels: torch.Tensor, device: str) -> Step:
    """The network and its update as torch has them."""
    normalized = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    net = nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4, padding=2), nn.ReLU(), normalized, nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), normalized, nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 1000),
    ).to(device)  # fmt: skip
    rule = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, weight_decay=5e-4)
    mean = images.float().mean(0)

    def step() -> None:
        x = (images.float() - mean).permute(0, 3, 1, 2).contiguous()
        loss = cross_entropy(net(x), labels)
        rule.zero_grad()
        loss.backward()
        rule.step()

    return step


def reference(images: torch.Tensor, labels: torch.Tensor, device: str, precision: str = "float32") -> Step:
    """The reference's own update, on the same batch."""
    config = replace(
        krizhevsky2012.CONFIGS["alexnet"],
        frame=224,
        augment="none",
        colour=0.0,
        batch=len(images),
        precision=precision,
    )
    net = krizhevsky2012.Net(config)
    krizhevsky2012.initialise(net, 0)
    net.to(torch.device(device), memory_format=torch.channels_last)
    data = SimpleNamespace(images=images.cpu().numpy(), labels=labels.cpu().numpy(), classes=1000)
    feed = krizhevsky2012.Memory(config, data, device)
    update = krizhevsky2012.Update(net, config, feed, device, 1)
    batch = next(feed.batches(0, 0, 0, 1))
    return lambda: update(batch, 1e-4, 0)


def timed(step: Step, device: str) -> float:
    """Wall seconds of one step."""
    begun = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def needed(step: Step, device: str) -> float:
    """Peak MiB that steps allocate, above what lay there before; gradients of the step before are a step's own."""
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        timed(step, device)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
        step()  # the first one's gradients lie there when it begins
    held = [0]
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held.append(held[-1] + event.nbytes())
    return max(held) / 2**20


def compare(name: str, fast: Step, slow: Step, device: str, pairs: int) -> bool:
    """Print one row; whether the reference is the faster."""
    for step in (fast, slow):
        for _ in range(WARM if device == "cuda" else 1):
            timed(step, device)
    memory = needed(slow, device), needed(fast, device)
    rows = []
    for pair in range(pairs):
        turns = {"fast": fast, "slow": slow}
        found = {key: timed(turns[key], device) for key in (turns if pair % 2 else reversed(turns))}
        rows.append((found["slow"], found["fast"]))
    plainly, ours = np.array(rows).T
    effect = mean_effect(np.log(plainly / ours))
    outcome = superior(effect, 0.0, LEVEL)
    low, high = np.exp(outcome.interval) if outcome.interval else (np.nan, np.nan)
    ratio = f"{np.exp(effect.estimate):.3f} [{low:.3f}, {high:.3f}]"
    row = f"{name:18} {np.median(plainly):8.4f} {np.median(ours):9.4f} {ratio:>22}"
    print(f"{row} {memory[0]:9.0f} {memory[1]:9.0f} {memory[0] / memory[1]:6.2f}", flush=True)
    return low > 1


def main(pairs: int) -> int:
    """Print the table; 1 if the reference is not surely the faster anywhere."""
    torch.set_num_threads(1)
    print(f"{pairs} pairs; seconds a step, and MiB beyond weights and batch")
    print(f"{'':18} {'plain':>8} {'reference':>9} {'ratio [98 %]':>22} {'plain':>9} {'reference':>9} {'ratio':>6}")
    faster = True
    for device, batch in (("cpu", 32), ("cuda", 128))[: 1 + torch.cuda.is_available()]:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (batch, 224, 224, 3), dtype=torch.uint8, generator=generator).to(device)
        labels = torch.randint(0, 1000, (batch,), generator=generator).to(device)
        for precision in ("float32", "bfloat16")[: 1 + (device == "cuda")]:
            fast = reference(images, labels, device, precision)
            faster &= compare(f"{device} {batch} {precision}", fast, plain(images, labels, device), device, pairs)
    return int(not faster)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
