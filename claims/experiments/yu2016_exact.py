"""Exact checks of dilated networks by the oracle: what they compute, see, weigh and start from."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.yu2016 import DensePredictor, course, drawn_weights, graphs_of, off, smaller, untaught
from claims.oracles import yu2016 as oracle
from repro import Measurements, Setting, axis, cases, exhibit, from_normal, from_uniform, scalar

Array = NDArray[np.float64]
TABLE_1 = (1, 1, 2, 4, 8, 16, 1)
TABLE_1_FIELDS = (3, 5, 9, 17, 33, 65, 67, 67)
CITIES = (1, 1, 2, 4, 8, 16, 32, 64, 1)
FRONT: dict[str, Any] = {"network": "front-end", "widths": (2, 3), "convolutions": (1, 2), "ablated": (2,), "fully": 4}
FRONT |= {"window": 3}
NETWORKS: tuple[dict[str, Any], ...] = (
    {"classes": 3, "dilations": (1, 2, 3), "multiples": (1, 2, 1), "padding": 6, "size": (5, 7)},
    {"classes": 2, "dilations": (2, 1), "multiples": (3, 1), "padding": 3, "size": (9, 8), "mode": "reflection"},
    {"classes": 4, "dilations": (4, 2, 1), "multiples": (1, 1, 2), "padding": 0, "size": (17, 20)},
    {"classes": 3, "dilations": (1, 3), "multiples": (1, 1), "padding": 7, "size": (2, 6)},
    {"classes": 5, "dilations": (), "multiples": (), "padding": 0, "size": (1, 1)},
    {"classes": 2, "dilations": TABLE_1, "multiples": (1,) * 7, "padding": 33, "size": (4, 5)},
    {"classes": 1, "dilations": TABLE_1, "multiples": (2, 2, 4, 8, 16, 32, 32), "padding": 33, "size": (3, 2)},
    FRONT | {"padding": 5, "size": (22, 24), "mode": "reflection"},
    FRONT | {"ablated": (), "padding": 2, "size": (22, 26)},
    FRONT | {"ablated": (1, 2), "padding": 12, "size": (13, 15), "mode": "reflection"},
    FRONT | {"ablated": (1,), "padding": 10, "size": (22, 14)},
    FRONT | {"widths": (1, 2, 2), "convolutions": (1, 1, 1), "ablated": (2, 3), "window": 5, "padding": 21,
             "size": (30, 32), "mode": "reflection"},
)  # fmt: skip


def drawn_inputs(config: Any, rng: np.random.Generator, count: int = 2) -> Array:
    """Normal maps or images of the config's size."""
    return rng.standard_normal((count, config.classes if config.network == "context" else 3, *config.size))


def operator(network: DensePredictor, setting: Setting) -> Measurements:
    """Convolutions of drawn maps by drawn filters of three sizes, against Eq. 2 place by place."""
    rng, found = np.random.default_rng((setting.seed, 1)), list[float]()
    for shape, r, dilation in product(((7, 9), (1, 1), (5, 3), (2, 12)), (0, 1, 2), (1, 2, 3, 5)):
        f, k = rng.standard_normal(shape), rng.standard_normal((2 * r + 1, 2 * r + 1))
        f *= 10.0 ** rng.integers(-3, 4)
        found.append(off(network.dilated(f.copy(), k.copy(), dilation), oracle.dilated(f, k, dilation)))
    return {"off": cases(found, 0, "1")}


def forward(network: DensePredictor, setting: Setting) -> Measurements:
    """Every layer of twelve networks with drawn weights, predictions of networks made of these, and their states."""
    rng, layers, predicted, states = np.random.default_rng((setting.seed, 2)), *(list[float]() for _ in range(3))
    for number, chosen in enumerate(NETWORKS):
        config = smaller(setting.config, **{"mode": "zero"} | chosen)
        w, x = drawn_weights(config, rng, bias=0.2), (0.01, 1.0, 100.0)[number % 3] * drawn_inputs(config, rng, 3)
        wanted = oracle.forward(w, config, x)
        found = network.forward(config, {name: value.copy() for name, value in w.items()}, x.copy())
        layers += [off(a, b) for a, b in zip(found, wanted, strict=True)] if len(found) == len(wanted) else [np.inf]
        if config.network == "context":  # which takes maps of any size
            larger = np.concatenate([x, -x[:, :, ::-1], x], 2)
            layers.append(off(network.forward(config, w, larger)[-1], oracle.forward(w, config, larger)[-1]))
        arrays = {name: value.astype(np.float32) for name, value in w.items()}
        model = network.restore(config, arrays, device=setting.device)
        predicted.append(off(model.predict(graphs_of(x)), wanted[-1].reshape(3, -1)))
        predicted.append(off(model.predict(graphs_of(x[2:])), wanted[-1][2:].reshape(1, -1)))
        again = network.state(model)
        states += [off(again[name], value) for name, value in arrays.items()] + [float(again.keys() != arrays.keys())]
    return {"layers": cases(layers, 0, "1"), "predicted": cases(predicted, 0, "1"), "states": cases(states, 0, "1")}


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


def counts(network: DensePredictor, setting: Setting) -> Measurements:
    """Shapes of all presets and drawn networks; weights of the basic module by C squared, and of layers by depth."""
    rng, sizes = np.random.default_rng((setting.seed, 3)), list[float]()
    drawn = [smaller(setting.config, **chosen) for chosen in NETWORKS]
    for config in (*network.CONFIGS.values(), *drawn):
        found, wanted = network.shapes(config), oracle.shapes(config)
        sizes += [float({name: tuple(shape) for name, shape in found.items()} != wanted)]

    def kernels(config: Any) -> int:
        return sum(int(np.prod(shape)) for name, shape in network.shapes(config).items() if name[0] == "k")

    per_layer = []
    for classes in (int(rng.integers(2, 30)), 21):
        depths = [kernels(module(setting, TABLE_1[:n], classes)) / classes**2 for n in range(8)]
        per_layer += [*np.diff(depths)]
    named = ("dilation7", "dilation8", "dilation10", "front-end", "large")
    layers, totals = [], []
    for name in named:
        given = network.shapes(network.CONFIGS[name])
        layers.append(len(given) // 2)
        totals.append(sum(int(np.prod(shape)) for shape in given.values()))
    return {
        "sizes": cases(sizes, 0, "1"),
        "basic": scalar(kernels(network.CONFIGS["basic"]) / 21**2, "C^2"),
        "per layer": cases(per_layer, 9, "C^2"),
        "layers": cases(layers, [7, 8, 10, 16, 8], "layers"),
        "totals": cases(totals[3:], [134_346_581, 6_801_102 + 21 * 97], "weights"),
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


STARTS: tuple[dict[str, Any], ...] = (
    {"classes": 3, "dilations": (1, 2), "multiples": (1, 1)},
    {"classes": 2, "dilations": TABLE_1, "multiples": (2, 2, 4, 8, 16, 32, 32), "padding": 33},
    {"classes": 3, "dilations": (1, 2, 1), "multiples": (4, 2, 3)},
    {"classes": 6, "dilations": (1, 2), "multiples": (1, 1)},
    {"classes": 9, "network": "front-end", "widths": (8, 12), "convolutions": (1, 2), "ablated": (2,), "fully": 20,
     "window": 3, "size": (40, 40)},
)  # fmt: skip


def starts(network: DensePredictor, setting: Setting) -> Measurements:
    """Weights before any update, of seven kinds of network and start, and how those of two seeds correlate."""
    fixed, chance, alike, same = *(list[float]() for _ in range(3)), list[float]()
    kinds = (("identity", 0.0), ("identity", 0.003), ("gaussian", 0.01), ("gaussian", 0.4), ("xavier", 0.1))
    for chosen, (start, noise) in product(STARTS, kinds):
        if start == "identity" and "network" in chosen:
            continue  # Eq. 5 is of context modules
        config = smaller(setting.config, **{"size": (8, 8), "padding": 9} | chosen, start=start, noise=noise)
        data = untaught(config, 0 * drawn_inputs(config, np.random.default_rng(0), 1))
        one, other, again = (
            course(network, replace(setting, config=config, seed=setting.seed + more), data)[0][0] for more in (0, 1, 0)
        )
        before = config.classes if config.network == "context" else 3
        for name, w in one.items():
            same.append(float((w != again[name]).any()))
            if name[0] == "b":
                fixed += [*w]
                continue
            rest, twin = w.ravel(), other[name].ravel()
            if start == "identity":
                value, where = oracle.identity(config.classes, before, len(w), w.shape[2])
                fixed += [off(w[where], value[where])]
                rest, twin = w[~where], other[name][~where]
            rest, twin = (one[:: max(1, rest.size // 4000)] for one in (rest, twin))
            before = len(w)
            fixed += [float(np.abs(rest).max(initial=0))] if start == "identity" and not noise else []
            bound = np.sqrt(6 / ((w.shape[0] + w.shape[1]) * w.shape[2] ** 2))
            if rest.size > 8 and (noise or start != "identity"):
                drawn = from_uniform(rest, -bound, bound) if start == "xavier" else from_normal(rest, noise)
                chance.append(drawn)
                alike.append(float((rest * twin).sum() / np.sqrt((rest**2).sum() * (twin**2).sum()) * rest.size**0.5))
    return {
        "fixed": cases(fixed, 0, "1"),
        "chance": cases(chance, 1e-6, "probability"),
        "alike": cases(alike, 0, "standard errors"),
        "same": cases(same, 0, "1"),
    }


def passed_on(network: DensePredictor, setting: Setting) -> Measurements:
    """What modules that start at the identity make of drawn maps, in the end and layer by layer, and of labels."""
    rng, ends, gains, kept = np.random.default_rng((setting.seed, 6)), *(list[float]() for _ in range(3))
    chosen = (((1,) * 7, 3), ((2, 2, 4, 8, 16, 32, 32), 2), ((2, 2, 4, 8, 16, 32, 32), 4), ((1,) * 7, 21))
    for (multiples, classes), scale in product(chosen, (1.0, 1e-3, 1e3)):
        config = smaller(setting.config, classes=classes, multiples=multiples, size=(4, 6), start="identity", noise=0.0)
        x = scale * drawn_inputs(config, rng)
        weights = course(network, replace(setting, config=config), untaught(config, x))[0][0]
        layers = [np.asarray(one, np.float64) for one in network.forward(config, weights, x)]
        wanted = np.maximum(x, 0)
        ends.append(off(layers[-1], wanted))
        margin = config.padding
        for multiple, dilation, layer in zip(multiples, config.dilations, layers, strict=False):
            margin -= dilation
            inner = layer[:, ::multiple, margin : margin + 4, margin : margin + 6]
            gains.append(off(inner, wanted / multiple))
        decided = x.max(1) > 0
        kept += [*(layers[-1].argmax(1) == x.argmax(1))[decided]] if layers[-1].shape == x.shape else [0.0]
    return {"ends": cases(ends, 0, "1"), "gains": cases(gains, 0, "1"), "kept": cases(kept, 1, "1")}
