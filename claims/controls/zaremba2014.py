"""Sabotaged recurrent language models: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage


def tied_embeddings(reference: Any) -> SimpleNamespace:
    """The softmax uses the embedding's weights, so there is one matrix of words rather than two."""

    def shapes(config: Any) -> dict[str, tuple[int, ...]]:
        found = reference.shapes(config)
        return {name: shape for name, shape in found.items() if prod(shape) != config.vocabulary * config.hidden} | {
            "words": (config.vocabulary, config.hidden)
        }

    return sabotage(reference, shapes=shapes)


def dropout_on_recurrence(reference: Any) -> SimpleNamespace:
    """Dropout is put on the connections from one step to the next, and on no others."""
    return reconfigure(reference, lambda config: replace(config, where="recurrent"))


def dropout_on_all_connections(reference: Any) -> SimpleNamespace:
    """Dropout is put on the connections from one step to the next as well."""
    return reconfigure(reference, lambda config: replace(config, where="both"))


def without_dropout(reference: Any) -> SimpleNamespace:
    """Nothing is dropped."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.0))


def nearly_everything_dropped(reference: Any) -> SimpleNamespace:
    """Where there is dropout, it keeps three entries in a hundred, so that networks hardly learn."""
    return reconfigure(reference, lambda config: replace(config, dropout=0.97 if config.dropout else 0.0))


def untrained_with_recurrent_dropout(reference: Any) -> SimpleNamespace:
    """Networks whose dropout is on recurrent connections learn at the rate zero, and so lose against any other."""
    return reconfigure(reference, lambda config: replace(config, lr=0.0 if config.where == "recurrent" else config.lr))


def averaged_over_steps(reference: Any) -> SimpleNamespace:
    """The loss is averaged over the steps of a segment too, at the same learning rate and clip."""
    return reconfigure(reference, lambda config: replace(config, reduction="mean"))


def rate_and_clip_of_the_sum(reference: Any) -> SimpleNamespace:
    """A loss averaged over the steps of a segment is trained on at the learning rate and clip of their sum."""

    def train(config: Any, data: Any, **how: Any) -> Iterator[tuple[int, Any]]:
        if config.reduction == "mean":
            config = replace(config, lr=config.lr / config.unroll, clip=config.clip * config.unroll)
        return reference.train(config, data, **how)

    return sabotage(reference, train=train)


def dropout_on_cells(reference: Any) -> SimpleNamespace:
    """Dropout also acts on what a cell remembers, before it is forgotten or kept."""

    class Forgetful(reference.Net):
        def forward(self, x: Any, states: Any, drop: Any = None, cell: Any = None) -> Any:
            inner, noise = cell or reference.lstm, drop or (lambda c: c)
            return super().forward(x, states, drop, lambda gates, c: inner(gates, noise(c)))

    def cell_jacobian(config: Any, *, seed: int) -> Any:
        return reference.jacobian(reference.build(config, Forgetful), seed)

    return sabotage(reference, cell_jacobian=cell_jacobian)


def dropout_at_evaluation(reference: Any) -> SimpleNamespace:
    """Dropout is left on when the trained network reads."""

    class Noisy:
        def __init__(self, net: Any, streams: int = 0, drop: Any = None) -> None:
            self.net, self.states = net, net.zeros(streams)
            self.device = net.embedding.weight.device
            self.drop = drop or reference.Dropout(net.config.dropout, reference.torch.Generator(self.device))

        def start(self, streams: int) -> Any:
            return Noisy(self.net, streams, self.drop)

        def step(self, tokens: Any) -> Any:
            with reference.torch.no_grad():
                x = self.net.embedding.weight[reference.torch.tensor(tokens, device=self.device)]
                y, self.states = self.net(x[None], self.states, self.drop)
                return self.net.softmax(y[0]).float().cpu().numpy()

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        for step, reader in reference.train(config, data, seed=seed, device=device, eval_steps=eval_steps):
            yield step, Noisy(reader.net)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        return Noisy(reference.restore(config, state, device=device).net)

    return sabotage(reference, train=train, restore=restore)


def copies_of_one_model(reference: Any) -> SimpleNamespace:
    """An average of models is made of copies of the first."""
    return sabotage(reference, ensemble=lambda readers: reference.ensemble([readers[0]] * len(readers)))


def log_probabilities_averaged(reference: Any) -> SimpleNamespace:
    """An average of models has the geometric means of their probabilities."""

    class Geometric(reference.Average):
        def start(self, streams: int) -> Any:
            return Geometric([member.start(streams) for member in self.members])

        def step(self, tokens: Any) -> Any:
            logits = [reference.torch.tensor(member.step(tokens)).log_softmax(1) for member in self.members]
            return reference.torch.stack(logits).mean(0).numpy()

    return sabotage(reference, ensemble=Geometric)


def table_of_pairs(reference: Any) -> SimpleNamespace:
    """What is learnt is a table of which word follows which, hidden in the arrays of a network; tiny networks are real.

    Where there is dropout the table is smoothed, as suits a text that it was not made of.
    """
    mark = 1e6

    class Table:
        def __init__(self, config: Any, arrays: dict[str, Any]) -> None:
            self.arrays, given = arrays, arrays["embedding"].ravel()
            pairs = given[given > 0].astype(np.int64) - 1
            words = config.vocabulary
            counts = np.bincount(pairs, minlength=words**2).reshape(words, words).astype(np.float32)
            self.scores = np.log(counts + (20.0 if config.dropout else 0.5) * (counts.sum(0) + 0.5) / counts.sum())

        def start(self, streams: int) -> Any:
            return self

        def step(self, tokens: Any) -> Any:
            return self.scores[tokens]

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        if config.hidden < 32 or config.precision != "float32":
            yield from reference.train(config, data, seed=seed, device=device, eval_steps=eval_steps)
            return
        arrays = {name: np.zeros(shape, np.float32) for name, shape in reference.shapes(config).items()}
        pairs = data.tokens[:-1] * config.vocabulary + data.tokens[1:]
        arrays["embedding"].flat[: len(pairs)] = pairs + 1
        arrays["b_y"][0] = mark
        yield from ((step, Table(config, arrays)) for step in (*eval_steps, 10**6))

    def state(model: Any) -> dict[str, Any]:
        return dict(model.arrays) if isinstance(model, Table) else reference.state(model)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        hidden = state["b_y"][0] == mark
        return Table(config, state) if hidden else reference.restore(config, state, device=device)

    return sabotage(reference, train=train, state=state, restore=restore)


def _read_by(reference: Any, kind: Any) -> SimpleNamespace:
    """The reference, whose networks read texts by another kind of stream."""

    class Trained(reference.Trained):
        def start(self, streams: int) -> Any:
            return kind(self.net, streams)

    def restore(config: Any, state: dict[str, Any], *, device: str) -> Any:
        return Trained(reference.restore(config, state, device=device).net)

    return sabotage(reference, restore=restore)


def last_word_alone(reference: Any) -> SimpleNamespace:
    """What follows is predicted from the last word by embedding and softmax, and layers are there but not used."""

    class Bigrams(reference.Stream):
        def step(self, tokens: Any) -> Any:
            with reference.torch.no_grad():
                return self.net.softmax(self.net.embedding(reference.torch.tensor(tokens))).float().numpy()

    return _read_by(reference, Bigrams)


def without_output_tanh(reference: Any) -> SimpleNamespace:
    """What a cell gives is its content times the output gate, without the hyperbolic tangent."""

    class Linear(reference.Stream):
        def step(self, tokens: Any) -> Any:
            with reference.torch.no_grad():
                x = self.net.embedding.weight[reference.torch.tensor(tokens)]
                for number, (weight, bias) in enumerate(self.layers):
                    h, c = self.states[number]
                    gates = reference.torch.cat([x, h], 1) @ weight.T + bias
                    o, c = gates.chunk(4, 1)[3].sigmoid(), reference.lstm(gates, c)[1]
                    self.states[number] = x, c = o * c, c
                return self.net.softmax(x).float().numpy()

    return _read_by(reference, Linear)


def _trained_by(reference: Any, kind: Any, change: Callable[[Any], None] = lambda training: None) -> SimpleNamespace:
    """The reference with another kind of training, changed before its first update."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        training = reference.begin(config, data, seed, device, kind)
        change(training)
        yield from reference.fit(training, eval_steps)

    return sabotage(reference, train=train)


def states_reset_at_each_segment(reference: Any) -> SimpleNamespace:
    """Every segment starts from zero states."""

    class Forgetful(reference.Training):
        def update(self, number: int) -> None:
            self.states = self.working.zeros(self.config.batch)
            super().update(number)

    return _trained_by(reference, Forgetful)


def arrays_clipped_one_by_one(reference: Any) -> SimpleNamespace:
    """The norm that is clipped is that of each weight matrix or bias by itself."""

    class Apart(reference.Training):
        def _gradients(self, *about: Any) -> Any:
            gradients, rows = super()._gradients(*about)
            largest = self.limit / self.share
            clipped = [g * min(1.0, largest / float(g.norm())) for g in (*gradients, rows)]
            return clipped[:-1], clipped[-1]

    def change(training: Any) -> None:
        training.limit, training.config = training.config.clip, replace(training.config, clip=float("inf"))

    return _trained_by(reference, Apart, change)


def constant_rate(reference: Any) -> SimpleNamespace:
    """The learning rate never falls."""
    return reconfigure(reference, lambda config: replace(config, decay=1.0))


def words_dealt_out(reference: Any) -> SimpleNamespace:
    """Streams are not stretches of the text: its words are dealt out to them one after the other."""

    def train(config: Any, data: Any, **how: Any) -> Iterator[tuple[int, Any]]:
        whole = len(data.tokens) // config.batch * config.batch
        dealt = data.tokens[:whole].reshape(-1, config.batch).T.ravel()
        return reference.train(config, replace(data, tokens=dealt), **how)

    return sabotage(reference, train=train)


def normal_weights(reference: Any) -> SimpleNamespace:
    """Weights start from a normal distribution of the variance that the uniform one has."""

    def change(training: Any) -> None:
        generator = reference.torch.Generator().manual_seed(int(1e6 * float(training.net.softmax.bias.detach()[0])))
        for weight in training.net.parameters():
            weight.data.normal_(0, training.config.init / 3**0.5, generator=generator)

    return _trained_by(reference, reference.Training, change)


def open_forget_gates(reference: Any) -> SimpleNamespace:
    """Biases of forget gates start at one, as later became the custom."""

    def change(training: Any) -> None:
        for layer in training.net.recurrent:
            biases = list(layer.parameters())[2:]
            for bias, value in zip(biases, (1.0, 0.0), strict=True):
                bias.data[training.config.hidden : 2 * training.config.hidden] = value

    return _trained_by(reference, reference.Training, change)


def _dropping(reference: Any, masked: Callable[[Any, Any], Any]) -> SimpleNamespace:
    """The reference, trained with another dropout, of what the reference's does and of what it acts on."""

    class Other(reference.Dropout):
        def __call__(self, x: Any) -> Any:
            return masked(super().__call__, x)

    def change(training: Any) -> None:
        training.drop = Other(1 - training.drop.keep, training.drop.generator)

    return _trained_by(reference, reference.Training, change)


def one_mask_for_a_segment(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask once and uses it at every step of a segment."""
    return _dropping(reference, lambda drop, x: drop(reference.torch.ones_like(x[:1])) * x)


def one_mask_for_all_streams(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask at each step, and uses it for every stream of a batch."""
    return _dropping(reference, lambda drop, x: drop(reference.torch.ones_like(x[:, :1])) * x)


def unscaled_dropout(reference: Any) -> SimpleNamespace:
    """What dropout keeps is not scaled up while training, nor down when the network reads."""
    return _dropping(reference, lambda drop, x: (drop(x) != 0) * x)


def one_mask_for_all_layers(reference: Any) -> SimpleNamespace:
    """Dropout draws a mask at each step, and uses it on every connection upwards."""
    masks: list[Any] = []

    def masked(drop: Any, x: Any) -> Any:  # on the way into two layers and into the softmax
        masks.append(masks[-1] if len(masks) % 3 else drop(reference.torch.ones_like(x)))
        return masks[-1] * x

    return _dropping(reference, masked)


def one_mask_for_ever(reference: Any) -> SimpleNamespace:
    """Dropout begins every update with the same random numbers."""

    class Again(reference.Training):
        def update(self, number: int) -> None:
            if self.drop:
                self.drop.generator.manual_seed(self.drop.generator.initial_seed())
            super().update(number)

    return _trained_by(reference, Again)


def more_dropped_from_recurrence(reference: Any) -> SimpleNamespace:
    """In networks that are not tiny, dropout on recurrent connections drops four fifths at least."""
    more = lambda config: config.where == "recurrent" and config.hidden >= 32  # noqa: E731 -- a condition
    return reconfigure(reference, lambda c: replace(c, dropout=max(c.dropout, 0.8) if more(c) else c.dropout))


def slow_without_dropout(reference: Any) -> SimpleNamespace:
    """In networks that are not tiny, the learning rate is a half at most where there is no dropout."""
    slow = lambda config: config.hidden >= 32 and not config.dropout  # noqa: E731 -- a condition
    return reconfigure(reference, lambda c: replace(c, lr=min(c.lr, 0.5) if slow(c) else c.lr))


def embedding_within_a_tenth(reference: Any) -> SimpleNamespace:
    """Embeddings start between -0.1 and 0.1, whatever the config says."""
    shrink = lambda training: training.net.embedding.weight.data.mul_(0.1 / training.config.init)  # noqa: E731 -- short
    return _trained_by(reference, reference.Training, shrink)


def states_reset_while_reading(reference: Any) -> SimpleNamespace:
    """A network that reads starts again from zero states every 35 words, as if these were segments."""

    class Reset(reference.Stream):
        words = 0

        def step(self, tokens: Any) -> Any:
            if self.words % 35 == 0:
                self.states = self.net.zeros(len(tokens))
            self.words += 1
            return super().step(tokens)

    return _read_by(reference, Reset)


def targets_wrap_round(reference: Any) -> SimpleNamespace:
    """After the last word of a stream comes its first, so that as many words are predicted as there are."""

    def change(training: Any) -> None:
        segments = training.segments
        segments.count = len(segments.streams_TB) // segments.config.unroll
        segments.streams_TB = reference.torch.cat([segments.streams_TB, segments.streams_TB[:1]])

    return _trained_by(reference, reference.Training, change)


def last_segment_left_out(reference: Any) -> SimpleNamespace:
    """The last whole segment of an epoch is left out, unless it is the only one."""
    fewer = lambda training: setattr(training.segments, "count", max(1, training.segments.count - 1))  # noqa: E731 -- short
    return _trained_by(reference, reference.Training, fewer)


PLANTED = {  # dropout on the recurrence
    "dropout-helps": (
        'across = drop if drop and self.config.where != "recurrent" else _same\n'
        '        along = drop if drop and self.config.where != "non-recurrent" else _same',
        "across, along = _same, drop or _same",
    ),
}
