"""Noisy weights written a second time: in torch, with gradients by autograd and other sums and tables of moments."""

# ruff: noqa: D103 -- functions of the contract, which says what they do
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import make_dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

SCHEDULE = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DEFAULTS = {"inputs": 128, "hidden": 4, "unit": "logistic", "noisy": True, "decay": 0.0, "gaussians": 5, "reach": 0.24}
DEFAULTS |= {"spread": 0.15, "noise": 0.1, "schedule": SCHEDULE, "updates": 100, "tolerance": 1e-6, "longest": 2000}
FIELDS = [(name, type(value), value) for name, value in (DEFAULTS | {"table": 0}).items()]
Config: Any = make_dataclass("Config", FIELDS, frozen=True, kw_only=True)
CONFIGS = {"peptides": Config(), "noise-free": Config(noisy=False, schedule=(1.0,))}
LAYERS = ("ih", "h", "hj", "j")
Z = torch.linspace(-6, 6, 81, dtype=torch.float64)
P = torch.softmax(-(Z**2) / 2, 0)
Net = dict[str, Any]


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    layers = {"hj": (config.hidden,), "j": (1,), "h": (config.hidden,), "ih": (config.hidden, config.inputs)}
    kinds = ("mu", "log V") if config.noisy else ("mu",)
    prior = dict.fromkeys(("x", "log V P", "mu P"), (config.gaussians,)) if config.noisy else {}
    return {f"{kind} {layer}": shape for layer, shape in layers.items() for kind in kinds} | prior


def _tensors(net: Net) -> dict[str, Tensor]:
    return {name: torch.tensor(np.array(array, float), requires_grad=True) for name, array in net.items()}


def _code(net: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    mean, log_v = (torch.cat([net[f"{kind} {layer}"].reshape(-1, 1) for layer in LAYERS]) for kind in ("mu", "log V"))
    prior = torch.distributions.Normal(net["mu P"], (net["log V P"] / 2).exp())
    posterior = torch.distributions.Normal(mean, (log_v / 2).exp())
    joint = net["x"].log_softmax(0) - torch.distributions.kl_divergence(posterior, prior)
    return -joint.logsumexp(1), joint.softmax(1)


def coded(config: Any, net: Net) -> Any:
    return [part.detach().numpy() for part in _code(_tensors(net))]


def _exact(unit: str, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    if unit == "threshold":
        on = torch.where(variance > 0, torch.special.ndtr(mean / variance.clamp(min=1e-30).sqrt()), (mean > 0).double())
        return on, on * (1 - on)
    y = torch.sigmoid(mean[..., None] + (variance + 1e-12).sqrt()[..., None] * Z)
    return y @ P, (y - (y @ P)[..., None]) ** 2 @ P


@cache
def _cells(size: int, unit: str) -> Any:
    """Both moments, and their slopes by mean and variance: [6, size, size] over -10 to 10 and 0 to 25."""
    axes = np.meshgrid(np.linspace(-10, 10, size), np.linspace(0, 25, size), indexing="ij")
    at = [torch.tensor(axis, requires_grad=True) for axis in axes]
    found = _exact(unit, *at)
    slopes = [slope for each in found for slope in torch.autograd.grad(each.sum(), at, retain_graph=True)]
    return torch.stack([*found, *slopes]).detach().numpy()


def _moments(config: Any, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    if not config.table:
        return _exact(config.unit, mean, variance)
    places = torch.stack([(mean + 10) / 20, variance / 25]).detach().numpy() * (config.table - 1)
    cells = _cells(config.table, config.unit)
    m, v, *by = (torch.tensor(map_coordinates(cell, places, order=1, mode="nearest")) for cell in cells)
    step = mean - mean.detach(), variance - variance.detach()  # nothing but gradients
    return m + by[0] * step[0] + by[1] * step[1], v + by[2] * step[0] + by[3] * step[1]


def moments(config: Any, mean: Any, variance: Any) -> Any:
    return tuple(part.numpy() for part in _moments(config, torch.tensor(mean), torch.tensor(variance)))


def _outputs(config: Any, net: dict[str, Tensor], inputs: Any) -> tuple[Tensor, Tensor]:
    x = torch.tensor(np.array(inputs, float))
    noise = {layer: net[f"log V {layer}"].exp() if config.noisy else 0 * net[f"mu {layer}"] for layer in LAYERS}
    m, v = _moments(config, x @ net["mu ih"].T + net["mu h"], x**2 @ noise["ih"].T + noise["h"])
    square = (v + m**2) @ (noise["hj"] + net["mu hj"] ** 2) - m**2 @ net["mu hj"] ** 2  # <y^2><w^2> - <y>^2 <w>^2
    return m @ net["mu hj"] + net["mu j"], square + noise["j"]


def _costs(config: Any, net: dict[str, Tensor], inputs: Any, targets: Any) -> Tensor:
    mean, variance = _outputs(config, net, inputs)
    errors = variance + (mean - torch.tensor(np.array(targets, float))) ** 2
    if config.noisy:
        return torch.stack([len(errors) * (np.log(2 * np.pi * np.e) + errors.mean().log()) / 2, _code(net)[0].sum()])
    squares = torch.cat([net[f"mu {layer}"].ravel() for layer in LAYERS]).square().sum()
    return torch.stack([errors.sum() / 2, config.decay / 2 * squares])


def evaluated(config: Any, net: Net, inputs: Any, targets: Any, coefficient: float) -> Any:
    own = _tensors(net)
    misfits, weights = _costs(config, own, inputs, targets)
    found = torch.autograd.grad(misfits + coefficient * weights, list(own.values()), materialize_grads=True)
    return misfits.item(), weights.item(), {n: slope.numpy() for n, slope in zip(own, found, strict=True)}


def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()) -> Iterator[Any]:
    """Stages of torch's L-BFGS, one update after the other."""
    generator, net = torch.Generator().manual_seed(seed), dict[str, Tensor]()
    fixed = {"log V P": 2 * np.log(config.reach / max(config.gaussians - 1, 1)), "x": 0.0}
    for name, size in shapes(config).items():
        net[name] = config.spread * torch.randn(size, generator=generator, dtype=torch.float64)
        if not name.startswith("mu"):
            net[name] = torch.full(size, fixed.get(name, 2 * np.log(config.noise)), dtype=torch.float64)
    if config.noisy:
        net["mu P"] = config.reach * torch.linspace(-1, 1, config.gaussians).double()
    given, done, last = (data.inputs.nodes, np.ravel(data.outputs)), 0, len(config.schedule) - 1
    for array in net.values():
        array.requires_grad_(True)
    for stage, coefficient in enumerate(config.schedule):
        own = torch.optim.LBFGS(net.values(), max_iter=1, max_eval=30, history_size=20, line_search_fn="strong_wolfe",
                                tolerance_grad=0, tolerance_change=0)  # fmt: skip

        def closure(own: Any = own, k: float = coefficient) -> Tensor:
            own.zero_grad()
            misfits, weights = _costs(config, net, *given)
            (misfits + k * weights).backward()
            return (misfits + k * weights).detach()

        for _ in range(config.longest if stage == last else config.updates):
            if done in eval_steps:
                yield done, restore(config, state(SimpleNamespace(arrays=net)), device=device)
            before, done = float(own.step(closure)), done + 1
            if stage == last and before - float(closure()) < config.tolerance:
                break
    yield done, restore(config, state(SimpleNamespace(arrays=net)), device=device)


def state(model: Any) -> Net:
    return {name: torch.as_tensor(array).detach().numpy().copy() for name, array in model.arrays.items()}


def restore(config: Any, state: Net, *, device: str) -> Any:
    return SimpleNamespace(arrays=dict(state), predict=partial(_predict, config, dict(state)))


def _predict(config: Any, net: Net, graphs: Any) -> Any:
    return _outputs(config, _tensors(net), graphs.nodes)[0].detach().float().numpy()[:, None]


def linear_regression(inputs: Any, targets: Any, ratio: float) -> Any:
    u, s, v = np.linalg.svd(inputs, full_matrices=False)
    return v.T @ (np.where(s > 1e-8, s / np.maximum(s**2 + ratio, 1e-16), 0) * (u.T @ targets))
