"""How context modules are measured: the contract, and how well trained networks restore corrupted label maps.

Every trained network is measured from the arrays that `state` gives of it, where nothing was trained.

Shapes: N maps, C classes, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.label_maps import (
    CLASSES,
    Labels,
    corrupted,
    cross_entropy,
    drawn_maps,
    mean_iou,
    one_hot,
    picture,
)
from claims.oracles import yu2016 as oracle
from repro import Experiment, Measurements, Setting, Weights, check_state, scalar
from repro.task import Device, GraphRegressor, Graphs, Stateful

Array = NDArray[np.float64]
AUDIT = 2  # a stream of random numbers beside those of maps to learn from and to test on
FEW = 4  # maps whose scores are checked against the equations


class DensePredictor(GraphRegressor, Stateful, Protocol):
    """A network that labels every place of a map: a context module, or the front end that feeds it.

    A map or an image is a graph of one node, whose features are `[C, H, W]` flattened, (H, W) = `config.size`; a front
    end gets three colours. `outputs` and predictions are `[K, H', W']` flattened: targets are one-hot, and zero in all
    classes of a place without a label; predictions are scores before any softmax.

    A network is padded by `padding` places on each side, with zeros or by reflection that does not repeat the edge,
    and no layer pads. A context module ("context") has 3x3 layers of `multiples` C maps with `dilations`, then 1x1 to C
    maps. A front end has blocks of 3x3 layers, 2x2 max pooling with stride 2 after each block that is not among
    `ablated` (from 1), a layer of `window` x `window` and one of 1x1 with `fully` maps, and 1x1 to C. Each ablated
    pooling doubles the dilation of all layers behind it. All layers but the last are truncated, max(., 0), of slope 0
    at 0.

    `state` gives kernels "k1" [to, from, F, F] and biases "b1" [to], and so on, for all layers with weights in order;
    entry [b, a, i, j] multiplies the place (i, j) of the window, from its upper left, as libraries have it: Eq. 2 is
    flipped. Biases start at 0, kernels by `start`: "identity" is Eq. 5 with sigma = `noise` in all layers, so Eq. 4
    where all have C maps and no noise; "gaussian" has this sigma; "xavier" is uniform with variance 2 / (fan-in +
    fan-out), fans counting places of the window. Training minimises the mean, over all labelled places of a batch, of
    the softmax's cross-entropy: v <- `momentum` v - `rate` gradient, w <- w + v. A pass takes each map at most once in
    an order drawn anew, and leaves out what fills no `batch`.
    """

    def train(
        self,
        config: Any,
        data: Any,
        *,
        seed: int,
        device: Device,
        eval_steps: Sequence[int] = (),
        start: Weights | None = None,
    ) -> Any:
        """As `repro.task.Trainable`; from the weights `start` if they are given."""
        ...

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every array of `state`, without allocating it."""
        ...

    def forward(self, config: Any, weights: Weights, maps: Array) -> list[Array]:
        """What each layer with weights gives of maps [N, C, H, W] of any size, truncated where it is, before pooling.

        The last are the scores. Sides of maps that are reflected exceed the padding, and poolings come out even.
        """
        ...

    def dilated(self, maps: Array, kernel: Array, dilation: int) -> Array:
        """Eq. 2, F *_l k, of one map F [H, W] that is zero outside, and k [2r + 1, 2r + 1] with k(0) in its middle."""
        ...


@dataclass(frozen=True)
class LabelledMaps:
    """Maps, each the node of a graph, and one-hot targets [N, D]."""

    inputs: Graphs
    outputs: NDArray[np.float32]


def graphs_of(maps: NDArray[Any]) -> Graphs:
    """Maps [N, C, H, W] as graphs of one node."""
    ones, none = np.ones(len(maps), np.int64), np.zeros((0, 2), np.int64)
    nodes = np.asarray(maps, np.float32).reshape(len(maps), -1)
    return Graphs(nodes=nodes, edges=none, links=np.zeros((0, 1), np.float32), nodes_of=ones, edges_of=0 * ones)


def pairs(maps: NDArray[Any], targets: NDArray[Any]) -> LabelledMaps:
    """Maps [N, C, H, W] with targets [N, K, H', W']."""
    return LabelledMaps(graphs_of(maps), np.asarray(targets, np.float32).reshape(len(maps), -1))


def untaught(config: Any, maps: NDArray[Any]) -> LabelledMaps:
    """Maps [N, C, H, W] with targets that say nothing, of the shape that the config's network gives."""
    sides = [oracle.side(config, side) for side in config.size]
    return pairs(maps, np.zeros((len(maps), config.classes, *sides)))


def some_maps(seed: int) -> LabelledMaps:
    """A few training pairs for audits."""
    maps, labels = drawn_maps(16, (seed, AUDIT), 12)
    return pairs(maps, one_hot(labels, CLASSES))


def course(
    network: DensePredictor, setting: Setting, data: Any, at: Sequence[int] = (), start: Weights | None = None
) -> tuple[dict[int, dict[str, Array]], Any]:
    """By update the weights that training has then, and the network at its end."""
    shapes, found, model = oracle.shapes(setting.config), dict[int, dict[str, Array]](), None
    further: Any = {} if start is None else {"start": start}
    for step, model in network.train(
        setting.config, data, seed=setting.seed, device=setting.device, eval_steps=at, **further
    ):
        arrays = {name: np.array(value, np.float64) for name, value in network.state(model).items()}
        check_state(arrays, shapes)
        found[step] = arrays
    return found, model


def restored(network: DensePredictor, setting: Setting, weights: Weights, maps: Array) -> Array:
    """Scores [N, K, H', W'] of maps by a network that is made of weights where nothing was trained.

    They are NaN where those of a few maps, which are drawn, are not what the equations give.
    """
    arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    with setting.untrained() if setting.untrained else nullcontext(network) as names:
        found = np.asarray(names.restore(setting.config, arrays, device=setting.device).predict(graphs_of(maps)))
    some = np.random.default_rng((setting.seed, AUDIT)).choice(len(maps), min(FEW, len(maps)), replace=False)
    wanted = oracle.forward(weights, setting.config, maps[some])[-1]
    scores = found.reshape(len(maps), *wanted.shape[1:]).astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = np.abs(scores[some] - wanted) <= 1e-3 * max(1.0, np.abs(wanted).max())
    return scores if near.all() else np.full_like(scores, np.nan)


@dataclass(frozen=True)
class LabelMaps(Experiment):
    """Train on corrupted label maps and restore others; maps are generated, or those of a dataset of scenes.

    Measures:
        iou: mean intersection over union of what is restored, in %.
        given: that of the corrupted maps themselves, which a front end would have.
        loss, excess: cross-entropy of the restored maps, in nats, and by how much it exceeds that of an even guess.
        moved: the logarithm to base 10 of how far training moved any of the last biases.
        maps: of one map, by panel its labels, what is given, and what is restored.

    Attributes:
        examples, tests: maps to learn from and to restore.
    """

    examples: int = 100
    tests: int = 30
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: DensePredictor, setting: Setting) -> Measurements:
        """Train one network; a dataset without label maps measures NaN."""
        config, parts = setting.config, self._drawn(setting)
        if not parts:
            nothing = {name: scalar(np.nan, "nats") for name in ("loss", "excess", "moved")}
            return nothing | {name: scalar(np.nan, "%") for name in ("iou", "given")}
        (maps, labels), (tests, wanted) = parts
        weights, _ = course(network, setting, pairs(maps, one_hot(labels, config.classes)), (0,))
        first, last = weights[0], weights[max(weights)]
        after = restored(network, setting, last, tests)
        loss, biases = cross_entropy(after, wanted), f"b{len(first) // 2}"
        return {
            "iou": scalar(mean_iou(after, wanted), "%", better="higher"),
            "given": scalar(mean_iou(tests, wanted), "%"),
            "loss": scalar(loss, "nats", better="lower"),
            "excess": scalar(float(np.maximum(0, loss - np.log(config.classes))), "nats"),
            "moved": scalar(float(np.log10(np.maximum(1e-12, np.abs(last[biases] - first[biases]).max()))), "1"),
            "maps": picture(wanted[0], tests[0], after[0]),
        }

    def _drawn(self, setting: Setting) -> list[tuple[Array, Labels]]:
        """Corrupted scores and labels, to learn from and to test on."""
        found, size = list[tuple[Array, Labels]](), setting.config.size
        for stream, count in enumerate((self.examples, self.tests)):
            if setting.data is None:
                found.append(drawn_maps(count, (setting.seed, stream), size[0]))
                continue
            labels = getattr((setting.dataset.train, setting.dataset.test)[stream], "maps", None)
            if labels is None:
                return []
            step = max(1, labels.shape[1] // size[0])
            some = np.random.default_rng((setting.seed, stream)).permutation(len(labels))[:count]
            thin = labels[some, ::step, ::step][:, : size[0], : size[1]].astype(np.int64)
            found.append((corrupted(thin, (setting.seed, stream, 1), setting.config.classes), thin))
        return found


def smaller(config: Any, **changed: Any) -> Any:
    """A config of few maps, for exact checks."""
    return replace(config, **{"classes": 2, "batch": 1, "updates": 0} | changed)


def drawn_weights(config: Any, rng: np.random.Generator, bias: float = 0.2) -> dict[str, Array]:
    """Kernels that keep the size of what passes, and biases, all normal."""
    found = dict[str, Array]()
    for name, shape in oracle.shapes(config).items():
        found[name] = rng.standard_normal(shape) * (bias if name[0] == "b" else 1.4 / np.sqrt(np.prod(shape[1:])))
    return found


def off(found: Any, wanted: Any) -> float:
    """The largest difference as a share of the largest wanted number; infinite for another shape."""
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    if a.shape != b.shape:
        return np.inf
    return float(np.nan_to_num(np.abs(a - b).max(initial=0), nan=np.inf) / max(1e-30, np.abs(b).max(initial=0)))
