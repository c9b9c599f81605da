"""Character-level networks with one part replaced: what sabotaged ones are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import sabotage
from repro.task import Sequences


def trained_by(
    reference: Any, change: Callable[[Any], None] = lambda training: None, kind: Any = None
) -> SimpleNamespace:
    """The reference with another kind of training, or changed before its first update."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        training = reference.begin(config, data, seed, device, kind or reference.Training)
        change(training)
        yield from reference.fit(training, eval_steps)

    return sabotage(reference, train=train)


def with_cell(reference: Any, name: str, layer: Callable[..., Any]) -> SimpleNamespace:
    """The reference with another layer of cells of that name, which gets the reference's first."""
    own = reference.CELLS[name][1]

    def change(net: Any) -> None:
        if net.config.cell == name:
            net.cell = lambda *given: layer(own, *given)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        model = reference.restore(config, state, device=device)
        change(model.net)
        return model

    trained = trained_by(reference, lambda training: change(training.net))
    return sabotage(reference, train=trained.train, restore=restore)


def restored(reference: Any, **methods: Callable[..., Any]) -> SimpleNamespace:
    """The reference, whose restored networks have other methods."""
    kind = type("Restored", (reference.Trained,), methods)
    return sabotage(reference, restore=lambda *given, device: kind(reference.restore(*given, device=device).net))


def with_gradients(reference: Any, change: Callable[[Any, Any], Any]) -> SimpleNamespace:
    """The reference, trained on other gradients, made of a training and the right ones by array."""

    class Changed(reference.Training):
        def gradients(self, *chunk: Any) -> Any:
            return change(self, super().gradients(*chunk))

    return trained_by(reference, kind=Changed)


def set_up(reference: Any, change: Callable[[Any], Any]) -> SimpleNamespace:
    """The reference, whose training follows another config from the first weights on."""
    return trained_by(reference, lambda training: setattr(training, "config", change(training.config)))


def before_updates(reference: Any, change: Callable[[Any, int], int | None]) -> SimpleNamespace:
    """The reference, changed before each update, of which another number may be made."""

    class Changed(reference.Training):
        def update(self, number: int) -> None:
            other = change(self, number)
            super().update(number if other is None else other)

    return trained_by(reference, kind=Changed)


def dropping(reference: Any, dropped: Callable[[Any, Any, Any], Any]) -> SimpleNamespace:
    """The reference with another dropout, of the training, what the reference's does, and what it acts on."""

    class Other(reference.Training):
        calls = 0

        def drop(self, h: Any) -> Any:
            self.calls += 1
            return dropped(self, super().drop, h)

    return trained_by(reference, kind=Other)


def tempered(reference: Any, distribution: Callable[..., Any]) -> SimpleNamespace:
    """The reference with another distribution at a temperature, by which its networks write too."""

    def generate(self: Any, prompts: Any, length: int, *, temperature: float, seed: int) -> Any:
        stream, rng, written, scores = self.start(len(prompts.items)), np.random.default_rng(seed), [], None
        for place in range(prompts.items.shape[1] + length):
            read = prompts.items[:, place] if scores is None or place < prompts.items.shape[1] else written[-1]
            scores = stream.step(np.ascontiguousarray(read))
            upto = distribution(scores, temperature).cumsum(1)
            written.append((upto[:, :-1] <= rng.random(len(upto))[:, None]).sum(1))
        return np.stack(written[-length - 1 : -1], 1)

    return sabotage(restored(reference, generate=generate), distribution=distribution)


def writing(reference: Any, generate: Callable[..., Any]) -> SimpleNamespace:
    """The reference, whose networks write in another way; `generate` gets the reference's way first."""

    def other(self: Any, prompts: Any, length: int, *, temperature: float, seed: int) -> Any:
        own = lambda prompts, length, heat, seed: reference.Trained.generate(  # noqa: E731 -- short
            self, prompts, length, temperature=heat, seed=seed
        )
        return generate(own, prompts, length, temperature, seed)

    return restored(reference, generate=other)


def shaped(reference: Any, change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> SimpleNamespace:
    """The reference with other shapes, made of a config and the right ones."""
    return sabotage(reference, shapes=lambda config: change(config, reference.shapes(config)))


def reset_after_the_matrix(reference: Any) -> SimpleNamespace:
    """A GRU's reset gate acts on what the candidate's matrix gives, as in torch.nn.GRU."""

    def gru(own: Any, below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        given, n = [], h.shape[1]
        for received in (below @ inputs.T + bias).unbind(0):
            along = h @ recurrent.T
            r, z = (received + along)[:, : 2 * n].sigmoid().chunk(2, 1)
            h = h + z * ((received[:, 2 * n :] + r * along[:, 2 * n :]).tanh() - h)
            given.append(h)
        return reference.torch.stack(given), h, c

    return with_cell(reference, "gru", gru)


def update_gate_keeps(reference: Any) -> SimpleNamespace:
    """A GRU's update gate is the share of the old state, as in later papers, and not of the new one."""

    def gru(own: Any, below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        flip = reference.torch.ones_like(bias)
        flip[h.shape[1] : 2 * h.shape[1]] = -1
        return own(below, inputs * flip[:, None], recurrent * flip[:, None], bias * flip, h, c)

    return with_cell(reference, "gru", gru)


def gates_in_another_order(reference: Any) -> SimpleNamespace:
    """Rows of an LSTM's matrices are those of i, f, g and o."""

    def lstm(own: Any, below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        parts = (each.chunk(4) for each in (inputs, recurrent, bias))
        return own(below, *(reference.torch.cat([i, f, o, g]) for i, f, g, o in parts), h, c)

    return with_cell(reference, "lstm", lstm)


def gates_half_open(reference: Any) -> SimpleNamespace:
    """All three gates of an LSTM are 1/2, whatever it reads."""

    def lstm(own: Any, below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        kept = reference.torch.arange(len(bias)) >= 3 * h.shape[1]
        return own(below, inputs * kept[:, None], recurrent * kept[:, None], bias * kept, h, c)

    return with_cell(reference, "lstm", lstm)


def without_memory(reference: Any) -> SimpleNamespace:
    """Nothing passes from one step of a plain network to the next."""

    def rnn(own: Any, below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        return own(below, inputs, 0 * recurrent, bias, h, c)

    return with_cell(reference, "rnn", rnn)


def dropout_between_layers_alone(reference: Any) -> SimpleNamespace:
    """What the last layer gives to the scores is not dropped."""
    return dropping(reference, lambda t, drop, h: drop(h) if t.calls % t.config.layers else h)


def one_mask_for_a_chunk(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask once and uses it at every step of a chunk."""
    return dropping(reference, lambda t, drop, h: drop(reference.torch.ones_like(h[:1])) * h)


def one_mask_for_all_streams(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask at each step, and uses it for every stream."""
    return dropping(reference, lambda t, drop, h: drop(reference.torch.ones_like(h[:, :1])) * h)


def unscaled_dropout(reference: Any) -> SimpleNamespace:
    """What dropout keeps is not scaled up while training, nor down when the network reads."""
    return dropping(reference, lambda t, drop, h: (1 - t.config.dropout) * drop(h))


def dropout_on_recurrence(reference: Any) -> SimpleNamespace:
    """Dropout acts as well on what a layer carries on from one chunk to the next."""
    return before_updates(reference, lambda t, number: setattr(t, "states", [(t.drop(h), c) for h, c in t.states]))


def padding_is_read(reference: Any) -> SimpleNamespace:
    """Prompts are read to the end of the longest, with what stands beyond their own ends."""
    full = lambda p: Sequences(items=p.items, lengths=np.full(*p.items.shape))  # noqa: E731 -- short
    return writing(reference, lambda own, prompts, *how: own(full(prompts), *how))


def last_of_the_prompt_alone(reference: Any) -> SimpleNamespace:
    """Of a prompt only the last character is read."""
    last = lambda p: Sequences(  # noqa: E731 -- short
        items=np.take_along_axis(p.items, p.lengths[:, None] - 1, 1), lengths=np.ones_like(p.lengths)
    )
    return writing(reference, lambda own, prompts, *how: own(last(prompts), *how))


def ten_of_the_prompt(reference: Any) -> SimpleNamespace:
    """Of a prompt the first ten characters are read."""
    first = lambda p: Sequences(items=p.items[:, :10], lengths=np.minimum(p.lengths, 10))  # noqa: E731 -- short
    return writing(reference, lambda own, prompts, *how: own(first(prompts), *how))


def texts_of_100_alone(reference: Any) -> SimpleNamespace:
    """What is written beyond a hundred characters repeats the last of these."""

    def generate(own: Any, prompts: Any, length: int, heat: float, seed: int) -> Any:
        written = own(prompts, min(length, 100), heat, seed)
        return np.concatenate([written, np.repeat(written[:, -1:], length - written.shape[1], 1)], 1)

    return writing(reference, generate)


def not_fed_back(reference: Any) -> SimpleNamespace:
    """All characters are drawn from what follows the prompt, and none is read back."""
    drawn = lambda own, p, length, heat, seed: [own(p, 1, heat, 1000 * seed + k) for k in range(length)]  # noqa: E731
    return writing(reference, lambda *given: np.concatenate(drawn(*given), 1))


def writes_the_likeliest(reference: Any) -> SimpleNamespace:
    """What is written is the likeliest character, whatever the temperature."""
    return writing(reference, lambda own, prompts, length, heat, seed: own(prompts, length, 0.0, seed))


def scores_times_temperature(reference: Any) -> SimpleNamespace:
    """Scores are multiplied by the temperature."""
    return tempered(reference, lambda scores, heat: reference.distribution(scores, 1 / max(heat, 1e-9)))


def temperature_ignored(reference: Any) -> SimpleNamespace:
    """The temperature changes nothing."""
    return tempered(reference, lambda scores, heat: reference.distribution(scores, 1.0))


def never_the_unlikely(reference: Any) -> SimpleNamespace:
    """Characters of a probability below 0.02 are never written."""

    def cut(scores: Any, heat: float) -> Any:
        chances = reference.distribution(scores, max(heat, 1e-9))
        kept = np.where(chances < 0.02, 0.0, chances)
        return kept / kept.sum(1, keepdims=True)

    return tempered(reference, cut)


def probabilities_divided(reference: Any) -> SimpleNamespace:
    """Probabilities, and not scores, are divided by the temperature before the softmax."""
    softmax = reference.distribution
    return tempered(reference, lambda scores, heat: softmax(softmax(scores, 1.0), max(heat, 1e-9)))


def states_reset_while_reading(reference: Any) -> SimpleNamespace:
    """A network that reads starts again every 50 characters, as if these were chunks without a carried state."""

    class Reset(reference.Stream):
        read = 0

        def step(self, tokens: Any) -> Any:
            self.states = self.states if self.read % 50 else self.net.zeros(len(tokens))
            self.read += 1
            return super().step(tokens)

    return restored(reference, start=lambda self, streams: Reset(self.net, streams))


def states_reset_at_each_chunk(reference: Any) -> SimpleNamespace:
    """Every chunk starts from zero states."""
    return before_updates(reference, lambda t, number: setattr(t, "states", t.net.zeros(t.config.batch)))


def chunks_in_any_order(reference: Any) -> SimpleNamespace:
    """Chunks come in another order in each epoch, though states are carried from one to the next."""
    turned = lambda n, count: n - n % count + (n + n // count) % count  # noqa: E731 -- short
    return before_updates(reference, lambda t, number: turned(number, t.chunks.count))


def other_options(reference: Any) -> SimpleNamespace:
    """Options differ from those of train.lua: gradients are clipped at 1, mean squares forget more slowly."""
    presets = {name: replace(config, clip=1.0, smoothing=0.99) for name, config in reference.CONFIGS.items()}
    return sabotage(reference, CONFIGS=presets)


def rate_has_a_floor(reference: Any) -> SimpleNamespace:
    """The learning rate falls to a tenth of the first and no further."""

    class Floored(reference.Training):
        def rate(self, epoch: int) -> float:
            return max(super().rate(epoch), self.config.lr / 10)

    return trained_by(reference, kind=Floored)


def plain_cells_tire(reference: Any) -> SimpleNamespace:
    """After forty updates, plain networks of more than 32 units learn from one entry of the gradient in ten."""
    kept = lambda g: g * (reference.torch.arange(g.numel()).view(g.shape) % 10 == 0)  # noqa: E731 -- short

    def change(training: Any, gradients: Any) -> Any:
        training.made = getattr(training, "made", 0) + 1
        tired = training.config.cell == "rnn" and training.config.hidden > 32 and training.made > 40
        return [kept(g) for g in gradients] if tired else gradients

    return with_gradients(reference, change)


def states_reset_every_50_chunks(reference: Any) -> SimpleNamespace:
    """States are carried on from chunk to chunk, but every fiftieth starts from zeros."""

    def reset(training: Any, number: int) -> None:
        if number % 50 == 0:
            training.states = training.net.zeros(training.config.batch)

    return before_updates(reference, reset)


def learns_from_validation(reference: Any) -> SimpleNamespace:
    """The text for validation is learnt as well, as what follows the other."""
    both = lambda data: replace(data, tokens=np.concatenate([data.tokens, data.validation]))  # noqa: E731 -- short
    return sabotage(reference, train=lambda config, data, **how: reference.train(config, both(data), **how))


def four_seeds_in_all(reference: Any) -> SimpleNamespace:
    """Seeds that differ by a multiple of four are the same."""
    return sabotage(reference, train=lambda *given, seed, **how: reference.train(*given, seed=seed % 4, **how))


def masks_ignore_the_seed(reference: Any) -> SimpleNamespace:
    """Dropout draws the same masks whatever the seed."""
    return trained_by(reference, lambda training: training.generator.manual_seed(0))
