"""Exact checks of dilated networks by the oracle: what they compute, see, weigh and start from."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.receptive_fields import TABLE_1, module
from claims.experiments.yu2016 import DensePredictor, course, drawn_weights, graphs_of, off, smaller, untaught
from claims.oracles import yu2016 as oracle
from repro import Measurements, Setting, cases, from_normal, from_uniform, scalar

Array = NDArray[np.float64]
FAR = 65_536_000  # between two seeds that are one to whoever takes a seed's last binary or decimal digits
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


STARTS: tuple[dict[str, Any], ...] = (
    {"classes": 3, "dilations": (1, 2), "multiples": (1, 1)},
    {"classes": 2, "dilations": TABLE_1, "multiples": (2, 2, 4, 8, 16, 32, 32), "padding": 33},
    {"classes": 3, "dilations": (1, 2, 1), "multiples": (4, 2, 3)},
    {"classes": 6, "dilations": (1, 2), "multiples": (1, 1)},
    {"classes": 9, "network": "front-end", "widths": (8, 12), "convolutions": (1, 2), "ablated": (2,), "fully": 20,
     "window": 3, "size": (40, 40)},
)  # fmt: skip


def starts(network: DensePredictor, setting: Setting) -> Measurements:
    """Weights before any update, of seven kinds of network and start, and how those of three seeds correlate."""
    fixed, chance, alike, same, again = (list[float]() for _ in range(5))
    kinds = (("identity", 0.0), ("identity", 0.003), ("gaussian", 0.01), ("gaussian", 0.4), ("xavier", 0.1))
    for chosen, (start, noise) in product(STARTS, kinds):
        if start == "identity" and "network" in chosen:
            continue  # Eq. 5 is of context modules
        config = smaller(setting.config, **{"size": (8, 8), "padding": 9} | chosen, start=start, noise=noise)
        data = untaught(config, 0 * drawn_inputs(config, np.random.default_rng(0), 1))
        one, twice, *others = (
            course(network, replace(setting, config=config, seed=setting.seed + more), data)[0][0]
            for more in (0, 0, 1, FAR)
        )
        before, noises = config.classes if config.network == "context" else 3, list[Array]()
        for name, w in one.items():
            same.append(float((w != twice[name]).any()))
            if name[0] == "b":
                fixed += [*w]
                continue
            rest, twins = w.ravel(), [other[name].ravel() for other in others]
            if start == "identity":
                value, where = oracle.identity(config.classes, before, len(w), w.shape[2])
                fixed += [off(w[where], value[where])]
                rest, twins = w[~where], [other[name][~where] for other in others]
            rest, *twins = (one[:: max(1, rest.size // 4000)] for one in (rest, *twins))
            before = len(w)
            fixed += [float(np.abs(rest).max(initial=0))] if start == "identity" and not noise else []
            bound = np.sqrt(6 / ((w.shape[0] + w.shape[1]) * w.shape[2] ** 2))
            if rest.size > 8 and (noise or start != "identity"):
                drawn = from_uniform(rest, -bound, bound) if start == "xavier" else from_normal(rest, noise)
                chance.append(drawn)
                noises.append(rest)
                for twin in twins:
                    shared = (rest * twin).sum() / np.sqrt((rest**2).sum() * (twin**2).sum())
                    alike.append(float(shared * rest.size**0.5))
        drawn = np.concatenate([*noises, [0.0]])
        again.append(1 - np.unique(drawn).size / drawn.size)  # no layer draws what another one has drawn
    return {
        "fixed": cases(fixed, 0, "1"),
        "chance": cases(chance, 1e-6, "probability"),
        "alike": cases(alike, 0, "standard errors"),
        "same": cases(same, 0, "1"),
        "again": cases(again, 0, "1"),
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
