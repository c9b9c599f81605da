"""Sabotaged networks of Krizhevsky et al.: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from claims.controls._krizhevsky2012 import rebuilt, with_config, with_masks
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

    class Library(reference.Momentum):
        def at(self, rate: float) -> None:
            self.current = rate
            self.rate.fill_(rate)

    return rebuilt(reference, Momentum=Library)


def later_falls_ignored(reference: Any) -> SimpleNamespace:
    """The learning rate falls once, and not again."""
    original = reference.stepped
    return rebuilt(reference, stepped=lambda rate, falls, step: original(rate, falls[:1], step))


def rectifiers_train_thrice(reference: Any) -> SimpleNamespace:
    """Each update of rectifiers that is counted is three, where training is longer than that of most tests."""

    def train(config: Any, *args: Any, eval_steps: Any = (), **kwargs: Any) -> Iterator[tuple[int, Any]]:
        times = 3 if config.activation == "relu" and config.iterations > 50 else 1
        longer = replace(config, iterations=times * config.iterations)
        for step, predictor in reference.train(longer, *args, eval_steps=[times * s for s in eval_steps], **kwargs):
            yield step // times, predictor

    return sabotage(reference, train=train)


def saturating_units_lag(reference: Any) -> SimpleNamespace:
    """Networks of saturating units learn at a third of the rate, where training is longer than that of most tests."""
    return with_config(
        reference,
        lambda config: (
            config if config.activation == "relu" or config.iterations <= 50 else replace(config, lr=config.lr / 3)
        ),
    )


def without_decay(reference: Any) -> SimpleNamespace:
    """Weights do not decay."""
    return reconfigure(reference, lambda config: replace(config, weight_decay=0.0))


def library_recipe(reference: Any) -> SimpleNamespace:
    """Batches are of 256 images and decay is 1e-4, as in recipes that libraries publish."""
    preset = replace(reference.CONFIGS["alexnet"], batch=256, weight_decay=1e-4)
    return sabotage(reference, CONFIGS={**reference.CONFIGS, "alexnet": preset})


def zero_biases(reference: Any) -> SimpleNamespace:
    """All biases start at 0."""
    return reconfigure(reference, lambda config: replace(config, bias=0.0))


def wider_start(reference: Any) -> SimpleNamespace:
    """Weights start from N(0, 0.0104)."""
    return reconfigure(reference, lambda config: replace(config, std=0.0104) if config.std == 0.01 else config)


def normalized_before_relu(reference: Any) -> SimpleNamespace:
    """Maps are normalized before their negative values are set to zero."""

    class Net(reference.Net):
        def features(self, x: Any) -> Iterator[Any]:
            for number, conv in enumerate(self.convolutions, 1):
                x = conv(x)
                if number in self.config.normalized:
                    x = reference.response_normalized(x)
                x = reference.activated(self.config.activation, x)
                if number in self.config.pooled:
                    x = reference.F.max_pool2d(x, *self.config.pool)
                yield x

    return rebuilt(reference, Net=Net)


def pooled_before_normalization(reference: Any) -> SimpleNamespace:
    """Maps are pooled before they are normalized."""

    class Net(reference.Net):
        def features(self, x: Any) -> Iterator[Any]:
            for number, conv in enumerate(self.convolutions, 1):
                x = reference.activated(self.config.activation, conv(x))
                if number in self.config.pooled:
                    x = reference.F.max_pool2d(x, *self.config.pool)
                if number in self.config.normalized:
                    x = reference.response_normalized(x)
                yield x

    return rebuilt(reference, Net=Net)


def squashed(reference: Any) -> SimpleNamespace:
    """Pictures are scaled to a square, whatever their shape, rather than cut to their central one."""
    return rebuilt(reference, framed=lambda picture, frame: reference.resized(picture, frame, frame))


def mean_not_subtracted(reference: Any) -> SimpleNamespace:
    """Networks are fed grey levels from 0 to 255."""

    class Feed(reference.Feed):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.mean_HWC = reference.torch.zeros_like(self.mean_HWC)

    return rebuilt(reference, Feed=Feed)


def vertical_flips(reference: Any) -> SimpleNamespace:
    """Inputs that would be mirrored are turned upside down."""

    def cropped(x: Any, index: Any, place: Any, size: int) -> Any:
        turned = place[:, [1, 0, 2]]
        return original(x.transpose(1, 2), index, turned, size).transpose(1, 2)

    original = reference.cropped
    return rebuilt(reference, cropped=cropped)


def one_crop_for_a_batch(reference: Any) -> SimpleNamespace:
    """All images of a batch are cut at the same place, and mirrored or not."""

    class Feed(reference.Feed):
        def batches(self, *args: Any) -> Iterator[tuple[Any, ...]]:
            for images, labels, place, alpha in super().batches(*args):
                yield images, labels, place[:1].expand_as(place), alpha

    return rebuilt(reference, Feed=Feed)


def one_colour_for_a_batch(reference: Any) -> SimpleNamespace:
    """The colours of all images of a batch are shifted alike."""

    class Feed(reference.Feed):
        def batches(self, *args: Any) -> Iterator[tuple[Any, ...]]:
            for images, labels, place, alpha in super().batches(*args):
                yield images, labels, place, alpha[:1].expand_as(alpha)

    return rebuilt(reference, Feed=Feed)


def one_mask_for_a_batch(reference: Any) -> SimpleNamespace:
    """The same hidden units are dropped for all images of a batch."""
    return with_masks(reference, lambda mask: mask[:1])


def one_mask_for_both_layers(reference: Any) -> SimpleNamespace:
    """Hidden layers of one width drop the same units."""

    class Update(reference.Update):
        def _update(self) -> None:
            for mask in self.masks[1:]:
                if mask.shape == self.masks[0].shape:
                    mask.copy_(self.masks[0])
            super()._update()

    return rebuilt(reference, Update=Update)


def masks_return(reference: Any) -> SimpleNamespace:
    """There are five masks, which follow one another in turn."""

    class Update(reference.Update):
        count = 0

        def __call__(self, inputs: Any, rate: float, seed: int) -> None:
            self.count += 1
            super().__call__(inputs, rate, self.count % 5)

    return rebuilt(reference, Update=Update)


def inverted_dropout(reference: Any) -> SimpleNamespace:
    """Training doubles the outputs that it does not drop, and tests halve none."""
    return rebuilt(with_masks(reference, lambda mask: 2 * mask), Net=_whole(reference))


def drops_a_third(reference: Any) -> SimpleNamespace:
    """Units are dropped with a probability of 0.35."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.35) if config.dropout == 0.5 else config)


def without_halving(reference: Any) -> SimpleNamespace:
    """At test time hidden units pass on their outputs whole, though half of them were dropped in training."""
    return rebuilt(reference, Net=_whole(reference))


def square_root_shifts(reference: Any) -> SimpleNamespace:
    """Colours are shifted in proportion to the square roots of eigenvalues, that is to standard deviations."""

    def components(images: Any) -> Any:
        columns = original(images) / 255
        return 255 * columns / columns.norm(dim=0).sqrt()

    original = reference.components
    return rebuilt(reference, components=components)


def shifts_by_pixel(reference: Any) -> SimpleNamespace:
    """The colours of every pixel are shifted on their own."""

    def augmented(config: Any, images: Any, index: Any, place: Any, alpha: Any, colour: Any) -> Any:
        torch = reference.torch
        x = original(replace(config, colour=0.0), images, index, place, alpha, colour)
        generator = torch.Generator().manual_seed(int(1e6 * alpha.abs().sum()))
        return x + config.colour * torch.randn(x.shape, generator=generator) @ colour.T

    original = reference.augmented
    return rebuilt(reference, augmented=augmented)


def sigmoid_units(reference: Any) -> SimpleNamespace:
    """Networks that are meant to have rectifiers have logistic units."""
    return _in_place_of_relu(reference, "sigmoid")


def tanh_units(reference: Any) -> SimpleNamespace:
    """Networks that are meant to have rectifiers have hyperbolic tangents."""
    return _in_place_of_relu(reference, "tanh")


def logistic_units_stand_still(reference: Any) -> SimpleNamespace:
    """Networks of logistic units are not trained."""
    return with_config(reference, lambda config: replace(config, lr=0.0) if config.activation == "sigmoid" else config)


def whole_networks_stand_still(reference: Any) -> SimpleNamespace:
    """Networks without dropout are not trained."""
    return reconfigure(reference, lambda config: config if config.dropout else replace(config, lr=0.0))


def drops_nearly_all(reference: Any) -> SimpleNamespace:
    """Units are dropped with a probability of 0.97."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.97) if config.dropout else config)


def hardly_trained(reference: Any) -> SimpleNamespace:
    """Training ends after a sixth of its updates."""
    return with_config(reference, lambda config: replace(config, iterations=config.iterations // 6))


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
    """Images are scored on their central crop whatever number of crops is asked for."""

    class Central:
        def __init__(self, predictor: Any) -> None:
            self.predictor = predictor

        def predict(self, images: Any, *, crops: int = 1) -> Any:
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


def _whole(reference: Any) -> Any:
    """Networks that halve nothing."""

    class Net(reference.Net):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.kept = 1.0

    return Net


PLANTED = {  # units are not halved when the network is used
    "halving-is-averaging": ("(self.kept if masks is None else", "(1.0 if masks is None else"),
}
