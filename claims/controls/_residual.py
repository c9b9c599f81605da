"""What controls of the two papers on residual networks are built with; dropout, `unroll` and units are he2016's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from repro import sabotage


def with_part(reference: Any, name: str, part: type) -> SimpleNamespace:
    """Training has another class of that name, which it looks up before its first yield."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        steps = reference.train(config, data, seed=seed, device=device, eval_steps=eval_steps)
        kept = getattr(reference, name)
        setattr(reference, name, part)
        try:
            first = next(steps)
        finally:
            setattr(reference, name, kept)
        yield first
        yield from steps

    return sabotage(reference, train=train)


def with_masks(reference: Any, change: Callable[[Any, dict[Any, Any]], Any]) -> SimpleNamespace:
    """Masks of dropout are changed: a function of one, and of what it may keep."""

    class Changed(reference.Dropout):
        def forward(self, h: Any) -> Any:
            if not (self.training and reference.torch.is_grad_enabled()):
                return super().forward(h)
            mask = reference.torch.empty_like(h).bernoulli_(self.keep, generator=self.generator)
            return h * change(mask, self.__dict__.setdefault("kept", {}))

    return with_dropout(reference, Changed)


def with_dropout(reference: Any, dropout: Callable[..., Any]) -> SimpleNamespace:
    """Shortcuts are dropped out by another module."""

    def build(config: Any) -> Any:
        net = reference.Net(config)
        for unit in reference.units_of(net):
            if config.dropout and unit.shortcut is not None:
                unit.shortcut = reference.nn.Sequential(unit.shortcut[0], dropout(config.dropout))
        return net

    return with_net(reference, build)


def with_unit(reference: Any, unit: Callable[..., Any]) -> SimpleNamespace:
    """Networks are built of another unit, which the earlier paper calls a block."""
    return with_net(reference, lambda config: reference.Net(config, unit))


def with_net(reference: Any, build: Callable[..., Any]) -> SimpleNamespace:
    """Networks are built by another function."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        return reference.fit(build(config), config, data, seed=seed, device=device, eval_steps=eval_steps)

    def layers(config: Any) -> Any:
        with reference.torch.device("meta"):
            return reference.trace(build(config), config.channels, config.image)

    def unroll(config: Any, images: Any, labels: Any, *, seed: int, branch: float = 1.0) -> Any:
        return reference.observe(build(config), images, labels, seed=seed, branch=branch)

    def repartition(predictor: Any, config: Any) -> Any:
        return reference.transfer(predictor, build(config), config)

    def restore(config: Any, state: Any, *, device: str) -> Any:
        net = reference.with_learnt(build(config), state, device)
        return reference.Network(net, config, reference.torch.from_numpy(state["mean"]).to(device), "restored")

    changed = {"train": train, "layers": layers, "restore": restore}
    if hasattr(reference, "unroll"):
        changed |= {"unroll": unroll, "repartition": repartition}
    return sabotage(reference, **changed)


def half_the_variance(reference: Any) -> SimpleNamespace:
    """Initial weights have the variance 1 / fan-in, as if no rectifier halved what passes, rather than 2 / fan-in."""

    class Smaller(reference.Net):
        def to(self, *where: Any, **how: Any) -> Any:  # what training does once weights are drawn
            for module in self.modules():
                if isinstance(module, reference.nn.Conv2d):
                    module.weight.data *= 0.5**0.5
            return super().to(*where, **how)

    return with_net(reference, Smaller)
