"""Sabotaged character-level networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations  # noqa: I001 -- controls that stand in another file, many a line

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from claims.controls._character_models import (  # noqa: F401 -- controls are found here
    chunks_in_any_order, dropout_between_layers_alone, dropout_on_recurrence, four_seeds_in_all, gates_half_open,
    gates_in_another_order, last_of_the_prompt_alone, learns_from_validation, masks_ignore_the_seed, never_the_unlikely,
    not_fed_back,
    one_mask_for_a_chunk, one_mask_for_all_streams, other_options, padding_is_read, plain_cells_tire,
    probabilities_divided, rate_has_a_floor, reset_after_the_matrix, scores_times_temperature, set_up, shaped,
    states_reset_at_each_chunk, states_reset_every_50_chunks, states_reset_while_reading, temperature_ignored,
    ten_of_the_prompt, texts_of_100_alone, trained_by, unscaled_dropout, update_gate_keeps, with_gradients,
    without_memory, writes_the_likeliest,
)  # fmt: skip
from repro import reconfigure, sabotage


def norm_clipped(reference: Any) -> SimpleNamespace:
    """What is clipped is the norm of all gradients together, as is the custom today, and not each entry."""
    norm = lambda gradients: sum(float((g**2).sum()) for g in gradients) ** 0.5  # noqa: E731 -- short
    return with_gradients(reference, lambda t, gs: [g * min(1.0, t.config.clip / norm(gs)) for g in gs])


def averaged_over_steps(reference: Any) -> SimpleNamespace:
    """The loss is averaged over the steps of a chunk too, at the same clip and epsilon."""
    return with_gradients(reference, lambda t, gradients: [g / t.config.unroll for g in gradients])


def only_the_scores_learn(reference: Any) -> SimpleNamespace:
    """Only the map from the last layer to the scores is trained."""

    def kept(training: Any, gradients: Any) -> Any:
        named = zip(training.net.weights, gradients, strict=True)
        return [g if name.endswith("_y") else 0 * g for name, g in named]

    return with_gradients(reference, kept)


def only_the_scores_learn_where_large(reference: Any) -> SimpleNamespace:
    """Of networks of more than twenty units only the map from the last layer to the scores is trained."""
    only = only_the_scores_learn(reference)
    chosen = lambda config: only if config.hidden > 20 else reference  # noqa: E731 -- a condition
    return sabotage(reference, train=lambda config, *data, **how: chosen(config).train(config, *data, **how))


def squares_begin_at_one(reference: Any) -> SimpleNamespace:
    """RMSProp's mean squares begin at one, and not at nothing."""
    ones = reference.torch.ones_like
    fill = lambda t: t.squares.update((name, ones(square)) for name, square in t.squares.items())  # noqa: E731 -- short
    return trained_by(reference, fill)


def rate_falls_late(reference: Any) -> SimpleNamespace:
    """The learning rate falls an epoch later."""
    return set_up(reference, lambda config: replace(config, constant_epochs=config.constant_epochs + 1))


def slow_where_large(reference: Any) -> SimpleNamespace:
    """Plain networks of more than 32 units learn at a fifth of the rate."""
    slow = lambda config: config.cell == "rnn" and config.hidden > 32  # noqa: E731 -- a condition
    return set_up(reference, lambda config: replace(config, lr=config.lr / 5) if slow(config) else config)


def last_chunk_left_out(reference: Any) -> SimpleNamespace:
    """The last whole chunk of an epoch is left out, unless it is the only one."""
    return trained_by(reference, lambda t: setattr(t.chunks, "count", max(1, t.chunks.count - 1)))


def characters_dealt_out(reference: Any) -> SimpleNamespace:
    """Streams are not stretches of the text: its characters are dealt out to them one after the other."""

    def train(config: Any, data: Any, **how: Any) -> Iterator[tuple[int, Any]]:
        whole = len(data.tokens) - len(data.tokens) % (config.batch * config.unroll)
        dealt = data.tokens[:whole].reshape(-1, config.batch).T.ravel()
        return reference.train(config, replace(data, tokens=dealt), **how)

    return sabotage(reference, train=train)


def normal_weights(reference: Any) -> SimpleNamespace:
    """Weights start from a normal distribution of the variance that the uniform one has."""

    def change(training: Any) -> None:
        generator = reference.torch.Generator().manual_seed(int(1e6 * abs(float(training.net.weights["b_y"][0]))))
        for weight in training.net.weights.values():
            weight.normal_(0, training.config.init / 3**0.5, generator=generator)

    return trained_by(reference, change)


def shut_forget_gates(reference: Any) -> SimpleNamespace:
    """Biases of forget gates start at zero."""
    return reconfigure(reference, lambda config: replace(config, forget_bias=0.0))


def one_seed_for_all(reference: Any) -> SimpleNamespace:
    """The seed changes nothing."""
    return sabotage(reference, train=lambda *given, seed, **how: reference.train(*given, seed=7, **how))


def embedded_characters(reference: Any) -> SimpleNamespace:
    """Characters are embedded in as many numbers as there are units, and no one-hot vectors."""
    more = lambda c, found: {"W_x 1": found["W_h 1"], "embedding": (c.vocabulary, c.hidden)}  # noqa: E731 -- short
    return shaped(reference, lambda config, found: found | more(config, found))


def diagonal_recurrence(reference: Any) -> SimpleNamespace:
    """A unit is connected to itself alone from one step to the next."""
    kept = lambda name, shape: shape[:1] if name.startswith("W_h") else shape  # noqa: E731 -- a condition
    return shaped(reference, lambda config, found: {name: kept(name, shape) for name, shape in found.items()})


def plain_cells_do_not_learn(reference: Any) -> SimpleNamespace:
    """Plain networks make two updates alone, and so lose against any other."""
    return reconfigure(reference, lambda config: _briefly(config) if config.cell == "rnn" else config)


def gated_cells_do_not_learn(reference: Any) -> SimpleNamespace:
    """Networks of LSTMs make two updates alone."""
    return reconfigure(reference, lambda config: _briefly(config) if config.cell == "lstm" else config)


def never_trained(reference: Any) -> SimpleNamespace:
    """Networks learn at the rate zero, in one epoch."""
    return reconfigure(reference, lambda config: replace(config, lr=0.0, epochs=1))


def _briefly(config: Any) -> Any:
    return replace(config, batch=256, unroll=100, epochs=1)


def five_steps(reference: Any) -> SimpleNamespace:
    """Gradients flow through five steps."""
    return reconfigure(reference, lambda config: replace(config, unroll=5))


NULLS = {"distribution": lambda scores, temperature: np.full(np.shape(scores), 1 / np.shape(scores)[1])}

PLANTED = {  # states are not carried from one chunk to the next
    "updates": ("if chunk == 0:", "if chunk >= 0:"),
}
