"""How sequence-to-sequence for sets is measured: the contract, and experiments that train networks.

Networks sort numbers that the suite draws, and are measured as what their weights make them, in a process that has
trained nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.named_arrays import elsewhere, moved, named
from claims.experiments.number_sets import UnsortedSets
from claims.oracles import vinyals2016 as oracle
from repro import Experiment, Measurements, Setting, Weights, scalar
from repro.task import Pointer, PointerDecoder, Sequences, Stateful

TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
FEW, MOST = 8, 0.75  # sets whose answers are checked against the equations, and the share that must agree
PROCESSING = ("process.U", "process.b", "write.A")
OPTIONAL = ("write.start", "encoder.c", "write.c", "process.c", "process.V")


class SetNetwork(PointerDecoder, Stateful, Protocol):
    """The contract: networks that point at the elements of a set.

    N sets, L elements of the largest, M places, D features, H hidden units. Scores count up to a constant for a step.

    Presets "ptr-0" to "p10-1" are the columns of Table 1. A config has at least the fields `model` ("process",
    or "pointer" for the Ptr-Net), `steps` (P), `glimpses` (0 or 1), `hidden` (H), `init`, `optimizer` ("adam" with its
    authors' constants, or "sgd", plain descent), `lr`, `clip`, `batch` and `updates`. Training minimises the sum over
    steps of -log p(place) as a mean over the batch. The norm of the gradient is clipped; update k (from 0) has the rate
    lr (1 + cos(pi k / updates)) / 2. Batches are drawn from all examples, in passes or anew, as many as `batch` where
    there are so many; sets of different sizes may stand in one. `point` takes the best place at each step, as many as
    there are elements; elements may be pointed at twice. Weights start uniform in +-init.

    What `state` gives, by canonical name; gates stand in the order input, forget, cell, output:
        read.W1 [H, D], read.b1 [H], read.W2 [H, H], read.b2 [H]: m = W2 tanh(W1 x + b1) + b2.
        process.U [4 H, 2 H], process.b [4 H]: of the LSTM that reads q* = [q r] and evolves it from zeros; eq. 4 is a
            dot product. write.A [H, 2 H]: Write's first hidden state is A q*_P, its first cell zeros.
        encoder.W [4 H, H], encoder.U [4 H, H], encoder.b [4 H]: in their place in a Ptr-Net, an LSTM over m from zeros,
            whose states are what is pointed at, and whose last state begins Write.
        write.W, write.U, write.b: of an LSTM that reads m of the place before. write.start [H]: what it reads first.
        point.W1 [H, H], point.W2 [H, H], point.v [H]: scores v . tanh(W1 m_j + W2 d), d its hidden state.
        glimpse.W1, glimpse.W2, glimpse.v, glimpse.W3 [H, H] with a glimpse: a softmax of such scores reads r of the
            memory, and W3 r is added to W2 d of the pointing.
    Optional, missing or zeros that stay so: write.start, second biases write.c, encoder.c and process.c, and process.V
    [4 H, H], by which the LSTM of eq. 3 reads q once more.
    """

    def scores(self, pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
        """Scores [N, M, L] of each element at each step while `outputs` [N, M] are read."""
        ...

    def processed(self, pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
        """q*_P [N, 2 H] of sets."""
        ...

    def margins(self, better: Sequence[float], worse: Sequence[float]) -> NDArray[np.float64]:
        """By how much each number of one row of a table exceeds that of another."""
        ...


def some_sets(seed: int) -> UnsortedSets:
    """A few training pairs for audits."""
    return UnsortedSets(count=256, size=5, seed=(seed, AUDIT))


def _lstm(part: str, h: int) -> dict[str, tuple[int, ...]]:
    return {f"{part}.W": (4 * h, h), f"{part}.U": (4 * h, h), f"{part}.b": (4 * h,), f"{part}.c": (4 * h,)}


def shapes(config: Any, features: int = 1) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights of a network for sets."""
    h = config.hidden
    found: dict[str, tuple[int, ...]] = {"read.W1": (h, features), "read.b1": (h,), "read.W2": (h, h), "read.b2": (h,)}
    if config.model == "process":
        found |= {"process.U": (4 * h, 2 * h), "process.b": (4 * h,), "process.c": (4 * h,), "process.V": (4 * h, h)}
        found |= {"write.A": (h, 2 * h)}
    else:
        found |= _lstm("encoder", h)
    found |= _lstm("write", h) | {"write.start": (h,)}
    for part in ("point", "glimpse")[: 1 + config.glimpses]:
        found |= {f"{part}.W1": (h, h), f"{part}.W2": (h, h), f"{part}.v": (h,)}
    return found | ({"glimpse.W3": (h, h)} if config.glimpses else {})


@dataclass(frozen=True, kw_only=True)
class Sorting(Experiment):
    """Train a network on sets of so many numbers with "sorted" targets or those of "any" order, and test it on others.

    Measures:
        accuracy: sets all of whose numbers are pointed at in their order, in %.
    """

    size: int
    targets: str = "sorted"
    instances: int = 2000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: SetNetwork, setting: Setting) -> Measurements:
        """Train one network on sets that it sees once."""
        config, n = setting.config, self.size
        count = max(1, config.batch * config.updates)
        sets = UnsortedSets(count=count, size=n, seed=(setting.seed, TRAIN), targets=self.targets)
        course = network.train(config, sets, seed=setting.seed, device=setting.device, eval_steps=(0,))
        found = [{name: np.array(value) for name, value in network.state(each).items()} for _, each in course]
        weights = named(found[-1], shapes(config), OPTIONAL)
        still = (
            *OPTIONAL,
            *(PROCESSING if config.model == "process" and config.steps < 2 else ()),
        )  # these get no gradient
        test = UnsortedSets(count=self.instances, size=n, seed=(setting.seed, TEST))
        with elsewhere(network, setting) as names:
            answers = _answers(names.restore(config, found[-1], device=setting.device), test.inputs, n)
        follows = _agree(weights, test.inputs, answers, config.steps, setting.seed)
        if not follows or not moved(found[0], found[-1], still):
            answers = np.zeros_like(answers)  # what answers must be what has learnt
        accuracy = 100 * (answers == test.outputs.items).all(1).mean()
        return {"accuracy": scalar(accuracy, "%", better="higher")}


def _answers(pointer: Pointer, inputs: Sequences, longest: int) -> NDArray[Any]:
    """Places [N, L] that a pointer gives of copies of the sets; zeros where it gives fewer."""
    answer = pointer.point(Sequences(items=inputs.items.copy(), lengths=inputs.lengths.copy()), longest)
    found = np.zeros((len(inputs.lengths), longest), np.int64)
    items, lengths = np.asarray(answer.items), np.asarray(answer.lengths)
    if items.shape == found.shape and (lengths == inputs.lengths).all():
        found[:] = items
    return found


def _agree(weights: Weights, inputs: Sequences, found: NDArray[Any], steps: int, seed: int) -> bool:
    """Whether most of some answers are those that the equations give of the weights."""
    rows = np.random.default_rng((seed, AUDIT)).choice(len(found), min(FEW, len(found)), replace=False)
    same = [oracle.best(weights, inputs.items[row].astype(np.float64), found[row].tolist(), steps) for row in rows]
    return float(np.mean(same)) >= MOST
