"""Sabotaged character-level networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage


def _trained_by(
    reference: Any, change: Callable[[Any], None] = lambda training: None, kind: Any = None
) -> SimpleNamespace:
    """The reference with another kind of training, or changed before its first update."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        training = reference.begin(config, data, seed, device, kind or reference.Training)
        change(training)
        yield from reference.fit(training, eval_steps)

    return sabotage(reference, train=train)


def _as(reference: Any, change: Callable[[Any], None]) -> SimpleNamespace:
    """The reference, whose networks are changed before they are trained or read anything."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        training = reference.begin(config, data, seed, device)
        change(training.net)
        yield from reference.fit(training, eval_steps)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        model = reference.restore(config, state, device=device)
        change(model.net)
        return model

    return sabotage(reference, train=train, restore=restore)


def _with_cell(reference: Any, name: str, layer: Callable[..., Any]) -> SimpleNamespace:
    """The reference with another layer of cells of that name."""

    def change(net: Any) -> None:
        net.cell = layer if net.config.cell == name else net.cell

    return _as(reference, change)


def reset_after_the_matrix(reference: Any) -> SimpleNamespace:
    """A GRU's reset gate acts on what the candidate's matrix gives, as in torch.nn.GRU."""
    torch = reference.torch

    def gru(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        given, n = [], h.shape[1]
        for received in (below @ inputs.T + bias).unbind(0):
            along = h @ recurrent.T
            r, z = (received + along)[:, : 2 * n].sigmoid().chunk(2, 1)
            h = torch.lerp(h, (received[:, 2 * n :] + r * along[:, 2 * n :]).tanh(), z)
            given.append(h)
        return torch.stack(given), h, c

    return _with_cell(reference, "gru", gru)


def update_gate_keeps(reference: Any) -> SimpleNamespace:
    """A GRU's update gate is the share of the old state, as in later papers, and not of the new one."""
    torch = reference.torch

    def gru(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        n = h.shape[1]
        flip = torch.ones_like(bias)
        flip[n : 2 * n] = -1
        return reference.gru(below, inputs * flip[:, None], recurrent * flip[:, None], bias * flip, h, c)

    return _with_cell(reference, "gru", gru)


def gates_in_another_order(reference: Any) -> SimpleNamespace:
    """Rows of an LSTM's matrices are those of i, f, g and o."""

    def lstm(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        i, f, g, o = (list(parts) for parts in zip(*(each.chunk(4) for each in (inputs, recurrent, bias)), strict=True))
        given = (reference.torch.cat(parts) for parts in zip(i, f, o, g, strict=True))
        return reference.lstm(below, *given, h, c)

    return _with_cell(reference, "lstm", lstm)


def _lstm(reference: Any, step: Callable[..., Any]) -> SimpleNamespace:
    """LSTMs whose step is another: of i, f, o and g before their functions, and c."""

    def lstm(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        given = []
        for received in (below @ inputs.T + bias).unbind(0):
            h, c = step(*(received + h @ recurrent.T).chunk(4, 1), c)
            given.append(h)
        return reference.torch.stack(given), h, c

    return _with_cell(reference, "lstm", lstm)


def without_output_tanh(reference: Any) -> SimpleNamespace:
    """An LSTM gives its cells times the output gate, without the hyperbolic tangent."""

    def step(i: Any, f: Any, o: Any, g: Any, c: Any) -> Any:
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c, c

    return _lstm(reference, step)


def gates_half_open(reference: Any) -> SimpleNamespace:
    """All three gates of an LSTM are 1/2, whatever it reads."""

    def lstm(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
        kept = reference.torch.arange(len(bias)) >= 3 * h.shape[1]
        return reference.lstm(below, inputs * kept[:, None], recurrent * kept[:, None], bias * kept, h, c)

    return _with_cell(reference, "lstm", lstm)


def without_memory(reference: Any) -> SimpleNamespace:
    """Nothing passes from one step to the next."""

    def change(net: Any) -> None:
        inner = net.cell

        def layer(below: Any, inputs: Any, recurrent: Any, bias: Any, h: Any, c: Any) -> Any:
            steps = [inner(row[None], inputs, recurrent, bias, 0 * h, 0 * c)[0][0] for row in below.unbind(0)]
            return reference.torch.stack(steps), h, c

        net.cell = layer

    return _as(reference, change)


def _read_by(reference: Any, kind: Any) -> SimpleNamespace:
    """The reference, whose networks read texts by another kind of stream."""

    class Trained(reference.Trained):
        def start(self, streams: int) -> Any:
            return kind(self.net, streams)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        return Trained(reference.restore(config, state, device=device).net)

    return sabotage(reference, restore=restore)


def states_reset_while_reading(reference: Any) -> SimpleNamespace:
    """A network that reads starts again every 50 characters, as if these were chunks without a carried state."""

    class Reset(reference.Stream):
        read = 0

        def step(self, tokens: Any) -> Any:
            if self.read % 50 == 0:
                self.states = self.net.zeros(len(tokens))
            self.read += 1
            return super().step(tokens)

    return _read_by(reference, Reset)


def dropout_at_evaluation(reference: Any) -> SimpleNamespace:
    """Dropout is left on when the trained network reads."""

    class Noisy(reference.Stream):
        def step(self, tokens: Any) -> Any:
            torch, keep = reference.torch, 1 - self.net.config.dropout
            with torch.no_grad():
                drop = lambda h: h * (torch.rand(h.shape) < keep) / keep  # noqa: E731 -- a mask
                scores, self.states = self.net.read(torch.tensor(tokens)[None], self.states, drop)
            return scores[0].float().numpy()

    return _read_by(reference, Noisy)


def _changed_gradients(reference: Any, change: Callable[[Any, Any], Any]) -> SimpleNamespace:
    """The reference, trained on other gradients, made of a training and the right ones by array."""

    class Changed(reference.Training):
        def gradients(self, *chunk: Any) -> Any:
            return change(self, super().gradients(*chunk))

    return _trained_by(reference, kind=Changed)


def norm_clipped(reference: Any) -> SimpleNamespace:
    """What is clipped is the norm of all gradients together, as is the custom today, and not each entry."""

    def clipped(training: Any, gradients: Any) -> Any:
        norm = sum(float((g**2).sum()) for g in gradients) ** 0.5
        return [g * min(1.0, training.config.clip / norm) for g in gradients]

    return _changed_gradients(reference, clipped)


def nothing_clipped(reference: Any) -> SimpleNamespace:
    """Gradients are not clipped."""
    return reconfigure(reference, lambda config: replace(config, clip=1e9))


def averaged_over_steps(reference: Any) -> SimpleNamespace:
    """The loss is averaged over the steps of a chunk too, at the same clip and epsilon."""
    return _changed_gradients(reference, lambda training, all_: [g / training.config.unroll for g in all_])


def only_the_scores_learn(reference: Any) -> SimpleNamespace:
    """Only the map from the last layer to the scores is trained."""

    def kept(training: Any, gradients: Any) -> Any:
        named = zip(training.net.weights, gradients, strict=True)
        return [g if name.endswith("_y") else 0 * g for name, g in named]

    return _changed_gradients(reference, kept)


def epsilon_within_the_root(reference: Any) -> SimpleNamespace:
    """RMSProp adds epsilon to the mean square before it takes the root."""

    class Within(reference.Training):
        def update(self, number: int) -> None:
            for name, square in self.squares.items():
                self.squares[name] = _Rooted(square, self.config)
            super().update(number)
            self.squares = {name: rooted.square for name, rooted in self.squares.items()}

    return _trained_by(reference, kind=Within)


class _Rooted:
    """A mean square whose root has epsilon within, and not beside."""

    def __init__(self, square: Any, config: Any) -> None:
        self.square, self.epsilon = square, config.epsilon

    def mul_(self, share: float) -> _Rooted:
        self.square.mul_(share)
        return self

    def addcmul_(self, *factors: Any, value: float) -> None:
        self.square.addcmul_(*factors, value=value)

    def sqrt(self) -> Any:
        return (self.square + self.epsilon).sqrt() - self.epsilon


def squares_begin_at_one(reference: Any) -> SimpleNamespace:
    """RMSProp's mean squares begin at one, and not at nothing."""
    return _trained_by(reference, lambda training: [square.fill_(1) for square in training.squares.values()])


def rate_falls_late(reference: Any) -> SimpleNamespace:
    """The learning rate falls an epoch later."""
    change = lambda training: setattr(  # noqa: E731 -- short
        training, "config", replace(training.config, constant_epochs=training.config.constant_epochs + 1)
    )
    return _trained_by(reference, change)


def states_reset_at_each_chunk(reference: Any) -> SimpleNamespace:
    """Every chunk starts from zero states."""

    class Forgetful(reference.Training):
        def update(self, number: int) -> None:
            self.states = self.net.zeros(self.config.batch)
            super().update(number)

    return _trained_by(reference, kind=Forgetful)


def characters_dealt_out(reference: Any) -> SimpleNamespace:
    """Streams are not stretches of the text: its characters are dealt out to them one after the other."""

    def train(config: Any, data: Any, **how: Any) -> Iterator[tuple[int, Any]]:
        size = config.batch * config.unroll
        whole = len(data.tokens) // size * size
        dealt = data.tokens[:whole].reshape(-1, config.batch).T.ravel()
        return reference.train(config, replace(data, tokens=dealt), **how)

    return sabotage(reference, train=train)


def chunks_in_any_order(reference: Any) -> SimpleNamespace:
    """Chunks come in another order in each epoch, though states are carried from one to the next."""

    class Shuffled(reference.Training):
        def update(self, number: int) -> None:
            epoch, chunk = divmod(number, self.chunks.count)
            super().update(epoch * self.chunks.count + (chunk + epoch) % self.chunks.count)

    return _trained_by(reference, kind=Shuffled)


def last_chunk_left_out(reference: Any) -> SimpleNamespace:
    """The last whole chunk of an epoch is left out, unless it is the only one."""
    fewer = lambda training: setattr(training.chunks, "count", max(1, training.chunks.count - 1))  # noqa: E731 -- short
    return _trained_by(reference, fewer)


def slow_where_large(reference: Any) -> SimpleNamespace:
    """Plain networks of more than 32 units learn at a fifth of the rate."""
    slow = lambda config: config.cell == "rnn" and config.hidden > 32  # noqa: E731 -- a condition
    return _trained_by(
        reference, lambda t: setattr(t, "config", replace(t.config, lr=t.config.lr / 5)) if slow(t.config) else None
    )


def normal_weights(reference: Any) -> SimpleNamespace:
    """Weights start from a normal distribution of the variance that the uniform one has."""

    def change(training: Any) -> None:
        seed = int(1e6 * abs(float(training.net.weights["b_y"][0])))
        generator = reference.torch.Generator().manual_seed(seed)
        for weight in training.net.weights.values():
            weight.normal_(0, training.config.init / 3**0.5, generator=generator)

    return _trained_by(reference, change)


def shut_forget_gates(reference: Any) -> SimpleNamespace:
    """Biases of forget gates start as all others do."""
    return reconfigure(reference, lambda config: replace(config, forget_bias=0.0))


def one_seed_for_all(reference: Any) -> SimpleNamespace:
    """The seed changes nothing."""

    def train(config: Any, data: Any, *, seed: int, **how: Any) -> Iterator[tuple[int, Any]]:
        return reference.train(config, data, seed=7, **how)

    return sabotage(reference, train=train)


def layers_alike(reference: Any) -> SimpleNamespace:
    """All layers above the first one start with the recurrent weights of the first."""

    def change(training: Any) -> None:
        for layer in range(2, training.config.layers + 1):
            training.net.weights[f"W_h {layer}"].copy_(training.net.weights["W_h 1"])

    return _trained_by(reference, change)


def _dropping(reference: Any, dropped: Callable[[Any, Any, Any], Any]) -> SimpleNamespace:
    """The reference, trained with another dropout, of the training, what the reference's does, and what it acts on."""

    class Other(reference.Training):
        calls = 0

        def drop(self, h: Any) -> Any:
            self.calls += 1
            return dropped(self, super().drop, h)

    return _trained_by(reference, kind=Other)


def dropout_between_layers_alone(reference: Any) -> SimpleNamespace:
    """What the last layer gives to the scores is not dropped."""
    return _dropping(reference, lambda t, drop, h: drop(h) if t.calls % t.config.layers else h)


def one_mask_for_a_chunk(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask once and uses it at every step of a chunk."""
    return _dropping(reference, lambda t, drop, h: drop(reference.torch.ones_like(h[:1])) * h)


def one_mask_for_all_streams(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask at each step, and uses it for every stream."""
    return _dropping(reference, lambda t, drop, h: drop(reference.torch.ones_like(h[:, :1])) * h)


def unscaled_dropout(reference: Any) -> SimpleNamespace:
    """What dropout keeps is not scaled up while training, nor down when the network reads."""
    return _dropping(reference, lambda t, drop, h: (1 - t.config.dropout) * drop(h))


def dropout_on_recurrence(reference: Any) -> SimpleNamespace:
    """Dropout acts as well on what a layer carries on from one chunk to the next."""

    class Along(reference.Training):
        def update(self, number: int) -> None:
            super().update(number)
            self.states = [(self.drop(h), c) for h, c in self.states]

    return _trained_by(reference, kind=Along)


def _writing(reference: Any, generate: Callable[..., Any]) -> SimpleNamespace:
    """The reference, whose networks write in another way; `generate` gets the reference's first."""

    class Trained(reference.Trained):
        def generate(self, prompts: Any, length: int, *, temperature: float, seed: int) -> Any:
            return generate(super().generate, prompts, length, temperature, seed)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        return Trained(reference.restore(config, state, device=device).net)

    return sabotage(reference, restore=restore)


def _tempered(reference: Any, distribution: Callable[..., Any]) -> SimpleNamespace:
    """The reference with another distribution at a temperature, by which its networks write too."""

    class Trained(reference.Trained):
        def generate(self, prompts: Any, length: int, *, temperature: float, seed: int) -> Any:
            stream, rng = self.start(len(prompts.lengths)), np.random.default_rng(seed)
            written = np.empty((len(prompts.lengths), length), np.int64)
            for column in prompts.items.T:
                scores = stream.step(np.ascontiguousarray(column))
            for place in range(length):
                upto = distribution(scores, temperature).cumsum(1)
                written[:, place] = (upto[:, :-1] <= rng.random(len(upto))[:, None]).sum(1)
                scores = stream.step(written[:, place])
            return written

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        return Trained(reference.restore(config, state, device=device).net)

    return sabotage(reference, restore=restore, distribution=distribution)


def scores_times_temperature(reference: Any) -> SimpleNamespace:
    """Scores are multiplied by the temperature."""
    return _tempered(reference, lambda scores, heat: reference.distribution(scores, 1 / max(heat, 1e-9)))


def temperature_ignored(reference: Any) -> SimpleNamespace:
    """The temperature changes nothing."""
    return _tempered(reference, lambda scores, heat: reference.distribution(scores, 1.0))


def probabilities_divided(reference: Any) -> SimpleNamespace:
    """Probabilities, and not scores, are divided by the temperature before the softmax."""
    softmax = reference.distribution
    return _tempered(reference, lambda scores, heat: softmax(softmax(scores, 1.0), max(heat, 1e-9)))


def writes_the_likeliest(reference: Any) -> SimpleNamespace:
    """What is written is the likeliest character, whatever the temperature."""
    return _writing(
        reference, lambda own, prompts, length, heat, seed: own(prompts, length, temperature=0.0, seed=seed)
    )


def unseeded(reference: Any) -> SimpleNamespace:
    """The seed of what is written changes nothing."""
    return _writing(reference, lambda own, prompts, length, heat, seed: own(prompts, length, temperature=heat, seed=0))


def padding_is_read(reference: Any) -> SimpleNamespace:
    """Prompts are read to the end of the longest, with what stands beyond their own ends."""

    def generate(own: Any, prompts: Any, length: int, heat: float, seed: int) -> Any:
        longest = np.full(len(prompts.lengths), prompts.items.shape[1])
        return own(_with(prompts, prompts.items, longest), length, temperature=heat, seed=seed)

    return _writing(reference, generate)


def last_of_the_prompt_alone(reference: Any) -> SimpleNamespace:
    """Of a prompt only the last character is read."""

    def generate(own: Any, prompts: Any, length: int, heat: float, seed: int) -> Any:
        last = np.take_along_axis(np.asarray(prompts.items), np.asarray(prompts.lengths)[:, None] - 1, 1)
        return own(_with(prompts, last, np.ones(len(last), np.int64)), length, temperature=heat, seed=seed)

    return _writing(reference, generate)


def not_fed_back(reference: Any) -> SimpleNamespace:
    """All characters are drawn from what follows the prompt, and none is read back."""

    def generate(own: Any, prompts: Any, length: int, heat: float, seed: int) -> Any:
        drawn = [own(prompts, 1, temperature=heat, seed=1000 * seed + place) for place in range(length)]
        return np.concatenate(drawn, 1)

    return _writing(reference, generate)


def _with(prompts: Any, items: Any, lengths: Any) -> Any:
    from repro.task import Sequences

    return Sequences(items=items, lengths=lengths)


def _shaped(reference: Any, change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> SimpleNamespace:
    """The reference with other shapes, made of a config and the right ones."""
    return sabotage(reference, shapes=lambda config: change(config, reference.shapes(config)))


def embedded_characters(reference: Any) -> SimpleNamespace:
    """Characters are embedded in as many numbers as there are units, and no one-hot vectors."""

    def change(config: Any, found: dict[str, Any]) -> dict[str, Any]:
        rows, units = found["W_h 1"]
        return found | {"W_x 1": (rows, units), "embedding": (config.vocabulary, units)}

    return _shaped(reference, change)


def three_gates(reference: Any) -> SimpleNamespace:
    """Cells are those of GRUs."""
    return _shaped(reference, lambda config, found: reference.shapes(replace(config, cell="gru")))


def diagonal_recurrence(reference: Any) -> SimpleNamespace:
    """A unit is connected to itself alone from one step to the next."""
    kept = lambda name, shape: shape[:1] if name.startswith("W_h") else shape  # noqa: E731 -- a condition
    return _shaped(reference, lambda config, found: {name: kept(name, shape) for name, shape in found.items()})


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


def copies_the_list(reference: Any) -> SimpleNamespace:
    """What is written is the beginning of the training text, over and over."""
    given: list[Any] = []

    def train(config: Any, data: Any, **how: Any) -> Iterator[tuple[int, Any]]:
        given.append(np.asarray(data.tokens))
        yield from reference.train(replace(config, epochs=1), data, **how)

    def generate(own: Any, prompts: Any, length: int, heat: float, seed: int) -> Any:
        return np.resize(given[-1], (len(prompts.lengths), length))

    return sabotage(_writing(reference, generate), train=train)


NULLS = {"distribution": lambda scores, temperature: np.full(np.shape(scores), 1 / np.shape(scores)[1])}

PLANTED = {  # states are not carried from one chunk to the next
    "updates": ("if chunk == 0:", "if chunk >= 0:"),
}
