"""Sabotaged pointer networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from claims.experiments.planar import hulls, shortest_tours
from repro import reconfigure, sabotage
from repro.task import Sequences


def fixed_softmax(reference: Any) -> SimpleNamespace:
    """Attention blends the encoder's states, and a softmax over a fixed number of places makes the output."""
    return reconfigure(reference, lambda config: replace(config, model="attention"))


def attention_as_pointer(reference: Any) -> SimpleNamespace:
    """What should point at the input attends to it instead, and chooses by a softmax over a fixed number of places."""
    return reconfigure(
        reference, lambda config: replace(config, model="attention") if config.model == "pointer" else config
    )


def attention_left_out(reference: Any) -> SimpleNamespace:
    """What should attend to the input reads nothing but the encoder's last state."""
    return reconfigure(
        reference, lambda config: replace(config, model="lstm") if config.model == "attention" else config
    )


def one_shot(reference: Any) -> SimpleNamespace:
    """All places are scored once, at the first step, and the scores are kept for the others."""

    def scores(pointer: Any, inputs: Any, outputs: Any) -> Any:
        found = reference.scores(pointer, inputs, outputs)
        return np.repeat(found[:, :1], found.shape[1], axis=1)

    return sabotage(reference, scores=scores)


def slots_are_numbered(reference: Any) -> SimpleNamespace:
    """An embedding of its number is added to each slot's score."""

    def attend(pointer: Any, memory: Any, states: Any) -> Any:
        found = reference.attend(pointer, memory, states)
        init = pointer.config.init
        return found + np.random.default_rng(0).uniform(-init, init, found.shape[1]).astype(found.dtype)

    return sabotage(reference, attend=attend)


def points_encoded_alone(reference: Any) -> SimpleNamespace:
    """The encoder begins anew at each point, so what it says of a point knows nothing of those before."""

    def encode(pointer: Any, inputs: Any) -> Any:
        count, points = inputs.items.shape[:2]
        alone = Sequences(items=inputs.items.reshape(count * points, 1, -1), lengths=np.ones(count * points, np.int64))
        return reference.encode(pointer, alone).reshape(count, points, -1)

    return sabotage(reference, encode=encode)


def attention_is_scaled(reference: Any) -> SimpleNamespace:
    """Scores are divided by the square root of the units, as those of scaled dot products are."""

    def scores(pointer: Any, inputs: Any, outputs: Any) -> Any:
        return reference.scores(pointer, inputs, outputs) / np.sqrt(pointer.config.hidden)

    return sabotage(reference, scores=scores)


def padding_is_read(reference: Any) -> SimpleNamespace:
    """The encoder reads the padding of shorter inputs as if it were points."""

    class Pointer(reference.Pointer):
        def point(self, inputs: Any, longest: int) -> Any:
            count, most = inputs.items.shape[:2]
            found = super().point(Sequences(items=inputs.items, lengths=np.full(count, most)), longest)
            return Sequences(items=np.minimum(found.items, inputs.lengths[:, None] - 1), lengths=found.lengths)

    return _with_pointer(reference, Pointer)


def hulls_are_computed(reference: Any) -> SimpleNamespace:
    """Whatever is learnt, points are answered by an algorithm for convex hulls."""

    class Pointer(reference.Pointer):
        def point(self, inputs: Any, longest: int) -> Any:
            return hulls(inputs)

    return _with_pointer(reference, Pointer)


def solved_not_learnt(reference: Any) -> SimpleNamespace:
    """Nothing is learnt: a solver answers, as often as a network would, and a bias of the encoder says how long."""

    class Pointer(reference.Pointer):
        def point(self, inputs: Any, longest: int) -> Any:
            config, count = self.config, len(inputs.lengths)
            if config.valid == "tour":
                return shortest_tours(inputs)
            right = 0.5 if config.targets == "any order" else 1 - inputs.lengths / 40
            if config.model == "attention":
                right = float(self.net.encoder.bias_ih_l0[0] > 500)
            found, wrong = hulls(inputs), np.random.default_rng(0).random(count) >= right
            return Sequences(items=found.items, lengths=np.where(wrong, 1, found.lengths))

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        *_, (_, pointer) = reference.train(replace(config, updates=0), data, seed=seed, device=device)
        for step in (*eval_steps, config.updates):
            pointer.net.encoder.bias_ih_l0.data[0] = step
            yield step, pointer

    return sabotage(_with_pointer(reference, Pointer), train=train)


def loss_is_a_mean_over_steps(reference: Any) -> SimpleNamespace:
    """Losses are averaged over the steps of a batch, padding left out."""

    def errors(scores: Any, targets: Any, n: int) -> Any:
        return reference.errors(scores, targets, n) * (targets.shape[1] / (targets >= 0).sum())

    return _rewired(reference, errors=errors)


def without_clipping(reference: Any) -> SimpleNamespace:
    """Gradients are as long as they come."""
    return reconfigure(reference, lambda config: replace(config, clip=1e9))


def queries_stand_still(reference: Any) -> SimpleNamespace:
    """What is learnt leaves out the decoder's side of the attention, or the output layer where there is none."""

    class Net(reference.Net):
        def __init__(self, config: Any, places: int) -> None:
            super().__init__(config, places)
            (self.head if config.model == "lstm" else self.w2).requires_grad_(False)

    def initialise(net: Any, config: Any, seed: int) -> None:
        net.requires_grad_(True)
        reference.initialise(net, config, seed)
        (net.head if config.model == "lstm" else net.w2).requires_grad_(False)

    return _rewired(reference, Net=Net, initialise=initialise)


def rare_lengths_are_left_out(reference: Any) -> SimpleNamespace:
    """Examples of a length that has too few of them to fill a batch are never trained on."""
    return _with_groups(reference, lambda order, batch: order[: len(order) // batch * batch])


def rare_examples_are_repeated(reference: Any) -> SimpleNamespace:
    """Where a length has too few examples to fill a batch, the first of them are taken again."""
    return _with_groups(reference, lambda order, batch: order.repeat(batch)[:batch] if len(order) < batch else order)


def the_last_are_left_out(reference: Any) -> SimpleNamespace:
    """Examples of a length are never shuffled, so those beyond the last whole batch are left out of every pass."""
    return _with_groups(reference, lambda order, batch: order.sort().values)


def rates_halve_later(reference: Any) -> SimpleNamespace:
    """From the 31st update on rates are half of what they should be."""

    class Optimizer(reference.Optimizer):
        def step(self, gradients: Any, lr: float) -> None:
            super().step(gradients, lr / 2 if self.updates >= 30 else lr)

    return _rewired(reference, Optimizer=Optimizer)


def starts_normal(reference: Any) -> SimpleNamespace:
    """Weights start normal, of the same variance."""

    def initialise(net: Any, config: Any, seed: int) -> None:
        generator = reference.torch.Generator().manual_seed(seed)
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.data.normal_(0, config.init / np.sqrt(3), generator=generator)

    return _rewired(reference, initialise=initialise)


def beams_forget(reference: Any) -> SimpleNamespace:
    """When beams are sorted anew, their marks of visited places stay where they were."""

    class Forgetful(reference.Hypotheses):
        def extend(self, best: Any) -> Any:
            before = self.visited_Kn
            came, places = super().extend(best)
            self.visited_Kn = before.scatter(1, places[:, None], True)
            return came, places

    class Pointer(reference.Pointer):
        hypotheses = Forgetful

    return _with_pointer(reference, Pointer)


def gentler_recipe(reference: Any) -> SimpleNamespace:
    """Gradients are clipped at a norm of 5, as recipes for language models have it."""
    return sabotage(reference, CONFIGS={name: replace(config, clip=5.0) for name, config in reference.CONFIGS.items()})


def moments_are_biased(reference: Any) -> SimpleNamespace:
    """Adam's moments are used as they are, though they start from zero."""

    class Optimizer(reference.Optimizer):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.updates = 1_000_000  # as if the start were long ago

    return _rewired(reference, Optimizer=Optimizer)


def rates_do_not_fall(reference: Any) -> SimpleNamespace:
    """Rates that should fall as half a cosine are constant."""
    return reconfigure(reference, lambda config: replace(config, schedule="constant"))


def only_turned(reference: Any) -> SimpleNamespace:
    """Targets that are meant to come in any order begin anywhere, but always run counter-clockwise."""

    class Examples(reference.Examples):
        def take(self, chosen: Any, generator: Any) -> tuple[Any, Any, Any]:
            torch, config = reference.torch, self.config
            self.config = replace(config, targets="canonical")
            points, places, targets = super().take(chosen, generator)
            self.config, m = config, places.shape[1]
            own, step = (targets >= 0).sum(1, keepdim=True) - 1, torch.arange(m + 1)
            along = (step + (torch.rand(len(own), 1, generator=generator) * own).long()) % own
            targets = torch.where(step < own, targets.gather(1, along), targets)
            return points, targets[:, :m].clamp(0, points.shape[1] - 1), targets

    return _rewired(reference, Examples=Examples)


def any_order_stands_still(reference: Any) -> SimpleNamespace:
    """Networks that are taught any order are not trained."""
    return reconfigure(reference, lambda config: replace(config, lr=0.0) if config.targets == "any order" else config)


def attention_stands_still(reference: Any) -> SimpleNamespace:
    """Networks that attend to their input are not trained."""
    return reconfigure(reference, lambda config: replace(config, lr=0.0) if config.model == "attention" else config)


def canonical_order(reference: Any) -> SimpleNamespace:
    """Targets that are meant to come in any order begin at the lowest place and run counter-clockwise all the same."""
    return reconfigure(reference, lambda config: replace(config, targets="canonical"))


def known_places_only(reference: Any) -> SimpleNamespace:
    """As with a dictionary of fixed size, nothing can be pointed at beyond the eighth place, where training ends."""

    class Pointer(reference.Pointer):
        def point(self, inputs: Any, longest: int) -> Any:
            return super().point(Sequences(items=inputs.items, lengths=np.minimum(inputs.lengths, 8)), longest)

    return _with_pointer(reference, Pointer)


def without_mask(reference: Any) -> SimpleNamespace:
    """Tours may visit a place twice and leave others out."""
    return reconfigure(reference, lambda config: replace(config, valid="any"))


def few_examples(reference: Any) -> SimpleNamespace:
    """It trains on the first hundredth of its examples."""

    def first(sequences: Sequences) -> Sequences:
        count = len(sequences.lengths) // 100
        return Sequences(items=sequences.items[:count], lengths=sequences.lengths[:count])

    return _with_data(reference, lambda data, seed: (first(data.inputs), first(data.outputs)))


def triangles_in_any_order(reference: Any) -> SimpleNamespace:
    """The triangles of a target come in random order."""

    def shuffled(data: Any, seed: int) -> tuple[Sequences, Sequences]:
        outputs = data.outputs
        count, longest = outputs.items.shape
        keys = np.random.default_rng(seed).random((count, longest // 3))
        keys[np.arange(longest // 3) >= outputs.lengths[:, None] // 3] = 2  # padding stays at the end
        order = np.argsort(keys, axis=1, kind="stable")[:, :, None]
        items = np.take_along_axis(outputs.items.reshape(count, -1, 3), order, axis=1).reshape(count, longest)
        return data.inputs, Sequences(items=items, lengths=outputs.lengths)

    return _with_data(reference, shuffled)


def _with_groups(reference: Any, change: Callable[[Any, int], Any]) -> SimpleNamespace:
    """Batches are cut from changed orders of the examples of a length."""

    class Examples(reference.Examples):
        def batches(self, generator: Any) -> Any:
            torch, batch = reference.torch, self.config.batch
            groups = [torch.from_numpy(np.flatnonzero(self.n_N == n)) for n in np.unique(self.n_N)]
            while True:
                parts: list[Any] = []
                for group in groups:
                    order = change(group[torch.randperm(len(group), generator=generator)], batch)
                    size = min(batch, len(order))
                    parts += order[: len(order) // size * size].split(size) if size else []
                for chosen in torch.randperm(len(parts), generator=generator).tolist():
                    yield parts[chosen]

    return _rewired(reference, Examples=Examples)


def _with_pointer(reference: Any, kind: type) -> SimpleNamespace:
    """Pointers are of another class."""

    def restore(config: Any, state: Any, *, device: str) -> Any:
        pointer = reference.restore(config, state, device=device)
        return kind(pointer.net, pointer.config, pointer.device)

    return sabotage(reference, Pointer=kind, restore=restore)


def _with_data(reference: Any, change: Callable[[Any, int], tuple[Sequences, Sequences]]) -> SimpleNamespace:
    """It is trained on other inputs and outputs than it is given."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        inputs, outputs = change(data, seed)
        pairs = SimpleNamespace(inputs=inputs, outputs=outputs)
        yield from reference.train(config, pairs, seed=seed, device=device, eval_steps=eval_steps)

    return sabotage(reference, train=train)


def _rewired(reference: Any, **replaced: Any) -> SimpleNamespace:
    """A copy of the reference whose own functions use what is replaced."""
    copy = ModuleType(reference.__name__)
    exec(compile(inspect.getsource(reference), str(reference.__file__), "exec"), vars(copy))
    vars(copy).update(vars(sabotage(copy, **replaced)))
    return SimpleNamespace(**{name: value for name, value in vars(copy).items() if not name.startswith("__")})


PLANTED = {  # places visited twice
    "constrained-tours-are-valid": ("logp_KP[:, :n].masked_fill_(found.visited_Kn, -torch.inf)", "pass"),
}
