"""Sabotaged pipelines: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import reconfigure, sabotage


def tied_embeddings(reference: Any) -> SimpleNamespace:
    """The output layer uses the embedding's weights, so there is one matrix of tokens rather than two."""

    def parameters(config: Any) -> int:
        return reference.parameters(config) - config.vocabulary * config.width

    return sabotage(reference, parameters=parameters)


def counts_one_sentence(reference: Any) -> SimpleNamespace:
    """Activations are counted for one sentence of the mini-batch."""

    def footprint(config: Any, examples: int, length: int = 0) -> NDArray[np.int64]:
        return reference.footprint(config, 1, length)

    return sabotage(reference, footprint=footprint)


def sums_micro_batches(reference: Any) -> SimpleNamespace:
    """Gradients of micro-batches are added, without dividing by their number."""

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        found = reference.gradients(config, *batch, seed=seed)
        return {name: config.micro_batches * gradient for name, gradient in found.items()}

    return sabotage(reference, gradients=gradients)


def drops_the_last_micro_batch(reference: Any) -> SimpleNamespace:
    """Where there are several micro-batches, the last one is not waited for."""

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        count = max(1, config.micro_batches - 1)
        kept = len(batch[0]) // config.micro_batches * count
        fewer = replace(config, micro_batches=count)
        return reference.gradients(fewer, *(part[:kept] for part in batch), seed=seed)

    return sabotage(reference, gradients=gradients)


def drops_the_rest(reference: Any) -> SimpleNamespace:
    """Of a mini-batch that does not divide, the rest is dropped."""

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        kept = len(batch[0]) // config.micro_batches * config.micro_batches
        return reference.gradients(config, *(part[:kept] for part in batch), seed=seed)

    return sabotage(reference, gradients=gradients)


def stale_weights(reference: Any) -> SimpleNamespace:
    """No partition waits for the end of a mini-batch: gradients belong to weights of K - 1 updates before."""

    def steps(config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Any) -> Iterator[float]:
        torch = reference.torch
        whole = replace(config, partitions=1, micro_batches=1)
        net = reference.Partition(whole, 0, seed, torch.device(device))
        weights = list(net.parameters())
        versions = [[w.detach().clone() for w in weights]]
        while True:
            newest = versions[-1]
            with torch.no_grad():
                for weight, old in zip(weights, versions[max(0, len(versions) - config.partitions)], strict=True):
                    weight.copy_(old)
            loss = reference.loss(net(torch.from_numpy(inputs)), torch.from_numpy(targets))
            slopes = torch.autograd.grad(loss, weights)
            versions.append([w - config.lr * slope for w, slope in zip(newest, slopes, strict=True)])
            yield loss.item()

    return sabotage(reference, steps=steps)


def normalizes_the_mini_batch(reference: Any) -> SimpleNamespace:
    """Batch normalization waits for all micro-batches and normalizes them together."""

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        return reference.gradients(replace(config, micro_batches=1), *batch, seed=seed)

    return sabotage(reference, gradients=gradients)


def moves_with_each_micro_batch(reference: Any) -> SimpleNamespace:
    """Moving averages move with each micro-batch, as ordinary batch normalization has it."""
    return reconfigure(reference, lambda config: replace(config, deferred=False))


def moves_with_the_last_micro_batch(reference: Any) -> SimpleNamespace:
    """Moving averages follow the moments of the last micro-batch alone."""

    class Norm(reference.DeferredNorm):
        def settle(self) -> None:
            self.seen = self.seen[-1:]
            super().settle()

    return _in_one_process(reference, DeferredNorm=Norm)


def counts_recomputation(reference: Any) -> SimpleNamespace:
    """Moving averages move once more when activations are computed again."""

    def state(network: Any) -> dict[str, NDArray[Any]]:
        found = reference.state(network)
        for name, value in found.items():
            start = 1.0 if name.endswith(".variance") else 0.0
            if name.endswith((".mean", ".variance")):
                found[name] = start + (value - start) * 1.9
        return found

    return sabotage(reference, state=state)


def moments_are_constants(reference: Any) -> SimpleNamespace:
    """Gradients of normalizations take their moments for constants."""

    class Norm(reference.DeferredNorm):
        def forward(self, x: Any) -> Any:
            self.seen.append((len(x), x.mean(0).detach(), x.var(0, correction=0).detach()))
            moments = x.mean(0).detach(), x.var(0, correction=0).detach()
            return (x - moments[0]) / (moments[1] + 1e-5).sqrt() * self.weight + self.bias

    return _in_one_process(reference, DeferredNorm=Norm)


def biases_stand_still(reference: Any) -> SimpleNamespace:
    """Weights are updated, biases are not."""
    return _in_one_process(reference, learns=lambda name: not name.endswith("bias"))


def updates_after_each_micro_batch(reference: Any) -> SimpleNamespace:
    """Weights change after each micro-batch instead of at the end of the mini-batch."""
    return _in_one_process(reference, at_once=False)


def everything_is_kept(reference: Any) -> SimpleNamespace:
    """What runs keeps all activations, while the count of bytes is that of re-materialization."""

    def steps(config: Any, *batch: Any, **options: Any) -> Iterator[float]:
        return reference.steps(replace(config, rematerialize="none"), *batch, **options)

    return sabotage(reference, steps=steps)


def sleeps_by_the_formula(reference: Any) -> SimpleNamespace:
    """One process computes, and sleeps as long as the formula of the bubble says of equal partitions."""

    def seconds(config: Any) -> float:
        k, m = config.partitions, config.micro_batches
        return 3 * sum(config.costs) * (m + k - 1) / k

    return _sleeps(reference, seconds)


def sleeps_by_the_timetable(reference: Any) -> SimpleNamespace:
    """One process computes, and sleeps until the last entry of its timetable."""

    def seconds(config: Any) -> float:
        if not config.costs:
            return 0.0
        sizes = reference.partition(np.array(config.costs), config.partitions)
        forward = [float(part.sum()) for part in np.split(np.array(config.costs), np.cumsum(sizes)[:-1])]
        again = [cost * (config.rematerialize != "none") for cost in forward]
        backward = [2 * cost for cost in forward]
        return reference.timetable(forward, backward, config.micro_batches, recompute=again).max()

    return _sleeps(reference, seconds)


def _sleeps(reference: Any, seconds: Callable[[Any], float]) -> SimpleNamespace:
    """Steps of layers that wait, in one process: it computes them at once, and then waits for a given time."""

    def steps(config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Any) -> Iterator[float]:
        at_once = replace(config, costs=(0.0,) * config.layers)
        for loss in _in_one_process(reference).steps(at_once, inputs, targets, seed=seed, device=device):
            time.sleep(seconds(config))
            yield loss

    return sabotage(reference, steps=steps)


def three_layers_and_one(reference: Any) -> SimpleNamespace:
    """Of four layers the first of two partitions has three."""
    return reconfigure(
        reference,
        lambda config: replace(config, cut=(3, 1)) if (config.layers, config.partitions) == (4, 2) else config,
    )


def waits_longer_alone(reference: Any) -> SimpleNamespace:
    """On one partition layers wait 12 % longer, so that several seem to gain more."""

    def steps(config: Any, *batch: Any, **options: Any) -> Iterator[float]:
        slower = tuple(1.12 * cost for cost in config.costs)
        yield from reference.steps(
            replace(config, costs=slower if config.partitions == 1 else config.costs), *batch, **options
        )

    return sabotage(reference, steps=steps)


def counts_inputs_only(reference: Any) -> SimpleNamespace:
    """Of the activations of a layer its inputs are counted, and nothing that is inside."""

    def footprint(config: Any, examples: int, length: int = 0) -> NDArray[np.int64]:
        return reference.footprint(replace(config, hidden=config.width), examples, length)

    return sabotage(reference, footprint=footprint)


def partitions_need_the_same(reference: Any) -> SimpleNamespace:
    """Bytes are counted for L / K layers in each partition, though some have one more than others."""

    def footprint(config: Any, examples: int, length: int = 0) -> NDArray[np.float64]:
        found = reference.footprint(config, examples, length)
        return np.full(len(found), found.mean())

    return sabotage(reference, footprint=footprint)


def _in_one_process(
    reference: Any, learns: Callable[[str], bool] = lambda name: True, at_once: bool = True, **replaced: Any
) -> SimpleNamespace:
    """Micro-batches go one after another through the whole network, in this process."""
    copy = ModuleType(reference.__name__)
    exec(compile(inspect.getsource(reference), str(reference.__file__), "exec"), vars(copy))
    vars(copy).update(replaced)
    torch = copy.torch

    def course(config: Any, inputs: Any, targets: Any, *, seed: int) -> Iterator[tuple[Any, float]]:
        net = copy.Partition(replace(config, partitions=1, cut=()), 0, seed, torch.device("cpu"))
        parts = [torch.from_numpy(np.asarray(part)).chunk(config.micro_batches) for part in (inputs, targets)]
        while True:
            before, losses = deepcopy(net), []
            net.zero_grad(set_to_none=False)
            for x, y in zip(*parts, strict=True):
                loss = copy.loss(net(x), y) / (config.micro_batches if at_once else 1)
                loss.backward()
                losses.append(loss.item())
                if not at_once:
                    descend(net, config)
            for norm in net.norms:
                norm.settle()
            before.found = {copy.symbol(n): p.grad.numpy().copy() for n, p in net.layers.named_parameters()}
            if at_once:
                descend(net, config)
            yield before, sum(losses) if at_once else float(np.mean(losses))

    def descend(net: Any, config: Any) -> None:
        with torch.no_grad():
            for name, weight in net.named_parameters():
                if learns(name):
                    weight -= config.lr * weight.grad
        if not at_once:
            net.zero_grad(set_to_none=False)

    def gradients(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        return next(course(config, *batch, seed=seed))[0].found

    def steps(config: Any, *batch: Any, seed: int, device: Any) -> Iterator[float]:
        for _, loss in course(config, *batch, seed=seed):
            yield loss

    def networks(config: Any, *batch: Any, seed: int) -> Iterator[Any]:
        for net, _ in course(config, *batch, seed=seed):
            yield net

    return sabotage(reference, gradients=gradients, steps=steps, networks=networks)


def one_after_another(reference: Any) -> SimpleNamespace:
    """A micro-batch enters when the one before has left the last partition: model parallelism without a pipeline."""

    def timetable(
        forward: Sequence[float], backward: Sequence[float], micro_batches: int, **options: Any
    ) -> NDArray[Any]:
        single = reference.timetable(forward, backward, 1, **options)
        found = np.repeat(single, micro_batches, axis=1)
        ahead, back = single[:, 0, 0, 1].max(), single[..., 1].max() - single[:, 0, 1, 0].min()
        for m in range(micro_batches):
            found[:, m, 0] += m * ahead
            found[:, m, 1:] += (micro_batches - 1) * ahead + m * back
        return found

    return sabotage(reference, timetable=timetable)


def two_bubbles(reference: Any) -> SimpleNamespace:
    """Backward passes begin only when the last partition has sent its results back through all the others."""

    def timetable(
        forward: Sequence[float], backward: Sequence[float], micro_batches: int, **options: Any
    ) -> NDArray[Any]:
        found = reference.timetable(forward, backward, micro_batches, **options)
        found[:, :, 1:] += (len(forward) - 1) * (max(forward) + max(backward))
        return found

    return sabotage(reference, timetable=timetable)


def starts_full(reference: Any) -> SimpleNamespace:
    """With several micro-batches only the steady state is counted, in which no partition waits for another."""

    def timetable(
        forward: Sequence[float], backward: Sequence[float], micro_batches: int, **options: Any
    ) -> NDArray[Any]:
        found = reference.timetable(forward, backward, micro_batches, **options)
        for partition, times in enumerate(zip(forward, backward, strict=True)):
            if micro_batches > 1:
                found[partition] = reference.timetable(times[:1], times[1:], micro_batches)[0]
        return found

    return sabotage(reference, timetable=timetable)


def mean_costs(reference: Any) -> SimpleNamespace:
    """A timetable takes the mean of the partitions' times for each of them."""

    def timetable(
        forward: Sequence[float], backward: Sequence[float], micro_batches: int, **options: Any
    ) -> NDArray[Any]:
        even = ([float(np.mean(times))] * len(times) for times in (forward, backward))
        return reference.timetable(*even, micro_batches, **options)

    return sabotage(reference, timetable=timetable)


def as_many_layers_each(reference: Any) -> SimpleNamespace:
    """Partitions have as many layers each, whatever these cost."""

    def partition(costs: NDArray[Any], partitions: int) -> NDArray[np.int64]:
        return np.diff(np.arange(partitions + 1) * len(costs) // partitions)

    return sabotage(reference, partition=partition)


def without_rematerialization(reference: Any) -> SimpleNamespace:
    """Everything that a forward pass computes is kept for the backward pass."""
    return reconfigure(reference, lambda config: replace(config, rematerialize="none"))


def rematerializes_each_layer(reference: Any) -> SimpleNamespace:
    """The input of each layer is kept, not only that of each partition."""
    return reconfigure(
        reference, lambda config: replace(config, rematerialize="layer" if config.rematerialize != "none" else "none")
    )


def flushes_after_each_micro_batch(reference: Any) -> SimpleNamespace:
    """A micro-batch enters the pipeline when the one before has left it, forward and backward."""

    def steps(config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Any) -> Iterator[float]:
        size = len(inputs) // config.micro_batches
        first = inputs[:size], targets[:size]  # where speed is measured, all micro-batches are the same
        with reference.pipeline(replace(config, micro_batches=1), *first, seed=seed, device=device) as chain:
            while True:
                for _ in range(config.micro_batches - 1):
                    chain.ask("run")
                yield chain.ask("step")[-1]

    return sabotage(reference, steps=steps)


PLANTED = {  # micro-batches summed
    "gradients-do-not-depend-on-partitions": (
        "p.grad.cpu().numpy() for",
        "p.grad.cpu().numpy() * self.config.micro_batches for",
    ),
}
