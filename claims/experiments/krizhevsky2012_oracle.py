"""Networks of Krizhevsky et al. against the oracle: what they compute, how they start and learn, what they are fed.

Shapes: N images, B batch, F side of a stored image, S side of an input, K classes, P = C * S * S, D hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, islice, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.krizhevsky2012 import ConvolutionalNetworks, weights_of
from claims.oracles import krizhevsky2012 as oracle
from repro import Measurements, Setting, Split, Weights, cases, from_normal

Array = NDArray[np.float64]
EPSILON, WAYS = 1e-7, 3  # of central differences, and random directions of each weight
TOO_FAR = 0.01  # share of a move
TINY = 1e-30
LEAST = 1e-6  # chance of what is drawn at random; below, it counts as wrong


def _images(seed: int, number: int, side: int, channels: int = 3) -> tuple[NDArray[np.uint8], Split]:
    """Random images, each of a class of its own, and the training set of them; channels differ in strength."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, np.array([255, 160, 90])[:channels], (number, side, side, channels), dtype=np.uint8)
    return images, Split(images=images, labels=np.arange(number), classes=number)


def _course(
    implementation: ConvolutionalNetworks, setting: Setting, config: Any, data: Split, seed: int
) -> Iterator[dict[str, Array]]:
    """Weights before the first update and after each."""
    steps = range(config.iterations + 1)
    for _, predictor in implementation.train(config, data, seed=seed, device=setting.device, eval_steps=steps):
        yield weights_of(implementation, config, predictor)


def forward(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Scores of random images, by the untrained network of Figure 2 with few maps, at 100 pixels out of 132.

    The network is restored from its state. Differences are in units of the spread of the right scores over classes.
    As with 224 pixels, one pixel of the padding is never reached, before or after.
    """
    small = {"filters": (8, 6, 6, 4, 4), "hidden": (6, 5), "classes": 4, "std": None, "iterations": 0, "batch": 4}
    config = replace(setting.config, **small, colour=0.0, frame=132, image=100)
    known, data = _images(setting.seed, 4, config.frame)
    *_, (_, trained) = implementation.train(config, data, seed=setting.seed, device=setting.device)
    weights = weights_of(implementation, config, trained)
    predictor = implementation.restore(config, implementation.state(trained), device=setting.device)
    images, _ = _images(setting.seed + 1, 3, config.frame)
    views = oracle.ten(images - known.mean(0), config.image)
    flat = views.reshape(-1, *views.shape[2:]).transpose(0, 3, 1, 2)
    scores = [oracle.log_softmax(np.asarray(predictor.predict(images, crops=crops), float)) for crops in (1, 10)]
    found = []
    for padding in ((2, 2), (1, 2)):
        right = oracle.log_softmax(oracle.logits(weights, flat, padding=padding)).reshape(*views.shape[:2], -1)
        wanted = right[:, 4], np.log(np.exp(right).mean(1))
        gaps = zip(scores, wanted, strict=True)
        found.append([((mine - known) / known.std(1, keepdims=True)).ravel() for mine, known in gaps])
    one, ten = min(found, key=lambda gaps: np.abs(gaps[0]).max())
    return {"one": cases(one, 0, "1"), "ten": cases(ten, 0, "1")}


def update(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Seven updates of a small network of all eight layers, on a batch that is the whole training set, without dropout.

    Inputs are so large that normalization counts; decay counts as well, and the rate falls three times. How far weights
    are from where one update of the oracle takes those before, as a share of how far they moved; the paper does not
    say whether biases decay, and the pixel of padding that is never reached may be before or after.
    """
    config = replace(
        setting.config, filters=(6, 4, 2, 2, 2), kernels=(3, 3, 3, 3, 3), stride=2, padding=1, hidden=(5, 4), frame=30,
        image=30, channels=1, classes=3, std=None, bias=0.25, augment="none", colour=0.0, dropout=0.0, scale=0.5,
        batch=3, iterations=7, lr=0.1, milestones=(1, 3, 5), momentum=0.9, weight_decay=0.05,
    )  # fmt: skip
    images, data = _images(setting.seed, 3, 30, 1)
    x = (images - images.mean(0)).transpose(0, 3, 1, 2) / 2
    course, rng = (
        list(_course(implementation, setting, config, data, setting.seed)),
        np.random.default_rng(setting.seed),
    )
    rates = 0.1 * 0.1 ** np.array([0, 1, 1, 2, 2, 3, 3])
    undecayed = tuple(name for name in course[0] if name.startswith("b"))
    off = {(padding, free): list[float]() for padding in ((1, 1), (0, 1)) for free in ((), undecayed)}
    for padding in ((1, 1), (0, 1)):

        def losses(weights: Weights, padding: tuple[int, int] = padding) -> Array:
            scores = oracle.logits(weights, x, stride=2, padding=padding, dropout=False)
            return np.array([oracle.loss(scores, data.labels)])

        for before, now, after, rate in zip([None, *course], course[:-1], course[1:], rates, strict=False):
            slopes = along(losses, now, rng)
            for free in ((), undecayed):
                rest = oracle.updated(
                    now, before, {name: np.zeros_like(w) for name, w in now.items()}, rate, 0.05, free
                )
                moved, wanted = shares(slopes, now, after, rest, -rate)
                off[padding, free].append(float(worst(moved - wanted[:, 0])))
        if min(max(off[padding, free]) for free in ((), undecayed)) < TOO_FAR:
            break
    return {"off": cases(min((gaps for gaps in off.values() if gaps), key=max), 0, "1")}


Slope = tuple[str, Array, Array]
"""A weight's name, a direction in it, and the slopes [C] of some losses along that direction."""


def along(losses: Callable[[Weights], Array], weights: Weights, rng: np.random.Generator) -> list[Slope]:
    """Slopes along random directions of each weight, by central differences."""
    found = []
    for name, value in weights.items():
        for _ in range(WAYS):
            direction = rng.standard_normal(value.shape)
            sides = [losses({**weights, name: value + step * direction}) for step in (EPSILON, -EPSILON)]
            found.append((name, direction, (sides[0] - sides[1]) / (2 * EPSILON)))
    return found


def shares(slopes: list[Slope], now: Weights, after: Weights, rest: Weights, rate: float) -> tuple[Array, Array]:
    """How far weights moved beyond the rest [R], and would move by each slope [R, C], by the length of their move.

    A difference of weights along a random direction is about as large as the difference is.
    """
    lengths = {name: np.linalg.norm(after[name] - now[name]) or TINY for name in now}  # what must not move does not
    moved = [((after[name] - rest[name]) * way).sum() / lengths[name] for name, way, _ in slopes]
    return np.array(moved), np.array([rate * each / lengths[name] for name, _, each in slopes])


def worst(gaps: Array) -> Array:
    """Of gaps [..., R] along directions the largest of a weight, by the median of its own: one may lie at a kink."""
    return np.median(np.abs(gaps).reshape(*gaps.shape[:-1], -1, WAYS), -1).max(-1)


def start(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Initial weights of the convolutions at full size and of narrower fully connected layers, for two seeds.

    Measures:
        chance: of weights as far from N(0, 0.01) in variance or shape, by layer and seed.
        biases: all of them.
        correlation: of the two seeds' weights, of neighbours and of both towers' kernels, in standard errors.
    """
    config = replace(
        setting.config, hidden=(64, 48), classes=10, frame=setting.config.image, augment="none", iterations=0, batch=10
    )
    _, data = _images(setting.seed, 10, config.image)
    first, second = (next(_course(implementation, setting, config, data, 2 * setting.seed + k)) for k in (0, 1))
    layers = range(1, len(first) // 2 + 1)
    rng = np.random.default_rng(setting.seed)
    chance = [from_normal(_some(rng, one[f"W{number}"]), 0.01) for one in (first, second) for number in layers]
    biases = [np.unique(one[f"b{number}"]) for one in (first, second) for number in layers]
    pairs = []
    for number in layers:
        weights, flat = first[f"W{number}"], first[f"W{number}"].ravel()
        left, right = np.split(weights, 2) if len(weights) % 2 == 0 else (weights[:1], weights[1:2])
        pairs += [(flat, second[f"W{number}"].ravel()), (flat[1:], flat[:-1]), (left.ravel(), right.ravel())]
    wanted = [float(number in (2, 4, 5, 6, 7)) for number in layers] * 2  # Section 5
    return {
        "chance": cases(chance, LEAST, "probability"),
        "biases": cases([value for own in biases for value in (own[0], own[-1])], np.repeat(wanted, 2), "1"),
        "correlation": cases([np.corrcoef(a, b)[0, 1] * np.sqrt(len(a)) for a, b in pairs], 0, "standard errors"),
    }


def _some(rng: np.random.Generator, values: Array, most: int = 60_000) -> Array:
    """At most so many of the values, drawn with replacement where there are more."""
    return values.ravel()[rng.integers(0, values.size, most)] if values.size > most else values


def fed(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """What 400 updates are fed, read off the weights of a linear network: 1,600 inputs from 8 images.

    Each image has a class of its own, so the changes of weights and biases give the whole batch back. An input must be
    a crop of the image with its label less that of the mean image, mirrored or not, to half a grey level.

    Measures:
        unknown: inputs that are none of those.
        kinds: different inputs made of an image.
        counts: how unevenly they come, in standard errors of chi-squared.
        together: how often two images of a batch are cut and mirrored alike, in standard errors.
        passes: passes over the data that leave an image out.
    """
    batches, _ = _fed(implementation, setting, colour=0.0)
    kinds = sorted({kind for batch in batches for _, kind, _ in batch})
    counts = np.zeros((8, max(1, len(kinds))))
    for image, kind, _ in (entry for batch in batches for entry in batch):
        counts[image, kinds.index(kind)] += 1
    even = counts.sum(1, keepdims=True) / counts.shape[1]
    freedom = 8 * (counts.shape[1] - 1)
    chi = ((counts - even) ** 2 / np.maximum(even, 1)).sum()
    alike = [a[1] == b[1] for batch in batches for a, b in combinations(batch, 2)]
    passes = zip(batches[::2], batches[1::2], strict=True)
    return {
        "unknown": cases([4 * len(batches) - counts.sum()], 0, "inputs"),
        "kinds": cases([len(kinds)], 8, "inputs"),
        "counts": cases([max(0, chi - freedom) / np.sqrt(2 * max(1, freedom))], 0, "standard errors"),
        "together": cases([_errors(alike, 1 / 8)], 0, "standard errors"),
        "passes": cases([sum({e[0] for e in (*a, *b)} != set(range(8)) for a, b in passes)], 0, "passes"),
    }


def fed_colours(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Colour shifts of the same inputs, in eigenvalues along the eigenvectors of the training set's colours.

    Measures:
        unknown: inputs that are no crop shifted by one colour.
        chance: of shifts as far from N(0, 0.1), by component.
        correlation: of components of an image, and of one component of two images of a batch, in standard errors.
    """
    batches, images = _fed(implementation, setting, colour=0.1)
    vectors, values = oracle.colours(images.astype(float))
    alphas = [[shift @ vectors / (255 * values) for _, _, shift in batch] for batch in batches]
    flat = np.array([alpha for batch in alphas for alpha in batch]).reshape(-1, 3)
    pairs = np.array([pair for batch in alphas for pair in combinations(batch, 2)]).reshape(-1, 2, 3)
    unknown = cases([4 * len(batches) - len(flat)], 0, "inputs")
    if len(pairs) < 100:
        return {
            "unknown": unknown,
            "chance": cases([0.0], LEAST, "probability"),
            "correlation": cases([np.nan], 0, "1"),
        }
    correlation = [np.corrcoef(flat[:, a], flat[:, b])[0, 1] * np.sqrt(len(flat)) for a, b in combinations(range(3), 2)]
    correlation += [np.corrcoef(*pairs[:, :, k].T)[0, 1] * np.sqrt(len(pairs)) for k in range(3)]
    return {
        "unknown": unknown,
        "chance": cases([from_normal(flat[:, k], 0.1) for k in range(3)], LEAST, "probability"),
        "correlation": cases(correlation, 0, "standard errors"),
    }


def _fed(
    implementation: ConvolutionalNetworks, setting: Setting, colour: float
) -> tuple[list[list[tuple[int, tuple[int, int, bool], Array]]], NDArray[np.uint8]]:
    """By update, the known inputs of the batch: image, place and mirroring, and colour shift in grey levels [C]."""
    config = replace(
        setting.config, filters=(), kernels=(), hidden=(), split=(), normalized=(), pooled=(), ones=(), std=1e-3,
        dropout=0.0, frame=8, image=6, channels=3, classes=8, augment="crop-mirror", colour=colour, scale=1 / 255,
        batch=4, iterations=400, lr=0.003, milestones=(), momentum=0.0, weight_decay=0.0,
    )  # fmt: skip
    images, data = _images(setting.seed, 8, 8)
    candidates, places = oracle.crops(images.astype(float), images.mean(0), 6)
    batches = []
    for before, after in pairwise(_course(implementation, setting, config, data, setting.seed)):
        pushes = {name: (before[name] - after[name]) / 0.003 for name in before}
        chosen = np.flatnonzero(pushes["b1"] < 0)
        x = recovered(before, pushes, chosen)
        batch = []
        for label, own in zip(chosen, 255 * x, strict=True):
            off = (own.reshape(3, 6, 6) - candidates[label]).reshape(len(places), 3, -1)
            shifts = off.mean(2) if colour else np.zeros((len(places), 3))
            worst = np.abs(off - shifts[:, :, None]).max((1, 2))
            if worst.min() < 0.5:
                batch.append((int(label), places[int(worst.argmin())], shifts[worst.argmin()]))
        batches.append(batch)
    return batches, images


def recovered(weights: Weights, pushes: Weights, labels: NDArray[np.int64], size: int = 4) -> Array:
    """The inputs [B, P] of a last layer that moved it so, given the classes of the batch: a fixed point of two steps.

    The gradient by the weights [K, P] is the mean over a batch of (p - y) x, where p is what the layer makes of x.
    """
    number = len(weights) // 2
    layer, push = weights[f"W{number}"], pushes[f"W{number}"]
    x: Array = np.zeros((len(labels), layer.shape[1]))
    for _ in range(6):
        p = np.exp(oracle.log_softmax(x @ layer.T + weights[f"b{number}"]))
        x = np.asarray(np.linalg.lstsq((p - np.eye(len(layer))[labels]).T / size, push, rcond=None)[0], float)
    return x


def _errors(happened: Any, chance: float) -> float:
    """How often something happened less how often it should, in standard errors; infinite if it had no occasion."""
    number = np.size(happened)
    return float((np.sum(happened) - number * chance) / np.sqrt(number * chance * (1 - chance))) if number else np.inf


def dropped(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """Which hidden units 75 of 400 updates drop at each of two seeds, read off a perceptron of 12 and 12 hidden units.

    With small weights and biases of 1 each unit gives about 1, so the changes of the next layer's weights tell its
    outputs of the four images of a batch, whose classes differ.

    Measures:
        wrong: outputs that are neither 0 nor, to 5 %, what the unit computes, and updates as if inputs were dropped.
        rates: how often units are kept, by unit, in standard errors from one half.
        together: how often units are treated alike, in standard errors: any two of an image, also one of each layer;
            a unit in two images of a batch; in images of up to eight updates later, and at two seeds.
    """
    config = replace(
        setting.config, hidden=(12, 12), dropout=0.5, std=1e-3, bias=1.0, frame=4, image=4, channels=3, classes=8,
        augment="none", colour=0.0, scale=1 / 255, batch=4, iterations=400, lr=0.01, milestones=(), momentum=0.0,
        weight_decay=0.0,
    )  # fmt: skip
    one, other = (_masks(implementation, setting, config, 2 * setting.seed + k) for k in (0, 1))
    whole = np.concatenate([one[0], other[0]])  # [T, B, D]
    alike = [whole[:, :, a] == whole[:, :, b] for a, b in combinations(range(24), 2)]
    alike += [whole[:, a] == whole[:, b] for a, b in combinations(range(4), 2)]
    rows = list(product(range(4), repeat=2))
    alike += [np.stack([one[0][later:, a] == one[0][:-later, b] for a, b in rows]) for later in range(1, 9)]
    alike.append(np.array([first == second for first, second in zip(one[0], other[0], strict=False)]))
    return {
        "wrong": cases([one[1] + other[1]], 0, "outputs"),
        "rates": cases([_errors(unit, 0.5) for unit in whole.reshape(-1, 24).T], 0, "standard errors"),
        "together": cases([_errors(same, 0.5) for same in alike], 0, "standard errors"),
    }


def _masks(
    implementation: ConvolutionalNetworks, setting: Setting, config: Any, seed: int
) -> tuple[NDArray[np.bool_], int]:
    """Units that each update keeps [T, B, D], and how much is wrong."""
    images, data = _images(setting.seed, 8, 4)
    x = (images - images.mean(0)).transpose(0, 3, 1, 2).reshape(8, -1) / 255
    masks, wrong = [], 0
    for before, after in pairwise(islice(_course(implementation, setting, config, data, seed), 76)):
        pushes = {name: (before[name] - after[name]) / 0.01 for name in before}
        labels = np.flatnonzero(pushes["b3"] < 0)[:4]
        second = recovered(before, pushes, labels)
        p = np.exp(oracle.log_softmax(second @ before["W3"].T + before["b3"])) - np.eye(8)[labels]
        back = p @ before["W3"] * (second > 0.5)
        first = np.linalg.lstsq(back.T / 4, pushes["W2"], rcond=None)[0]
        kept = [h > 0.5 for h in (first, second)]
        own = np.maximum(x[labels] @ before["W1"].T + before["b1"], 0) * kept[0]
        ideal = [own, np.maximum(own @ before["W2"].T + before["b2"], 0) * kept[1]]
        wrong += sum(int((np.abs(h - right) > 0.05).sum()) for h, right in zip((first, second), ideal, strict=True))
        wrong += 24 * (4 - len(labels))
        push = (back @ before["W2"] * kept[0]).T @ x[labels] / 4  # what undropped inputs make of it
        wrong += int(np.linalg.norm(pushes["W1"] - push) > 0.4 * np.linalg.norm(push))
        masks.append(np.concatenate(kept, 1))
    return np.array([mask for mask in masks if len(mask) == 4]).reshape(-1, 4, 24), wrong
