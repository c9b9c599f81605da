"""Training of the small language model of zaremba2014 against the loop that torch's users write first.

    OMP_NUM_THREADS=1 python benchmarks/bench_zaremba2014.py [pairs]

Both train two layers of 200 LSTM units on random words, 10,000 kinds of them, in 20 streams and segments of 20 steps.
The usual loop: nn.Embedding, nn.LSTM, nn.Linear, log_softmax, nll_loss, clip_grad_norm_, and an addition to each
parameter. They take turns, so that a slow minute of the machine falls on all. Prints words per second and the geometric
mean of the pairs' ratios with its 95 % t interval; fails below 1.0 in float32, and below 2.0 in bfloat16 where the
processor multiplies such matrices itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from reference import zaremba2014
from repro.criterion.statistics import mean_effect, superior
from repro.machine.determinism import make_deterministic

SMALL = zaremba2014.CONFIGS["small"]
UPDATES, LEVEL = 10, 0.025
TARGETS = {"float32": 1.0, "bfloat16": 2.0}
FLAGS = ("avx512_bf16", "amx_bf16")


class Usual(nn.Module):
    """The model as one writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(SMALL.vocabulary, SMALL.hidden)
        self.rnn = nn.LSTM(SMALL.hidden, SMALL.hidden, SMALL.layers, dropout=SMALL.dropout)
        self.decoder = nn.Linear(SMALL.hidden, SMALL.vocabulary)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -SMALL.init, SMALL.init)

    def forward(self, words, state):
        """Log-probabilities [N, V] of what follows, and the state."""
        output, state = self.rnn(self.encoder(words), state)
        return torch.log_softmax(self.decoder(output).flatten(0, 1), 1), state


def usual(words: torch.Tensor) -> Callable[[int], None]:
    """The usual loop over a text in streams [T, B]: a function that makes one update."""
    model = Usual()
    state = tuple(torch.zeros(SMALL.layers, SMALL.batch, SMALL.hidden) for _ in range(2))

    def update(number: int) -> None:
        nonlocal state
        start = number * SMALL.unroll
        model.zero_grad()
        scores, state = model(words[start : start + SMALL.unroll], tuple(part.detach() for part in state))
        targets = words[start + 1 : start + 1 + SMALL.unroll].flatten()
        (SMALL.unroll * nn.functional.nll_loss(scores, targets)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), SMALL.clip)
        for parameter in model.parameters():
            parameter.data.add_(parameter.grad, alpha=-SMALL.lr)

    return update


def ours(corpus: SimpleNamespace, precision: str) -> Callable[[int], None]:
    """The reference's updates."""
    net = zaremba2014.initialise(zaremba2014.build(replace(SMALL, precision=precision)), 0)
    return zaremba2014.Training(net, corpus, "cpu", torch.Generator()).update


def rate(update: Callable[[int], None], numbers: range) -> float:
    """Words per second of wall time."""
    begun = time.perf_counter()
    for number in numbers:
        update(number)
    return len(numbers) * SMALL.batch * SMALL.unroll / (time.perf_counter() - begun)


def main(pairs: int) -> int:
    """Run the pairs and print the comparison; 1 if a target is missed."""
    make_deterministic(0, "cpu")
    words = np.random.default_rng(0).integers(
        0, SMALL.vocabulary, (SMALL.batch, (pairs + 1) * UPDATES * SMALL.unroll + 1)
    )
    corpus = SimpleNamespace(tokens=words.ravel(), validation=words[0, :0], vocabulary=SMALL.vocabulary)
    streams = torch.from_numpy(words.T.copy())
    arms = {"usual": usual(streams), **{precision: ours(corpus, precision) for precision in TARGETS}}
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(pairs + 1):  # the first is not counted
        numbers = range(turn * UPDATES, (turn + 1) * UPDATES)
        for name in sorted(arms, reverse=bool(turn % 2)):
            found = rate(arms[name], numbers)
            if turn:
                rates[name].append(found)
    print(f"usual    {np.median(rates['usual']):8,.0f} words/s, median of {pairs}, one thread")
    native = any(flag in Path("/proc/cpuinfo").read_text() for flag in FLAGS)
    missed = 0
    for precision, target in TARGETS.items():
        effect = mean_effect(np.log(np.divide(rates[precision], rates["usual"])))
        low, high = superior(effect, np.log(target), LEVEL, side="above").interval or (np.nan, np.nan)
        checked = precision == "float32" or native
        missed += checked and effect.estimate < np.log(target)
        print(
            f"{precision:8} {np.median(rates[precision]):8,.0f} words/s, ratio {np.exp(effect.estimate):.2f} "
            f"[{np.exp(low):.2f}, {np.exp(high):.2f}], target {target if checked else 'none on this processor'}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7))
