"""What networks of Krizhevsky et al. are fed of pictures that are no squares, inferred from updates and from scores.

Shapes: N pictures, F side of the square that is cut out of a picture, P = 3 F F numbers of an input, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.krizhevsky2012 import ConvolutionalNetworks, weights_of
from claims.experiments.krizhevsky2012_oracle import recovered
from repro import Measurements, ReproError, Setting, Split, cases, decoded_split

Array = NDArray[np.float64]
FRAME, CLASSES = 16, 12
SIZES = ((16, 24), (32, 16), (24, 36), (36, 24), (32, 64), (48, 32), (32, 32), (72, 24))  # height and width


def slopes(rng: np.random.Generator, height: int, width: int) -> tuple[NDArray[np.uint8], Array]:
    """A picture whose colours rise evenly to one side, and what of it is fed by Section 2, [F, F, 3], in grey levels.

    Rescaled so that the shorter side is F, and cut to the central square: however pixels are interpolated, even slopes
    stay what they are, but for the outermost pixels. Sizes are such that no half pixel is cut.
    """
    down, right = rng.uniform(-1, 1, (2, 3))
    steep = 120 / (np.abs(down) + np.abs(right))  # so that colours stay between 8 and 248

    def at(rows: NDArray[np.floating[Any]], columns: NDArray[np.floating[Any]]) -> Array:
        y, x = (2 * rows / height - 1)[:, None, None], (2 * columns / width - 1)[None, :, None]
        return 128 + steep * (down * y + right * x)

    side = min(height, width)
    places = (np.arange(FRAME) + 0.5) * side / FRAME
    picture = np.round(at(np.arange(height) + 0.5, np.arange(width) + 0.5)).astype(np.uint8)
    return picture, at((height - side) / 2 + places, (width - side) / 2 + places)


def pictures(implementation: ConvolutionalNetworks, setting: Setting) -> Measurements:
    """What a linear network is fed of eight pictures of any shape, by the grey level.

    Measures:
        training: how far inputs of an update are from the central squares less their mean, as the root of the mean
            square over an input.
        test: how far scores are from those of the central squares, where a score is the mean of a quarter of the input
            in one colour.
        mean: how far the mean image is from that of the squares, as the root of the mean square.
    """
    config = replace(
        setting.config, filters=(), kernels=(), hidden=(), split=(), normalized=(), pooled=(), ones=(), std=1e-3,
        dropout=0.0, frame=FRAME, image=FRAME, channels=3, classes=CLASSES, augment="none", colour=0.0, scale=1 / 255,
        batch=len(SIZES), iterations=1, lr=0.003, milestones=(), momentum=0.0, weight_decay=0.0,
    )  # fmt: skip
    rng = np.random.default_rng(setting.seed)
    shown, squares = zip(*(slopes(rng, *size) for size in SIZES), strict=True)
    wanted = np.stack(squares)
    with TemporaryDirectory() as folder:
        split = decoded_split(_saved(shown, Path(folder)))
        course = [
            (weights_of(implementation, config, predictor), implementation.state(predictor))
            for _, predictor in implementation.train(
                config, split, seed=setting.seed, device=setting.device, eval_steps=(0,)
            )
        ]
        (before, _), (after, state) = course[0], course[-1]
        mean, reading = _means_of_quarters(state)
        predictor = implementation.restore(config, reading, device=setting.device)
        scores = np.asarray(predictor.predict(split.images), float)
    pushes = {name: (before[name] - after[name]) / config.lr for name in before}
    fed = 255 * recovered(before, pushes, np.arange(len(SIZES)), len(SIZES)).reshape(-1, 3, FRAME, FRAME)
    off = fed.transpose(0, 2, 3, 1) - (wanted - wanted.mean(0))
    known = np.stack([_quarters(square - mean) for square in wanted])
    return {
        "training": cases(np.sqrt((off**2).mean((1, 2, 3))), 0, "grey levels"),
        "test": cases((scores - known).ravel(), 0, "grey levels"),
        "mean": cases([np.sqrt(((mean - wanted.mean(0)) ** 2).mean())], 0, "grey levels"),
    }


def _saved(shown: Sequence[NDArray[np.uint8]], folder: Path) -> Split:
    """The pictures as files, each of a class of its own."""
    from PIL import Image

    paths = [str(folder / f"{number}.png") for number in range(len(shown))]
    for path, picture in zip(paths, shown, strict=True):
        Image.fromarray(picture).save(path)
    return Split(images=paths, labels=np.arange(len(shown)), classes=CLASSES)


def _quarters(square: Array) -> Array:
    """The mean of each quarter of [F, F, 3] in each colour, [K]."""
    half = FRAME // 2
    return square.reshape(2, half, 2, half, 3).mean((1, 3)).ravel()


def _means_of_quarters(state: dict[str, NDArray[Any]]) -> tuple[Array, dict[str, NDArray[Any]]]:
    """The mean image in a state, and the state of a network whose scores are the means of quarters.

    Raises:
        ReproError: if the state has no mean image.
    """
    arrays = {name: np.array(value) for name, value in state.items()}
    mean = [value.astype(float) for value in arrays.values() if value.shape == (FRAME, FRAME, 3)]
    if len(mean) != 1:
        raise ReproError(f"state has {len(mean)} mean images [{FRAME}, {FRAME}, 3], not one", f"It has {list(arrays)}.")
    each = np.eye(FRAME * FRAME * 3).reshape(-1, FRAME, FRAME, 3)
    reads = 255 * np.stack([_quarters(one) for one in each]).reshape(FRAME, FRAME, 3, CLASSES)
    kernel = reads.transpose(3, 2, 0, 1).reshape(CLASSES, -1)
    for name, value in arrays.items():
        if value.shape == kernel.shape:
            arrays[name] = kernel.astype(value.dtype)
        elif value.shape == (CLASSES,):
            arrays[name] = np.zeros_like(value)
    return mean[0], arrays
