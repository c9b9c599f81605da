"""What can be done to any convolutional network: list its layers, and average its normalizations' statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from repro.task import Device, Layer

Net = TypeVar("Net", bound=nn.Module)

KINDS: dict[type, Any] = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm", nn.Linear: "linear"}


def trace(net: nn.Module, channels: int, image: int) -> tuple[Layer, ...]:
    """The layers with weights of a network on the meta device, in the order of execution.

    Args:
        net: gets one input of `channels` maps.
        channels: of the input.
        image: side of the input, pixels.
    """
    found: list[Layer] = []

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        kind, shapes = KINDS[type(module)], tuple(tuple(p.shape) for p in module.parameters())
        where = ".shortcut." in name
        found.append(Layer(name=name, kind=kind, weights=shapes, output=tuple(output.shape[1:]), shortcut=where))

    for name, module in net.named_modules():
        if type(module) in KINDS:
            module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
    net.eval()(torch.empty(1, channels, image, image, device="meta"))
    return tuple(found)


def recalibrate_batchnorm(net: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set every normalization's statistics to their averages over chunks of inputs, and the net to evaluation."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over chunks
    net.train()
    with torch.no_grad():
        for x_BCHW in inputs:
            net(x_BCHW)
    for norm in norms:
        norm.momentum = 0.1
    net.eval()


def learnt(net: nn.Module) -> dict[str, NDArray[Any]]:
    """Copies of weights and statistics by name, without counts of batches, which prediction does not need."""
    kept = {name: value for name, value in net.state_dict().items() if value.is_floating_point()}
    return {name: value.cpu().numpy().copy() for name, value in kept.items()}


def with_learnt(net: Net, state: Mapping[str, NDArray[Any]], device: Device) -> Net:
    """The network on a device, for prediction, with what `learnt` gave of another; other names are passed over.

    Raises:
        KeyError: for a name that is missing.
    """
    net.load_state_dict({name: torch.from_numpy(np.array(state[name])) for name in learnt(net)}, strict=False)
    return net.to(torch.device(device), memory_format=torch.channels_last).eval()  # pyright: ignore
