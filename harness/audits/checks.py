"""What a submission answers, for audits: checked for its form, asked about in another way, and compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.sandbox.inside.wire import Handle
from repro import task
from repro.errors import ReproError
from repro.experiment import classification

Answers = dict[str, NDArray[Any]]
"""What was answered about each image, stream, graph ..., by what messages call it."""

JUNK = 3  # items of padding to add
SIDES, LARGEST, NAME = 8, 1 << 40, 500  # dimensions of a declared weight, the largest, and characters of a name


class Fault(Exception):
    """Something wrong with an answer, in one line; `last` if nothing more can be compared."""

    def __init__(self, says: str, *, last: bool = True) -> None:
        super().__init__(says)
        self.last = last


# The form of answers: each function raises `Fault` for a value of another form


def kind(value: Any) -> str:
    """What messages call a value that is not what it should be."""
    if value is None:
        return "nothing"
    return "an object without numbers" if isinstance(value, Handle) else f"a {type(value).__name__}"


def function(owner: Any, name: str) -> Callable[..., Any]:
    """A function of a submission, or a method of what it returned."""
    found = getattr(owner, name, None)
    if not callable(found):
        raise Fault(f"{name} is missing: there is {kind(owner)} without it")
    return found


def array(value: Any, what: str) -> NDArray[Any]:
    """A copy of an array of finite numbers."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise Fault(f"{what} gives {kind(value)}, not an array of numbers")
    if value.dtype.kind == "f" and not (finite := np.isfinite(value)).all():
        place = np.argwhere(~finite)[0].tolist()
        raise Fault(f"{what} gives {value[tuple(place)]} at {place}: numbers must be finite")
    return value.copy()


def floating(value: Any, what: str) -> NDArray[Any]:
    """A copy of an array of finite floating-point numbers."""
    found = array(value, what)
    if found.dtype.kind != "f":
        raise Fault(f"{what} gives {found.dtype}, where floating-point numbers are due")
    return found


def scores(value: Any, shape: tuple[int | None, ...], what: str) -> NDArray[Any]:
    """A copy of finite floating-point numbers of a shape, in which None stands for any number."""
    found = floating(value, what)
    if found.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        due = ", ".join("any" if side is None else str(side) for side in shape)
        raise Fault(f"{what} gives shape {list(found.shape)}, where [{due}] is due")
    return found


def whole(value: Any, shape: tuple[int, ...], below: int, what: str) -> NDArray[np.int64]:
    """A copy of whole numbers of a shape, from 0 to below a limit."""
    found = array(value, what)
    if found.dtype.kind not in "iu" or found.shape != shape:
        raise Fault(f"{what} gives {found.dtype} {list(found.shape)}, where whole numbers {list(shape)} are due")
    wrong = (found < 0) | (found >= below)
    if wrong.any():
        raise Fault(f"{what} gives {found[wrong][0]}, where numbers from 0 to {below - 1} are due")
    return found.astype(np.int64)


def listed(value: Any, what: str, size: int, longest: int) -> Answers:
    """The items of each of `size` sequences of whole numbers, at most `longest` in each and none of them negative."""
    if not isinstance(value, task.Sequences):
        raise Fault(f"{what} gives {kind(value)}, not Sequences")
    items = array(value.items, what)
    if items.ndim != 2 or items.dtype.kind not in "iu" or len(items) != size:
        raise Fault(f"{what} gives {items.dtype} {list(items.shape)}, where whole numbers [{size}, any] are due")
    lengths = whole(value.lengths, (size,), min(longest, items.shape[1]) + 1, f"{what}, for lengths,")
    found = by("input", [row[:length] for row, length in zip(items, lengths, strict=True)])
    for label, row in found.items():
        if row.size and row.min() < 0:
            raise Fault(f"{what} gives {row.min()} for {label}: numbers count from 0")
    return found


def by(unit: str, values: Sequence[NDArray[Any]] | NDArray[Any]) -> Answers:
    """Answers about things of one kind, which are counted from 0."""
    return {f"{unit} {place}": np.asarray(value) for place, value in enumerate(values)}


# The same question in another way


def sequences(inputs: task.Sequences, places: NDArray[np.int64]) -> task.Sequences:
    """Some of the sequences, padded as they were."""
    return task.Sequences(items=inputs.items[places], lengths=inputs.lengths[places])


def repadded(inputs: task.Sequences) -> task.Sequences:
    """The same sequences with more padding, made of other sequences' items in reverse order."""
    count, longest = inputs.items.shape[:2]
    real = np.arange(longest) < inputs.lengths[:, None]
    junk = inputs.items[real][::-1]
    items = np.resize(junk, (count, longest + JUNK, *inputs.items.shape[2:]))
    items[:, :longest][real] = inputs.items[real]
    return task.Sequences(items=items, lengths=inputs.lengths)


def graphs(inputs: task.Graphs, places: NDArray[np.int64]) -> task.Graphs:
    """Some of the graphs."""
    nodes, edges = (_ranges(counts, places) for counts in (inputs.nodes_of, inputs.edges_of))
    return task.Graphs(
        nodes=inputs.nodes[nodes],
        edges=inputs.edges[edges],
        links=inputs.links[edges],
        nodes_of=inputs.nodes_of[places],
        edges_of=inputs.edges_of[places],
    )


def renumbered(inputs: task.Graphs, rng: np.random.Generator) -> task.Graphs:
    """The same graphs, the nodes of each in another order."""
    order = _shuffled(inputs.nodes_of, rng)
    first = np.cumsum(inputs.nodes_of) - inputs.nodes_of
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.repeat(first, inputs.nodes_of)  # of each old node in its graph
    edges = place[inputs.edges + np.repeat(first, inputs.edges_of)[:, None]]
    return msgspec.structs.replace(inputs, nodes=inputs.nodes[order], edges=edges)


def reordered(inputs: task.Graphs, rng: np.random.Generator) -> task.Graphs:
    """The same graphs, the edges of each in another order."""
    order = _shuffled(inputs.edges_of, rng)
    return msgspec.structs.replace(inputs, edges=inputs.edges[order], links=inputs.links[order])


def _ranges(counts: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that belong to the graphs at some places."""
    return np.concatenate([np.flatnonzero(np.repeat(np.arange(len(counts)), counts) == place) for place in places])


def _shuffled(counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """All rows, those of each graph in another order."""
    return np.lexsort((rng.random(int(counts.sum())), np.repeat(np.arange(len(counts)), counts)))


# Comparison


def same(
    what: str, found: Answers, expected: Answers, tolerance: float, when: str, *, among: Answers | None = None
) -> str:
    """Compare two answers; the line that says that they agree.

    Args:
        what: the function that gave them.
        found: answers in other circumstances.
        expected: the same answers as they were.
        tolerance: for floating-point numbers, of their spread, and a hundredth of it of each number, for numbers far
            from zero are rounded accordingly; whole numbers must be equal.
        when: what the other circumstances are.
        among: the answers whose spread counts; by default those expected.

    Raises:
        Fault: if they differ; not the last one.
    """
    if found.keys() != expected.keys():
        raise Fault(f"{what} gives {', '.join(found)} and not {', '.join(expected)} when {when}", last=False)
    spread = _spread(list((among or expected).values())) if tolerance else 0.0
    changes = {
        label: _change(what, label, found[label], number, spread, tolerance, when) for label, number in expected.items()
    }
    label = max(changes, key=lambda label: changes[label])
    if changes[label]:
        limit = f"; their spread is {spread:.3g}, and {tolerance:g} of it is allowed" if tolerance else ""
        raise Fault(f"{what}: {label} changes by {changes[label]:.2g} when {when}{limit}", last=False)
    return f"{what}: the same when {when}"


def differ(found: Answers, expected: Answers) -> bool:
    """Whether anything differs."""
    return found.keys() != expected.keys() or any(not np.array_equal(found[k], expected[k]) for k in expected)


def _change(
    what: str, label: str, found: NDArray[Any], expected: NDArray[Any], spread: float, tolerance: float, when: str
) -> float:
    """The largest change of scores where it is too large; 0 where none is, or whole numbers are equal."""
    if found.shape != expected.shape:
        shapes = f"has shape {list(found.shape)}, had {list(expected.shape)},"
        raise Fault(f"{what}: {label} {shapes} when {when}", last=False)
    if found.dtype.kind == expected.dtype.kind == "f":
        with np.errstate(over="ignore"):
            change = np.abs(found.astype(np.float64) - expected)
            allowed = tolerance * (spread + np.abs(expected.astype(np.float64)) / 100)
        return 0.0 if (change <= allowed).all() else float(change.max())
    if not np.array_equal(found, expected):
        place = tuple(np.argwhere(found != expected)[0].tolist())
        was = f"{found[place]} at {list(place)}, was {expected[place]},"
        raise Fault(f"{what}: {label} becomes {was} when {when}", last=False)
    return 0.0


def _spread(values: Sequence[NDArray[Any]]) -> float:
    """How far scores lie apart, typically: among those of one thing, from the median to the highest, or among things.

    Medians, so that a few scores far below all others, or for a few things, do not hide changes of the rest.
    """
    scored = [value.astype(np.float64) for value in values if value.dtype.kind == "f" and value.ndim and value.size]
    if not scored:
        return 0.0
    with np.errstate(over="ignore"):
        within = np.concatenate([(value.max(-1) - np.median(value, -1)).ravel() for value in scored])
        found = float(np.median(within))
        if len({value.shape for value in scored}) == 1:
            found = max(found, float(np.median(np.abs(np.stack(scored) - np.median(scored, 0)))))
    return found if math.isfinite(found) else 0.0


# What layers declare: of another form it is a `Fault` as well


def layers(value: Any) -> tuple[task.Layer, ...]:
    """Layers with names of their own."""
    if not isinstance(value, tuple | list) or not all(isinstance(layer, task.Layer) for layer in value):
        raise Fault(f"layers gives {kind(value)}, where a tuple of Layer is due")
    name, times = Counter(layer.name for layer in value).most_common(1)[0] if value else ("", 0)
    if times != 1:
        raise Fault(f"layers lists {name!r:.80} {times} times" if times else "layers lists nothing")
    for layer in value:
        if any(len(shape) > SIDES or not all(0 < side <= LARGEST for side in shape) for shape in layer.weights):
            raise Fault(f"layers lists weights of layer {layer.name!r:.80} with a shape that no array has")
    return tuple(value)


def state(value: Any) -> Answers:
    """Arrays by name."""
    if not isinstance(value, dict):
        raise Fault(f"state gives {kind(value)}, not a dict of arrays")
    if long := next((name for name in value if len(name) > NAME), None):
        raise Fault(f"state has an array whose name is {len(long):,} characters long; {NAME} are allowed")
    return {name: array(item, f"state, for {name},") for name, item in value.items()}


def accounted(declared: Sequence[task.Layer], learnt: Answers, image: int) -> str:
    """`repro.experiment.classification.accounted`, whose complaint is a Fault here, and not the last one."""
    try:
        return classification.accounted(declared, learnt, image)
    except ReproError as error:
        raise Fault(error.problem, last=False) from None
