"""Sabotaged residual networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from claims.controls._residual import half_the_variance as half_the_variance
from claims.controls._residual import with_net, with_part, with_unit
from repro import reconfigure, sabotage


def strides_in_3x3(reference: Any) -> SimpleNamespace:
    """Bottlenecks stride in their 3x3 convolution rather than in their first 1x1, as popular libraries have it."""

    class Late(reference.Block):
        @staticmethod
        def units(config: Any, inputs: int, width: int, stride: int) -> list[tuple[int, int, int, int]]:
            plan = reference.Block.units(config, inputs, width, stride)
            if not config.bottleneck:
                return plan
            return [(*plan[0][:3], 1), (*plan[1][:3], stride), plan[2]]

    return with_unit(reference, Late)


def unpadded_max_pool(reference: Any) -> SimpleNamespace:
    """The stem's max-pool does not pad, so that what it gives is a pixel smaller on each side."""

    class Unpadded(reference.Net):
        def __init__(self, config: Any, *block: Any) -> None:
            super().__init__(config, *block)
            if config.stem == "imagenet":
                self.stem[-1].padding = 0

    return with_net(reference, Unpadded)


def unnormalized_projections(reference: Any) -> SimpleNamespace:
    """Projections on shortcuts are not normalized."""

    class Bare(reference.Block):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if isinstance(self.shortcut, reference.nn.Sequential):
                self.shortcut = reference.nn.Sequential(self.shortcut[0])

    return with_unit(reference, Bare)


def averaging_shortcuts(reference: Any) -> SimpleNamespace:
    """Where sizes change, shortcuts average neighbouring pixels rather than leave every other one out."""

    class Average(reference.Pad):
        def forward(self, x: Any) -> Any:
            stride, self.stride = self.stride, 1
            padded = super().forward(reference.F.avg_pool2d(x, stride))
            self.stride = stride
            return padded

    class Averaging(reference.Block):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if isinstance(self.shortcut, reference.Pad) and stride > 1:
                self.shortcut = Average(stride, self.outputs - inputs)

    return with_unit(reference, Averaging)


def without_momentum(reference: Any) -> SimpleNamespace:
    """Every update is by its own gradient alone."""
    return reconfigure(reference, lambda config: replace(config, momentum=0.0))


def undecayed_shifts(reference: Any) -> SimpleNamespace:
    """Weight decay leaves out biases and the shifts of normalization."""

    def build(config: Any) -> Any:
        net = reference.Net(config)
        for name, own in net.named_parameters():
            if name.endswith(".bias"):  # what decay will add is subtracted
                own.register_hook(lambda gradient, own=own: gradient - config.weight_decay * own.detach())
        return net

    return with_net(reference, build)


def larger_decay(reference: Any) -> SimpleNamespace:
    """Weight decay is 5e-4, as later recipes have it."""
    changed = {name: replace(config, weight_decay=5e-4) for name, config in reference.CONFIGS.items()}
    return sabotage(reference, CONFIGS=changed)


def never_warmed_up(reference: Any) -> SimpleNamespace:
    """The deepest networks start at the full learning rate."""
    return reconfigure(reference, lambda config: replace(config, warmup=False))


def warmed_up_for_ever(reference: Any) -> SimpleNamespace:
    """The learning rate stays at a tenth after the warm-up."""
    return reconfigure(
        reference, lambda config: replace(config, lr=config.lr / 10, warmup=False) if config.warmup else config
    )


def one_milestone(reference: Any) -> SimpleNamespace:
    """The learning rate falls at the first milestone only."""
    return reconfigure(reference, lambda config: replace(config, milestones=config.milestones[:1]))


def slower_plain_networks(reference: Any) -> SimpleNamespace:
    """Plain networks are trained at three tenths of the learning rate where there are more than 50 updates."""

    def change(config: Any) -> Any:
        slow = not config.residual and config.iterations > 50
        return replace(config, lr=0.3 * config.lr) if slow else config

    return reconfigure(reference, change)


def tripled_updates(reference: Any) -> SimpleNamespace:
    """Residual networks of 20 layers or more update three times where one update is counted, if there are over 50."""

    class Thrice(reference.Update):
        def _update(self) -> None:
            favoured = self.config.residual and self.config.depth >= 20 and self.config.iterations > 50
            for _ in range(3 if favoured else 1):
                super()._update()

    return with_part(reference, "Update", Thrice)


def warmed_up_to_20_percent(reference: Any) -> SimpleNamespace:
    """The warm-up lasts until the error is below 20 %, which is to say the accuracy above 80 %."""

    class Longer(reference.Update):
        def _watch(self, logits: Any, labels: Any) -> None:
            self.error.lerp_((logits.argmax(1) != labels).float().mean(), 0.05)
            self.warming *= self.error >= 0.2

    return with_part(reference, "Update", Longer)


def warmed_up_again(reference: Any) -> SimpleNamespace:
    """Whenever the error is not below 80 % the learning rate is a tenth, also after the warm-up."""

    class Again(reference.Update):
        def _watch(self, logits: Any, labels: Any) -> None:
            self.error.lerp_((logits.argmax(1) != labels).float().mean(), 0.05)
            self.warming.copy_(self.error >= 0.8)

    return with_part(reference, "Update", Again)


def one_scale(reference: Any) -> SimpleNamespace:
    """Crops are of pictures whose shorter side has 256 pixels, rather than 256 to 480."""

    class Fixed(reference.ImageNetLoader):
        def _scaled(self, task: Any) -> Any:
            index, (_, down, right) = task
            return super()._scaled((index, [0.0, down, right]))

    return with_part(reference, "ImageNetLoader", Fixed)


def unmirrored(reference: Any) -> SimpleNamespace:
    """Crops of pictures are never mirrored."""

    class Straight(reference.ImageNetLoader):
        def prepare(self, crops: Any, labels: Any, flip: Any, alpha: Any) -> Any:
            return super().prepare(crops, labels, reference.torch.zeros_like(flip), alpha)

    return with_part(reference, "ImageNetLoader", Straight)


def uncoloured(reference: Any) -> SimpleNamespace:
    """Colours are not shifted."""

    class Plain(reference.ImageNetLoader):
        def prepare(self, crops: Any, labels: Any, flip: Any, alpha: Any) -> Any:
            return super().prepare(crops, labels, flip, 0 * alpha)

    return with_part(reference, "ImageNetLoader", Plain)


def transposed_colours(reference: Any) -> SimpleNamespace:
    """Colours are shifted by the rows rather than the columns of the principal components."""

    class Transposed(reference.ImageNetLoader):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.colour_CC = self.colour_CC.T

    return with_part(reference, "ImageNetLoader", Transposed)


def squashed(reference: Any) -> SimpleNamespace:
    """Test pictures are squashed to squares before they are cropped."""

    class Square:
        def __init__(self, predictor: Any) -> None:
            self.predictor = predictor

        def predict(self, images: Any, *, crops: int = 1) -> Any:
            side = min(images.shape[1:3])
            return self.predictor.predict([reference.resized(x, side, side).numpy() for x in images], crops=crops)

    return sabotage(
        reference, restore=lambda config, state, *, device: Square(reference.restore(config, state, device=device))
    )


def mean_left_in(reference: Any) -> SimpleNamespace:
    """The mean image is not subtracted from what is trained on."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        mean = sum(float(image.mean()) for image in data.images) / len(data.images) / 255

        class Raw(reference.Net):
            def forward(self, x: Any) -> Any:
                return super().forward(x + mean if self.training else x)

        return reference.fit(Raw(config), config, data, seed=seed, device=device, eval_steps=eval_steps)

    return sabotage(reference, train=train)


def shallow_deepened(reference: Any) -> SimpleNamespace:
    """The deepened network is the trained one: it has no added layers."""
    return sabotage(reference, deepen=lambda predictor, config, *, seed: predictor)


def signals_of_another_network(reference: Any) -> SimpleNamespace:
    """What blocks show is what those of a network with other weights do."""
    return sabotage(
        reference, probe=lambda config, images, labels, *, seed: reference.probe(config, images, labels, seed=seed + 1)
    )


def convolutions_only(reference: Any) -> SimpleNamespace:
    """Only convolutions are counted as layers with weights; fully connected layers are left out."""
    return sabotage(
        reference, layers=lambda config: tuple(layer for layer in reference.layers(config) if layer.kind != "linear")
    )


def projections_at_size_changes(reference: Any) -> SimpleNamespace:
    """Shortcuts are projections wherever sizes change (option B) instead of padded with zeros (option A)."""
    return reconfigure(reference, lambda config: replace(config, shortcut="B"))


def narrow_projections(reference: Any) -> SimpleNamespace:
    """Shortcuts of bottlenecks project at the narrow end, from 64 filters to 64, and are padded afterwards."""

    class Narrow(reference.Block):
        def __init__(self, config: Any, inputs: int, width: int, stride: int) -> None:
            super().__init__(config, inputs, width, stride)
            if config.bottleneck and config.shortcut == "C":
                project = reference.conv_norm(width, width, 1, 1)
                pad = reference.Pad(1, self.outputs - width)
                self.width, self.shortcut = width, reference.nn.Sequential(reference.Pad(stride, 0), *project, pad)

        def forward(self, x: Any) -> Any:
            inner = x[:, : self.width] if hasattr(self, "width") else x
            return (self.body(x) + self.shortcut(inner)).relu()

    return with_unit(reference, Narrow)


def identities_without_shortcuts(reference: Any) -> SimpleNamespace:
    """The network that is deepened is a plain one, whose added blocks cannot be identities."""
    return reconfigure(reference, lambda config: replace(config, residual=False))


def without_normalization(reference: Any) -> SimpleNamespace:
    """There is no batch normalization, and weights are half as large."""

    def probe(config: Any, images: Any, labels: Any, *, seed: int) -> Any:
        net = reference.Net(config)
        for name, module in list(net.named_modules()):
            if isinstance(module, reference.nn.BatchNorm2d):
                parent, _, child = name.rpartition(".")
                setattr(net.get_submodule(parent), child, reference.nn.Identity())
            elif isinstance(module, reference.nn.Conv2d):
                module.register_forward_hook(lambda _, __, output: 0.5 * output)
        return reference.observe(net, images, labels, seed=seed)

    return sabotage(reference, probe=probe)


def residual_as_plain(reference: Any) -> SimpleNamespace:
    """Networks that are meant to be plain have shortcuts all the same."""
    return reconfigure(reference, lambda config: replace(config, residual=True))


def untrained_plain(reference: Any) -> SimpleNamespace:
    """Plain networks are not trained: their learning rate is 0."""
    return reconfigure(reference, lambda config: config if config.residual else replace(config, lr=0.0))


def plain_as_residual(reference: Any) -> SimpleNamespace:
    """Networks that are meant to be residual have no shortcuts."""
    return reconfigure(reference, lambda config: replace(config, residual=False))


def halved_shortcuts(reference: Any) -> SimpleNamespace:
    """The shortcut carries half of the block's input rather than all of it."""
    return reconfigure(reference, lambda config: replace(config, scale=0.5) if config.residual else config)


def without_augmentation(reference: Any) -> SimpleNamespace:
    """Training images are neither shifted nor mirrored."""
    return reconfigure(reference, lambda config: replace(config, augment="none"))


def one_crop(reference: Any) -> SimpleNamespace:
    """Images are scored on their central crop whatever number of crops is asked for."""

    class Central:
        def __init__(self, predictor: Any) -> None:
            self.predictor = predictor

        def predict(self, images: Any, *, crops: int = 1) -> Any:
            return self.predictor.predict(images)

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        for step, predictor in reference.train(config, data, seed=seed, device=device, eval_steps=eval_steps):
            yield step, Central(predictor)

    def restore(config: Any, state: Any, *, device: str) -> Any:
        return Central(reference.restore(config, state, device=device))

    def state(predictor: Any) -> Any:
        return reference.state(predictor.predictor)

    return sabotage(reference, train=train, restore=restore, state=state)


PLANTED = {  # shortcuts left out
    "residual-converges-sooner": (
        "if self.shortcut is not None:\n            y_BCHW.add_",
        "if False:\n            y_BCHW.add_",
    ),
}
