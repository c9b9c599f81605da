"""Noisy weights' reference: cases worked out by hand."""

import numpy as np
import pytest

from claims.experiments.hinton1993 import pairs
from reference import hinton1993 as noisy

ONE = noisy.Config(inputs=1, hidden=1, gaussians=1)


def network(log_v: float = 0.0) -> noisy.Net:
    """One weight of each kind, with means 0 and this noise, and a coding-prior of mean 0 and variance 1."""
    net = {name: np.zeros(shape) for name, shape in noisy.shapes(ONE).items()}
    return {name: array + log_v * (name[:5] == "log V" and name != "log V P") for name, array in net.items()}


@pytest.mark.parametrize(("variance", "nats"), [(1.0, 0.0), (0.25, 0.318147), (4.0, 0.806853)])
def test_a_weight_costs_its_divergence(variance, nats):
    """By Eq. 9 log(1 / 0.5) + (0.25 - 1) / 2 = 0.318 nats, and nothing where the posterior is the prior."""
    assert noisy.coded(ONE, network(np.log(variance)))[0] == pytest.approx(4 * [nats], abs=1e-6)


def test_noise_of_weights_adds_to_the_expected_error():
    """A logistic unit at 0 gives a half: 0.25 by the noise of its outgoing weight, and 1 by that of the bias."""
    net = network() | {"log V ih": np.full((1, 1), -60.0), "log V h": np.full(1, -60.0)}
    misfits, *_ = noisy.evaluated(ONE, net, np.ones((2, 1)), np.zeros(2), 1.0)
    assert misfits == pytest.approx(1 + np.log(2 * np.pi * 1.25))


def test_early_stages_keep_their_number_of_updates():
    """Models are given after the updates that are asked for, and the last stage adds its own."""
    config = noisy.Config(inputs=1, hidden=1, gaussians=1, schedule=(0.1, 1.0), updates=4, longest=3, tolerance=0.0)
    data = pairs(np.ones((5, 1)), np.arange(5.0))
    assert [step for step, _ in noisy.train(config, data, seed=0, device="cpu", eval_steps=(0, 4, 5))] == [0, 4, 5, 7]
