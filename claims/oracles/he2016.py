"""He, Zhang, Ren & Sun (2016) in NumPy, float64, forward only: written from the paper.

Convolution, normalization, stem and shortcuts where sizes change are those of the earlier paper, as are the names of
weights. A gate's kernel and bias lie on the shortcut: "shortcut.W0", "shortcut.b0".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.oracles.he2015 import Array, Layers, padded, stem


def layout(config: Any) -> tuple[int, ...]:
    """Units at each size: Section 5, or n each of the 6n + 2 or, with bottlenecks, 9n + 2 layers of the appendix."""
    table = {101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
    return (
        table[config.depth]
        if config.stem == "imagenet"
        else ((config.depth - 2) // ((3 if config.bottleneck else 2) * len(config.widths)),) * len(config.widths)
    )


def branch(layers: Layers, config: Any, a: Array, stride: int) -> Array:
    """F without what the order puts before its first convolution: Figure 4."""
    f, more = layers.conv(a, stride), 2 if config.bottleneck else 1
    for _ in range(more):
        f = layers.conv(layers.relu(layers.norm(f)))
    match config.unit:
        case "original" | "relu-preactivation":
            return layers.norm(f)
        case "relu-before-addition":
            return layers.relu(layers.norm(f))
        case _:  # the last normalization stands after the addition, or before the first convolution
            return f


def mixed(layers: Layers, config: Any, x: Array, h: Array, f: Array, stride: int) -> Array:
    """Eq. (6) and Figure 2: what of shortcut and branch is added."""
    if config.gate != "none":
        g = 1 / (1 + np.exp(-layers.conv(x, stride, "shortcut.")))
        return (1 - g) * h + (g * f if config.gate == "exclusive" else f)
    h = h * (1 - config.dropout)  # Figure 2f, in evaluation: dropout's expectation
    return config.scale * h + config.branch_scale * f


def unit(layers: Layers, config: Any, state: tuple[Array, Array], width: int, stride: int, first: bool) -> Any:
    """X and what the next branch reads, from those of the unit before: Figure 4 and, asymmetric, eq. (9)."""
    x, a = state
    full = config.unit in ("preactivation", "asymmetric")
    if config.unit == "preactivation" and not first:
        a = layers.relu(layers.norm(x))
    elif config.unit == "relu-preactivation" and not first:
        a = layers.relu(x)
    f = branch(layers, config, a, stride)
    layers.residuals.append(f)
    width *= 4 if config.bottleneck else 1
    if config.shortcut == "C" or (config.shortcut == "B" and (stride != 1 or width != x.shape[1])):
        h = layers.conv(a, stride, "shortcut.")  # appendix: projections are pre-activated too
        h = h if full else layers.norm(h, "shortcut.")
    else:
        h = padded(x, width, stride)
    y = mixed(layers, config, x, h, f, stride) if config.residual else config.branch_scale * f
    match config.unit:
        case "original":
            y = layers.relu(y)
        case "bn-after-addition":
            y = layers.relu(layers.norm(y))
        case "asymmetric":
            return y, layers.relu(layers.norm(y))
    return y, y


def logits(layers: Layers, config: Any, x: Array) -> Array:
    """Scores [N, K] of inputs [N, C, H, W]; the last unit's sum is activated as the next unit would have done."""
    x = a = layers.passed(stem(layers, config, x))
    for stage, (width, units) in enumerate(zip(config.widths, layout(config), strict=True)):
        for index in range(units):
            y, a = unit(layers, config, (x, a), width, 2 if stage and not index else 1, not stage and not index)
            x = layers.passed(y)
            a = a if config.unit == "asymmetric" else x
    last = a
    match config.unit:
        case "preactivation":
            last = layers.relu(layers.norm(x))
        case "relu-preactivation":
            last = layers.relu(x)
    return last.mean((2, 3)) @ layers.weights["W"].T + layers.weights["b"]


def rate(config: Any, update: int) -> float:
    """Appendix: a tenth of the learning rate at first, and divided by 10 at each milestone."""
    slow = update < config.slow_updates
    return config.lr / 10 ** (1 if slow else sum(update >= milestone for milestone in config.milestones))
