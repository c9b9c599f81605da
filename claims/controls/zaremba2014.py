"""Sabotaged recurrent language models: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from types import SimpleNamespace
from typing import Any

from repro import reconfigure, sabotage


def tied_embeddings(reference: Any) -> SimpleNamespace:
    """The softmax uses the embedding's weights, so there is one matrix of words rather than two."""

    def shapes(config: Any) -> dict[str, tuple[int, ...]]:
        found = reference.shapes(config)
        return {name: shape for name, shape in found.items() if prod(shape) != config.vocabulary * config.hidden} | {
            "words": (config.vocabulary, config.hidden)
        }

    return sabotage(reference, shapes=shapes)


def dropout_on_recurrence(reference: Any) -> SimpleNamespace:
    """Dropout is put on the connections from one step to the next, and on no others."""
    return reconfigure(reference, lambda config: replace(config, where="recurrent"))


def dropout_on_all_connections(reference: Any) -> SimpleNamespace:
    """Dropout is put on the connections from one step to the next as well."""
    return reconfigure(reference, lambda config: replace(config, where="both"))


def without_dropout(reference: Any) -> SimpleNamespace:
    """Nothing is dropped."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.0))


def averaged_over_steps(reference: Any) -> SimpleNamespace:
    """The loss is averaged over the steps of a segment too, at the same learning rate and clip."""
    return reconfigure(reference, lambda config: replace(config, reduction="mean"))


def rate_and_clip_of_the_sum(reference: Any) -> SimpleNamespace:
    """A loss averaged over the steps of a segment is trained on at the learning rate and clip of their sum."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        if config.reduction == "mean":
            config = replace(config, lr=config.lr / config.unroll, clip=config.clip * config.unroll)
        return reference.train(config, data, seed=seed, device=device, checkpoints=checkpoints)

    return sabotage(reference, train=train)


def dropout_on_cells(reference: Any) -> SimpleNamespace:
    """Dropout also acts on what a cell remembers, before it is forgotten or kept."""

    class Forgetful(reference.Net):
        def forward(self, x: Any, states: Any, drop: Any = None, cell: Any = None) -> Any:
            inner, noise = cell or reference.lstm, drop or (lambda c: c)
            return super().forward(x, states, drop, lambda gates, c: inner(gates, noise(c)))

    def cell_jacobian(config: Any, *, seed: int) -> Any:
        return reference.jacobian(reference.build(config, Forgetful), seed)

    return sabotage(reference, cell_jacobian=cell_jacobian)


def dropout_at_evaluation(reference: Any) -> SimpleNamespace:
    """Dropout is left on when the trained network reads."""

    class Noisy:
        def __init__(self, net: Any, lanes: int = 0, drop: Any = None) -> None:
            self.net, self.states = net, net.zeros(lanes)
            self.device = net.embedding.weight.device
            self.drop = drop or reference.Dropout(net.config.dropout, reference.torch.Generator(self.device))

        def start(self, lanes: int) -> Any:
            return Noisy(self.net, lanes, self.drop)

        def step(self, tokens: Any) -> Any:
            with reference.torch.no_grad():
                x = self.net.embedding.weight[reference.torch.tensor(tokens, device=self.device)]
                y, self.states = self.net(x[None], self.states, self.drop)
                return self.net.softmax(y[0]).float().cpu().numpy()

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        for step, reader in reference.train(config, data, seed=seed, device=device, checkpoints=checkpoints):
            yield step, Noisy(reader.net)

    return sabotage(reference, train=train)


def copies_of_one_model(reference: Any) -> SimpleNamespace:
    """An average of models is made of copies of the first."""
    return sabotage(reference, ensemble=lambda readers: reference.ensemble([readers[0]] * len(readers)))
