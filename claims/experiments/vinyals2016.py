"""How sequence-to-sequence for sets is measured: the contract, and experiments that train networks.

Networks sort numbers that the suite draws; models of joint probabilities learn rows of symbols in an order. Both are
measured as what their weights make them, in a process that has trained nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import vinyals2016 as oracle
from repro import Experiment, Measurements, ReproError, Setting, Weights, scalar
from repro.task import Device, Pointer, PointerDecoder, Sequences, Stateful

TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
FEW, MOST = 8, 0.75  # sets whose answers are checked against the equations, and the share that must agree
PROCESSING = ("process.U", "process.b", "write.A")
OPTIONAL = ("write.start", "encoder.c", "write.c", "process.c", "process.V", "chain.c")
Order = tuple[int, ...]
Rows = NDArray[np.int64]


class SetNetwork(PointerDecoder, Stateful, Protocol):
    """The contract: networks that point at the elements of a set, and models of a joint probability.

    N sets or rows, L elements of the largest set or symbols of a row, M places, D features, H hidden units, V symbols,
    P processing steps. Scores count up to a constant for each step.

    Sets. Presets "ptr-0" to "p10-1" are the columns of Table 1. A config has at least the fields `model` ("process",
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

    Joint probabilities. Preset "chain" has `orders` (permutations of places; none for the order in which they come),
    `uniform`, and the fields of training as above. Each symbol is predicted from those before it in the order: an LSTM
    (chain.W [4 H, H], chain.U, chain.b, optional chain.c) reads zeros first, then the embeddings chain.E [V, H] of
    symbols, and head.W [V, H] and head.b [V] make scores of the next. The loss is -log p summed over the row, a mean
    over the batch. Of several orders, each row of a batch gets one at random: each as likely in the first `uniform`
    updates, then in proportion to p(Y_pi).
    """

    def scores(self, pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
        """Scores [N, M, L] of each element at each step while `outputs` [N, M] are read."""
        ...

    def processed(self, pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
        """q*_P [N, 2 H] of sets."""
        ...

    def learn(
        self, config: Any, rows: Rows, symbols: int, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        """Train on rows [N, L] of V symbols; yield (step, model) as `train` does."""
        ...

    def log_probabilities(self, model: Any, rows: Rows, order: Order) -> NDArray[np.float32]:
        """Log p [N, L] of each symbol given those before it in that order, by its place in the row."""
        ...

    def chosen(self, model: Any, rows: Rows, *, seed: int) -> NDArray[np.int64]:
        """For each row the number of an order of the config, drawn in proportion to p(Y_pi)."""
        ...

    def chain_state(self, model: Any) -> dict[str, NDArray[Any]]:
        """All that a model has learnt, by canonical name."""
        ...

    def chain_restore(self, config: Any, state: dict[str, NDArray[Any]], *, device: Device) -> Any:
        """The model whose state that is."""
        ...

    def margins(self, better: Sequence[float], worse: Sequence[float]) -> NDArray[np.float64]:
        """By how much each number of one row of a table exceeds that of another."""
        ...


@dataclass(frozen=True, kw_only=True)
class UnsortedSets:
    """Sets of numbers, uniform between 0 and 1, and where they lie from the smallest on, or in any order.

    Attributes:
        count: sets.
        size: numbers of each.
        seed: where they come from.
        targets: "sorted", or "any": each set's places in a random order of their own.
    """

    count: int
    size: int
    seed: tuple[int, ...]
    targets: str = "sorted"

    @cached_property
    def inputs(self) -> Sequences:
        """Numbers [N, n, 1]."""
        items = np.random.default_rng(self.seed).random((self.count, self.size, 1), dtype=np.float32)
        return Sequences(items=items, lengths=np.full(self.count, self.size))

    @cached_property
    def outputs(self) -> Sequences:
        """Places [N, n]."""
        keys = self.inputs.items[:, :, 0]
        if self.targets == "any":
            keys = np.random.default_rng((*self.seed, AUDIT)).random(keys.shape)
        return Sequences(items=np.argsort(keys, axis=1, kind="stable"), lengths=self.inputs.lengths.copy())


def some_sets(seed: int) -> UnsortedSets:
    """A few training pairs for audits."""
    return UnsortedSets(count=256, size=5, seed=(seed, AUDIT))


@contextmanager
def elsewhere(network: SetNetwork, setting: Setting) -> Iterator[Any]:
    """The implementation where models are restored: of a submission, a process that has trained nothing."""
    if setting.untrained is None:
        yield network
    else:
        with setting.untrained() as names:
            yield names


def canonical(state: Mapping[str, NDArray[Any]], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """What `state` gave, in float64; optional arrays of zeros are left out.

    Raises:
        ReproError: if something is missing, is none of the weights, or has another shape.
    """
    try:
        found = {name: np.array(value, np.float64) for name, value in state.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ReproError(f"state gives no arrays of numbers by name: {error}") from error
    for name, shape in wanted.items():
        if name not in found and name not in OPTIONAL:
            raise ReproError(f"state has no {name!r} {list(shape)}", f"It has {', '.join(state)}.")
        if name in found and found[name].shape != shape:
            raise ReproError(f"state has {name!r} as {list(found[name].shape)}, where {list(shape)} is due")
    if more := sorted(found.keys() - wanted.keys()):
        raise ReproError(f"state has {more[0]!r}, which is none of the weights", f"They are {', '.join(wanted)}.")
    return {name: value for name, value in found.items() if name not in OPTIONAL or value.any()}


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


def chain_shapes(config: Any, symbols: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights of a model of joint probabilities."""
    h = config.hidden
    return {"chain.E": (symbols, h), **_lstm("chain", h), "head.W": (symbols, h), "head.b": (symbols,)}


@dataclass(frozen=True, kw_only=True)
class Sorting(Experiment):
    """Train a network to sort, and count the sets that it sorts of others.

    Attributes:
        size: numbers of a set.
        targets: of training, "sorted" or "any".
        instances: test sets.

    Measures:
        accuracy: sets all of whose numbers are pointed at in their order, in %.
        loss: mean of -log p of targets of the training's kind, in nats a set.
    """

    size: int
    targets: str = "sorted"
    instances: int = 2000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: SetNetwork, setting: Setting) -> Measurements:
        """Train one network on sets that it sees once, and test it."""
        config, n = setting.config, self.size
        sets = UnsortedSets(
            count=max(1, config.batch * config.updates), size=n, seed=(setting.seed, TRAIN), targets=self.targets
        )
        course = network.train(config, sets, seed=setting.seed, device=setting.device, eval_steps=(0,))
        found = [{name: np.array(value) for name, value in network.state(each).items()} for _, each in course]
        arrays = found[-1]
        weights = canonical(arrays, shapes(config))
        still = PROCESSING if config.model == "process" and config.steps < 2 else ()  # these get no gradient
        test = UnsortedSets(count=self.instances, size=n, seed=(setting.seed, TEST), targets=self.targets)
        right = UnsortedSets(count=self.instances, size=n, seed=(setting.seed, TEST)).outputs.items
        with elsewhere(network, setting) as names:
            other = names.restore(config, arrays, device=setting.device)
            answers, loss = _answers(other, test.inputs, n), _loss(names, other, test)
        follows = _agree(weights, test.inputs, answers, config.steps, setting.seed)
        if not follows or not _moved(*found[:: len(found) - 1], still):
            answers = np.zeros_like(answers)  # what answers must be what has learnt
        accuracy = 100 * (answers == right).all(1).mean()
        return {"accuracy": scalar(accuracy, "%", better="higher"), "loss": scalar(loss, "nats", better="lower")}


def _answers(pointer: Pointer, inputs: Sequences, longest: int) -> NDArray[Any]:
    """Places [N, L] that a pointer gives of copies of the sets; zeros where it gives fewer."""
    answer = pointer.point(Sequences(items=inputs.items.copy(), lengths=inputs.lengths.copy()), longest)
    found = np.zeros((len(inputs.lengths), longest), np.int64)
    items, lengths = np.asarray(answer.items), np.asarray(answer.lengths)
    if items.shape == found.shape and (lengths == inputs.lengths).all():
        found[:] = items
    return found


def _moved(first: Mapping[str, Any], last: Mapping[str, Any], still: Sequence[str] = ()) -> bool:
    """Whether training has moved most numbers of every array, but for those that are optional or get no gradient."""
    return all(
        float(np.mean(first[name] != last[name])) > 0.5 for name in last if name not in OPTIONAL and name not in still
    )


def _loss(network: SetNetwork, pointer: Pointer, sets: UnsortedSets) -> float:
    """-log p of the targets, in nats a set."""
    scores = np.asarray(network.scores(pointer, sets.inputs, sets.outputs), np.float64)
    logp = oracle.log_softmax(scores)
    return -float(np.take_along_axis(logp, sets.outputs.items[..., None], 2).sum((1, 2)).mean())


def _agree(weights: Weights, inputs: Sequences, found: NDArray[Any], steps: int, seed: int) -> bool:
    """Whether most of some answers are those that the equations give of the weights."""
    rows = np.random.default_rng((seed, AUDIT)).choice(len(found), min(FEW, len(found)), replace=False)
    same = [oracle.best(weights, inputs.items[row].astype(np.float64), found[row].tolist(), steps) for row in rows]
    return float(np.mean(same)) >= MOST


@dataclass(frozen=True, kw_only=True)
class Star:
    """Rows of a star: a head, which is uniform, and variables that depend on it alone, by tables that are drawn.

    Attributes:
        rows: to learn from.
        spread: the parameter of the Dirichlet distribution of a table's rows: the smaller, the more peaky.
        variables: of a row, the head first.
        symbols: that a variable may have.
        tests: rows to test on.
    """

    rows: int
    spread: float
    variables: int = 10
    symbols: int = 10
    tests: int = 2000

    def drawn(self, setting: Setting) -> tuple[Rows, Rows]:
        """Rows to learn from and to test on, [N, L]."""
        rng = np.random.default_rng((setting.seed, TRAIN))
        tables = rng.dirichlet(np.full(self.symbols, self.spread), (self.variables - 1, self.symbols)).cumsum(2)
        heads = rng.integers(self.symbols, size=self.rows + self.tests)
        leaves = [(rng.random(len(heads))[:, None] > table[heads][:, :-1]).sum(1) for table in tables]
        found = np.stack([heads, *leaves], axis=1)
        return found[: self.rows], found[self.rows :]


@dataclass(frozen=True, kw_only=True)
class Text:
    """Windows of a text, one after another, whose rare words are one symbol.

    Attributes:
        length: words of a window.
        symbols: kinds of words that are kept apart: the first of the vocabulary, which is by frequency.
    """

    length: int
    symbols: int

    def drawn(self, setting: Setting) -> tuple[Rows, Rows]:
        """Rows to learn from and to test on, [N, L]."""
        return self._windows(setting.dataset.train.tokens), self._windows(setting.dataset.test.tokens)

    def _windows(self, tokens: Rows) -> Rows:
        known = np.where(tokens < self.symbols, tokens, 0)
        return known[: len(known) // self.length * self.length].reshape(-1, self.length)


@dataclass(frozen=True, kw_only=True)
class Joint(Experiment):
    """Train a model of a joint probability in an order, and test it on other rows.

    Attributes:
        source: of the rows.

    Measures:
        nats: mean of -log p of a symbol.
        independent: of a symbol by frequencies at its place in training, each counted once more.
        perplexity, independent perplexity: their exponentials.
    """

    source: Star | Text
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: SetNetwork, setting: Setting) -> Measurements:
        """Train one model on copies of the rows, and test it in the order of its training."""
        config, symbols, (order, *_) = setting.config, self.source.symbols, setting.config.orders
        rows, tests = self.source.drawn(setting)
        course = network.learn(config, rows.copy(), symbols, seed=setting.seed, device=setting.device, eval_steps=(0,))
        found = [{name: np.array(value) for name, value in network.chain_state(each).items()} for _, each in course]
        arrays = found[-1]
        weights = canonical(arrays, chain_shapes(config, symbols))
        with elsewhere(network, setting) as names:
            other = names.chain_restore(config, arrays, device=setting.device)
            logp = np.asarray(names.log_probabilities(other, tests.copy(), order), np.float64)
        few = np.random.default_rng((setting.seed, AUDIT)).choice(len(tests), FEW, replace=False)
        known = np.array([oracle.conditionals(weights, tests[row].tolist(), order) for row in few])
        follows = logp.shape == tests.shape and np.abs(logp[few] - known).max() < 1e-2
        follows = follows and _moved(*found[:: len(found) - 1])
        nats = -float(logp.mean()) if follows else np.inf  # what predicts must be what has learnt
        alone = float(np.mean([_independent(*places, symbols) for places in zip(rows.T, tests.T, strict=True)]))
        return {
            "nats": scalar(nats, "nats", better="lower"),
            "independent": scalar(alone, "nats"),
            "perplexity": scalar(np.exp(nats), "perplexity", better="lower"),
            "independent perplexity": scalar(np.exp(alone), "perplexity"),
        }


def _independent(known: Rows, tests: Rows, symbols: int) -> float:
    """Mean of -log p of symbols by the frequencies of others, each counted once more."""
    counts = np.bincount(known, minlength=symbols) + 1.0
    return -float(np.log(counts / counts.sum())[tests].mean())
