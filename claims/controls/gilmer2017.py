"""Sabotaged message passing networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage

Control = SimpleNamespace


def averaged_messages(reference: Any) -> Control:
    """Messages are averaged over neighbours instead of summed."""

    def messages(weights: Any, config: Any, batch: Any) -> Any:
        send, number = reference.messages(weights, config, batch), batch.joined_Bnm.sum(2).clamp(min=1)
        return lambda h: send(h) / number[..., None, None, None]

    return _rewired(reference, messages=messages)


def gates_swapped(reference: Any) -> Control:
    """The update gate weighs the candidate, and what it leaves the state, as some libraries have it."""

    def gru(m: Any, h: Any, *parts: Any) -> Any:
        turned = [part.clone() for part in parts]
        for part in turned:
            part[:, 0] *= -1
        return reference.gru(m, h, *turned)

    return _rewired(reference, gru=gru)


def taken_for_known(reference: Any) -> Control:
    """Graphs are packed once for all that have their sizes."""
    known = {}

    def pack(config: Any, graphs: Any, device: Any) -> Any:
        sizes = config, graphs.nodes.shape, graphs.nodes_of.tobytes(), graphs.edges_of.tobytes()
        if sizes not in known:
            known[sizes] = reference.pack(config, graphs, device)
        return known[sizes]

    return _rewired(reference, pack=pack)


def nodes_are_numbered(reference: Any) -> Control:
    """A node's place in the list is added to its features."""

    def pack(config: Any, graphs: Any, device: Any) -> Any:
        batch = reference.pack(config, graphs, device)
        places = batch.x_BnF.new_tensor(range(batch.x_BnF.shape[1]))
        return batch._replace(x_BnF=batch.x_BnF + 0.1 * places[:, None])

    return _rewired(reference, pack=pack)


def padding_is_attended(reference: Any) -> Control:
    """Set2set attends to the padding of smaller graphs too."""
    return _rewired(reference, set2set=lambda w, items, real, steps: reference.set2set(w, items, real | True, steps))


def readout_averages(reference: Any) -> Control:
    """Eq. 4 averages over nodes instead of summing."""

    def forward(weights: Any, config: Any, batch: Any) -> Any:
        found = reference.forward(weights, config, batch)
        return found / batch.real_Bn.sum(1, keepdim=True) if config.readout == "gated" else found

    return _rewired(reference, forward=forward)


def propagates_further(reference: Any) -> Control:
    """There are eight steps, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, steps=8))


def plain_only(reference: Any) -> Control:
    """Every network is the plain one: matrices for bond types, nothing virtual, and the readout of eq. 4."""
    plain = {"message": "matrix", "inputs": "bonds", "virtual": False, "master": 0, "readout": "gated"}
    return reconfigure(reference, lambda config: replace(config, **plain))


def towers_left_out(reference: Any) -> Control:
    """There is one tower, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, towers=1))


def distances_ignored(reference: Any) -> Control:
    """Edges have bond types only, others being virtual, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, inputs="bonds", virtual=True))


def predicts_the_mean(reference: Any) -> Control:
    """Nothing is learnt: all weights are zeros, and predictions the mean of the training targets."""

    def train(config: Any, data: Any, **options: Any) -> Iterator[tuple[int, Any]]:
        for step, model in reference.train(replace(config, updates=0), data, **options):
            yield step, replace(model, weights={n: w * (n in ("mean", "std")) for n, w in model.weights.items()})

    return sabotage(reference, train=train)


def one_sided_degrees(reference: Any) -> Control:
    """Kipf & Welling's layer divides by the degree of the receiving node alone."""

    def graph_convolution(adjacency: Any, states: Any, weights: Any) -> Any:
        looped = adjacency + np.eye(len(adjacency))
        return np.maximum(looped / looped.sum(1, keepdims=True) @ states @ weights, 0)

    return sabotage(reference, graph_convolution=graph_convolution)


def absolute_errors(reference: Any) -> Control:
    """The loss is the mean absolute error, by which networks are judged."""
    return _rewired(reference, loss=lambda errors: errors.abs().mean())


def drawn_with_replacement(reference: Any) -> Control:
    """Each batch is drawn anew from all examples."""

    def batches(count: int, size: int, generator: Any) -> Iterator[Any]:
        while True:
            yield reference.torch.randint(count, (size,), generator=generator)

    return _rewired(reference, batches=batches)


def tail_never_seen(reference: Any) -> Control:
    """Of the examples, the last ones that fill no batch are left out of every pass."""
    return _rewired(reference, batches=lambda n, size, drawn: reference.batches(n // size * size, size, drawn))


def one_start(reference: Any) -> Control:
    """Every run sets out from the same weights."""

    def initial(config: Any, features: int, targets: int, generator: Any) -> Any:
        return reference.initial(config, features, targets, reference.torch.Generator().manual_seed(0))

    return _rewired(reference, initial=initial)


def accurate_to_a_digit(reference: Any) -> Control:
    """A ratio counts as accurate if it is 1.0 when rounded to one digit."""
    return sabotage(reference, summary=lambda ratios: (reference.summary(ratios)[0], int((ratios < 1.05 + 1e-9).sum())))


def printed_averages(reference: Any) -> Control:
    """Averages are looked up in the row that the paper prints."""
    printed = {2.22: 2.17, 2.13: 2.08, 3.44: 3.37, 57.57: 53.97, 1.38: 1.35, 2.74: 2.59, 1.40: 1.36}
    found = reference.summary
    return sabotage(reference, summary=lambda ratios: (printed[round(found(ratios)[0], 2)], found(ratios)[1]))


def _rewired(reference: Any, **replaced: Any) -> Control:
    """A copy of the reference whose own functions use what is replaced."""
    copy = ModuleType(reference.__name__)
    exec(compile(inspect.getsource(reference), str(reference.__file__), "exec"), vars(copy))
    vars(copy).update(vars(sabotage(copy, **replaced)))
    return SimpleNamespace(**{name: value for name, value in vars(copy).items() if not name.startswith("__")})


PLANTED = {"isomorphic-graphs-are-one": (".masked_fill(~real_Bn, -torch.inf)", "")}


def _nothing(graph: Any, states: Any, weights: Any) -> Any:
    return np.zeros((len(states), weights.shape[1]))


def _one(ratios: Any) -> tuple[float, int]:
    return 1.0, 0


NULLS = {"graph_convolution": _nothing, "spectral_convolution": _nothing, "summary": _one}
