"""Same seed, same machine class, same numbers."""

from __future__ import annotations

import os
import random
import sys

import numpy as np

THREADS = 1
"""Compute threads of a trial on a CPU: one, so that results do not depend on the number of cores."""


def make_deterministic(seed: int, device: str) -> None:
    """Seed every global generator and switch deterministic algorithms on.

    torch is only touched where the implementation has imported it. References take their randomness from the
    seed they are given; the global generators are seeded for submissions that do not.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 -- the legacy generator is what careless code draws from
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling every fresh tensor only helps code that reads memory it has not written, and costs all other code time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if device == "cpu":
        torch.set_num_threads(THREADS)
    elif device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
