"""Exact checks of CS231n's formulas by the oracle, on inputs drawn by the seed, and by printed numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.cs231n import CourseNotes, Examples, learn
from claims.oracles import cs231n as oracle
from repro import Measurements, Setting, cases, from_normal, numerical_gradients, scalar

Array = NDArray[np.float64]
NETWORKS = list(product(((), (5,), (4, 3)), ("relu", "tanh", "none"), ("softmax", "svm")))
LEARNT = ((), "none"), ((6,), "relu"), ((5, 4), "tanh")  # sums of a second layer are 0 where rectifiers are dead
STACKS: tuple[tuple[int, int, tuple[tuple[Any, ...], ...]], ...] = (
    (6, 2, (("conv", 3, 3, 1, 1), ("pool", 2, 2), ("fc", 4))),
    (11, 4, (("conv", 5, 5, 2, 0), ("conv", 2, 2, 1, 0), ("pool", 3, 1), ("fc", 3))),
    (9, 1, (("conv", 2, 3, 2, 1), ("pool", 3, 2), ("conv", 3, 1, 1, 0), ("fc", 5), ("fc", 2))),
)
VGG = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # CONV layers before each pooling, and their filters


def drawn(rng: np.random.Generator, *sizes: int, scale: float = 1.0) -> dict[str, Array]:
    """Weights and biases of layers of these sizes, all normal."""
    pairs = list(enumerate(pairwise(sizes), 1))
    found = {f"W{n}": scale * rng.standard_normal(shape) for n, shape in pairs}
    return found | {f"b{n}": scale * rng.standard_normal(shape[1]) for n, shape in pairs}


def _off(found: Any, wanted: Any) -> float:
    """The largest difference, by the largest wanted number or 1; infinite for another shape."""
    a, b = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return float(np.abs(a - b).max(initial=0) / max(1.0, np.abs(b).max(initial=0))) if a.shape == b.shape else np.inf


def objective(notes: CourseNotes, setting: Setting) -> Measurements:
    """Losses and gradients of networks and of scores, less the oracle's; and printed ones, less what is printed."""
    rng, off, printed = np.random.default_rng(setting.seed), list[float](), list[float]()
    for n, (hidden, activation, loss) in enumerate(NETWORKS):
        config = replace(setting.config, activation=activation, loss=loss, reg=0.3 * (n % 2), margin=1.0 + n % 3)
        w, x, y = drawn(rng, 4, *hidden, 3), rng.standard_normal((7, 4)), rng.integers(0, 3, 7)
        value, gradient = notes.objective(config, w, x, y)
        exact = numerical_gradients(lambda v, c=config, x=x, y=y: oracle.objective(v, x, y, c), w)
        off += [_off(value, oracle.objective(w, x, y, config)), *(_off(gradient[name], exact[name]) for name in exact)]

    def of_score(loss: str, margin: float, f: Any, y: int) -> tuple[float, Array]:
        """The loss of scores, and its gradient by them: of a linear classifier that passes its inputs on."""
        w, config = {"W1": np.eye(len(f)), "b1": np.zeros(len(f))}, replace(setting.config, loss=loss, margin=margin)
        value, gradient = notes.objective(replace(config, reg=0.0), w, np.array([f], float), np.array([y]))
        off.append(_off([value, *gradient["b1"]], [*oracle.score_loss(np.array(f, float), y, config)]))
        return value, gradient["b1"]

    for loss, margin, k in product(("softmax", "svm"), (1.0, 2.0, 10.0), (2, 3, 10)):
        for f in (*rng.normal(0, 3, (4, k)), *rng.integers(-3, 4, (8, k)), *rng.normal(0, 1e3, (4, k))):
            of_score(loss, margin, f, int(rng.integers(0, k)))
    probabilities = ([0.2, 0.3, 0.5], 1), ([0.7, 0.04, 0.26], 0), ([0.55, 0.12, 0.33], 0)
    for f, (p, y) in zip((np.log([2, 3, 5]), [1, -2, 0], [0.5, -1, 0]), probabilities, strict=True):
        printed += list(of_score("softmax", 1.0, f, y)[1] + (np.arange(3) == y) - p)
    for loss, margin, f, y, value in (
        ("softmax", 1.0, [-2.85, 0.86, 0.28], 2, 1.04), ("svm", 1.0, [-2.85, 0.86, 0.28], 2, 1.58),
        ("svm", 10.0, [13, -7, 11], 0, 8), ("softmax", 1.0, [0] * 10, 4, np.log(10)), ("svm", 1.0, [0] * 10, 9, 9),
    ):  # fmt: skip
        printed.append(of_score(loss, margin, f, y)[0] - value)
    return {"off": cases(off, 0, "1"), "printed": cases(printed, 0, "1")}


def _examples(rng: np.random.Generator, config: Any, pixels: bool) -> tuple[Examples, Array, Array]:
    """Nine examples of bytes or real numbers, how a config prepares them, and their mean or zeros."""
    images = rng.integers(0, 256, (9, 2, 2, 1), np.uint8) if pixels else rng.standard_normal((9, 1, 1, 3))
    flat = images.reshape(9, -1).astype(np.float64)
    mean = flat.mean(axis=0) * config.mean
    return Examples(images, rng.integers(0, 3, 9), 3), (flat - mean) * config.scale, mean


def updates(notes: CourseNotes, setting: Setting) -> Measurements:
    """Weights after each of three updates, relative to how far they move; scores and states of restored networks."""
    rng, off, scores = np.random.default_rng(setting.seed), list[float](), list[float]()
    rules = product(LEARNT, ("softmax", "svm"), ("vanilla", "momentum", "nesterov"))
    for n, ((hidden, activation), loss, rule) in enumerate(rules):
        config = replace(
            setting.config, hidden=hidden, activation=activation, loss=loss, rule=rule, updates=3, std=0.5,
            reg=0.2 * (n // 3 % 3), margin=1.0 + n % 2, momentum=(0.9, 0.5)[n % 2], step=(0.1, 0.3)[n // 2 % 2],
            mean=n % 4 == 0, scale=(0.02, 1.0)[n % 2],
        )  # fmt: skip
        data, x, mean = _examples(rng, config, pixels=n % 2 == 0)
        models = learn(notes, replace(setting, config=config), data, (0, 1, 2, 3))
        first = {name: value for name, value in models[0].arrays.items() if name != "mean"}
        wanted = oracle.learnt(lambda v, c=config, x=x, y=data.labels: oracle.objective(v, x, y, c), first, config, 3)
        for step, one in enumerate(wanted, 1):
            gaps, moves = ([np.abs(a[name] - one[name]).max() for name in one] for a in (models[step].arrays, first))
            off.append(max(gaps) / max(moves))
        w = drawn(rng, x.shape[1], *hidden, 3) | {"mean": mean}
        model = notes.restore(config, {name: value.copy() for name, value in w.items()}, device=setting.device)
        f, again = oracle.scores(w, x, config)[-1], notes.state(model)
        scores += [_off(model.predict(data.images), f), _off(models[3].arrays["mean"], mean)]
        scores += [_off(again[name], value) for name, value in w.items()]
    return {"off": cases(off, 0, "1"), "scores": cases(scores, 0, "1")}


def start(notes: CourseNotes, setting: Setting) -> Measurements:
    """Chances of starting weights under each rule, their biases, and how weights of two seeds correlate."""
    chance, biases, correlation = list[float](), list[float](), list[float]()
    data = Examples(np.zeros((4, 1, 1, 50)), np.arange(4), 10)
    for kind, std, hidden in product(("small", "fan-in", "he"), (0.01, 0.3), ((), (60, 40))):
        given = replace(setting, config=replace(setting.config, start=kind, std=std, hidden=hidden, updates=0))
        one, other = (learn(notes, replace(given, seed=setting.seed + more), data)[0].arrays for more in (0, 1))
        for name, w in ((name, w) for name, w in one.items() if name != "mean"):
            scale = {"small": std, "fan-in": len(w) ** -0.5, "he": (2 / len(w)) ** 0.5}[kind]
            biases += list(w) if name[0] == "b" else []
            chance += [from_normal(w, scale)] if name[0] == "W" else []
            correlation += [float((w * other[name]).sum() / scale**2 / w.size**0.5)]
    return {
        "chance": cases(chance, 1e-6, "probability"),
        "biases": cases(biases, 0, "1"),
        "correlation": cases(correlation, 0, "standard errors"),
    }


def searches(notes: CourseNotes, setting: Setting) -> Measurements:
    """Steps kept in part or without a lower loss, the width of those kept, and how first tries of seeds correlate."""
    rng, raised, width, products = np.random.default_rng(setting.seed), list[float](), list[float](), list[float]()
    for method, std, step in product(("random", "local"), (1e-3, 0.01), (1e-4, 1e-3)):
        config = replace(setting.config, method=method, std=std, step=step, updates=80, scale=0.02)
        (data, x, _), local, tried = _examples(rng, config, pixels=True), method == "local", list[Array]()
        for seed in (setting.seed, setting.seed + 1):
            models = learn(notes, replace(setting, config=config, seed=seed), data, range(81))
            start, *states = ({k: w for k, w in models[n].arrays.items() if k != "mean"} for n in range(81))
            losses = [oracle.objective(w, x, data.labels, config) for w in states]
            moves = [[b[name] - a[name] for name in a] for a, b in pairwise(states)]
            moved = np.array([[move.any() for move in one] for one in moves])
            raised += list(moved.any(1) & ((np.diff(losses) >= 0) | ~moved.all(1)))
            kept = [move.ravel() for one in moves for move in one if move.any()]
            due = step**2 if local else 2 * std**2  # two draws differ by N(0, 2 std**2)
            width.append(float(np.log((np.concatenate(kept) ** 2).mean() / due) / 2) if kept else np.nan)
            tried.append(np.concatenate([(w - local * start[name]).ravel() for name, w in states[0].items()]))
        products += list(tried[0] * tried[1] / (step if local else std) ** 2)
    found = {"raised": raised, "width": width, "correlation": [sum(products) / len(products) ** 0.5]}
    return {
        name: cases(values, 0, "standard errors" if name == "correlation" else "1") for name, values in found.items()
    }


def differences(notes: CourseNotes, setting: Setting) -> Measurements:
    """Numerical gradients by both formulas; slopes of log error over log h, by 1 or 2; and relative errors.

    `kink` has numerical and analytic gradients of a ReLU at -1e-6 and, beyond the reach of h, at -1 and -1e6.
    """
    rng, off, orders, kink = np.random.default_rng(setting.seed), list[float](), list[float](), list[float]()
    steps, base = (1e-2, 1e-3, 1e-4), replace(setting.config, activation="tanh", reg=0.1)
    for formula, hidden, loss in product(("forward", "centred"), ((), (4,)), ("softmax", "svm")):
        w, x, y = drawn(rng, 3, *hidden, 3), rng.standard_normal((6, 3)), rng.integers(0, 3, 6)
        config, errors = replace(base, formula=formula, loss=loss), []
        for h in steps:
            found = notes.numerical_gradient(replace(config, h=h), w, x, y)
            wanted = oracle.differences(lambda v, c=config, x=x, y=y: oracle.objective(v, x, y, c), w, h, formula)
            exact = notes.objective(config, w, x, y)[1]
            off += [_off(found[name], wanted[name]) for name in w]
            errors.append(max(float(np.abs(found[name] - exact[name]).max()) for name in w))
        slope = np.polyfit(np.log(steps), np.log(np.maximum(errors, 1e-300)), 1)[0]
        orders += [slope / (2 if formula == "centred" else 1)] if loss == "softmax" else []
    for at in (-1e-6, -1.0, -1e6):  # the loss is 1 + max(0, b1)
        w = {"W1": np.zeros((1, 1)), "b1": np.array([at]), "W2": np.array([[1.0, 0.0]]), "b2": np.zeros(2)}
        given = replace(setting.config, loss="svm"), w, np.zeros((1, 1)), np.array([1])
        kink += [float(one["b1"][0]) for one in (notes.numerical_gradient(*given), notes.objective(*given)[1])]
    w, x, y = drawn(rng, 4, 6, 3), rng.standard_normal((8, 4)), rng.integers(0, 3, 8)
    n, a = notes.numerical_gradient(base, w, x, y), notes.objective(base, w, x, y)[1]
    right = [(np.abs(a[k] - n[k]) / (np.abs(a[k]) + np.abs(n[k])))[np.abs(n[k]) > 1e-3] for k in w]
    found = {"off": cases(off, 0, "1"), "orders": cases(orders, 1, "1"), "right": cases(np.concatenate(right), 0, "1")}
    return found | {"kink": cases(kink, [0.45, 0, 0, 0, 0, 0], "1")}


def neighbours(notes: CourseNotes, setting: Setting) -> Measurements:
    """Indices of nearest images by distances to all, with ties, the extremes of bytes and many sizes."""
    rng, found, wanted = np.random.default_rng(setting.seed), list[int](), list[int]()
    few = (1, 3, 5, 256), (211, 37, 48, 256), (130, 50, 3072, 256)
    many = (5000, 40, 3, 3), (300, 1100, 2, 256), (5000, 5000, 6, 256)
    for measure, (n, m, d, top) in product(("L1", "L2"), few + many):
        train, images = (rng.integers(0, top, (rows, d), np.uint8) for rows in (n, m))
        images = train if m == n else images  # each of which is then nearest to itself
        found += list(notes.nearest(replace(setting.config, distance=measure), train, images))
        wanted += range(n) if m == n else [int(oracle.distances(train, image, measure).argmin()) for image in images]
        bright = rng.integers(200, 255, 3072).astype(np.uint8)
        near = bright + (np.arange(3072) < np.arange(50, 0, -1)[:, None]).astype(np.uint8)
        found += list(notes.nearest(replace(setting.config, distance=measure), np.tile(near, (2, 1)), bright[None]))
        wanted.append(49)  # the first that differs by 1, which single precision loses in squares of 1e8
    return {"indices": cases(found, wanted, "1")}


def counts(notes: CourseNotes, setting: Setting) -> Measurements:
    """Sides of outputs by all small inputs, fields, strides and paddings, -1 where none fits; and printed counts."""
    found, wanted = list[int](), list[int]()
    for side, field, stride, padding in product(range(1, 13), range(1, 6), range(1, 5), range(3)):
        config = replace(setting.config, side=side, stack=(("conv", 2, field, stride, padding),))
        rows, fits = notes.volumes(config), oracle.fits(side, field, stride, padding)
        found += [int(rows[-1, 0]) if len(rows) else -1, int(rows[:, 3:].sum())]
        wanted += [fits or -1, 2 * (3 * field**2 + 1) if fits else 0]

    def rows_of(side: int, *stack: tuple[Any, ...], depth: int = 3) -> NDArray[Any]:
        return np.asarray(notes.volumes(replace(setting.config, side=side, depth=depth, stack=stack)))

    first = [int(number) for number in rows_of(227, ("conv", 96, 11, 4, 0))[-1]]
    neurons = first[0] * first[1] * first[2]
    three, one = [("conv", 10, 3, 1, 0)] * 3, [("conv", 10, 7, 1, 0)]
    printed = [
        *(int(rows_of(1, *(("fc", k) for k in units))[:, 3:].sum()) for units in ((4, 2), (4, 4, 1))),
        *(neurons, first[3] + first[4], neurons * (first[3] // 96 + 1), int(rows_of(32, ("fc", 10))[:, 3:].sum())),
        *(int(rows_of(7, *stack, depth=10)[:, 3].sum()) for stack in (three, one)),
    ]
    stated = [26, 41, 290_400, 34_944, 105_705_600, 30_730, 27 * 10**2, 49 * 10**2]
    return {"sides": cases(found, wanted, "1"), "printed": cases(printed, stated, "1")}


def table(notes: CourseNotes, setting: Setting) -> Measurements:
    """Rows of the notes' VGG table; parameters and numbers kept in memory, in millions; and how many layers pool."""
    rows = np.asarray(notes.volumes(setting.config))
    wanted, side, depth = [(224, 224, 3, 0, 0)], 224, 3
    for convolutions, filters in VGG:
        for before in [depth] + [filters] * (convolutions - 1):
            wanted.append((side, side, filters, 9 * before * filters, filters))
        side, depth = side // 2, filters
        wanted.append((side, side, filters, 0, 0))
    wanted += [(1, 1, 4096, 7 * 7 * 512 * 4096, 4096), (1, 1, 4096, 4096**2, 4096), (1, 1, 1000, 4096 * 1000, 1000)]
    sums = {"parameters": rows[:, 3:].sum(), "memory": rows[:, :3].prod(axis=1).sum()}
    found = {name: scalar(total / 1e6, "M") for name, total in sums.items()} | {
        "off": cases([_off(rows, wanted)], 0, "1")
    }
    return found | {"poolings": scalar(int((rows[1:, 3] == 0).sum()), "1")}


def _weights(notes: CourseNotes, config: Any, rng: np.random.Generator) -> dict[str, Array]:
    """Weights of N(0, 2 / fan-in) of the counted shapes, and biases of N(0, 0.01)."""
    rows, found = notes.volumes(config), dict[str, Array]()
    for (kind, *sizes), (side, _, depth, *_), (*_, filters, _, _) in zip(config.stack, rows, rows[1:], strict=False):
        if kind != "pool":
            n, shape = len(found) // 2 + 1, (sizes[1], sizes[1], depth) if kind == "conv" else (side * side * depth,)
            found[f"W{n}"] = rng.standard_normal((*shape, filters)) * np.sqrt(2 / np.prod(shape))
            found[f"b{n}"] = 0.1 * rng.standard_normal(filters)
    return found


def convolved(notes: CourseNotes, setting: Setting) -> Measurements:
    """Scores of images of a network's own size, and of larger and oblong ones, against sums over fields."""
    rng, off = np.random.default_rng(setting.seed), list[float]()
    for side, depth, stack in STACKS:
        config = replace(setting.config, side=side, depth=depth, stack=stack)
        w, sides = _weights(notes, config, rng), notes.volumes(config)[:, 0]
        for height, width in ((side, side), (side + 4, side), (side, side + 8)):
            images = rng.standard_normal((2, height, width, depth))
            found = notes.convolved(config, w, images.copy())
            off.append(_off(found, [oracle.network(image, stack, w, sides) for image in images]))
    return {"off": cases(off, 0, "1")}


def crops(notes: CourseNotes, setting: Setting) -> Measurements:
    """Scores of a large image less those of its crops, relative: without padding, and of a VGG of four filters."""
    rng, found = np.random.default_rng(setting.seed), dict[str, Any]()
    thin = tuple(layer if layer[0] == "pool" else (layer[0], 4, *layer[2:]) for layer in setting.config.stack)
    plain = (("conv", 4, 3, 1, 0), ("pool", 2, 2), ("conv", 5, 3, 1, 0), ("pool", 2, 2), ("fc", 6), ("fc", 3))
    for name, side, stride, more, stack in (("unpadded", 18, 4, (2, 3), plain), ("vgg", 224, 32, (5, 5), thin)):
        config = replace(setting.config, side=side, stack=stack)
        w, (height, width) = _weights(notes, config, rng), (side + stride * n for n in more)
        image = rng.standard_normal((1, height, width, 3))
        whole = np.asarray(notes.convolved(config, w, image.copy()))[0]
        corners = [[(i * stride, j * stride) for j in range(more[1] + 1)] for i in range(more[0] + 1)]
        parts = [[image[:, i : i + side, j : j + side] for i, j in line] for line in corners]
        each = np.array([[notes.convolved(config, w, part)[0, 0, 0] for part in line] for line in parts])
        gap = (whole - each) / np.abs(each).max() if whole.shape == each.shape else np.array([np.nan])
        found[name] = cases(gap.ravel(), 0, "1")
    return found
