"""What networks of dilated layers see: receptive fields found by what reaches what, and sides of maps.

Weights are ones and inputs are zero but for one place, so that a network counts the ways from there to each output.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from claims.experiments.yu2016 import Array, DensePredictor, off, smaller
from claims.oracles import yu2016 as oracle
from repro import Measurements, Setting, axis, cases, exhibit

TABLE_1 = (1, 1, 2, 4, 8, 16, 1)
TABLE_1_FIELDS = (3, 5, 9, 17, 33, 65, 67, 67)


def paths(config: Any) -> Array:
    """In how many ways each place of the field of a module reaches its middle, [R, R]."""
    line = np.ones(1)
    for dilation in config.dilations:
        step = np.zeros(2 * dilation + 1)
        step[::dilation] = 1
        line = np.convolve(line, step)
    return np.outer(line, line)


def seen(network: DensePredictor, config: Any) -> Array:
    """How strongly each place of a map [H, W] of 2R + 1 places a side answers to its middle, where weights are ones."""
    side = len(paths(config)) + 2
    x = np.zeros((1, config.classes, side, side))
    x[:, :, side // 2, side // 2] = 1
    ones = {name: np.ones(shape) * (name[0] == "k") for name, shape in oracle.shapes(config).items()}
    found = np.asarray(network.forward(config, ones, x)[-1], np.float64)
    return found[0, 0] / config.classes ** (len(config.dilations) + 1) if found.shape == x.shape else 0 * x[0, 0]


def field(network: DensePredictor, config: Any) -> tuple[int, int, float]:
    """Side of the receptive field, how many places are in it, and how far ways through it are from their number."""
    answer, wanted = seen(network, config), np.pad(paths(config), 1)
    rows = np.flatnonzero((answer > 0.5).any(1))
    return int(np.ptp(rows)) + 1 if rows.size else 0, int((answer > 0.5).sum()), off(answer, wanted)


def module(setting: Setting, dilations: tuple[int, ...], classes: int = 1) -> Any:
    """A module of these layers whose output is as large as its input."""
    multiples, most = (1,) * len(dilations), sum(dilations)
    return smaller(setting.config, classes=classes, dilations=dilations, multiples=multiples, padding=most, mode="zero")


def fields(network: DensePredictor, setting: Setting) -> Measurements:
    """Fields of the layers of Table 1, of l = 1, 2, 4, ... and of Appendix A's modules, from what reaches what."""
    table = [field(network, module(setting, TABLE_1[:n])) for n in range(1, 8)]
    table.append(field(network, module(setting, TABLE_1)))  # with the last layer, which is in all of them
    powers = [field(network, module(setting, tuple(2**k for k in range(i + 1)), 1 + i % 2)) for i in range(5)]
    presets = {name: network.CONFIGS[name] for name in ("dilation7", "dilation8", "dilation10")}
    urban = [field(network, replace(one, classes=1, multiples=(1,) * len(one.dilations))) for one in presets.values()]
    everything = [*table, *powers, *urban]
    growing = np.stack([np.pad(seen(network, module(setting, (1, 2, 4)[:n])), 2**3 - 2**n) for n in (1, 2, 3)])
    return {
        "table": cases([side for side, *_ in table], TABLE_1_FIELDS, "places"),
        "powers": cases([count for _, count, _ in powers], [(2 ** (i + 2) - 1) ** 2 for i in range(5)], "places"),
        "urban": cases([side for side, *_ in urban], [35, 67, 259], "places"),
        "filled": cases([count - side**2 for side, count, _ in everything], 0, "places"),
        "ways": cases([apart for *_, apart in everything], 0, "1"),
        "growth": exhibit(
            np.where(growing > 0.5, growing, np.nan),
            axis("panel", ["1-dilated: 3x3", "then 2-dilated: 7x7", "then 4-dilated: 15x15"]),
            axis("row", range(-8, 9)),
            axis("column", range(-8, 9)),
            unit="ways",
            kind="image",
            place="Figure 1",
            says="Receptive fields grow exponentially without holes; colour says how many ways lead to the middle.",
        ),
    }


def geometry(network: DensePredictor, setting: Setting) -> Measurements:
    """Sides of the front end's output, and which outputs see a pixel, with one map a layer and ones as weights."""
    thin = replace(network.CONFIGS["front-end"], widths=(1,) * 5, fully=1, classes=1)
    ones = {name: np.ones(shape) * (name[0] == "k") for name, shape in oracle.shapes(thin).items()}
    bare, found = replace(thin, padding=0, mode="zero"), list[int]()
    for side in (396, 628, 852, 884, 900):
        found.append(network.forward(bare, ones, np.zeros((1, 3, side, 396)))[-1].shape[2])
    padded = network.forward(thin, ones, np.zeros((1, 3, 512, 200)))[-1].shape[2]
    rng, places = np.random.default_rng((setting.seed, 4)), [0, 7, 8, 379, 380, 395]
    pixels = np.array(
        [[one, 200 - one // 2] for one in places] + [[190, 388], [387, 190], *rng.integers(0, 396, (4, 2))]
    )
    x = np.zeros((len(pixels), 3, 396, 396))
    for image, (row, column) in zip(x, pixels, strict=True):
        image[:, row, column] = 1
    answers = np.asarray(network.forward(bare, ones, x)[-1])[:, 0]
    starts = 8 * np.arange(3)
    inside = [(starts <= pixels[:, n, None]) & (pixels[:, n, None] < starts + 380) for n in (0, 1)]
    wanted = inside[0][:, :, None] & inside[1][:, None, :]
    same = (answers > 0) == wanted if answers.shape == wanted.shape else np.zeros(1)
    return {
        "sides": cases([*found, padded], [3, 32, 60, 64, 66, 64], "places"),
        "seen": cases(same.ravel(), 1, "1"),
    }
