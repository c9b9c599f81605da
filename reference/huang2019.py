"""GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism -- Huang et al., 2019.

Paper       arXiv:1811.06965v5
Implements  Section 2 (partitions, micro-batches, re-materialization, deferred batch normalization, the costs of Section
            2.3) and the Transformer-L of Section 3 and Table 1, on torch.distributed.pipelining: one process for each
            partition, ScheduleGPipe between them.
Shapes      N examples of a mini-batch, T tokens of one, D width, L layers, K partitions, M micro-batches, P parameters.
Units       losses are nats or mean squares; memory is in bytes; times are in seconds or in any unit that is given.

Deviations
  1. The authors' library is built on Lingvo and TensorFlow; here the schedule is torch's.
  2. On CPUs neighbouring processes exchange tensors over pairs of Unix sockets, not over gloo, which needs a network:
     submissions have none, and theirs must be the times of the same thing. A neighbour's loss is noticed at once, too.
     On GPUs they use NCCL, one GPU each, and find one another by a file in a temporary folder.
  3. Section 2.2 minimizes the variance of the partitions' estimated costs without saying how. Here it is by dynamic
     programming over all contiguous partitions, so exactly.
  4. Section 2.2 has a user estimate the cost of each layer; here it is known from the sizes of the layer's matrices.
  5. Transformer-L's vocabulary and output layer are not described: 32,000 tokens and an output layer of its own, which
     give the printed numbers of parameters. Positions are sinusoids, layers normalize their inputs.
  6. The small networks for exact comparisons are not the paper's: residual layers with float64 weights, and layers that
     only wait and are not run twice. Descent is plain; for Transformers it is RMSProp, as in the caption of Table 1.
  7. A micro-batch's variance is biased where it normalizes and unbiased in the moving average, as torch has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from reference.common.deferred_norm import DeferredNorm
from reference.common.live_bytes import LiveBytes
from reference.common.pipelined_layers import Embedding, Residual, TransformerLayer, Waiting, draw
from reference.common.process_chain import Neighbours, ProcessChain, join_neighbours
from repro.task import Device


@dataclass(frozen=True, kw_only=True)
class Config:
    """A network, and how it is spread. Defaults are a small residual network on one accelerator."""

    network: Literal["residual", "transformer", "waiting"] = "residual"
    layers: int = 8
    width: int = 16
    hidden: int = 32  # width inside a layer
    heads: int = 1
    vocabulary: int = 0
    batch_norm: bool = False  # in each residual layer, on its inputs
    deferred: bool = True  # moving averages follow the mini-batch (Section 2.2), not each micro-batch
    costs: tuple[float, ...] = ()  # of waiting layers: seconds of a forward pass; a backward pass takes twice that
    partitions: int = 1  # K
    cut: tuple[int, ...] = ()  # layers of each partition, where a user chooses them; else they follow from costs
    micro_batches: int = 1  # M
    rematerialize: Literal["partition", "layer", "none"] = "partition"
    optimizer: Literal["descent", "rmsprop"] = "descent"
    lr: float = 0.05
    momentum: float = 0.1  # weight of the newest mini-batch in moving averages
    precision: Literal["float64", "float32"] = "float64"
    memory: int = 0  # bytes that a GPU may use; 0 for all that it has
    patience: float = 300.0  # seconds after which partitions that do not answer are given up

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= self.blocks or self.micro_batches < 1:
            raise ValueError(f"{self.blocks} layers cannot be spread as {self}")
        if self.network == "waiting" and len(self.costs) != self.layers:
            raise ValueError(f"{self.layers} layers need as many costs, not {len(self.costs)}")

    @property
    def blocks(self) -> int:
        """Layers that a partition is made of: a Transformer's embedding and output layer count."""
        return self.layers + 2 if self.network == "transformer" else self.layers


def _transformer(layers: int, partitions: int, micro_batches: int, *, rematerialize: bool = True) -> Config:
    return Config(
        network="transformer", layers=layers, width=2048, hidden=8192, heads=32, vocabulary=32_000,
        partitions=partitions, micro_batches=micro_batches, precision="float32", optimizer="rmsprop", lr=1e-4,
        rematerialize="partition" if rematerialize else "none",
    )  # fmt: skip


CONFIGS = {
    "residual": Config(),
    "batch-norm": Config(batch_norm=True, layers=4),
    "computing": Config(layers=8, width=256, hidden=1024),
    "waiting": Config(network="waiting", layers=4, width=1, costs=(0.03,) * 4, lr=0.01, rematerialize="none"),
    "transformer-48": _transformer(48, 2, 32),
    "transformer-naive-1": _transformer(3, 1, 1, rematerialize=False),
    **{f"transformer-pipeline-{k}": _transformer(n, k, 32) for k, n in ((1, 13), (8, 103), (32, 415), (128, 1663))},
}


# The networks: sequences of layers (Section 2.1)


def block(config: Config, index: int) -> nn.Module:
    """Layer number `index`, its weights not yet drawn."""
    if config.network == "residual":
        norm = DeferredNorm(config.width, config.momentum, config.deferred) if config.batch_norm else nn.Identity()
        return Residual(config.width, config.hidden, norm)
    if config.network == "waiting":
        return Waiting(config.costs[index])
    if 0 < index <= config.layers:
        return TransformerLayer(config.width, config.hidden, config.heads)
    return Embedding(config.vocabulary, config.width) if index == 0 else nn.Linear(config.width, config.vocabulary)


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy of tokens [N, T] in nats, or the mean square of differences."""
    if targets.is_floating_point():
        return F.mse_loss(outputs, targets)
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())


# Partitions (Section 2.2)


def costs(config: Config) -> NDArray[np.float64]:
    """Estimated cost of each layer's forward pass [L]: how many weights it multiplies by, or seconds."""
    if config.network == "waiting":
        return np.array(config.costs)
    with torch.device("meta"):
        layers = [block(config, index) for index in range(config.blocks)]
    return np.array([sum(m.weight.numel() for m in layer.modules() if isinstance(m, nn.Linear)) for layer in layers])


def partition(costs: NDArray[Any], partitions: int) -> NDArray[np.int64]:
    """Layers of each of K contiguous partitions [K], none empty, of the least variance of the partitions' costs.

    The mean is given, so that is the least sum of squares: best[k, l] for the first l layers in k partitions is the
    least of best[k - 1, j] + (cost of layers j to l)**2 over j < l. The first of equals is taken.

    Raises:
        ValueError: for fewer layers than partitions.
    """
    count = len(costs)
    if not 1 <= partitions <= count:
        raise ValueError(f"{count} layers cannot be spread over {partitions} partitions")
    total = np.concatenate([[0.0], np.cumsum(costs)])
    best, cuts = np.full(count + 1, np.inf), np.zeros((partitions, count + 1), np.int64)
    best[0] = 0.0
    for k in range(partitions):
        square = np.where(np.tri(count + 1, k=-1, dtype=bool), (total[:, None] - total) ** 2, np.inf)
        found = best + square  # [l, j]
        cuts[k], best = found.argmin(1), found.min(1)
    ends = [count]
    for k in reversed(range(partitions)):
        ends.append(int(cuts[k, ends[-1]]))
    return np.diff(ends[::-1])


def spread(config: Config) -> list[list[int]]:
    """The layers of each partition."""
    sizes = config.cut or partition(costs(config), config.partitions)
    return [part.tolist() for part in np.split(np.arange(config.blocks), np.cumsum(sizes)[:-1])]


def border(config: Config, index: int, shape: tuple[int, ...]) -> Tensor:
    """What a micro-batch is like where it enters a partition or, after the last, where it leaves; without contents."""
    dtype = getattr(torch, config.precision)
    if config.network != "transformer":
        return torch.empty(shape, dtype=dtype, device="meta", requires_grad=index > 0)
    if index == 0:
        return torch.empty(shape, dtype=torch.long, device="meta")
    width = config.width if index < config.partitions else config.vocabulary
    return torch.empty(*shape, width, dtype=dtype, device="meta", requires_grad=True)


class Partition(nn.Module):
    """Consecutive layers on one accelerator. It keeps its input and computes the rest again (Section 2.3)."""

    def __init__(self, config: Config, index: int, seed: int, device: torch.device) -> None:
        super().__init__()
        own = spread(config)[index]
        with torch.device("meta"):
            self.layers = nn.ModuleDict({str(i): block(config, i) for i in own})
        if device.type != "meta":
            for i in own:
                draw(self.layers[str(i)], i, seed, device).to(getattr(torch, config.precision))
        self.rematerialize = config.rematerialize
        self.norms = [layer for layer in self.modules() if isinstance(layer, DeferredNorm)]

    def forward(self, x: Tensor) -> Tensor:
        """What the next partition is given, or the network's outputs."""
        layers = list(self.layers.values())
        if self.rematerialize == "partition":
            return self._kept(nn.Sequential(*layers), x)
        for layer in layers:
            x = self._kept(layer, x) if self.rematerialize == "layer" else layer(x)
        return x

    def _kept(self, layer: nn.Module, x: Tensor) -> Tensor:
        contexts = lambda: (nullcontext(), self._again())  # noqa: E731 -- as torch asks for them
        return checkpoint(layer, x, use_reentrant=False, preserve_rng_state=False, context_fn=contexts)  # pyright: ignore

    @contextmanager
    def _again(self) -> Iterator[None]:
        for norm in self.norms:
            norm.recomputing = True
        try:
            yield
        finally:  # torch ends it by an exception once it has what it needs
            for norm in self.norms:
                norm.recomputing = False


# One process for each partition


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a process is started with; the first partition gets the inputs, the last one the targets."""

    config: Config
    index: int
    seed: int
    device: Device
    inputs: NDArray[Any] | None
    targets: NDArray[Any] | None
    micro_batch: tuple[int, ...]  # shape of a micro-batch of inputs
    rendezvous: str  # folder in which processes with NCCL find one another


class Worker:
    """One partition in its process."""

    def __init__(self, task: Task, neighbours: Neighbours) -> None:
        config, k = task.config, task.config.partitions
        self.config, self.task = config, task
        self.device = torch.device("cuda", task.index) if task.device == "cuda" else torch.device("cpu")
        join_neighbours(task.index, k, neighbours, self.device, task.rendezvous)
        if config.memory:
            torch.cuda.set_per_process_memory_fraction(min(1.0, config.memory / torch.cuda.mem_get_info()[1]))
        self.part = Partition(config, task.index, task.seed, self.device)
        update = torch.optim.RMSprop if config.optimizer == "rmsprop" else torch.optim.SGD
        self.optimizer = update(self.part.parameters(), lr=config.lr, foreach=False)  # at once would need more memory
        self.inputs, self.targets = (self._tensor(array) for array in (task.inputs, task.targets))
        self.schedule = self._schedule()

    def _tensor(self, array: NDArray[Any] | None) -> Tensor | None:
        if array is None:
            return None
        found = torch.from_numpy(array).to(self.device)
        return found.to(getattr(torch, self.config.precision)) if found.is_floating_point() else found.long()

    def _schedule(self) -> Any:
        """Torch's schedule of this partition; what crosses its borders is told beforehand, so that nothing is tried."""
        from torch.distributed.pipelining import PipelineStage, ScheduleGPipe  # a second, which only processes need

        index, k = self.task.index, self.config.partitions
        inputs, outputs = (border(self.config, i, self.task.micro_batch) for i in (index, index + 1))
        stage = PipelineStage(self.part, index, k, self.device, input_args=inputs, output_args=outputs)
        return ScheduleGPipe(stage, self.config.micro_batches, loss_fn=loss)

    def gradients(self) -> dict[str, NDArray[Any]]:
        """The gradient of the mean loss."""
        self.run()
        found = self.part.layers.named_parameters()
        return {symbol(name): p.grad.cpu().numpy() for name, p in found if p.grad is not None}

    def step(self) -> float:
        """Update once; the loss before it, in the last partition."""
        found = self.run()
        self.optimizer.step()  # the same synchronous update everywhere
        return found

    def state(self) -> dict[str, NDArray[Any]]:
        """All that this partition has learnt."""
        return state(self.part)

    def run(self) -> float:
        """Run all micro-batches forward and backward; the mean loss, in the last partition."""
        self.part.zero_grad(set_to_none=False)  # gradients keep their memory, which is counted with the weights
        args = () if self.inputs is None else (self.inputs,)
        losses: list[Tensor] = []
        self.schedule.step(*args, target=self.targets, losses=losses, return_outputs=False)
        for norm in self.part.norms:
            norm.settle()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return float(torch.stack(losses).detach().double().mean()) if losses else 0.0


@contextmanager
def pipeline(
    config: Config, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Device = "cpu"
) -> Iterator[ProcessChain]:
    """The processes of all partitions; what they are asked for is a method of `Worker`.

    Raises:
        ValueError: for a mini-batch that does not divide, and for memory limits where there is no GPU.
    """
    if config.memory and device != "cuda":
        raise ValueError("memory can be limited on GPUs only")
    if len(inputs) % config.micro_batches:
        raise ValueError(f"{len(inputs)} examples do not make {config.micro_batches} equal micro-batches")
    shape, last = (len(inputs) // config.micro_batches, *inputs.shape[1:]), config.partitions - 1
    with TemporaryDirectory(prefix="pipeline-") as folder:
        tasks = [
            Task(
                config=config, index=index, seed=seed, device=device, micro_batch=shape, rendezvous=folder,
                inputs=np.ascontiguousarray(inputs) if index == 0 else None,
                targets=np.ascontiguousarray(targets) if index == last else None,
            )
            for index in range(config.partitions)
        ]  # fmt: skip
        preload = ["torch.distributed.pipelining", "repro.task"]  # once, not in each process
        chain = ProcessChain(Worker, tasks, patience=config.patience, called="partition", preload=preload)
        with closing(chain):
            yield chain


# What the suite asks


SYMBOLS = {
    "up.weight": "U", "up.bias": "b", "down.weight": "V", "down.bias": "c",
    "norm.weight": "gamma", "norm.bias": "beta", "norm.running_mean": "mean", "norm.running_var": "variance",
}  # fmt: skip


def symbol(name: str) -> str:
    """The canonical name of a weight: its layer's number and the symbol that it has in a residual layer."""
    layer, _, own = name.partition(".")
    return f"{layer}.{SYMBOLS.get(own, own)}"


def gradients(config: Config, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int) -> dict[str, NDArray[Any]]:
    """By parameter, the gradient of the mean loss over a mini-batch at the initial weights of `seed`."""
    with pipeline(config, inputs, targets, seed=seed) as chain:
        return {name: value for part in chain.ask("gradients") for name, value in part.items()}


def steps(config: Config, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Device) -> Iterator[float]:
    """For ever: update once on the mini-batch and yield its loss before the update."""
    with pipeline(config, inputs, targets, seed=seed, device=device) as chain:
        while True:
            yield chain.ask("step")[-1]


def networks(config: Config, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int) -> Iterator[Partition]:
    """For ever: the network before the first update on the mini-batch, and after each."""
    with pipeline(config, inputs, targets, seed=seed) as chain:
        while True:
            found = {name: value for part in chain.ask("state") for name, value in part.items()}
            yield restore(config, found, device="cpu")
            chain.ask("step")


def state(network: Partition) -> dict[str, NDArray[Any]]:
    """All that a network, or a partition of it, has learnt, by canonical name."""
    return {symbol(name): value.cpu().numpy().copy() for name, value in network.layers.state_dict().items()}


def restore(config: Config, state: dict[str, NDArray[Any]], *, device: Device) -> Partition:
    """The network whose state that is, for evaluation."""
    network = Partition(replace(config, partitions=1, cut=()), 0, 0, torch.device(device))
    with torch.no_grad():
        for name, value in network.layers.state_dict().items():
            value.copy_(torch.from_numpy(state[symbol(name)]))
    return network.eval()


@torch.no_grad()
def outputs(network: Partition, inputs: NDArray[Any]) -> NDArray[Any]:
    """What the network gives in evaluation, when normalizations go by their moving averages."""
    return network(torch.from_numpy(inputs)).numpy()


def parameters(config: Config) -> int:
    """Weights of the network; inner layers are alike."""
    some = (0, config.blocks // 2, config.blocks - 1)
    with torch.device("meta"):
        first, inner, last = (sum(p.numel() for p in block(config, index).parameters()) for index in some)
    return first + (config.blocks - 2) * inner + last


# Costs (Section 2.3)


def footprint(config: Config, examples: int, length: int = 0) -> NDArray[np.int64]:
    """Most bytes of activations and their gradients at once in each partition, in one update, [K].

    Each partition goes through what the schedule has it do, forward for all micro-batches and backward for all, on
    tensors without contents. Weights and their gradients are not counted.
    """
    return np.array([_partition_footprint(config, index, examples, length) for index in range(config.partitions)])


def _partition_footprint(config: Config, index: int, examples: int, length: int) -> int:
    part = Partition(config, index, 0, torch.device("meta")).to(getattr(torch, config.precision))
    for weight in part.parameters():
        weight.grad = torch.empty_like(weight)
    gradients = [weight.grad for weight in part.parameters() if weight.grad is not None]
    shape = (examples // config.micro_batches, length or config.width)
    with torch.device("meta"), LiveBytes([*part.parameters(), *gradients, *part.buffers()]) as live:
        kept: list[tuple[Tensor, Tensor, Tensor]] = []  # as the schedule keeps them
        for _ in range(config.micro_batches):
            x = border(config, index, shape)
            out = value = part(x)
            if index == config.partitions - 1:
                value = loss(out, torch.empty(shape, dtype=torch.long) if length else torch.empty_like(out))
            kept.append((x, out, value))
        while kept:
            x, out, value = kept.pop(0)
            value.backward(torch.empty_like(value))
            del x, out, value
    return live.peak


def timetable(
    forward: Sequence[float],
    backward: Sequence[float],
    micro_batches: int,
    *,
    recompute: Sequence[float] | None = None,
    latency: float = 0.0,
) -> NDArray[np.float64]:
    """When each partition does what for each micro-batch, [K, M, 3, 2]: forward, again, backward; start and end.

    A forward pass waits for the previous partition's, a backward pass for the next one's; each partition does one
    thing at a time, all forward passes first. The second forward pass waits for nobody (Section 2.3). Times [K] are
    those of one micro-batch; `latency` is from the end of a pass to its result's arrival next door.
    """
    k, again = len(forward), recompute or [0.0] * len(forward)
    found, free = np.zeros((k, micro_batches, 3, 2)), np.zeros(k)
    for m in range(micro_batches):
        for i in range(k):
            start = max(free[i], found[i - 1, m, 0, 1] + latency if i else 0.0)
            free[i] = start + forward[i]
            found[i, m, 0] = start, free[i]
    for m in range(micro_batches):
        for i in reversed(range(k)):
            ready = free[i] + again[i]
            start = max(ready, found[i + 1, m, 2, 1] + latency if i < k - 1 else 0.0)
            found[i, m, 1] = free[i], ready
            free[i] = start + backward[i]
            found[i, m, 2] = start, free[i]
    return found
