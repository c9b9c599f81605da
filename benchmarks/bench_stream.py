"""Streamed tokens per second: a language model in a real jail, told token by token and scored outside.

    python benchmarks/bench_stream.py [seconds]

The model is a table of logits, so that what is timed is the round trip and the scoring: each step sends one token for
each stream, receives scores of 50 tokens for each, and takes the log-likelihood of what follows. Prints a row for each
number of streams, with the same in this process beside it; fails below 50,000 tokens per second at the best number.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.sandbox.broker import Broker
from harness.sandbox.inside.limits import Limits
from harness.sandbox.jail import Jail, View
from repro import task
from repro.experiment.likelihood import log_likelihood
from tests.contracts import HONEST

VOCABULARY, LANES, ROUNDS, TARGET = 50, (1, 8, 64, 256), 5, 50_000


def reader_of(names: Any, text: np.ndarray) -> Any:
    """The model at the end of training."""
    corpus = SimpleNamespace(tokens=text, validation=text[:0], vocabulary=VOCABULARY)
    *_, (_, reader) = names.train(names.CONFIGS["tiny"], corpus, seed=0, device="cpu")
    return reader


def rate(reader: Any, tokens: np.ndarray) -> float:
    """Tokens scored per second of wall time."""
    begun = time.perf_counter()
    found = log_likelihood(reader.start(len(tokens)), tokens, VOCABULARY)
    return found.size / (time.perf_counter() - begun)


def main(seconds: float) -> int:
    """Print the table; 1 if the target is missed."""
    rng, honest = np.random.default_rng(0), HONEST[task.LanguageModel]
    text = rng.integers(0, VOCABULARY, 100_000)
    near = reader_of(honest.module(), text)
    best = 0.0
    print(f"vocabulary {VOCABULARY}, tokens/s, median of {ROUNDS} and range")
    print(f"{'streams':>6} {'jailed':>9} {'range':>19} {'in process':>11} {'round trip, us':>15}")
    with tempfile.TemporaryDirectory() as folder, Jail(Limits(), View(submission=honest.folder(Path(folder)))) as jail:
        broker = Broker(jail, "the benchmark")
        far = reader_of(broker.names(broker.load(0, "cpu")), text)
        for streams in LANES:
            steps = max(20, int(rate(far, rng.integers(0, VOCABULARY, (streams, 200))) / streams * seconds / ROUNDS))
            tokens = rng.integers(0, VOCABULARY, (streams, steps + 1))
            pairs = [(rate(far, tokens), rate(near, tokens)) for _ in range(ROUNDS)]
            jailed, here = zip(*pairs, strict=True)
            middle = statistics.median(jailed)
            best, trip = max(best, middle), 1e6 * streams * (1 / middle - 1 / statistics.median(here))
            spread = f"{min(jailed):,.0f} to {max(jailed):,.0f}"
            print(f"{streams:>6} {middle:>9,.0f} {spread:>19} {statistics.median(here):>11,.0f} {trip:>15.0f}")
    print(f"best {best:,.0f}, target {TARGET:,}")
    return int(best < TARGET)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
