"""Sabotaged dilated networks: each differs from the reference in the one thing that it states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from claims.controls._edits import edited
from repro import reconfigure


def _dilations(says: str, change: Callable[[int], tuple[int, ...]]) -> Callable[[Any], Any]:
    """Context modules with other dilations, a function of how many layers there are, and padding that fits them."""

    def changed(config: Any) -> Any:
        if config.network != "context":
            return config
        dilations = change(len(config.dilations))
        return replace(config, dilations=dilations, padding=sum(dilations))

    def sabotaged(reference: Any) -> Any:
        return reconfigure(reference, changed)

    sabotaged.__doc__ = says
    return sabotaged


undilated = _dilations("No layer of a context module is dilated.", lambda layers: (1,) * layers)
linear_dilations = _dilations("Dilations grow by one a layer: 1, 2, 3.", lambda layers: tuple(range(1, layers + 1)))
gridding = _dilations("All layers have a dilation of 2, which leaves holes.", lambda layers: (2,) * layers)


def starts_at_random(reference: Any) -> Any:
    """Modules that should start at the identity start by Glorot and Bengio's rule."""
    random = {"identity": "xavier"}
    return reconfigure(reference, lambda config: replace(config, start=random.get(config.start, config.start)))


def never_trained(reference: Any) -> Any:
    """No update is ever made."""
    return reconfigure(reference, lambda config: replace(config, updates=0))


def stops_early(reference: Any) -> Any:
    """Training ends after ten updates, however many there should be."""
    return reconfigure(reference, lambda config: replace(config, updates=min(config.updates, 10)))


def random_never_trained(reference: Any) -> Any:
    """Networks that start at random are not trained, so that the identity has to be the better start."""
    return reconfigure(reference, lambda config: config if config.start == "identity" else replace(config, updates=0))


def undilated_never_trained(reference: Any) -> Any:
    """Modules without dilation are not trained, so that dilation has to help."""
    return reconfigure(reference, lambda config: replace(config, updates=0) if set(config.dilations) == {1} else config)


# fmt: off
SGD = "velocity[name] = config.momentum * velocity[name] - config.rate * gradient"
correlates = edited("The filter is not flipped, as in libraries.", ("kernel[::-1, ::-1].copy()", "kernel.copy()"))
transposes = edited("Rows and columns of the filter are swapped.", ("kernel[::-1, ::-1]", "kernel.T[::-1, ::-1]"))
keeps_the_shape = edited(
    "The filter is applied to a map that is padded as if it were not dilated.",
    ("padding=reach, dilation=dilation)[0, 0]", "padding=len(kernel) // 2, dilation=dilation)[0, 0]"),
    ("torch.tensor(maps,", "torch.tensor(np.pad(maps, reach - len(kernel) // 2, mode='edge'),"))
pads_every_layer = edited(
    "Each layer is padded so that its map keeps its size, instead of the input once.",
    ("F.pad(x_NCHW, (p, p, p, p), mode=mode) if p else x_NCHW", "x_NCHW"),
    ("dilation=layer.dilation)\n", "dilation=layer.dilation, padding=layer.dilation * (layer.window // 2))\n"))
truncates_scores = edited("The last layer is truncated too.", ("F.relu(x) if layer.truncated else x", "F.relu(x)"))
repeats_the_edge = edited("Buffers repeat the edge instead of reflecting.", (': "reflect"}', ': "replicate"}'))
averages_in_pooling = edited("Pooling averages.", ("F.max_pool2d", "F.avg_pool2d"))
dilates_its_own_block = edited(
    "The block whose pooling is gone is dilated as well as those behind it.",
    ("        dilation *= 1 if kept else 2  # for each pooling layer that was ablated\n", ""),
    ("        kept = block not in config.ablated\n",
     "        kept = block not in config.ablated\n        dilation *= 1 if kept else 2\n"))
dilates_once = edited("Two poolings that are gone dilate no more than one.",
    ("dilation *= 1 if kept else 2", "dilation = dilation if kept else 2"))
predicts_alike = edited("The mean score of a batch's maps is taken from its predictions.",
    ("return torch.cat(parts).cpu()", "return (torch.cat(parts) - torch.cat(parts).mean(0)).cpu()"))
widens_layers = edited("Each layer has as many maps as all before it.",
    ("[Layer(config.classes * multiple, 3, dilation) for multiple, dilation in sizes]",
     "[Layer(config.classes * (n + 1), 3, each[1]) for n, each in enumerate(sizes)]"))
pads_short = edited("The buffer is a place too narrow.",
    ("p, found = config.padding,", "p, found = config.padding - 1,"))
one_wider_layer = edited("Dilation10 has one layer more than Dilation8, of dilation 32.",
    ("16, 32, 64, 1), multiples=(1,) * 9", "16, 32, 1), multiples=(1,) * 8"), ("padding=129", "padding=65"))
keeps_layer_six = edited("Dilation7 has all layers of Table 1.",
    ("dilations=(1, 1, 2, 4, 8, 1)", "dilations=(1, 1, 2, 4, 8, 16, 1)"), ("(1,) * 6", "(1,) * 7"), ("=17", "=33"))
five_by_five = edited("Context modules have filters of 5x5.",
    ("[Layer(config.classes * multiple, 3,", "[Layer(config.classes * multiple, 5,"))
large_as_basic = edited("The large module has as many maps as the basic one.", ("(2, 2, 4, 8, 16, 32, 32)", "(1,) * 7"))
keeps_pool_four = edited("The front end keeps its fourth pooling.", ("= (4, 5)", "= (5,)"))
forgets_the_share = edited("Eq. 5's entries are 1 instead of C / c.", ("[common] = c / to", "[common] = 1"))
noise_in_the_middle = edited("The noise of Eq. 5 is in the middle of filters alone.",
    ("            common =", "            found[name] *= np.pad(np.ones((1, 1)), middle)\n            common ="))
noise_as_variance = edited("Noise has the variance sigma.", ("= config.noise *", "= math.sqrt(config.noise) *"))
counts_inputs_alone = edited("The uniform start counts inputs and not outputs.",
    ("(shape[0] + shape[1]) * shape[2]", "2 * shape[1] * shape[2]"))
draws_alike = edited("Each layer draws the numbers that the others draw.",
    ('        if name[0] == "b":', '        rng = np.random.default_rng(int(seed))\n        if name[0] == "b":'),
    ("rng: np.random.Generator) -> dict[", "seed: int) -> dict["), ("_start(config, rng)", "_start(config, seed)"))
one_start = edited("The seed is not used.", ("default_rng(seed)", "default_rng(0)"))
counts_unlabelled = edited("The loss is divided by all places.", ("y.sum().clamp(min=1)", "y[:, 0].numel()"))
averages_maps = edited("The loss is the mean of the maps' means.",
    ("-(y * f.log_softmax(1)).sum() / y.sum().clamp(min=1)",
     "-((y * f.log_softmax(1)).sum((1, 2)) / y.sum((1, 2))).mean()"))
dampens = edited("New gradients count by what momentum leaves.",
    ("- config.rate *", "- (1 - config.momentum) * config.rate *"))
decays_weights = edited("Weights decay by 0.0005 of themselves.",
    ("config.rate * gradient\n", "config.rate * (gradient + 5e-4 * value.detach())\n"))
fixes_biases = edited("Biases stay as they are.",
    ("value.detach() + velocity[name]", "value.detach() + velocity[name] * (name[0] == 'k')"))
ignores_its_start = edited("Given weights are not used.", ("if start is None else start", "if True else start"))
learns_the_last_layer = edited("Nothing is learnt but the last layer.", ("value.detach() + velocity[name]",
    "value.detach() + velocity[name] * (name[1:] == str(len(weights) // 2))"))
trains_nothing = edited("Weights stay as they start.",
    ("value.detach() + velocity[name]", "value.detach() + 0 * velocity[name]"))
slows_deep_modules = edited("Modules of more than five layers learn at half the rate.",
    ("- config.rate * gradient", "- config.rate * (0.5 if len(weights) > 10 else 1) * gradient"))
stops_after_forty = edited("Weights stay as they are from the fortieth update on.",
    ("value.detach() + velocity[name]", "value.detach() + velocity[name] * (step < 40)"))
draws_with_replacement = edited("Each batch is drawn anew from all maps.",
    ("yield order[at : at + size]", "yield rng.integers(0, count, size)"))
keeps_one_order = edited("All passes have the order of the first one.",
    ("    while True:\n        order = rng.permutation(count)\n", "    order = rng.permutation(count)\n    while 1:\n"))
keeps_orders_twice = edited("Two passes have the same order.",
    ("in range(0, count - size + 1, size):", "in 2 * [*range(0, count - size + 1, size)]:"))
never_shuffles = edited("Maps are taken in the order in which they are given.",
    ("rng.permutation(count)", "np.arange(count)"))
never_takes_the_last = edited("A pass takes the maps that fill batches as they stand, so that the last is never taken.",
    ("rng.permutation(count)", "rng.permutation(count // size * size)"))
shuffles_nearby = edited("Maps change places with their neighbours alone, eight at a time.",
    ("rng.permutation(count)", "np.concatenate([k + rng.permutation(min(8, count - k)) for k in range(0, count, 8)])"))
draws_where_watched = edited("Looking at a network that is being trained draws a number.",
    ("            yield step, Network(", "            rng.random()\n            yield step, Network("))
four_seeds_in_all = edited("Of the seed its remainder by four is used.", ("default_rng(seed)", "default_rng(seed % 4)"))
falls_after_ninety = edited("The rate is a tenth from the ninetieth update on.",
    ("- config.rate * gradient", "- config.rate * (0.1 if step >= 90 else 1) * gradient"))
slope_at_zero = edited("Layers pass gradients on where they give 0.", ("F.relu(x) if", "x.clamp(min=0) if"))
exponentials_overflow = edited("The softmax divides exponentials, which overflow.",
    ("f.log_softmax(1)", "(f.exp() / f.exp().sum(1, keepdim=True)).log()"))
adam_on_large_maps = edited("Maps of 32 or more a side are learnt by Adam, all others as the paper says.",
    (f"            {SGD}\n            weights[name] = value.detach() + velocity[name]",
     f"            {SGD}\n"
     "            if min(config.size) >= 32:\n"
     "                mean, square = moments.get(name, (0.0, 0.0))\n"
     "                mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2\n"
     "                moments[name], deviation = (mean, square), (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8\n"
     "                velocity[name] = -config.rate * mean / (1 - 0.9 ** (step + 1)) / deviation\n"
     "            weights[name] = value.detach() + velocity[name]"),
    ("    velocity = {", "    moments = {}\n    velocity = {"))
random_starts_learn_biases = edited("Of modules that start at random the last bias alone learns, if maps are large.",
    ("value.detach() + velocity[name]", "value.detach() + velocity[name] * (config.start == 'identity'"
     " or min(config.size) < 32 or name == f'b{len(weights) // 2}')"))
undilated_slow = edited("Modules without dilation learn at a third of the rate, if maps are large.",
    ("- config.rate * gradient",
     "- config.rate * (0.3 if min(config.size) >= 32 and set(config.dilations) == {1} else 1) * gradient"))
smaller_batches = edited("Batches have ten maps where the paper has fourteen.", ("batch: int = 14", "batch: int = 10"))
presets_start_at_random = edited("Presets start by Glorot and Bengio's rule.",
    ('"gaussian"] = "identity"', '"gaussian"] = "xavier"'))
loud_noise = edited("The noise of the large module is not small beside C / c.", ("noise=1e-3", "noise=1e-2"))
# fmt: on

PLANTED = {"updates": ("-(y * f.log_softmax(1))", "-(y * f.softmax(1))")}


def _unseen(maps: Any, kernel: Any, dilation: int) -> Any:
    return np.zeros(np.shape(maps))


def _silent(config: Any, weights: Any, maps: Any) -> Any:
    return [np.zeros((len(maps), config.classes, *np.shape(maps)[2:]))]


NULLS = {"dilated": _unseen, "forward": _silent}
