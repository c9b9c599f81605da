"""The course notes' reference on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reference import cs231n as notes
from repro import Split


def test_nesterovs_first_steps():
    """On x**2 / 2 from 1, with rate 0.1 and mu 0.9, the stored position goes to 0.81 and then to 0.5751."""
    config = notes.Config(rule="nesterov", step=0.1, reg=1.0, updates=2, std=1.0)  # only the penalty pulls
    data = Split(images=np.zeros((1, 1, 1, 1), np.uint8), labels=np.array([0]), classes=1)
    w = [model.weights["W1"].item() for _, model in notes.train(config, data, seed=0, device="cpu", eval_steps=(0, 1))]
    assert np.array(w) / w[0] == pytest.approx([1, 0.81, 0.5751])
