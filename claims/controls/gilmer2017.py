"""Sabotaged message passing networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage

Control = SimpleNamespace


def averaged_messages(reference: Any) -> Control:
    """Messages are averaged over neighbours instead of summed."""
    return _sent(reference, lambda m, batch: m / batch.joined_Bnm.sum(2).clamp(min=1)[..., None, None, None])


def one_way_twice(reference: Any) -> Control:
    """The function for incoming edges serves outgoing ones as well."""
    return _sent(reference, lambda m, batch: m[..., :1, :].expand_as(m))


def bonds_have_bins_too(reference: Any) -> Control:
    """Bonded pairs are labelled by the bin of their distance as well as by their type."""

    def edge_vectors(config: Any, links: Any) -> tuple[Any, Any]:
        found, edge = reference.edge_vectors(config, links)
        if config.inputs == "bins":
            bare = links * [1, 0, 0, 0, 0]
            found = np.maximum(found, reference.edge_vectors(config, bare)[0])
        return found, edge

    return _rewired(reference, edge_vectors=edge_vectors)


def gates_swapped(reference: Any) -> Control:
    """The update gate weighs the candidate, and what it leaves the state, as some libraries have it."""

    def gru(m: Any, h: Any, *parts: Any) -> Any:
        turned = [part.clone() for part in parts]
        for part in turned:
            part[:, 0] *= -1
        return reference.gru(m, h, *turned)

    return _rewired(reference, gru=gru)


def deaf_to_the_master(reference: Any) -> Control:
    """Nodes write to the master node and never read it."""
    return _with_weights(reference, "propagate", lambda name, w: 0 * w if name == "master.read" else w)


def readout_stands_still(reference: Any) -> Control:
    """The networks of the readout are not trained."""
    return _with_weights(reference, "forward", lambda name, w: w.detach() if name[:2] in ("i.", "j.", "ou") else w)


def nodes_are_numbered(reference: Any) -> Control:
    """A node's place in the list is added to its features."""
    return _packed(
        reference, lambda batch: batch.x_BnF + 0.1 * batch.x_BnF.new_tensor(range(batch.x_BnF.shape[1]))[:, None]
    )


def padding_is_attended(reference: Any) -> Control:
    """Set2set attends to the padding of smaller graphs too."""
    return _rewired(reference, set2set=lambda w, items, real, steps: reference.set2set(w, items, real | True, steps))


def each_kind_once(reference: Any) -> Control:
    """Of nodes with equal features the readout has the first only, as if it read a set."""

    def forward(weights: Any, config: Any, batch: Any) -> Any:
        alike = (batch.x_BnF[:, :, None] == batch.x_BnF[:, None]).all(-1).tril(-1).any(2)
        return reference.forward(weights, config, batch._replace(real_Bn=batch.real_Bn & ~alike))

    return _rewired(reference, forward=forward)


def readout_averages(reference: Any) -> Control:
    """Eq. 4 averages over nodes instead of summing."""

    def forward(weights: Any, config: Any, batch: Any) -> Any:
        found = reference.forward(weights, config, batch)
        return found / batch.real_Bn.sum(1, keepdim=True) if config.readout == "gated" else found

    return _rewired(reference, forward=forward)


def propagates_further(reference: Any) -> Control:
    """There are eight steps, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, steps=8))


def local_only(reference: Any) -> Control:
    """Virtual edges, the master node and set2set are left out."""
    return reconfigure(reference, lambda config: replace(config, virtual=False, master=0, readout="gated"))


def towers_left_out(reference: Any) -> Control:
    """There is one tower, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, towers=1))


def rates_fall_from_the_start(reference: Any) -> Control:
    """The rate falls from the first update on."""
    return reconfigure(reference, lambda config: replace(config, decay_from=0.0))


def distances_ignored(reference: Any) -> Control:
    """Edges have bond types only, others being virtual, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, inputs="bonds", virtual=True))


def pairs_by_edge_networks(reference: Any) -> Control:
    """Where pair messages are asked for there is an edge network."""
    return reconfigure(
        reference, lambda config: replace(config, message="edge network") if config.message == "pair" else config
    )


def blind_without_distances(reference: Any) -> Control:
    """Networks that see bonds only are not trained."""
    return reconfigure(reference, lambda config: replace(config, updates=0) if config.inputs == "bonds" else config)


def sparse_stands_still(reference: Any) -> Control:
    """The plain network on bonds is not trained."""
    plain = {"inputs": "bonds", "virtual": False, "master": 0, "readout": "gated"}
    return reconfigure(
        reference,
        lambda config: replace(config, updates=0) if all(getattr(config, n) == v for n, v in plain.items()) else config,
    )


def alone_for_a_quarter(reference: Any) -> Control:
    """A network of one target is trained for a quarter of the updates."""
    return _trained(reference, lambda config, y: (replace(config, updates=config.updates // 4 ** (y.shape[1] == 1)), y))


def together_stands_still(reference: Any) -> Control:
    """A network of several targets is not trained."""
    return _trained(reference, lambda config, y: (replace(config, updates=config.updates * (y.shape[1] == 1)), y))


def targets_permuted(reference: Any) -> Control:
    """Training molecules have each other's targets."""
    return _trained(reference, lambda config, y: (config, np.random.default_rng(0).permutation(y)))


def one_sided_degrees(reference: Any) -> Control:
    """Kipf & Welling's layer divides by the degree of the receiving node alone."""

    def graph_convolution(adjacency: Any, states: Any, weights: Any) -> Any:
        looped = adjacency + np.eye(len(adjacency))
        return np.maximum(looped / looped.sum(1, keepdims=True) @ states @ weights, 0)

    return sabotage(reference, graph_convolution=graph_convolution)


def without_self_loops(reference: Any) -> Control:
    """Kipf & Welling's layer leaves out what a node says to itself."""

    def graph_convolution(adjacency: Any, states: Any, weights: Any) -> Any:
        root = np.maximum(adjacency.sum(1), 1e-9) ** -0.5
        return np.maximum(root[:, None] * adjacency * root @ states @ weights, 0)

    return sabotage(reference, graph_convolution=graph_convolution)


def absolute_errors(reference: Any) -> Control:
    """The loss is the mean absolute error, by which networks are judged."""
    return _rewired(reference, loss=lambda errors: errors.abs().mean())


def targets_as_they_are(reference: Any) -> Control:
    """Targets are not standardized."""
    return _rewired(reference, scale=lambda y: (0 * y[0], 0 * y[0] + 1))


def drawn_with_replacement(reference: Any) -> Control:
    """Each batch is drawn anew from all examples."""

    def batches(count: int, size: int, generator: Any) -> Iterator[Any]:
        while True:
            yield reference.torch.randint(count, (size,), generator=generator)

    return _rewired(reference, batches=batches)


def batches_in_one_order(reference: Any) -> Control:
    """Every pass takes the examples in the order in which they stand."""

    def batches(count: int, size: int, generator: Any) -> Iterator[Any]:
        while True:
            yield from reference.torch.arange(count // size * size).split(size)

    return _rewired(reference, batches=batches)


def quick_recipe(reference: Any) -> Control:
    """Presets train for a tenth of the updates, at a rate of 0.001."""
    quick = {name: replace(config, updates=300_000, lr=1e-3) for name, config in reference.CONFIGS.items()}
    return sabotage(reference, CONFIGS=quick)


def medians(reference: Any) -> Control:
    """The last row of a table is the median."""
    return sabotage(reference, summary=lambda ratios: (float(np.median(ratios)), reference.summary(ratios)[1]))


def accurate_to_a_digit(reference: Any) -> Control:
    """A ratio counts as accurate if it is 1.0 when rounded to one digit."""
    return sabotage(reference, summary=lambda ratios: (reference.summary(ratios)[0], int((ratios < 1.05 + 1e-9).sum())))


def printed_averages(reference: Any) -> Control:
    """Averages are looked up in the row that the paper prints."""
    printed = {2.22: 2.17, 2.13: 2.08, 3.44: 3.37, 57.57: 53.97, 1.38: 1.35, 2.74: 2.59, 1.40: 1.36}
    found = reference.summary
    return sabotage(reference, summary=lambda ratios: (printed[round(found(ratios)[0], 2)], found(ratios)[1]))


def _sent(reference: Any, change: Callable[[Any, Any], Any]) -> Control:
    """Messages [B, n, k, w, q] are changed."""

    def messages(weights: Any, config: Any, batch: Any) -> Any:
        send = reference.messages(weights, config, batch)
        return lambda h: change(send(h), batch)

    return _rewired(reference, messages=messages)


def _packed(reference: Any, change: Callable[[Any], Any]) -> Control:
    """Features of nodes are changed."""

    def pack(config: Any, graphs: Any, device: Any) -> Any:
        batch = reference.pack(config, graphs, device)
        return batch._replace(x_BnF=change(batch))

    return _rewired(reference, pack=pack)


def _with_weights(reference: Any, name: str, change: Callable[[str, Any], Any]) -> Control:
    """A function of weights, a config and a batch gets other weights."""

    def changed(weights: Any, config: Any, batch: Any) -> Any:
        return getattr(reference, name)({part: change(part, w) for part, w in weights.items()}, config, batch)

    return _rewired(reference, **{name: changed})


def _trained(reference: Any, change: Callable[[Any, Any], tuple[Any, Any]]) -> Control:
    """Training gets another config and other targets."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        other, outputs = change(config, data.outputs)
        pairs = SimpleNamespace(inputs=data.inputs, outputs=outputs)
        yield from reference.train(other, pairs, seed=seed, device=device, eval_steps=eval_steps)

    return sabotage(reference, train=train)


def _rewired(reference: Any, **replaced: Any) -> Control:
    """A copy of the reference whose own functions use what is replaced."""
    copy = ModuleType(reference.__name__)
    exec(compile(inspect.getsource(reference), str(reference.__file__), "exec"), vars(copy))
    vars(copy).update(vars(sabotage(copy, **replaced)))
    return SimpleNamespace(**{name: value for name, value in vars(copy).items() if not name.startswith("__")})


PLANTED = {"isomorphic-graphs-are-one": (".masked_fill(~real_Bn, -torch.inf)", "")}
NULLS = {
    "graph_convolution": lambda adjacency, states, weights: np.zeros((len(states), weights.shape[1])),
    "spectral_convolution": lambda adjacency, states, filters: np.zeros((len(states), filters.shape[1])),
    "summary": lambda ratios: (1.0, 0),
}
