"""How pointer networks are measured: the contract, and experiments that turn their answers into numbers.

An implementation is trained on pairs that the suite makes and solves, and is asked about instances from another stream
of random numbers. Their answers never leave the suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.experiments.planar import (
    Problems,
    Solver,
    checked,
    christofides_tours,
    delaunay,
    greedy_tours,
    hulls,
    improved_greedy_tours,
    nearest_tours,
    outlines,
    shortest_tours,
    tour_lengths,
    triangulations,
)
from repro import Measurements, Setting, cases, scalar
from repro.task import Pointer, PointerDecoder, Sequences

TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
SIZES = (5, 50, 500)  # points of an input, of which one network must take any number


class PointerNetwork(PointerDecoder, Protocol):
    """The contract: beside training and pointing, what the exact claims need of a trained network.

    N inputs of n points each, M steps, H hidden units. Scores count up to a constant for each step.
    """

    def parameters(self, pointer: Pointer) -> dict[str, NDArray[Any]]:
        """All that it has learnt, by name."""
        ...

    def scores(self, pointer: Pointer, inputs: Sequences, outputs: Sequences) -> NDArray[np.float32]:
        """Scores [N, M, n + 1] of each place at each step, the last for the end, while `outputs` [N, M] are read."""
        ...

    def encode(self, pointer: Pointer, inputs: Sequences) -> NDArray[np.float32]:
        """What the encoder says of each point, [N, n, H]."""
        ...

    def attend(self, pointer: Pointer, memory: NDArray[np.float32], states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, n] of what is in memory [N, n, H] at decoder states [N, H]."""
        ...


def some_hulls(seed: int) -> Problems:
    """A few training pairs for audits: hulls of five to eight points."""
    return Problems(count=256, low=5, high=8, seed=(seed, AUDIT), solver=hulls)


def _trained(network: PointerNetwork, setting: Setting, problems: Problems) -> Pointer:
    """The pointer at the end of training."""
    *_, (_, pointer) = network.train(setting.config, problems, seed=setting.seed, device=setting.device)
    return pointer


def _answers(pointer: Pointer, problems: Problems) -> Sequences:
    """What the pointer says of the instances, with room for any right answer; it gets a copy of the points."""
    inputs, longest = problems.inputs, problems.outputs.items.shape[1]
    shown = Sequences(items=inputs.items.copy(), lengths=inputs.lengths.copy())
    return checked(pointer.point(shown, longest), inputs)


@cache
def _test(points: int, instances: int, seed: int, solver: Solver) -> Problems:
    """Test instances of so many points; whoever asks again gets the same object, solved once."""
    return Problems(count=instances, low=points, high=points, seed=(seed, TEST, points), solver=solver)


@dataclass(frozen=True, kw_only=True)
class Hulls:
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
        pairs = Problems(count=self.examples, low=self.low, high=self.high, seed=seed, solver=hulls)
        pointer, found = _trained(network, setting, pairs), {}
        for n in self.tests:
            test = _test(n, self.instances, setting.seed, hulls)
            scored = outlines(test.inputs, _answers(pointer, test), test.outputs)
            simple = 100 * scored.simple.mean()
            area = 100 * scored.covered.sum() / scored.simple.sum() if simple else np.nan
            found[f"accuracy {n}"] = scalar(100 * scored.exact.mean(), "%")
            found[f"simple {n}"] = scalar(simple, "%")
            found[f"area {n}"] = scalar(area, "%")
            found[f"table area {n}"] = scalar(area if simple >= 99 else np.nan, "%")
        return found


@dataclass(frozen=True, kw_only=True)
class Triangulations:
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
        pairs = Problems(count=self.examples, low=n, high=n, seed=seed, solver=delaunay)
        pointer, test = _trained(network, setting, pairs), _test(n, self.instances, setting.seed, delaunay)
        exact, covered = triangulations(_answers(pointer, test), test.outputs)
        return {"accuracy": scalar(100 * exact.mean(), "%"), "coverage": scalar(100 * covered.mean(), "%")}


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
class Tours:
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
        pairs = Problems(count=self.examples, low=self.low, high=self.high, seed=seed, solver=solver)
        pointer, found = _trained(network, setting, pairs), {}
        for n, name in self.tests:
            test = _test(n, self.instances, 0, _solver(name))
            own = tour_lengths(test.inputs, _answers(pointer, test)).mean()
            other = tour_lengths(test.inputs, test.outputs).mean()
            found[f"length {n}"], found[f"{name} {n}"] = scalar(own, "sides"), scalar(other, "sides")
            found[f"over {name} {n}"] = scalar(own / other, "1")
        return found


# Exact checks, of networks that have not been trained


def _uniform(count: int, points: int, seed: int) -> Problems:
    return Problems(count=count, low=points, high=points, seed=(seed, AUDIT), solver=hulls)


def sizes(network: PointerNetwork, setting: Setting) -> Measurements:
    """Count what is learnt by networks for inputs of 5, 50 and 500 points, and what one of them chooses from."""
    hidden, coordinates = setting.config.hidden, 2
    pointers = [_trained(network, setting, _uniform(4, n, setting.seed)) for n in SIZES]
    counts = [sum(np.size(part) for part in network.parameters(pointer).values()) for pointer in pointers]
    exact = 2 * 4 * hidden * (coordinates + hidden + 1) + 2 * hidden**2 + hidden  # two LSTMs of one bias, W1 and W2, v
    widths = []
    for n in SIZES:
        test = _uniform(2, n, setting.seed)
        first = Sequences(items=test.outputs.items[:, :3], lengths=np.full(2, 3))
        widths += [np.shape(network.scores(pointers[0], test.inputs, first))[-1] - n]
    return {
        "growth": cases(np.subtract(counts, counts[0]), 0, "parameters"),
        "core": cases(np.subtract(counts, exact), 0, "parameters"),
        "ends": cases(np.subtract(counts, exact), 2 * (coordinates + hidden), "parameters"),
        "beyond the points": cases(widths, 1, "scores"),
    }


def work(network: PointerNetwork, setting: Setting) -> Measurements:
    """Count different scores of places while tours of 8 and of 16 points are read, over 8 instances."""
    pointer = _trained(network, setting, _uniform(4, 8, setting.seed))
    different = []
    for n in (8, 16):
        inputs = _uniform(8, n, setting.seed).inputs
        order = Sequences(items=np.tile(np.arange(n), (8, 1)), lengths=np.full(8, n))
        found = network.scores(pointer, inputs, order)[:, :, :n]
        different.append([len(np.unique(each)) for each in found])
    return {"ratio": cases(np.divide(different[1], different[0]), 4, "1")}


def permuted(network: PointerNetwork, setting: Setting) -> Measurements:
    """Permute the memory at a fixed state of the decoder, and the points that are encoded."""
    rng, n = np.random.default_rng([setting.seed, AUDIT]), 12
    problems = _uniform(8, n, setting.seed)
    pointer = _trained(network, setting, problems)
    memory = network.encode(pointer, problems.inputs)
    states, order = rng.uniform(-1, 1, (8, memory.shape[2])).astype(np.float32), rng.permutation(n)
    known, moved = (_softmax(network.attend(pointer, m, states)) for m in (memory, memory[:, order]))
    other = Sequences(items=problems.inputs.items[:, order], lengths=problems.inputs.lengths)
    change = network.encode(pointer, other) - memory[:, order]
    return {
        "moved": cases((moved - known[:, order]).ravel(), 0, "probability"),
        "encoded": cases(np.linalg.norm(change, axis=(1, 2)), 1e-3, "1"),
    }


def _softmax(scores: NDArray[Any]) -> NDArray[np.float64]:
    exact = np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True))
    return exact / exact.sum(1, keepdims=True)


def validity(network: PointerNetwork, setting: Setting) -> Measurements:
    """Tours of 60 inputs of 4 to 20 points by an untrained network: which visit each point once."""
    problems = Problems(count=60, low=4, high=20, seed=(setting.seed, AUDIT), solver=nearest_tours)
    tours = _answers(_trained(network, setting, problems), problems)
    valid = np.isfinite(tour_lengths(problems.inputs, tours))
    return {"valid": cases(valid, 1, "tours"), "invalid share": cases([1 - valid.mean()], [0.5], "1")}
