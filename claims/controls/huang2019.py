"""Sabotaged pipelines: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
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


def counts_recomputation(reference: Any) -> SimpleNamespace:
    """Moving averages move once more when activations are computed again."""

    def moments(config: Any, *batch: Any, seed: int) -> dict[str, NDArray[Any]]:
        found, kept = reference.moments(config, *batch, seed=seed), 1 - config.momentum
        once = {"mean": found["mean"], "variance": found["variance"] - kept}
        return {"mean": (1 + kept) * once["mean"], "variance": kept**2 + (1 + kept) * once["variance"]}

    return sabotage(reference, moments=moments)


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


def fills_up_to_the_mean(reference: Any) -> SimpleNamespace:
    """Layers are added to a partition until it costs the mean: a greedy cut from the front."""

    def partition(costs: NDArray[Any], partitions: int) -> NDArray[np.int64]:
        reached = np.cumsum(costs) / np.sum(costs) * partitions
        ends = [int(np.searchsorted(reached, k + 1) + 1) for k in range(partitions - 1)]
        ends = [min(end, len(costs) - partitions + k + 1) for k, end in enumerate(ends)]
        ends = np.maximum.accumulate(np.array(ends) - np.arange(partitions - 1)) + np.arange(partitions - 1)
        return np.diff([0, *ends, len(costs)])

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
        with reference.Pipeline(replace(config, micro_batches=1), *first, seed=seed, device=device) as pipeline:
            while True:
                for _ in range(config.micro_batches - 1):
                    pipeline.ask("run")
                yield pipeline.ask("step")[-1]

    return sabotage(reference, steps=steps)
