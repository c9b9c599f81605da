"""Sabotaged course notes: each differs from the reference in the one thing that it states, an edit of its source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from repro import sabotage


def _edit(says: str, old: str, new: str) -> Callable[[Any], Any]:
    """The reference with one text of its source replaced, wherever it stands."""

    def sabotaged(reference: Any) -> Any:
        source, module = inspect.getsource(reference), ModuleType(reference.__name__)
        if old not in source:
            raise ValueError(f"the reference has no {old!r}")
        exec(compile(source.replace(old, new), reference.__file__, "exec"), vars(module))
        return sabotage(module)

    sabotaged.__doc__ = says
    return sabotaged


# fmt: off
unshifted_exponentials = _edit(
    "Scores are cut off at 700, not shifted.", "scores - scores.max(axis=1, keepdims=True)", "scores.clip(-700, 700)")
penalised_biases = _edit("Biases are penalised like weights.", ' if name[0] == "W")', ")")
leaky_mask = _edit("Gradients pass rectifiers that were off.", "d *= outputs[n - 1] > 0", "d *= outputs[n - 1] >= 0")
subtracts_momentum = _edit(
    "Nesterov's rewritten rule has the factor 1 - mu.", "(1 + config.momentum) * v", "(1 - config.momentum) * v")
look_ahead_dropped = _edit(
    "Nesterov's rule is plain momentum.", 'v if config.rule == "momentum"', 'v if config.rule != "vanilla"')
unscaled = _edit("Inputs are not multiplied by the config's scale.", "- mean) * config.scale", "- mean)")
variance_as_width = _edit(
    "The calibrated start divides by n, not by its root.", '1 / math.sqrt(fan_in), "he"', '1 / fan_in, "he"')
he_by_outputs = _edit("The start for rectifiers counts outputs.", "math.sqrt(2 / fan_in)", "math.sqrt(2 / fan_out)")
always_accepts = _edit("Searches keep all weights that they try.", "if loss < best:", "if loss < math.inf:")
tries_near_the_best = _edit(
    "Random search tries steps, as local search does.", 'if config.method == "random":', "if False:")
one_seed_for_searches = _edit(
    "Searches draw from seed 0, whatever they are given.",
    "    best, sizes = math.inf",
    "    rng = np.random.default_rng(0)\n    best, sizes = math.inf")
forward_as_centred = _edit(
    "Differences are forward ones whatever the config says.", 'if config.formula == "centred"', "if False")
width_of_one_step = _edit("Centred differences are divided by h instead of 2h.", "(h, 2 * h)", "(h, h)")
without_penalty_gradient = _edit("The gradient leaves the penalty out.", " + config.reg * weights", " + 0 * weights")
single_precision = _edit("Layers compute in single precision.", "outputs[-1] @", "outputs[-1].astype(np.float32) @")
bytes_wrap_around = _edit(
    "Bytes are subtracted as bytes, which wrap around.",
    "abs(np.int16(images[m, d]) - np.int16(train[n, d]))", "np.uint8(images[m, d] - train[n, d])")
last_of_equals = _edit("Of equally near images the last is taken.", "if total < least[m]", "if total <= least[m]")
euclidean_only = _edit(
    "Neighbours are nearest by L2 whatever the config says.", 'if config.distance == "L1"', "if False")
distances_in_single_precision = _edit(
    "Squares of pixels are added up in single precision.", "4096].astype(np.float64)", "4096].astype(np.float32)")
rounds_down = _edit(
    "Fields that do not fit neatly are rounded down.", "if steps >= 0 and not rest else", "if steps >= 0 else")
one_channel_counted = _edit("Filters are counted for one channel.", "field**2 * depth * filters", "field**2 * filters")
vgg_19 = _edit("The network is VGG-19.", "(256, 3), (512, 3), (512, 3)", "(256, 4), (512, 4), (512, 4)")
workspace_counted = _edit(
    "A workspace of 2,960 x 2,960 numbers is counted, which makes 24 million: the total holds.",
    "    return np.array(rows, np.int64)", "    return np.array([*rows, (2960, 2960, 1, 0, 0)])")
flipped_filters = _edit("Filters are flipped.", "field, stride), w, axes", "field, stride), w[::-1, ::-1], axes")
last_layer_rectified = _edit("Scores are rectified.", "    return volume\n", "    return np.maximum(0, volume)\n")
evaluates_the_crops = _edit(
    "Larger images go through the network crop by crop: the statement holds.", "    volume, rows", """
    if images.shape[1] > config.side:
        places = range(0, images.shape[1] - config.side + 1, 32)
        cut = [[images[:, i : i + config.side, j : j + config.side] for j in places] for i in places]
        return np.concatenate([np.concatenate([convolved(config, weights, c) for c in row], 2) for row in cut], 1)
    volume, rows""")
vgg_as_alexnet = _edit("AlexNet is VGG: the statement holds.", "side=227, stack=_ALEXNET", "side=224, stack=_VGG")
penalised = _edit("A penalty of 0.1 is always on.", "+ config.reg * weights", "+ 0.1 * weights")
drawn_labels = _edit(
    "Labels are shuffled anew for each update.", "weights, x, y)[1]", "weights, x, rng.permutation(y))[1]")
hardly_descends = _edit(
    "Gradient steps are a ten-thousandth as long.", "before - config.step", "before - 1e-4 * config.step")
hidden_layer_added = _edit(
    "The linear classifier has a hidden layer, and 1,000 updates.",
    '"spiral-linear": Config(', '"spiral-linear": Config(hidden=(100,), updates=1000, ')
stops_early = _edit(
    "Nothing is learnt after 1,000 updates.", "x, y)[1]\n", "x, y)[1] if _ < 1000 else dict.fromkeys(weights, 0.0)\n")
# fmt: on
PLANTED = {"objective": ("    d /= len(labels)\n", "    d /= len(labels) + 1\n")}  # the gradient of another mean
