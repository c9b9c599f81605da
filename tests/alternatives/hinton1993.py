"""Noisy weights written a second time: in torch, with gradients by autograd, moments by table or a wide sum, and CG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

SCHEDULE = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LAYERS = ("ih", "h", "hj", "j")
Z = torch.linspace(-6, 6, 81, dtype=torch.float64)
P = torch.softmax(-(Z**2) / 2, 0)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network and how it is trained."""

    inputs: int = 128
    hidden: int = 4
    unit: str = "logistic"
    noisy: bool = True
    decay: float = 0.0
    gaussians: int = 5
    reach: float = 0.24
    spread: float = 0.15
    noise: float = 0.1
    schedule: tuple[float, ...] = SCHEDULE
    updates: int = 100
    tolerance: float = 1e-6
    longest: int = 2000
    table: int = 0


CONFIGS = {"peptides": Config(), "noise-free": Config(noisy=False, schedule=(1.0,))}


def shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Arrays, the hidden-to-output layer first."""
    H, K = config.hidden, config.gaussians
    found: dict[str, tuple[int, ...]] = {}
    for layer, shape in (("hj", (H,)), ("j", (1,)), ("h", (H,)), ("ih", (H, config.inputs))):
        found[f"mu {layer}"] = shape
        if config.noisy:
            found[f"log V {layer}"] = shape
    return found | (dict.fromkeys(("x", "log V P", "mu P"), (K,)) if config.noisy else {})


def _tensors(net: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.tensor(np.array(array), dtype=torch.float64, requires_grad=True) for name, array in net.items()}


def code_length(value: Any, mean: Any, deviation: Any, t: float) -> Any:
    """Minus the logarithm of a Gaussian's mass."""
    density = torch.distributions.Normal(torch.as_tensor(mean), torch.as_tensor(deviation))
    return -density.log_prob(torch.as_tensor(value)).numpy() - np.log(t)


def _code(net: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    means, variances = (torch.cat([net[f"{k} {layer}"].reshape(-1) for layer in LAYERS]) for k in ("mu", "log V"))
    posterior = torch.distributions.Normal(means[:, None], (variances[:, None] / 2).exp())
    prior = torch.distributions.Normal(net["mu P"], (net["log V P"] / 2).exp())
    joint = net["x"].log_softmax(0) - torch.distributions.kl_divergence(posterior, prior)
    return -joint.logsumexp(1), joint.softmax(1)


def coded(config: Config, net: dict[str, Any]) -> Any:
    """Costs of weights, and which Gaussians they are sent by."""
    return tuple(part.detach().numpy() for part in _code(_tensors(net)))


def _wide(unit: str, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    if unit == "threshold":
        noise = variance.clamp(min=1e-300).sqrt()
        on = torch.special.ndtr(mean / noise) if (variance > 0).all() else torch.where(
            variance > 0, torch.special.ndtr(mean / noise), (mean > 0).double())  # fmt: skip
        return on, on * (1 - on)
    y = torch.sigmoid(mean[..., None] + (variance + 1e-12).sqrt()[..., None] * Z)
    return y @ P, (y - (y @ P)[..., None]) ** 2 @ P


def _moments(config: Config, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    if not config.table:
        return _wide(config.unit, mean, variance)
    axes = torch.linspace(-10, 10, config.table).double(), torch.linspace(0, 25, config.table).double()
    cells = torch.stack(_wide(config.unit, *torch.meshgrid(*axes, indexing="ij")))
    steps = [axis[1] - axis[0] for axis in axes]
    slopes = torch.gradient(cells, spacing=[axis for axis in axes], dim=(1, 2), edge_order=2)
    at = [
        ((v - a[0]) / s).clamp(0, config.table - 1.001) for v, a, s in zip((mean, variance), axes, steps, strict=True)
    ]
    low = [place.long() for place in at]
    (u, v) = (place.detach() - near for place, near in zip(at, low, strict=True))

    def between(found: Tensor) -> Tensor:
        i, j = low
        first, second = (found[:, i + d, j] * (1 - v) + found[:, i + d, j + 1] * v for d in (0, 1))
        return first * (1 - u) + second * u

    back = [between(slope.detach()) * (x - x.detach()) for slope, x in zip(slopes, (mean, variance), strict=True)]
    return tuple(between(cells) + back[0] + back[1])  # pyright: ignore -- values of one table, slopes of another


def moments(config: Config, mean: Any, variance: Any) -> Any:
    """Of a hidden unit's output."""
    return tuple(part.numpy() for part in _moments(config, torch.tensor(mean), torch.tensor(variance)))


def _outputs(config: Config, net: dict[str, Tensor], inputs: Any) -> tuple[Tensor, Tensor]:
    x = torch.tensor(np.asarray(inputs), dtype=torch.float64)
    noise = {layer: net[f"log V {layer}"].exp() if config.noisy else 0 * net[f"mu {layer}"] for layer in LAYERS}
    mean = torch.einsum("nd,hd->nh", x, net["mu ih"]) + net["mu h"]
    m, v = _moments(config, mean, torch.einsum("nd,hd->nh", x * x, noise["ih"]) + noise["h"])
    square = (v + m**2) @ (noise["hj"] + net["mu hj"] ** 2) - m**2 @ net["mu hj"] ** 2  # <y^2><w^2> - <y>^2 <w>^2
    return m @ net["mu hj"] + net["mu j"], square + noise["j"]


def outputs(config: Config, net: dict[str, Any], inputs: Any) -> Any:
    """Mean and variance of the output."""
    return tuple(part.detach().numpy() for part in _outputs(config, _tensors(net), inputs))


def _costs(config: Config, net: dict[str, Tensor], inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    mean, variance = _outputs(config, net, inputs)
    errors = variance + (mean - torch.tensor(np.asarray(targets))) ** 2
    if config.noisy:
        return len(errors) * (np.log(2 * np.pi * np.e) + errors.mean().log()) / 2, _code(net)[0].sum()
    return errors.sum() / 2, config.decay / 2 * sum(
        (net[f"mu {layer}"].square().sum() for layer in LAYERS), mean[0] * 0
    )


def costs(config: Config, net: dict[str, Any], inputs: Any, targets: Any) -> tuple[float, float]:
    """Of misfits and weights."""
    misfits, weights = _costs(config, _tensors(net), inputs, targets)
    return misfits.item(), weights.item()


def gradients(config: Config, net: dict[str, Any], inputs: Any, targets: Any, coefficient: float) -> dict[str, Any]:
    """By autograd."""
    own = _tensors(net)
    misfits, weights = _costs(config, own, inputs, targets)
    found = torch.autograd.grad(misfits + coefficient * weights, list(own.values()), allow_unused=True)
    pairs = zip(own.items(), found, strict=True)
    return {name: (torch.zeros_like(array) if slope is None else slope).numpy() for (name, array), slope in pairs}


def train(
    config: Config, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
) -> Iterator[tuple[int, Any]]:
    """Stages of torch's L-BFGS, one update after the other."""
    generator, net, done = torch.Generator().manual_seed(seed), dict[str, Tensor](), 0
    for name, shape in shapes(config).items():
        net[name] = torch.full(shape, 2 * np.log(config.noise), dtype=torch.float64)
        if name.startswith("mu"):
            net[name] = config.spread * torch.randn(shape, generator=generator, dtype=torch.float64)
    if config.noisy:
        net["mu P"] = config.reach * torch.linspace(-1, 1, config.gaussians).double()
        net["log V P"] = torch.full_like(net["mu P"], 2 * np.log(config.reach / max(config.gaussians - 1, 1)))
        net["x"] = torch.zeros_like(net["mu P"])
    for array in net.values():
        array.requires_grad_(True)
    x, y = data.inputs.nodes, np.asarray(data.outputs, dtype=float)[:, 0]
    for stage, coefficient in enumerate(config.schedule):
        optimizer = torch.optim.LBFGS(net.values(), max_iter=1, max_eval=30, tolerance_grad=0, tolerance_change=0,
                                      history_size=20, line_search_fn="strong_wolfe")  # fmt: skip

        def closure(k: float = coefficient, own: torch.optim.Optimizer = optimizer) -> Tensor:
            own.zero_grad()
            cost = torch.stack(_costs(config, net, x, y)).squeeze() @ torch.tensor([1.0, k], dtype=torch.float64)
            cost.backward()
            return cost.detach()

        last = stage == len(config.schedule) - 1
        for _ in range(config.longest if last else config.updates):
            if done in eval_steps:
                yield done, _model(config, net)
            before = float(optimizer.step(closure))
            done += 1
            if (
                last
                and before
                - sum(k * c for k, c in zip((1, coefficient), costs(config, state_of(net), x, y), strict=True))
                < config.tolerance
            ):
                break
    yield done, _model(config, net)


def state_of(net: dict[str, Tensor]) -> dict[str, Any]:
    """Arrays of tensors."""
    return {name: array.detach().numpy().copy() for name, array in net.items()}


def _model(config: Config, net: dict[str, Any]) -> Any:
    arrays = {name: np.array(torch.as_tensor(array).detach()) for name, array in net.items()}
    return SimpleNamespace(
        arrays=arrays, predict=lambda graphs: outputs(config, arrays, graphs.nodes)[0].reshape(-1, 1).astype("float32")
    )


def state(model: Any) -> dict[str, Any]:
    """All arrays."""
    return dict(model.arrays)


def restore(config: Config, state: dict[str, Any], *, device: str) -> Any:
    """The network of these arrays."""
    return _model(config, state)


def linear_regression(inputs: Any, targets: Any, ratio: float) -> Any:
    """By the kernel of the cases."""
    return inputs.T @ (np.linalg.pinv(inputs @ inputs.T + ratio * np.eye(len(inputs)), rcond=1e-10) @ targets)
