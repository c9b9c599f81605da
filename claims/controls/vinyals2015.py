"""Sabotaged pointer networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage
from repro.task import Sequences


def fixed_softmax(reference: Any) -> SimpleNamespace:
    """Attention blends the encoder's states, and a softmax over a fixed number of places makes the output."""
    return reconfigure(reference, lambda config: replace(config, model="attention"))


def attention_as_pointer(reference: Any) -> SimpleNamespace:
    """What should point at the input attends to it instead, and chooses by a softmax over a fixed number of places."""
    return reconfigure(
        reference, lambda config: replace(config, model="attention") if config.model == "pointer" else config
    )


def attention_left_out(reference: Any) -> SimpleNamespace:
    """What should attend to the input reads nothing but the encoder's last state."""
    return reconfigure(
        reference, lambda config: replace(config, model="lstm") if config.model == "attention" else config
    )


def one_shot(reference: Any) -> SimpleNamespace:
    """All places are scored once, at the first step, and the scores are kept for the others."""

    def scores(pointer: Any, inputs: Any, outputs: Any) -> Any:
        found = reference.scores(pointer, inputs, outputs)
        return np.repeat(found[:, :1], found.shape[1], axis=1)

    return sabotage(reference, scores=scores)


def slots_are_numbered(reference: Any) -> SimpleNamespace:
    """An embedding of its number is added to each slot's score."""

    def attend(pointer: Any, memory: Any, states: Any) -> Any:
        found = reference.attend(pointer, memory, states)
        init = pointer.config.init
        return found + np.random.default_rng(0).uniform(-init, init, found.shape[1]).astype(found.dtype)

    return sabotage(reference, attend=attend)


def points_encoded_alone(reference: Any) -> SimpleNamespace:
    """The encoder begins anew at each point, so what it says of a point knows nothing of those before."""

    def encode(pointer: Any, inputs: Any) -> Any:
        count, points = inputs.items.shape[:2]
        alone = Sequences(items=inputs.items.reshape(count * points, 1, -1), lengths=np.ones(count * points, np.int64))
        return reference.encode(pointer, alone).reshape(count, points, -1)

    return sabotage(reference, encode=encode)


def beams_forget(reference: Any) -> SimpleNamespace:
    """When beams are sorted anew, their marks of visited places stay where they were."""

    class Forgetful(reference.Hypotheses):
        def extend(self, best: Any) -> Any:
            before = self.visited_Kn
            came, places = super().extend(best)
            self.visited_Kn = before.scatter(1, places[:, None], True)
            return came, places

    class Pointer(reference.Pointer):
        hypotheses = Forgetful

    return _with_pointer(reference, lambda pointer, data: Pointer(pointer.net, pointer.config, pointer.device))


def canonical_order(reference: Any) -> SimpleNamespace:
    """Targets that are meant to come in any order begin at the lowest place and run counter-clockwise all the same."""
    return reconfigure(reference, lambda config: replace(config, targets="canonical"))


def known_places_only(reference: Any) -> SimpleNamespace:
    """As with a dictionary of fixed size, nothing can be pointed at beyond the longest training input."""

    class Pointer(reference.Pointer):
        longest = 0

        def point(self, inputs: Any, longest: int) -> Any:
            seen = Sequences(items=inputs.items, lengths=np.minimum(inputs.lengths, self.longest))
            return super().point(seen, longest)

    def limited(pointer: Any, data: Any) -> Any:
        found = Pointer(pointer.net, pointer.config, pointer.device)
        found.longest = int(data.inputs.lengths.max())
        return found

    return _with_pointer(reference, limited)


def without_mask(reference: Any) -> SimpleNamespace:
    """Tours may visit a place twice and leave others out."""
    return reconfigure(reference, lambda config: replace(config, valid="any"))


def few_examples(reference: Any) -> SimpleNamespace:
    """It trains on the first hundredth of its examples."""

    def first(sequences: Sequences) -> Sequences:
        count = len(sequences.lengths) // 100
        return Sequences(items=sequences.items[:count], lengths=sequences.lengths[:count])

    return _with_data(reference, lambda data, seed: (first(data.inputs), first(data.outputs)))


def triangles_in_any_order(reference: Any) -> SimpleNamespace:
    """The triangles of a target come in random order."""

    def shuffled(data: Any, seed: int) -> tuple[Sequences, Sequences]:
        outputs = data.outputs
        count, longest = outputs.items.shape
        keys = np.random.default_rng(seed).random((count, longest // 3))
        keys[np.arange(longest // 3) >= outputs.lengths[:, None] // 3] = 2  # padding stays at the end
        order = np.argsort(keys, axis=1, kind="stable")[:, :, None]
        items = np.take_along_axis(outputs.items.reshape(count, -1, 3), order, axis=1).reshape(count, longest)
        return data.inputs, Sequences(items=items, lengths=outputs.lengths)

    return _with_data(reference, shuffled)


def _with_pointer(reference: Any, change: Callable[[Any, Any], Any]) -> SimpleNamespace:
    """What training yields is changed."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        for step, pointer in reference.train(config, data, seed=seed, device=device, checkpoints=checkpoints):
            yield step, change(pointer, data)

    return sabotage(reference, train=train)


def _with_data(reference: Any, change: Callable[[Any, int], tuple[Sequences, Sequences]]) -> SimpleNamespace:
    """It is trained on other inputs and outputs than it is given."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, checkpoints: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        inputs, outputs = change(data, seed)
        pairs = SimpleNamespace(inputs=inputs, outputs=outputs)
        yield from reference.train(config, pairs, seed=seed, device=device, checkpoints=checkpoints)

    return sabotage(reference, train=train)
