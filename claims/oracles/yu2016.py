"""The equations of dilated convolutions (arXiv:1511.07122v3, Sections 2 to 4), typed from the paper, in float64.

Shapes: N maps, C channels or classes, H height, W width. A network is padded once, and then a list of layers, each
without padding: a side of s becomes s - d (w - 1) by a window of w under dilation d, and half of it by pooling.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repro import Weights

Array = NDArray[np.float64]
MODES: dict[str, Any] = {"zero": "constant", "reflection": "reflect"}


class Stage(NamedTuple):
    """One layer: `width` maps by windows of a dilation, truncated at 0 or not; or pooling, of width 0."""

    width: int
    window: int = 2
    dilation: int = 1
    truncated: bool = True


def dilated(f: Array, k: Array, dilation: int) -> Array:
    """Eq. 2 literally: at p the sum over s + l t = p of F(s) k(t), for F [H, W] that is 0 elsewhere, k [2r+1, 2r+1]."""
    r, found = len(k) // 2, np.zeros(f.shape)
    for s in np.ndindex(f.shape):
        for t in product(range(-r, r + 1), repeat=2):
            p = s[0] + dilation * t[0], s[1] + dilation * t[1]
            if 0 <= p[0] < f.shape[0] and 0 <= p[1] < f.shape[1]:
                found[p] += f[s] * k[t[0] + r, t[1] + r]
    return found


def stages(config: Any) -> list[Stage]:
    """Table 1 for a context module; for a front end Section 4: dilation doubles for each pooling layer that is gone."""
    if config.network == "context":
        layers = zip(config.multiples, config.dilations, strict=True)
        found = [Stage(multiple * config.classes, 3, dilation) for multiple, dilation in layers]
        return [*found, Stage(config.classes, 1, 1, False)]
    found, dilation = list[Stage](), 1
    for block, (width, layers) in enumerate(zip(config.widths, config.convolutions, strict=True), 1):
        found += [Stage(width, 3, dilation)] * layers
        if block in config.ablated:
            dilation *= 2
        else:
            found.append(Stage(0))
    return [
        *found,
        Stage(config.fully, config.window, dilation),
        Stage(config.fully, 1),
        Stage(config.classes, 1, 1, False),
    ]


def shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Kernels k1, k2, ... [to, from, w, w] and biases b1, b2, ... [to]."""
    found, before = dict[str, tuple[int, ...]](), config.classes if config.network == "context" else 3
    for n, stage in enumerate((one for one in stages(config) if one.width), 1):
        found |= {f"k{n}": (stage.width, before, stage.window, stage.window), f"b{n}": (stage.width,)}
        before = stage.width
    return found


def side(config: Any, before: int) -> int:
    """The side of a network's output for a side of its input."""
    before += 2 * config.padding
    for stage in stages(config):
        before = before - stage.dilation * (stage.window - 1) if stage.width else before // 2
    return before


def layer(x: Array, k: Array, b: Array, dilation: int) -> Array:
    """All maps of a layer [N, to, H', W'] of x [N, from, H, W], where the windows fit."""
    reach = dilation * (k.shape[2] - 1)
    height, width = x.shape[2] - reach, x.shape[3] - reach
    windows = [
        x[:, :, dilation * i : dilation * i + height, dilation * j : dilation * j + width]
        for i, j in np.ndindex(k.shape[2:])
    ]
    taps = k.reshape(*k.shape[:2], len(windows))
    return np.tensordot(taps, np.stack(windows), ((2, 1), (0, 2))).swapaxes(0, 1) + b[:, None, None]


def forward(w: Weights, config: Any, maps: Array) -> list[Array]:
    """What each layer with weights gives of maps [N, C, H, W]; the last are the scores."""
    p, n, found = config.padding, 0, list[Array]()
    x = np.pad(np.asarray(maps, np.float64), ((0, 0), (0, 0), (p, p), (p, p)), MODES[config.mode])
    for stage in stages(config):
        if not stage.width:
            x = np.maximum.reduce([x[:, :, i::2, j::2] for i, j in product((0, 1), repeat=2)])
            continue
        n += 1
        x = layer(x, w[f"k{n}"], w[f"b{n}"], stage.dilation)
        x = np.maximum(x, 0) if stage.truncated else x  # max(., 0)
        found.append(x)
    return found


def loss(w: Weights, config: Any, maps: Array, targets: Array) -> float:
    """The mean cross-entropy, in nats, of labelled places; targets [N, K, H', W'] are one-hot, or 0 without a label."""
    f = forward(w, config, maps)[-1]
    top = f.max(1, keepdims=True)
    log_p = f - top - np.log(np.exp(f - top).sum(1, keepdims=True))
    return float(-(targets * log_p).sum() / targets.sum())


def identity(maps: int, before: int, width: int, window: int) -> tuple[Array, NDArray[np.bool_]]:
    """Eq. 5 without noise, and Eq. 4 where both widths are `maps` (C): the kernel, and where it is not noise."""
    value, where = np.zeros((width, before, window, window)), np.zeros((width, before, window, window), bool)
    for b, a in product(range(width), range(before)):
        if a * maps // before == b * maps // width:
            value[b, a, window // 2, window // 2] = maps / width
            where[b, a, window // 2, window // 2] = True
    return value, where
