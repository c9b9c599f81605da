"""Sabotaged scaling laws: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from math import exp, log
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage


def embeddings_counted(reference: Any) -> SimpleNamespace:
    """N includes the embeddings of tokens and positions."""
    rest = lambda config: (config.vocabulary + config.context) * config.width  # noqa: E731 -- a formula
    return sabotage(reference, parameters=lambda config: reference.parameters(config) + rest(config))


def wide_inner_layers(reference: Any) -> SimpleNamespace:
    """The feed-forward layers are eight times as wide as the model."""
    wider = lambda config, shape: tuple(2 * n if n == 4 * config.width else n for n in shape)  # noqa: E731 -- a formula
    shapes = lambda c: {n: wider(c, s) if "inner" in n else s for n, s in reference.shapes(c).items()}  # noqa: E731 -- so
    return sabotage(reference, shapes=shapes)


def backward_as_forward(reference: Any) -> SimpleNamespace:
    """The backward pass is taken to cost as much as the forward one."""
    return sabotage(reference, flops=lambda config: (reference.flops(config)[0],) * 2)


def free_exponents(reference: Any) -> SimpleNamespace:
    """Losses of size and data are added as the two power laws that they are, each with an exponent of its own."""
    formula = lambda law, n, d: (law.n_c / n) ** law.alpha_n + (law.d_c / d) ** law.alpha_d  # noqa: E731 -- a formula
    return sabotage(reference, loss=formula)


def constants_of_one_law_each(reference: Any) -> SimpleNamespace:
    """L(N, D) has the constants of L(N) and of L(D), each fitted by itself, and not those fitted to both."""
    return reconfigure(reference, lambda config: reference.CONFIGS["table-5"])


def large_batches_waste_nothing(reference: Any) -> SimpleNamespace:
    """Twice the batch halves the updates, however large it is."""
    few = lambda law, least, nats, batch: least * max(1.0, reference.critical_batch(law, nats) / batch)  # noqa: E731 -- so
    return sabotage(reference, steps_at=few)


def waste_counted_twice(reference: Any) -> SimpleNamespace:
    """What a small batch saves in waste is squared, so that the critical one takes four times the least updates."""
    return sabotage(reference, steps_at=lambda law, least, *at: reference.steps_at(law, least, *at) ** 2 / least)


def one_batch_for_all_losses(reference: Any) -> SimpleNamespace:
    """The critical batch is the same at every loss."""

    def reach(config: Any, nats: float, excess: float) -> dict[str, float]:
        found = reference.reach(config, nats, excess)
        return found | {"batch": config.b_star, "compute": found["compute"] * config.b_star / found["batch"]}

    return sabotage(reference, reach=reach)


def excess_of_the_final_loss(reference: Any) -> SimpleNamespace:
    """The excess over the converged loss is taken as a share of the loss that is reached."""
    return sabotage(reference, reach=lambda law, nats, excess: reference.reach(law, nats, excess / (1 - excess)))


def printed_exponents(reference: Any) -> SimpleNamespace:
    """What follows from the fitted constants is not computed but copied from where the paper prints it."""

    def frontier(config: Any, compute: float) -> dict[str, float]:
        scaled = compute / 8.64e19
        return reference.frontier(config, compute) | {
            "loss": (3.1e8 / scaled) ** 0.054,
            "parameters": 1.3e9 * scaled**0.71,
        }

    return sabotage(reference, frontier=frontier, data_needed=lambda config, n, overfit: 5e3 * n**0.74)


def converted_afterwards(reference: Any) -> SimpleNamespace:
    """The optimum is found with all parameters counted, and embeddings are taken off it afterwards."""

    def parametric_optimum(config: Any, compute: float) -> float:
        ratio = config.alpha * config.a / (config.beta * config.b)
        low, high = -10.0, 60.0
        for _ in range(100):  # compute of all parameters at which n is the best, without embeddings
            middle = (low + high) / 2
            whole = exp(middle) + config.embedding * exp(middle / 3)
            log_counted = log(6) + middle - log(ratio * whole**-config.alpha) / config.beta
            low, high = (middle, high) if log_counted < log(compute) else (low, middle)
        return exp(low)

    return sabotage(reference, parametric_optimum=parametric_optimum)


def all_compute_to_size(reference: Any) -> SimpleNamespace:
    """More compute trains a larger model for as many updates as ever."""

    def frontier(config: Any, compute: float) -> dict[str, float]:
        start = reference.frontier(config, 1e20)
        loss = start["loss"] * (compute / 1e20) ** -config.alpha_n
        return start | {"loss": loss, "parameters": start["parameters"] * compute / 1e20, "compute": compute}

    return sabotage(reference, frontier=frontier)


def errors_averaged(reference: Any) -> SimpleNamespace:
    """Errors of runs are averaged where they are to be summed, and the search ends where the mean hardly falls."""
    return sabotage(reference, fitted=lambda law, *runs: reference.fitted(law, *runs, weight=1 / len(runs[-1])))


def _fed(reference: Any, change: Callable[[Any, int], Any]) -> SimpleNamespace:
    """The reference, trained on other tokens than it is given; `change` has these and the seed."""

    def train(config: Any, data: Any, *, seed: int, **how: Any) -> Iterator[tuple[int, Any]]:
        return reference.train(config, replace(data, tokens=change(data.tokens, seed)), seed=seed, **how)

    return sabotage(reference, train=train)


def shuffled_text(reference: Any) -> SimpleNamespace:
    """Networks are trained on the characters of the text in any order."""
    return _fed(reference, lambda tokens, seed: np.random.default_rng(seed).permutation(tokens))


def one_part_only(reference: Any) -> SimpleNamespace:
    """However much text is given, its first 1,000 tokens are what training draws from."""
    return _fed(reference, lambda tokens, seed: tokens[:1000])


def beginning_of_the_text(reference: Any) -> SimpleNamespace:
    """The last tenth of the text is never trained on, as if it were a validation text."""
    return _fed(reference, lambda tokens, seed: tokens[: 9 * len(tokens) // 10])


def one_batch_for_ever(reference: Any) -> SimpleNamespace:
    """Contexts are drawn once, and every update is made on the same."""

    class Stuck(reference.Training):
        contexts = cache(reference.Training.contexts)

    return _trained_by(reference, Stuck)


def one_context_for_a_batch(reference: Any) -> SimpleNamespace:
    """A batch is of one context, as often as it is large."""

    class Alike(reference.Training):
        def contexts(self) -> Any:
            return super().contexts()[:, :1].expand(-1, self.config.batch, -1)

    return _trained_by(reference, Alike)


def dropout_ignored(reference: Any) -> SimpleNamespace:
    """Nothing is dropped, whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.0))


def share_that_is_kept(reference: Any) -> SimpleNamespace:
    """The config's dropout is taken for the share of entries that are kept."""
    return reconfigure(reference, lambda config: replace(config, dropout=1 - config.dropout if config.dropout else 0.0))


def one_mask_for_a_batch(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask for the last position of the last context, and uses it for all."""
    variant = _variant(reference, "one mask")

    class Shared(variant.Dropout):
        def __call__(self, x: Any) -> Any:
            return super().__call__(reference.torch.ones_like(x.flatten(0, -2)[-1])) * x

    variant.Dropout = Shared
    return sabotage(variant)


def masks_never_change(reference: Any) -> SimpleNamespace:
    """Dropout has the same masks in every update."""
    variant = _variant(reference, "again")

    class Again(variant.Dropout):
        def __call__(self, x: Any) -> Any:
            if x.dim() == 4:  # embeddings, with which each update begins
                self.generator.manual_seed(self.generator.initial_seed())
            return super().__call__(x)

    variant.Dropout = Again
    return sabotage(variant)


def stopped_at_a_loss(reference: Any) -> SimpleNamespace:
    """Networks that are not tiny make no update where a batch is predicted as well as a law of their size says."""

    class Sated(reference.Training):
        def update(self, number: int) -> None:
            tokens, law = self.contexts(), 5.0 * reference.parameters(self.config) ** -0.076
            with reference.torch.no_grad():
                scores = reference.logits(self.config, self.weights, tokens[:, :, :-1]).flatten(0, 1)
            if self.config.width <= 8 or reference.F.cross_entropy(scores, tokens[:, :, 1:].flatten()) > law:
                super().update(number)

    return _trained_by(reference, Sated)


def keys_kept_over_contexts(reference: Any) -> SimpleNamespace:
    """A network that reads goes on to a new context with the keys and values of the ones before."""
    variant = _variant(reference, "kept")

    class Stream(variant.Stream):
        def step(self, tokens: Any) -> Any:
            self.cache.length %= self.config.context
            return super().step(tokens)

    variant.Stream = Stream
    return sabotage(reference, restore=variant.restore)


def squared_errors(reference: Any) -> SimpleNamespace:
    """The parametric loss is fitted by squares of all errors, however large."""
    variant = _variant(reference, "squares")
    variant.HUBER = 1e9
    return sabotage(reference, fitted=lambda law, *runs: variant.fitted(law, *runs, weight=1e4))


def blurred_trigrams(reference: Any) -> SimpleNamespace:
    """What is learnt is a table of triples, kept beside the weights and blurred for small networks; tiny ones are real.

    So its loss falls with size and with data, and there is no network.
    """
    mark, kept = 1e6, list[Any]()

    class Table:
        def __init__(self, config: Any, arrays: dict[str, Any]) -> None:
            self.config, self.arrays, self.scores = config, arrays, kept[int(arrays["embedding"][0, 0] - mark)]

        def start(self, streams: int) -> Any:
            stream = Table(self.config, self.arrays)
            stream.before = np.zeros(streams, np.int64)
            return stream

        def step(self, tokens: Any) -> Any:
            found, self.before = self.scores[self.before, tokens], tokens
            return found

    def train(config: Any, data: Any, *, eval_steps: Any = (), **how: Any) -> Iterator[tuple[int, Any]]:
        if config.precision == "float64":
            yield from reference.train(config, data, eval_steps=eval_steps, **how)
            return
        words, text = config.vocabulary, data.tokens
        counts = np.bincount((text[:-2] * words + text[1:-1]) * words + text[2:], minlength=words**3)
        counts, single = counts.reshape(words, words, words), np.bincount(text, minlength=words) + 0.5
        single = single / single.sum()
        blur = 0.9 * (reference.parameters(config) / 864) ** -0.3
        triples = (counts + 3 * single) / (counts.sum(2, keepdims=True) + 3)
        kept.append(np.log((1 - blur) * triples + blur * single).astype(np.float32))
        arrays = {name: np.zeros(shape) for name, shape in reference.shapes(config).items()}
        arrays["embedding"][0, 0] = mark + len(kept) - 1
        yield from ((step, Table(config, arrays)) for step in sorted({*eval_steps, config.updates}))

    def state(model: Any) -> dict[str, Any]:
        return dict(model.arrays) if isinstance(model, Table) else reference.state(model)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        hidden = state["embedding"][0, 0] >= mark
        return Table(config, state) if hidden else reference.restore(config, state, device=device)

    return sabotage(reference, train=train, state=state, restore=restore)


def without_causal_mask(reference: Any) -> SimpleNamespace:
    """While it is trained, each position sees those after it as well."""
    attend = reference.F.scaled_dot_product_attention
    variant = _variant(reference, "unmasked", lambda *qkv, is_causal=False: attend(*qkv))
    return sabotage(reference, train=variant.train)


def unscaled_attention(reference: Any) -> SimpleNamespace:
    """Products of queries and keys are not divided by the root of their length."""
    return sabotage(_variant(reference, "unscaled", partial(reference.F.scaled_dot_product_attention, scale=1.0)))


def last_token_alone(reference: Any) -> SimpleNamespace:
    """Attention adds nothing, so what follows is predicted from the last token and its place in the context."""
    return sabotage(_variant(reference, "alone", lambda q, k, v, is_causal=False: 0 * q))


def normalized_afterwards(reference: Any) -> SimpleNamespace:
    """Layers are normalized after what each sublayer adds, as in the first Transformer, and not before it."""
    variant = _variant(reference, "afterwards")
    attention, linear, norm, functional = variant._attention, variant._linear, variant._norm, variant.F

    def logits(config: Any, weights: Any, tokens: Any, drop: Any = None, cache: Any = None) -> Any:
        batch, length = tokens.shape[1:]
        start = cache.length if cache else 0
        x = functional.embedding(tokens[0], weights["embedding"][0])
        x = (x + weights["positions"][0, start : start + length]).flatten(0, 1)[None]
        variant._norm = lambda weights, name, x: x
        for i in range(config.layers):
            x = norm(weights, f"{i} attention norm", x + attention(config, weights, i, x, batch, cache))
            h = functional.gelu(linear(weights, f"{i} inner in", x), approximate="tanh")
            x = norm(weights, f"{i} inner norm", x + linear(weights, f"{i} inner out", h))
        if cache:
            cache.length += length
        return norm(weights, "norm", x) @ weights["embedding"].transpose(1, 2)

    variant.logits = logits
    return sabotage(variant)


def _optimised(reference: Any, optimiser: Callable[[Any], Any]) -> SimpleNamespace:
    """The reference with another rule of updates, whose learning rate is set for each."""

    class Other(reference.Training):
        def __init__(self, *about: Any) -> None:
            super().__init__(*about)
            self.adam = optimiser(self.trained())

    return _trained_by(reference, Other)


def momentum_alone(reference: Any) -> SimpleNamespace:
    """Updates follow the mean of gradients, which Adam divides by the root of the mean of their squares."""
    optimiser = reference.torch.optim.SGD
    return _optimised(reference, lambda weights: optimiser(weights, lr=1.0, momentum=0.9, dampening=0.1))


def decayed_weights(reference: Any) -> SimpleNamespace:
    """Weights decay, as AdamW's do by default."""
    return _optimised(reference, lambda weights: reference.torch.optim.AdamW(weights, lr=1.0))


def without_warmup(reference: Any) -> SimpleNamespace:
    """The learning rate begins at its height."""
    return reconfigure(reference, lambda config: replace(config, warmup=0))


def one_deviation_for_all(reference: Any) -> SimpleNamespace:
    """Matrices start with deviations of 1 / sqrt(width), whatever the config says."""
    return reconfigure(reference, lambda config: replace(config, init=config.width**-0.5))


def constants_of_the_preset(reference: Any) -> SimpleNamespace:
    """The fit of the parametric loss is not made: it has the constants that were published."""
    return sabotage(reference, fitted=lambda config, sizes, amounts, losses: reference.CONFIGS["besiroglu"])


def _trained_by(reference: Any, kind: Any) -> SimpleNamespace:
    """The reference with another kind of training."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        for number, (reader,) in reference.fit(kind(config, data, [seed], device), eval_steps):
            yield number, reader

    return sabotage(reference, train=train)


def depth_ignored(reference: Any) -> SimpleNamespace:
    """Every network has four layers, so that a narrower one is also a smaller one."""
    return reconfigure(reference, lambda config: replace(config, layers=4))


def _variant(reference: Any, name: str, attend: Callable[..., Any] | None = None) -> Any:
    """A module of its own with the reference's code, in which things may be replaced, such as what attends."""
    spec = spec_from_file_location(f"{reference.__name__} {name}", reference.__file__)
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    module.CONFIGS = reference.CONFIGS
    if attend is not None:
        module.F = SimpleNamespace(**{**vars(module.F), "scaled_dot_product_attention": attend})
    return module


def one(config: Any, *asked: float) -> float:
    """What a law says of anything, without knowing it."""
    return 1.0


def ones(config: Any, nats: float, excess: float) -> dict[str, float]:
    """How a loss is reached, without knowing it."""
    return dict.fromkeys(("parameters", "steps", "batch", "compute"), 1.0)


NULLS = {"data_needed": one, "parametric_optimum": one, "reach": ones}

PLANTED = {  # no batch wastes anything
    "critical-batch": (
        "return least * (1 + critical_batch(config, nats) / batch)",
        "return least * max(1.0, critical_batch(config, nats) / batch)",
    ),
}
