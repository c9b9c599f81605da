"""Training examples per second of the pointer network, against the loops that one writes first.

    OMP_NUM_THREADS=1 python benchmarks/bench_vinyals2015.py [pairs]

The plain version steps LSTM cells in Python, encoder and decoder, attends at each step, and makes the label of each
example by scipy's ConvexHull when it is needed; inputs of several lengths are padded to the longest, and states and
scores beyond an input's end are masked. The reference takes whole sequences at once, each batch of one length, on
labels that the suite has made beforehand; making them is part of its time. Both train the same network on batches of
128 hulls. They take turns, so that a slow minute of the machine falls on both. Prints examples per second of wall time
and the ratio in each row, as a geometric mean with its t interval over pairs; fails where the first ratio's lower end
is below 3.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import nn
from torch.nn.functional import cross_entropy

from claims.experiments.planar import SolvedPoints, hulls
from reference import vinyals2015
from repro.criterion.statistics import mean_effect, superior

UPDATES, BATCH, TARGET, LEVEL = 60, 128, 3.0, 0.01
CASES = ((5, 5, 48), (5, 10, 128), (10, 10, 128))  # fewest and most points, hidden units; the first has the target


class Plain(nn.Module):
    """Ptr-Net, step by step."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.LSTMCell(2, hidden), nn.LSTMCell(2, hidden)
        self.w1, self.w2 = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden, bias=False)
        self.v, self.stop, self.start = (nn.Parameter(torch.randn(size)) for size in (hidden, hidden, 2))

    def forward(self, x: torch.Tensor, lengths: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Scores [B, M + 1, n + 1], the stop last, of inputs [B, n, 2] of the given lengths [B]."""
        state, memory = (x.new_zeros(len(x), self.v.numel()),) * 2, []
        for step, point in enumerate(x.unbind(1)):
            inside = (step < lengths)[:, None]
            state = tuple(
                torch.where(inside, new, old) for new, old in zip(self.encoder(point, state), state, strict=True)
            )
            memory.append(state[0])
        keys = torch.stack([*memory, self.stop.expand_as(memory[0])], 1)
        beyond = torch.arange(x.shape[1]) >= lengths[:, None]
        beyond = torch.cat([beyond, torch.zeros(len(x), 1, dtype=torch.bool)], 1)
        rows, read, found = torch.arange(len(x)), self.start.expand(len(x), 2), []
        for step in range(places.shape[1] + 1):
            state = self.decoder(read, state)
            scores = torch.tanh(self.w1(keys) + self.w2(state[0])[:, None]) @ self.v
            found.append(scores.masked_fill(beyond, -torch.inf))
            if step < places.shape[1]:
                read = x[rows, places[:, step]]
        return torch.stack(found, 1)


def label(points: np.ndarray) -> np.ndarray:
    """The hull from its lowest place on."""
    vertices = ConvexHull(points).vertices
    return np.roll(vertices, -int(vertices.argmin()))


def plain(low: int, high: int, hidden: int, seed: int) -> None:
    """Train step by step, labels as they are needed."""
    rng, net = np.random.default_rng(seed), Plain(hidden)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(UPDATES):
        lengths = rng.integers(low, high, BATCH, endpoint=True)
        x = rng.random((BATCH, high, 2), dtype=np.float32)
        answers = [label(points[:length]) for points, length in zip(x, lengths, strict=True)]
        longest = max(map(len, answers))
        places, targets = np.zeros((BATCH, longest), np.int64), np.full((BATCH, longest + 1), -1)
        for row, answer in enumerate(answers):
            places[row, : len(answer)] = targets[row, : len(answer)] = answer
            targets[row, len(answer)] = high
        scores = net(torch.from_numpy(x), torch.from_numpy(lengths), torch.from_numpy(places))
        slots = torch.from_numpy(targets).flatten()
        loss = cross_entropy(scores.flatten(0, 1), slots, ignore_index=-1, reduction="sum") / BATCH
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()


def reference(low: int, high: int, hidden: int, seed: int) -> None:
    """Make the same number of examples and train on them."""
    problems = SolvedPoints(count=UPDATES * BATCH, low=low, high=high, seed=(seed,), solver=hulls)
    preset = vinyals2015.CONFIGS["pointer-256"]
    config = replace(preset, hidden=hidden, updates=UPDATES, batch=BATCH, optimizer="adam", lr=1e-3)
    for _ in vinyals2015.train(config, problems, seed=seed, device="cpu"):
        pass


def rate(run: Callable[[int, int, int, int], None], case: tuple[int, int, int], seed: int) -> float:
    """Training examples per second of wall time."""
    begun = time.perf_counter()
    run(*case, seed)
    return UPDATES * BATCH / (time.perf_counter() - begun)


def main(pairs: int) -> int:
    """Print the table; 1 if the target is missed."""
    torch.set_num_threads(1)
    missed = False
    print(f"one thread, {UPDATES} updates of {BATCH} examples, {pairs} pairs")
    print(f"{'n':>7} {'H':>4} {'reference/s':>12} {'plain/s':>9} {'ratio':>6} {'98 % interval':>16}")
    for case in CASES:
        for run in (reference, plain):
            run(*case, 0)  # which also sets up the libraries
        rows = []
        for seed in range(1, pairs + 1):
            turns = (reference, plain) if seed % 2 else (plain, reference)
            found = {run.__name__: rate(run, case, seed) for run in turns}
            rows.append((found["reference"], found["plain"]))
        fast, slow = np.array(rows).T
        effect = mean_effect(np.log(fast / slow))
        outcome = superior(effect, float(np.log(TARGET)), LEVEL)
        low, high = np.exp(outcome.interval) if outcome.interval else (np.nan, np.nan)
        missed |= case == CASES[0] and not low > TARGET
        points = f"{case[0]} to {case[1]}"
        row = f"{points:>7} {case[2]:>4} {np.median(fast):>12,.0f} {np.median(slow):>9,.0f}"
        print(f"{row} {np.exp(effect.estimate):>6.2f} {f'{low:.2f} to {high:.2f}':>16}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
