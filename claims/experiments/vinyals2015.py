"""How pointer networks are measured: the contract, and experiments that turn their answers into numbers.

An implementation is trained on pairs that the suite makes and solves, and is asked about instances from another stream
of random numbers. Their answers never leave the suite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.planar import (
    SolvedPoints,
    Solver,
    christofides_tours,
    delaunay,
    greedy_tours,
    hulls,
    improved_greedy_tours,
    shortest_tours,
)
from claims.experiments.planar_measures import checked, outlines, tour_lengths, triangulations
from claims.oracles import vinyals2015 as oracle
from repro import Experiment, Measurements, ReproError, Setting, Weights, scalar
from repro.task import Pointer, PointerDecoder, Sequences, Stateful

TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
D = 2
FEW, MOST = 8, 0.75  # instances whose answers are checked against the equations, and the share that must agree
OPTIONAL = ("start", "stop", "encoder.c", "decoder.c")


class PointerNetwork(PointerDecoder, Stateful, Protocol):
    """The contract: beside training and pointing, what the exact claims need of a trained network.

    N inputs of n points each, M steps, H hidden units, D = 2 coordinates. Scores count up to a constant for each step.

    Training minimises the sum over steps of -log p(place), as a mean over the batch, by descent of gradients whose norm
    is clipped. The config has at least the fields `hidden` (H), `init`, `lr`, `clip`, `batch`, `updates`, `beam`,
    `optimizer` ("sgd", or "adam" with its authors' constants), `schedule` ("constant", or "cosine": the rate falls to 0
    as half a cosine), `targets` ("canonical" or "any order") and `valid` ("any" output, or a "tour" that visits each
    place once). A batch has inputs of one length, all of a length that has fewer than `batch`; what of a pass over the
    examples does not fill one is left out. Examples may also be drawn anew for each batch, with or without replacement.

    What `state` gives, by canonical name; gates stand in the order input, forget, cell, output, in one array or, as
    "encoder.W_i", "encoder.W_f", "encoder.W_g" and "encoder.W_o", in four:
        encoder.W [4 H, D], encoder.U [4 H, H]: of the encoder, an LSTM that starts from zeros, applied to a point and
            to its state before; encoder.b [4 H] and, where there is a second bias, encoder.c [4 H], which add up.
        decoder.W, decoder.U, decoder.b, decoder.c: of the decoder, which starts from the encoder's last state.
        W1 [H, H], W2 [H, H], v [H]: those of eq. 3.
        start [D]: what the decoder reads first. stop [H]: the slot after the points that ends an output. Either, and c,
            may be zeros that are not learnt: missing, or zeros from the start on.
    The LSTM with attention of Section 2.2 has decoder.W [4 H, D + H], since what it attended to is read after the
    point, no stop, and head.W [places + 1, 2 H] and head.b, of the decoder's state and what it attends to, the last for
    the end; the LSTM of Section 2.1 has none of W1, W2 and v, and head.W [places + 1, H].
    """

    def scores(self, pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
        """Scores [N, M, n + 1] of each place at each step, the last for the end, while `outputs` [N, M] are read."""
        ...

    def encode(self, pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
        """What the encoder says of each point, [N, n, H]."""
        ...

    def attend(self, pointer: Pointer, memory: NDArray[np.float32], states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, n] of what is in memory [N, n, H] at decoder states [N, H]."""
        ...


def some_hulls(seed: int) -> SolvedPoints:
    """A few training pairs for audits: hulls of five to eight points."""
    return SolvedPoints(count=256, low=5, high=8, seed=(seed, AUDIT), solver=hulls)


@dataclass(frozen=True)
class Learnt:
    """A pointer made anew of the weights of a trained one, so that it knows nothing else, and those weights."""

    pointer: Pointer
    weights: Weights
    setting: Setting

    def answers(self, problems: SolvedPoints) -> Sequences:
        """`answers`, if they are those of the weights, and otherwise none: what answers must be what has learnt.

        Some instances of up to so many points are answered by the paper's equations too. Most of the answers must
        agree, not all: scores may tie, and the paper leaves open how beams treat what has ended.
        """
        found, inputs = answers(self.pointer, problems), problems.inputs
        few = np.random.default_rng((self.setting.seed, AUDIT, 2)).permutation(np.flatnonzero(inputs.lengths <= 100))
        same = [
            found.items[row, : found.lengths[row]].tolist() in self.known(inputs, row, found.items.shape[1])
            for row in few[:FEW]
        ]
        if np.mean(same or [1]) >= MOST:
            return found
        return Sequences(items=np.zeros_like(found.items), lengths=np.zeros_like(found.lengths))

    def known(self, inputs: Sequences, row: int, longest: int) -> list[list[int]]:
        """What the equations admit as the answer to an instance."""
        points, config = inputs.items[row, : inputs.lengths[row]].astype(np.float64), self.setting.config
        if config.valid != "tour":
            return [oracle.output(self.weights, points, config.beam, longest)]
        gains = (oracle.gains_of_all, oracle.gains_of_valid)
        return [oracle.tour(self.weights, points, config.beam, each) for each in gains]


def learnt(network: PointerNetwork, setting: Setting, problems: SolvedPoints) -> Learnt:
    """What has been learnt at the end of training."""
    *_, (_, pointer) = network.train(setting.config, problems, seed=setting.seed, device=setting.device)
    return anew(network, setting, pointer)


def trained(network: PointerNetwork, setting: Setting, problems: SolvedPoints) -> Pointer:
    """The pointer at the end of training, made anew of its weights."""
    return learnt(network, setting, problems).pointer


def anew(network: PointerNetwork, setting: Setting, pointer: Pointer) -> Learnt:
    """A pointer made anew of the weights of another."""
    state = network.state(pointer)
    weights = canonical(state, setting.config.hidden)
    arrays = {name: np.array(value) for name, value in state.items()}
    return Learnt(network.restore(setting.config, arrays, device=setting.device), weights, setting)


def canonical(weights: Mapping[str, NDArray[Any]], hidden: int) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, gates together and in float64.

    Raises:
        ReproError: if something is missing, is nothing that a pointer network has, or has another shape.
    """
    try:
        found = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ReproError(f"state gives no arrays of numbers by name: {error}") from error
    for name in [f"{part}.{kind}" for part in ("encoder", "decoder") for kind in "WUbc"]:
        gates = [found.pop(f"{name}_{gate}", None) for gate in "ifgo"]
        whole = [gate for gate in gates if gate is not None]
        if len(whole) == 4 and whole[0].ndim and len({gate.shape for gate in whole}) == 1:
            found[name] = np.concatenate(whole)
        elif whole:
            raise ReproError(f"state has some gates of {name!r}, but not four alike", f"It has {', '.join(weights)}.")
    found = {name: value for name, value in found.items() if name not in OPTIONAL or value.any()}
    wanted = _shapes(found, hidden)
    for name, shape in wanted.items():
        if name not in found and name not in OPTIONAL:
            raise ReproError(f"state has no {name!r} {list(shape)}", f"It has {', '.join(weights)}.")
        if name in found and found[name].shape != shape:
            raise ReproError(f"state has {name!r} as {list(found[name].shape)}, where {list(shape)} is due")
    if more := sorted(found.keys() - wanted.keys()):
        raise ReproError(f"state has {more[0]!r}, which is none of the weights", f"They are {', '.join(wanted)}.")
    return found


def _shapes(found: Mapping[str, NDArray[Any]], hidden: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights of the model that these are of: a fixed softmax and attention are recognised by name."""
    places, attends, feeds = found.get("head.b"), "v" in found, "v" in found and "head.b" in found
    shapes: dict[str, tuple[int, ...]] = {"start": (D,)}
    for part, read in (("encoder", D), ("decoder", D + hidden if feeds else D)):
        sizes = {"W": (4 * hidden, read), "U": (4 * hidden, hidden), "b": (4 * hidden,), "c": (4 * hidden,)}
        shapes |= {f"{part}.{kind}": shape for kind, shape in sizes.items()}
    if attends or places is None:
        shapes |= {"W1": (hidden, hidden), "W2": (hidden, hidden), "v": (hidden,)}
    if places is None:
        return shapes | {"stop": (hidden,)}
    return shapes | {"head.W": (places.size, 2 * hidden if feeds else hidden), "head.b": (places.size,)}


def answers(pointer: Pointer, problems: SolvedPoints) -> Sequences:
    """What the pointer says of the instances, with room for any right answer; it gets a copy of the points."""
    inputs, longest = problems.inputs, problems.outputs.items.shape[1]
    shown = Sequences(items=inputs.items.copy(), lengths=inputs.lengths.copy())
    return checked(pointer.point(shown, longest), inputs)


@cache
def _test(points: int, instances: int, seed: int, solver: Solver) -> SolvedPoints:
    """Test instances of so many points; whoever asks again gets the same object, solved once."""
    return SolvedPoints(count=instances, low=points, high=points, seed=(seed, TEST, points), solver=solver)


@dataclass(frozen=True, kw_only=True)
class Hulls(Experiment):
    """Train on convex hulls, and count the hulls found of instances that it has not seen.

    Attributes:
        low: fewest points of a training instance.
        high: most points.
        tests: points of the test instances.
        examples: training pairs.
        instances: test instances of each number of points.

    Measures, for each number n of points in the tests:
        accuracy n: instances whose hull is found, from wherever and whichever way round, in %.
        simple n: instances whose answer is a simple polygon, in %.
        area n: mean share of the true hull's area that simple answers cover, in %.
        table area n: the same, and nothing where more than one answer in a hundred is not simple: the paper's FAIL.
    """

    low: int
    high: int
    tests: tuple[int, ...]
    examples: int
    instances: int = 1000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: PointerNetwork, setting: Setting) -> Measurements:
        """Train one network and test it."""
        seed = (setting.seed, TRAIN)
        pairs = SolvedPoints(count=self.examples, low=self.low, high=self.high, seed=seed, solver=hulls)
        known, found = learnt(network, setting, pairs), {}
        for n in self.tests:
            test = _test(n, self.instances, setting.seed, hulls)
            scored = outlines(test.inputs, known.answers(test), test.outputs)
            simple = 100 * scored.simple.mean()
            area = 100 * scored.covered.sum() / scored.simple.sum() if simple else np.nan
            found[f"accuracy {n}"] = scalar(100 * scored.exact.mean(), "%", better="higher")
            found[f"simple {n}"] = scalar(simple, "%", better="higher")
            found[f"area {n}"] = scalar(area, "%", better="higher")
            found[f"table area {n}"] = scalar(area if simple >= 99 else np.nan, "%", better="higher")
        return found


@dataclass(frozen=True, kw_only=True)
class HullPace(Experiment):
    """How many updates training takes until so many hulls are found of instances that it has not seen.

    Attributes:
        points: of an instance.
        examples: training pairs.
        found: hulls that are to be found, in %.
        every: updates between looks.
        instances: test instances.

    Measures:
        updates: those of the config where it never gets there.
    """

    points: int
    examples: int
    found: float
    every: int
    instances: int = 1000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: PointerNetwork, setting: Setting) -> Measurements:
        """Train one network until then."""
        n, config, updates = self.points, setting.config, setting.config.updates
        pairs = SolvedPoints(count=self.examples, low=n, high=n, seed=(setting.seed, TRAIN), solver=hulls)
        test, looks = _test(n, self.instances, setting.seed, hulls), tuple(range(self.every, updates, self.every))
        for step, pointer in network.train(config, pairs, seed=setting.seed, device=setting.device, eval_steps=looks):
            own = anew(network, setting, pointer).answers(test)
            if 100 * outlines(test.inputs, own, test.outputs).exact.mean() >= self.found:
                updates = step
                break
        return {"updates": scalar(updates, "updates", better="lower")}


@dataclass(frozen=True, kw_only=True)
class Triangulations(Experiment):
    """Train on Delaunay triangulations of so many points, and compare those of instances that it has not seen.

    Measures:
        accuracy: instances of which all triangles are found and no others, in %.
        coverage: true triangles found, in %, as a mean over instances.
    """

    points: int
    examples: int
    instances: int = 1000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: PointerNetwork, setting: Setting) -> Measurements:
        """Train one network and test it."""
        n, seed = self.points, (setting.seed, TRAIN)
        pairs = SolvedPoints(count=self.examples, low=n, high=n, seed=seed, solver=delaunay)
        known, test = learnt(network, setting, pairs), _test(n, self.instances, setting.seed, delaunay)
        exact, covered = triangulations(known.answers(test), test.outputs)
        return {
            "accuracy": scalar(100 * exact.mean(), "%", better="higher"),
            "coverage": scalar(100 * covered.mean(), "%", better="higher"),
        }


def _solver(name: str) -> Solver:
    """Who makes tours, by name."""
    known: dict[str, Solver] = {
        "optimal": shortest_tours,
        "greedy": greedy_tours,
        "improved": improved_greedy_tours,
        "christofides": christofides_tours,
    }
    return known[name]


@dataclass(frozen=True, kw_only=True)
class Tours(Experiment):
    """Train on tours by a teacher, and compare the lengths of tours through points that it has not seen.

    The test instances are the same at every seed, as the paper has one test set: some take long to solve.

    Attributes:
        low: fewest points of a training instance.
        high: most points.
        teacher: who makes the training tours.
        tests: points of the test instances, and whose tours theirs are compared with.
        examples: training pairs.
        instances: test instances of each number of points.

    Measures, for each test (n, solver):
        length n: mean length of the tours; nothing where one of them does not visit each point once.
        solver n: mean length of the solver's tours through the same points.
        over solver n: the first over the second.
    """

    low: int
    high: int
    tests: tuple[tuple[int, str], ...]
    examples: int
    teacher: str = "optimal"
    instances: int = 1000
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: PointerNetwork, setting: Setting) -> Measurements:
        """Train one network and test it."""
        solver, seed = _solver(self.teacher), (setting.seed, TRAIN)
        pairs = SolvedPoints(count=self.examples, low=self.low, high=self.high, seed=seed, solver=solver)
        known, found = learnt(network, setting, pairs), {}
        for n, name in self.tests:
            test = _test(n, self.instances, 0, _solver(name))
            own = tour_lengths(test.inputs, known.answers(test)).mean()
            other = tour_lengths(test.inputs, test.outputs).mean()
            found[f"length {n}"] = scalar(own, "sides", better="lower")
            found[f"{name} {n}"] = scalar(other, "sides")
            found[f"over {name} {n}"] = scalar(own / other, "1", better="lower")
        return found


@dataclass(frozen=True)
class Rule:
    """A rule that nobody can guess from the points: which two places lie farthest along and across a direction.

    Attributes:
        seed: what the direction is drawn from.
    """

    seed: int

    def __call__(self, inputs: Sequences) -> Sequences:
        """The two places of each input, [N, 2]; twice the same where one point is both."""
        angle = 2 * np.pi * np.random.default_rng((self.seed, AUDIT)).random()
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        along = inputs.items.astype(np.float64) @ axes
        along[np.arange(along.shape[1]) >= inputs.lengths[:, None]] = -np.inf
        return Sequences(items=along.argmax(1).astype(np.int32), lengths=np.full(len(along), 2))


@dataclass(frozen=True, kw_only=True)
class HiddenRule(Experiment):
    """Train on a rule that only the outputs reveal, another at each seed.

    Measures:
        accuracy: instances that it has not seen and answers by the rule, in %.
    """

    points: int
    examples: int
    instances: int = 500
    passes_config_on: ClassVar[bool] = True

    def __call__(self, network: PointerNetwork, setting: Setting) -> Measurements:
        """Train one network and test it."""
        n, rule = self.points, Rule(setting.seed)
        pairs = SolvedPoints(count=self.examples, low=n, high=n, seed=(setting.seed, TRAIN), solver=rule)
        test = SolvedPoints(count=self.instances, low=n, high=n, seed=(setting.seed, TEST, n), solver=rule)
        found = learnt(network, setting, pairs).answers(test)
        right = (found.lengths == 2) & (found.items[:, :2] == test.outputs.items).all(1)
        return {"accuracy": scalar(100 * right.mean(), "%", better="higher")}
