"""Sabotaged scaling laws: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import exp, log
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage


def embeddings_counted(reference: Any) -> SimpleNamespace:
    """N includes the embeddings of tokens and positions."""

    def parameters(config: Any) -> int:
        return reference.parameters(config) + (config.vocabulary + config.context) * config.width

    return sabotage(reference, parameters=parameters)


def wide_inner_layers(reference: Any) -> SimpleNamespace:
    """The feed-forward layers are eight times as wide as the model."""

    def shapes(config: Any) -> dict[str, tuple[int, ...]]:
        wide = 4 * config.width
        found = reference.shapes(config)
        return {
            name: tuple(2 * n if n == wide else n for n in shape) if "inner" in name else shape
            for name, shape in found.items()
        }

    return sabotage(reference, shapes=shapes)


def backward_as_forward(reference: Any) -> SimpleNamespace:
    """The backward pass is taken to cost as much as the forward one."""
    return sabotage(reference, flops=lambda config: (reference.flops(config)[0],) * 2)


def free_exponents(reference: Any) -> SimpleNamespace:
    """Losses of size and data are added as the two power laws that they are, each with an exponent of its own."""

    def loss(config: Any, n: float, d: float) -> float:
        return (config.n_c / n) ** config.alpha_n + (config.d_c / d) ** config.alpha_d

    return sabotage(reference, loss=loss)


def constants_of_one_law_each(reference: Any) -> SimpleNamespace:
    """L(N, D) has the constants of L(N) and of L(D), each fitted by itself, and not those fitted to both."""
    return reconfigure(reference, lambda config: reference.CONFIGS["table-5"])


def large_batches_waste_nothing(reference: Any) -> SimpleNamespace:
    """Twice the batch halves the updates, however large it is."""

    def steps_at(config: Any, least: float, nats: float, batch: float) -> float:
        return least * max(1.0, reference.critical_batch(config, nats) / batch)

    return sabotage(reference, steps_at=steps_at)


def one_batch_for_all_losses(reference: Any) -> SimpleNamespace:
    """The critical batch is the same at every loss."""

    def reach(config: Any, nats: float, excess: float) -> dict[str, float]:
        found = reference.reach(config, nats, excess)
        return found | {"batch": config.b_star, "compute": found["compute"] * config.b_star / found["batch"]}

    return sabotage(reference, reach=reach)


def excess_of_the_final_loss(reference: Any) -> SimpleNamespace:
    """The excess over the converged loss is taken as a share of the loss that is reached."""

    def reach(config: Any, nats: float, excess: float) -> dict[str, float]:
        return reference.reach(config, nats, excess / (1 - excess))

    return sabotage(reference, reach=reach)


def printed_exponents(reference: Any) -> SimpleNamespace:
    """What follows from the fitted constants is not computed but copied from where the paper prints it."""

    def frontier(config: Any, compute: float) -> dict[str, float]:
        scaled = compute / 8.64e19
        return reference.frontier(config, compute) | {
            "loss": (3.1e8 / scaled) ** 0.054,
            "parameters": 1.3e9 * scaled**0.71,
            "steps": 5.4e3 * scaled**0.03,
        }

    return sabotage(reference, frontier=frontier, data_needed=lambda config, n, overfit: 5e3 * n**0.74)


def converted_afterwards(reference: Any) -> SimpleNamespace:
    """The optimum is found with all parameters counted, and embeddings are taken off it afterwards."""

    def parametric_optimum(config: Any, compute: float) -> float:
        ratio = config.alpha * config.a / (config.beta * config.b)
        rest = lambda n: config.embedding * n ** (1 / 3)  # noqa: E731 -- a formula
        low, high = -10.0, 60.0
        for _ in range(100):  # compute of all parameters at which n is the best, without embeddings
            middle = (low + high) / 2
            n = exp(middle)
            whole = n + rest(n)
            log_all = log(6 * whole) - log(ratio * whole**-config.alpha) / config.beta
            log_counted = log_all + log(n / whole)
            low, high = (middle, high) if log_counted < log(compute) else (low, middle)
        return exp(low)

    return sabotage(reference, parametric_optimum=parametric_optimum)


def all_compute_to_size(reference: Any) -> SimpleNamespace:
    """More compute trains a larger model for as many updates as ever."""

    def frontier(config: Any, compute: float) -> dict[str, float]:
        start = reference.frontier(config, 1e20)
        loss = start["loss"] * (compute / 1e20) ** -config.alpha_n
        return start | {"loss": loss, "parameters": start["parameters"] * compute / 1e20, "compute": compute}

    return sabotage(reference, frontier=frontier)


def errors_averaged(reference: Any) -> SimpleNamespace:
    """Errors of runs are averaged where they are to be summed, and the search ends where the mean hardly falls."""

    def fitted(config: Any, sizes: Any, amounts: Any, losses: Any) -> Any:
        return reference.fitted(config, sizes, amounts, losses, weight=1 / len(losses))

    return sabotage(reference, fitted=fitted)


def shuffled_text(reference: Any) -> SimpleNamespace:
    """Networks are trained on the characters of the text in any order."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        tokens = np.random.default_rng(seed).permutation(data.tokens)
        return reference.train(config, replace(data, tokens=tokens), seed=seed, device=device, checkpoints=checkpoints)

    return sabotage(reference, train=train)


def one_part_only(reference: Any) -> SimpleNamespace:
    """However much text is given, its first 1,000 tokens are what training draws from."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        short = replace(data, tokens=data.tokens[:1000])
        return reference.train(config, short, seed=seed, device=device, checkpoints=checkpoints)

    return sabotage(reference, train=train)


def depth_ignored(reference: Any) -> SimpleNamespace:
    """Every network has four layers, so that a narrower one is also a smaller one."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        config = replace(config, layers=4)
        return reference.train(config, data, seed=seed, device=device, checkpoints=checkpoints)

    return sabotage(reference, train=train)
