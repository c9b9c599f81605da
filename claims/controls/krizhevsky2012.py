"""Sabotaged networks of Krizhevsky et al.: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from repro import reconfigure, sabotage


def one_tower(reference: Any) -> SimpleNamespace:
    """All convolutions see all maps of the layer before, as if there were one GPU."""
    return reconfigure(reference, lambda config: replace(config, split=()))


def one_weird_trick(reference: Any) -> SimpleNamespace:
    """The network that libraries call AlexNet: that of a later paper, narrower, in one tower and not normalized."""
    narrow = {"filters": (64, 192, 384, 256, 256), "split": (), "normalized": ()}
    return reconfigure(reference, lambda config: replace(config, **narrow))


def half_a_layer(reference: Any) -> SimpleNamespace:
    """Convolutions are counted on one of the two GPUs, fully connected layers on both."""

    def halved(layer: Any) -> Any:
        if layer.kind != "conv":
            return layer
        return msgspec.structs.replace(layer, weights=tuple((shape[0] // 2, *shape[1:]) for shape in layer.weights))

    return sabotage(reference, layers=lambda config: tuple(halved(layer) for layer in reference.layers(config)))


def caption_arithmetic(reference: Any) -> SimpleNamespace:
    """The first layer's outputs are listed as 55x48 for each of 96 maps, a side taken for half the maps."""

    def layers(config: Any) -> Any:
        first, *others = reference.layers(config)
        filters, side, _ = first.output
        return (msgspec.structs.replace(first, output=(filters, side, filters // 2)), *others)

    return sabotage(reference, layers=layers)


def without_padding(reference: Any) -> SimpleNamespace:
    """The first layer takes 224 pixels literally, without padding."""
    return reconfigure(reference, lambda config: replace(config, padding=0))


def stride_of_three(reference: Any) -> SimpleNamespace:
    """The first layer has a stride of 3."""
    return reconfigure(reference, lambda config: replace(config, stride=3))


def pooling_stride_of_three(reference: Any) -> SimpleNamespace:
    """Pooling has the stride that libraries take from a window of 3."""
    return reconfigure(reference, lambda config: replace(config, pool=(3, 3)))


def plain_pooling(reference: Any) -> SimpleNamespace:
    """Pooling windows of 2 at every second unit, which do not overlap."""
    return reconfigure(reference, lambda config: replace(config, pool=(2, 2)))


def every_offset(reference: Any) -> SimpleNamespace:
    """Crops start at every place where they fit, one more along each side than the paper counts."""

    def augment(config: Any, images: Any, *, seed: int) -> Any:
        wider = replace(config, frame=config.frame + 1)
        padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)))
        return reference.augment(wider, padded, seed=seed)

    return sabotage(reference, augment=augment)


def central_crops(reference: Any) -> SimpleNamespace:
    """Training sees the central crop of each image, not mirrored."""
    return reconfigure(reference, lambda config: replace(config, augment="none"))


def library_normalization(reference: Any) -> SimpleNamespace:
    """Normalization by torch's layer, which divides alpha by the number of maps, given the paper's alpha."""

    def normalize(config: Any, activations: Any) -> Any:
        layer = reference.nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
        return layer(reference.torch.from_numpy(np.array(activations))).numpy()

    return sabotage(reference, normalize=normalize)


def library_momentum(reference: Any) -> SimpleNamespace:
    """Updates by torch's rule, where the learning rate multiplies the accumulated velocity."""

    def descend(config: Any, weights: Any, gradients: Any, rates: Any) -> Any:
        parameter = reference.nn.Parameter(reference.torch.from_numpy(np.array(weights)))
        rule = reference.torch.optim.SGD(
            [parameter], momentum=config.momentum, weight_decay=config.weight_decay, lr=float(rates[0])
        )
        found = []
        for gradient, rate in zip(gradients, rates, strict=True):
            parameter.grad = reference.torch.from_numpy(np.array(gradient))
            rule.param_groups[0]["lr"] = float(rate)
            rule.step()
            found.append(parameter.detach().numpy().copy())
        return np.stack(found)

    return sabotage(reference, descend=descend)


def without_halving(reference: Any) -> SimpleNamespace:
    """At test time hidden units pass on their outputs whole, though half of them were dropped in training."""

    def train(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        for step, predictor in reference.train(*args, **kwargs):
            predictor.net.kept = 1.0
            yield step, predictor

    return sabotage(reference, train=train)


def square_root_shifts(reference: Any) -> SimpleNamespace:
    """Colours are shifted in proportion to the square roots of eigenvalues, that is to standard deviations."""

    def components(pixels: Any) -> Any:
        columns = reference.components(pixels) / 255
        return 255 * columns / columns.norm(dim=0).sqrt()

    return _with_components(reference, components)


def shifts_by_pixel(reference: Any) -> SimpleNamespace:
    """The colours of every pixel are shifted on their own."""

    def augment(config: Any, images: Any, *, seed: int) -> Any:
        torch = reference.torch
        plain = reference.augment(replace(config, colour=0.0), images, seed=seed)
        draws = torch.randn(plain.shape, generator=torch.Generator().manual_seed(seed))
        columns = reference.components(torch.from_numpy(np.array(images)).flatten(0, 2))
        return plain + (config.colour * draws @ columns.T).numpy()

    return sabotage(reference, augment=augment)


def sigmoid_units(reference: Any) -> SimpleNamespace:
    """Networks that are meant to have rectifiers have logistic units."""
    return _in_place_of_relu(reference, "sigmoid")


def tanh_units(reference: Any) -> SimpleNamespace:
    """Networks that are meant to have rectifiers have hyperbolic tangents."""
    return _in_place_of_relu(reference, "tanh")


def without_dropout(reference: Any) -> SimpleNamespace:
    """No unit is ever dropped."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.0))


def without_normalization(reference: Any) -> SimpleNamespace:
    """No layer is normalized."""
    return reconfigure(reference, lambda config: replace(config, normalized=()))


def copies(reference: Any) -> SimpleNamespace:
    """All networks of an ensemble are trained from one seed, and are the same."""

    def train(*args: Any, seed: int, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        yield from reference.train(*args, seed=0, **kwargs)

    return sabotage(reference, train=train)


def one_view(reference: Any) -> SimpleNamespace:
    """Images are scored on their central crop whatever number of views is asked for."""

    class Central:
        def __init__(self, predictor: Any) -> None:
            self.predictor = predictor

        def predict(self, images: Any, *, views: int = 1) -> Any:
            return self.predictor.predict(images)

        def snapshot(self) -> Any:
            return self.predictor.snapshot()

    def train(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        for step, predictor in reference.train(*args, **kwargs):
            yield step, Central(predictor)

    return sabotage(reference, train=train)


def _in_place_of_relu(reference: Any, activation: str) -> SimpleNamespace:
    return reconfigure(
        reference, lambda config: replace(config, activation=activation) if config.activation == "relu" else config
    )


def _with_components(reference: Any, components: Any) -> SimpleNamespace:
    """Colours are shifted along other columns."""

    def augment(config: Any, images: Any, *, seed: int) -> Any:
        torch = reference.torch
        plain = reference.augment(replace(config, colour=0.0), images, seed=seed)
        draws = torch.randn(len(images), 1, 1, config.channels, generator=torch.Generator().manual_seed(seed))
        columns = components(torch.from_numpy(np.array(images)).flatten(0, 2))
        return plain + (config.colour * draws @ columns.T).numpy()

    return sabotage(reference, augment=augment)
