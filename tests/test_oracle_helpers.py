"""What oracles are compared by: central differences, update rules as printed, distances and distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repro import SGD, Adam, distance, from_normal, from_uniform, numerical_gradients, updated

START = {"w": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.1, -0.2])}
X = np.array([[0.3, -1.0], [2.0, 0.7], [-0.4, 1.5]])


def loss(weights):
    """A smooth loss with a gradient known from torch."""
    return float((np.tanh(X @ weights["w"].T + weights["b"]) ** 2).sum())


def trained(optimizer, updates, clip=0.0):
    """The same weights under torch's optimizer, after each update."""
    own = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
    steps, found = optimizer(list(own.values())), []
    for _ in range(updates):
        steps.zero_grad()
        (torch.tanh(torch.tensor(X) @ own["w"].T + own["b"]) ** 2).sum().backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(list(own.values()), clip)
        steps.step()
        found.append({name: value.detach().numpy().copy() for name, value in own.items()})
    return found


def test_central_differences_are_the_gradient():
    """They agree with back-propagation to eight digits, and leave the weights as they were."""
    own = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
    (torch.tanh(torch.tensor(X) @ own["w"].T + own["b"]) ** 2).sum().backward()
    before = {name: value.copy() for name, value in START.items()}
    for name, gradient in numerical_gradients(loss, START).items():
        np.testing.assert_allclose(gradient, own[name].grad.numpy(), atol=1e-8)
        np.testing.assert_array_equal(START[name], before[name])


@pytest.mark.parametrize(
    ("rule", "optimizer", "clip"),
    [
        (SGD([0.1]), lambda p: torch.optim.SGD(p, 0.1), 0.0),
        (SGD([0.1], momentum=0.9, decay=0.1), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1), 0.0),
        (SGD([0.1], clip=0.5), lambda p: torch.optim.SGD(p, 0.1), 0.5),
        (Adam([0.01]), lambda p: torch.optim.Adam(p, 0.01), 0.0),
    ],
)
def test_update_rules_are_those_of_torch(rule, optimizer, clip):
    """Three updates by central differences and a rule end where torch's optimizer does."""
    for found, wanted in zip(updated(loss, START, rule, 3), trained(optimizer, 3, clip), strict=True):
        assert distance(found, wanted, START) < 1e-6


def test_a_rate_inside_the_velocity_differs_once_the_rate_changes():
    """At a constant rate both forms of momentum are one; after a drop the form as Krizhevsky et al. print it lags."""
    inside, outside = (SGD([0.1, 0.01], momentum=0.9, rate_inside=inside) for inside in (True, False))
    own, other = updated(loss, START, inside, 2), updated(loss, START, outside, 2)
    assert distance(own[0], other[0], START) < 1e-12
    assert distance(own[1], other[1], START) > 0.1


def test_distances_are_shares_of_the_way():
    """Half the way is 0.5; what should stay and moved is infinitely far; a shape that differs is an error."""
    end = {"w": START["w"] + 1.0, "b": START["b"]}
    assert distance({"w": START["w"] + 0.5, "b": START["b"]}, end, START) == pytest.approx(0.5)
    assert distance({"w": end["w"], "b": START["b"] + 1e-9}, end, START) == np.inf
    for bad in (np.nan, np.inf):
        assert distance({"w": end["w"] + bad, "b": START["b"]}, end, START) == np.inf
        assert distance(end, {"w": end["w"] + bad, "b": START["b"]}, START) == np.inf
    with pytest.raises(ValueError, match="shape"):
        distance({"w": end["w"].T[:1], "b": START["b"]}, end, START)


def test_distributions_are_told_apart():
    """Right values pass; another scale, another shape and a bound that is crossed do not."""
    draws = np.random.default_rng(0)
    normal, uniform = draws.normal(0, 0.1, 4000), draws.uniform(-0.1, 0.1, 4000)
    assert from_normal(normal, 0.1) > 0.01
    assert from_normal(1.1 * normal, 0.1) < 1e-6
    assert from_normal(np.sqrt(3) * uniform, 0.1) < 1e-6
    assert from_uniform(uniform, -0.1, 0.1) > 0.01
    assert from_uniform(0.9 * uniform, -0.1, 0.1) < 1e-6
    assert from_uniform(1.2 * uniform, -0.1, 0.1) == 0.0
