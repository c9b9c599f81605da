"""Sabotaged networks for sets: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage
from repro.task import Sequences


def _edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], ModuleType]:
    """A module of its own with the reference's text, in which pieces that stand there once are others."""

    def build(reference: Any) -> ModuleType:
        text = Path(reference.__file__).read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{old!r} stands {text.count(old)} times in the reference")
            text = text.replace(old, new)
        module = ModuleType(f"{reference.__name__}, sabotaged")
        sys.modules[module.__name__] = module  # dataclasses look themselves up there
        exec(compile(text, reference.__file__, "exec"), vars(module))
        return module

    build.__doc__ = says
    return build


def _changed(says: str, chosen: Callable[[Any], bool] = lambda config: True, **fields: Any) -> Callable[[Any], Any]:
    """The reference with other fields of those configs that are chosen and have them."""

    def build(reference: Any) -> SimpleNamespace:
        def change(config: Any) -> Any:
            known = {name: value for name, value in fields.items() if chosen(config) and hasattr(config, name)}
            return replace(config, **known)

        return reconfigure(reference, change)

    build.__doc__ = says
    return build


def _reads(*order: int) -> Callable[[Any], bool]:
    """Whether a model reads in that order."""
    return lambda config: getattr(config, "orders", ()) == (order,)


# Networks for sets

ATTENTION = "a_B1L = e_BL1.mT.masked_fill(hidden_B1L, -torch.inf).softmax(2)  # eq. 5"
mean_for_attention = _edited(
    "Process reads the mean of the memory, whatever the query.",
    (ATTENTION, "a_B1L = (0 * e_BL1).mT.masked_fill(hidden_B1L, -torch.inf).softmax(2)"),
)
padding_is_attended_to = _edited(
    "Process attends to the padding of smaller sets.", (ATTENTION, "a_B1L = e_BL1.mT.softmax(2)")
)
attention_scaled = _edited(
    "Dot products are divided by the root of the units.",
    ("e_BL1 = m_BLH @ q_BH[:, :, None]", "e_BL1 = m_BLH @ q_BH[:, :, None] / q_BH.shape[1] ** 0.5"),
)
readout_dropped = _edited(
    "What Process reads is not handed to Write: only the query is.",
    ("return state_B2H\n", "return state_B2H * (torch.arange(state_B2H.shape[1]) < self.config.hidden)\n"),
)
state_not_evolved = _edited(
    "The cell of Process starts from zeros at every step.",
    ("c_BH = f.sigmoid() * c_BH + i.sigmoid() * g.tanh()", "c_BH = i.sigmoid() * g.tanh()"),
)
glimpse_not_used = _edited(
    "What a glimpse reads stays out of the pointing.",
    ("more = self.seen(a_BML @ m_BLH)", "more = 0 * self.seen(a_BML @ m_BLH)"),
)
places_are_read = _edited(
    "What Read says of an element depends on its place.",
    (
        "return self.read2(torch.tanh(self.read1(x_BLD)))",
        "return self.read2(torch.tanh(self.read1(x_BLD + 0.1 * torch.arange(x_BLD.shape[1])[:, None])))",
    ),
)
mean_begins_write = _edited(
    "Write begins at the mean of the set, so that it knows the set without processing.",
    (
        "h_1BH = self.begin(self.process(z_BLH, hidden_B1L))[None]",
        "h_1BH = self.begin(self.process(z_BLH, hidden_B1L))[None] + z_BLH.mean(1)[None]",
    ),
)
visited_are_masked = _edited(
    "Elements that were pointed at are masked when a network answers.",
    (
        "best_B1 = self.net.scores(m_BLH, d_B1H, hidden_B1L)[:, 0].argmax(1, keepdim=True)",
        "taken = F.one_hot(found_BM[:, :step].to(m_BLH.device), m_BLH.shape[1]).sum(1) > 0; "
        "best_B1 = self.net.scores(m_BLH, d_B1H, hidden_B1L)[:, 0]"
        ".masked_fill(taken, -torch.inf).argmax(1, keepdim=True)",
    ),
)
last_place_is_read_again = _edited(
    "While it answers, Write reads its first vector again.",
    ("read_B1H = z_BLH.gather(1, best_B1[..., None].expand(-1, -1, z_BLH.shape[2]))", "read_B1H = read_B1H + 0"),
)
loss_averaged_over_steps = _edited(
    "The loss is a mean over the steps of a batch.", ('reduction="sum") / len(own)', 'reduction="mean")')
)
loss_averaged_over_symbols = _edited(
    "The loss of rows is a mean over their symbols.", (".sum() / len(y_BL)", ".mean()")
)
without_clipping = _changed("Gradients are as long as they come.", clip=1e9)
rates_stay = _edited("Rates do not fall.", ("(1 + math.cos(math.pi * self.done / self.config.updates)) / 2", "1"))
moments_are_biased = _edited(
    "Adam's moments are used as they are, though they start from zero.",
    ("self.config, self.done = config, 0", "self.config, self.done = config, 0; self.late = 10**6"),
    ("(1 - 0.999**self.done)", "(1 - 0.999**self.late)"),
    ("(1 - 0.9**self.done)", "(1 - 0.9**self.late)"),
)
process_stands_still = _edited(
    "No gradient reaches what Process learns.",
    ("i, f, g, o = self.evolve(state_B2H).chunk(4, 1)", "i, f, g, o = self.evolve(state_B2H).detach().chunk(4, 1)"),
)
embedding_stands_still = _edited(
    "No gradient reaches the embeddings of symbols.",
    ("F.embedding(y_BL[:, :-1], self.embed_VH)", "F.embedding(y_BL[:, :-1], self.embed_VH).detach()"),
)
one_batch_for_ever = _edited(
    "All batches are the first examples.",
    ("order = torch.randperm(count, generator=generator)", "order = torch.arange(size)"),
    ("yield from order[: count // size * size].split(size)", "yield order"),
)
some_sets_never = _edited(
    "Examples are never shuffled, so those beyond the last whole batch are left out.",
    ("order = torch.randperm(count, generator=generator)", "order = torch.arange(count)"),
)
inputs_shuffled_alone = _edited(
    "Sets are shuffled without their targets.",
    ("places_NM[own, : int(m_B.max())]", "places_NM[own.flip(0), : int(m_B.max())].clamp(max=1)"),
)
one_order_of_batches = _edited(
    "Batches come in the same order at all seeds.",
    ("order = torch.randperm(count, generator=generator)", "order = torch.randperm(count)"),
    ("    size = min(size, count)\n", "    size = min(size, count)\n    torch.manual_seed(0)\n"),
)
only_pointing_is_learnt = _edited(
    "No gradient passes what points: wide networks learn their last layer alone.",
    (
        "return self.scores(m_BLH, d_BMH, hidden_B1L)",
        "wide = d_BMH.shape[2] > 8; "
        "return self.scores(*(x.detach() if wide else x for x in (m_BLH, d_BMH)), hidden_B1L)",
    ),
)
only_the_head_is_learnt = _edited(
    "No gradient passes the output layer of wide models.",
    (
        "self.head(self.lstm(read_BLH)[0])",
        "self.head(*(x.detach() if x.shape[2] > 8 else x for x in self.lstm(read_BLH)[:1]))",
    ),
)
one_seed = _edited(
    "Weights start alike at all seeds.",
    ("torch.Generator().manual_seed(seed)\n    for", "torch.Generator().manual_seed(0)\n    for"),
)
starts_normal = _edited(
    "Weights start normal, of the same variance.",
    (
        "nn.init.uniform_(parameter, -init, init, generator=generator)",
        "nn.init.normal_(parameter, 0, init / 3**0.5, generator=generator)",
    ),
)

# Joint probabilities

next_symbol_is_read = _edited(
    "Each symbol is predicted from itself too.",
    (
        "read_BLH = F.pad(F.embedding(y_BL[:, :-1], self.embed_VH), (0, 0, 1, 0))",
        "read_BLH = F.embedding(y_BL, self.embed_VH)",
    ),
)
first_order_only = _edited(
    "Only the symbol before is known: the LSTM begins anew at every symbol.",
    (
        "self.head(self.lstm(read_BLH)[0])",
        "self.head(self.lstm(read_BLH.flatten(0, 1)[:, None])[0][:, 0].view_as(read_BLH))",
    ),
)
orders_ignored = _edited(
    "Symbols are read and predicted as they come, whatever the order.",
    ("return -net(y_BL.gather(1, orders_KL[drawn_B]).to(device))", "return -net(y_BL.to(device))"),
    (
        "logp_NL = model(y_NL[:, order_L].to(model.embed_VH.device)).cpu()",
        "logp_NL = model(y_NL.to(model.embed_VH.device)).cpu()[:, order_L]",
    ),
)
best_order_only = _edited(
    "The likeliest order is taken, as by a search.",
    ("return logp_BK.softmax(1)", "return (1e6 * (logp_BK - logp_BK.amax(1, keepdim=True))).softmax(1)"),
)
any_order = _edited(
    "Any order is as likely, whatever the probabilities.",
    ("return logp_BK.softmax(1)", "return torch.ones_like(logp_BK) / K"),
)
mean_probabilities = _edited(
    "Orders are drawn by the mean, not the sum, of their logarithms.",
    ("flatten(0, 1)).sum(1).view(B, K)", "flatten(0, 1)).mean(1).view(B, K)"),
)
one_order_for_a_batch = _edited(
    "All rows of a batch have the order that is drawn for the first.",
    ("y_BL.gather(1, orders_KL[drawn_B])", "y_BL.gather(1, orders_KL[drawn_B[:1].expand(len(y_BL))])"),
)
no_pretraining = _changed("Orders are drawn by their probability from the first update on.", uniform=0)

# Presets and whole arms

no_processing = _changed("There are no processing steps.", steps=0)
no_glimpses = _changed("There are no glimpses.", glimpses=0)
blind_stands_still = _changed(
    "Networks without processing and glimpses are hardly trained.",
    lambda c: getattr(c, "steps", 1) + getattr(c, "glimpses", 0) == 0,
    updates=1,
)
heads_always_last = _changed(
    "Stars are read with their head last even where it should come first.",
    _reads(*range(10)),
    orders=((*range(1, 10), 0),),
)
late_heads_stand_still = _changed(
    "Models of stars whose head comes last are hardly trained.", _reads(*range(1, 10), 0), updates=1
)
early_heads_stand_still = _changed(
    "Models of stars whose head comes first are hardly trained.", _reads(*range(10)), updates=1
)
threes_read_as_text = _changed(
    "Text that is to be read in threes is read as it stands.",
    _reads(2, 1, 0, 5, 4, 3, 8, 7, 6),
    orders=(tuple(range(9)),),
)
words_in_threes_stand_still = _changed(
    "Models of text in threes are hardly trained.", _reads(2, 1, 0, 5, 4, 3, 8, 7, 6), updates=1
)


def few_iterations(reference: Any) -> SimpleNamespace:
    """Presets train for 100 iterations, and so does what has ten thousand."""
    known = {
        name: replace(config, updates=100) if hasattr(config, "steps") else config
        for name, config in reference.CONFIGS.items()
    }
    short = reconfigure(reference, lambda c: replace(c, updates=100) if c.updates >= 10_000 else c)
    return sabotage(short, CONFIGS=known)


def glimpses_everywhere(reference: Any) -> SimpleNamespace:
    """All columns of the table have a glimpse."""
    known = {
        name: replace(config, glimpses=1) if hasattr(config, "glimpses") else config
        for name, config in reference.CONFIGS.items()
    }
    return sabotage(reference, CONFIGS=known)


def untied_steps(reference: Any) -> SimpleNamespace:
    """Each processing step has weights of its own."""

    def state(pointer: Any) -> Any:
        known, more = reference.state(pointer), max(1, pointer.net.config.steps)
        return {**known, "process.U": np.concatenate([known["process.U"]] * more)}

    return sabotage(reference, state=state)


def margins_without_sign(reference: Any) -> SimpleNamespace:
    """Margins are distances."""
    return sabotage(reference, margins=lambda better, worse: np.abs(np.subtract(better, worse)))


def sorted_not_learnt(reference: Any) -> SimpleNamespace:
    """Nothing is learnt: answers are sorted by NumPy, and as often wrong as a network's would be."""

    class Pointer(reference.Pointer):
        def point(self, inputs: Any, longest: int) -> Any:
            config = self.net.config
            right = 0.95 if config.steps or config.glimpses else 0.6
            found = np.argsort(inputs.items[:, :, 0], axis=1)
            wrong = np.random.default_rng(0).random(len(found)) >= right
            return Sequences(items=np.where(wrong[:, None], found[:, ::-1], found), lengths=inputs.lengths)

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        *_, (_, pointer) = reference.train(replace(config, updates=0), data, seed=seed, device=device)
        yield from ((step, Pointer(pointer.net, device)) for step in (*eval_steps, config.updates))

    def restore(config: Any, state: Any, *, device: str) -> Any:
        return Pointer(reference.restore(config, state, device=device).net, device)

    return sabotage(reference, train=train, restore=restore, Pointer=Pointer)


def always_sorted(reference: Any) -> SimpleNamespace:
    """Targets in any order are sorted before anything is learnt of them."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        places = np.argsort(data.inputs.items[:, :, 0], axis=1)
        pairs = SimpleNamespace(inputs=data.inputs, outputs=Sequences(items=places, lengths=data.outputs.lengths))
        yield from reference.train(config, pairs, seed=seed, device=device, eval_steps=eval_steps)

    return sabotage(reference, train=train)


def untrained_on_any_order(reference: Any) -> SimpleNamespace:
    """Networks whose targets are not sorted are hardly trained."""

    def train(config: Any, data: Any, *, seed: int, device: str, eval_steps: Any = ()) -> Iterator[tuple[int, Any]]:
        ordered = np.take_along_axis(data.inputs.items[:, :, 0], np.array(data.outputs.items), 1)
        now = config if (np.diff(ordered, axis=1) >= 0).all() else replace(config, updates=1, init=0.01)
        yield from reference.train(now, data, seed=seed, device=device, eval_steps=eval_steps)

    return sabotage(reference, train=train)


PLANTED = {  # the wrong row of the memory is read
    "forward-follows-the-equations": ("r_BH = (a_B1L @ m_BLH)[:, 0]", "r_BH = (a_B1L.flip(2) @ m_BLH)[:, 0]"),
}


def nothing_learnt(config: Any, rows: Any, symbols: int, *, seed: int, device: str, eval_steps: Any = ()) -> Any:
    """A model that knows how many symbols there are."""
    yield from ((step, symbols) for step in (*eval_steps, config.updates))


def no_weights(model: Any) -> dict[str, Any]:
    """Nothing."""
    return {"symbols": np.array(model)}


def still_nothing(config: Any, state: Any, *, device: str) -> int:
    """How many symbols there are."""
    return int(state["symbols"])


def any_symbol(model: int, rows: Any, order: Any) -> Any:
    """All symbols are as likely."""
    return np.full(np.shape(rows), -np.log(model), np.float32)


def first_order(model: Any, rows: Any, *, seed: int) -> Any:
    """Always the first order."""
    return np.zeros(len(rows), np.int64)


def no_scores(pointer: Any, inputs: Any, outputs: Any) -> Any:
    """All elements are as good."""
    return np.zeros((*np.shape(outputs.items), np.shape(inputs.items)[1]), np.float32)


def no_state(pointer: Any, inputs: Any) -> Any:
    """Zeros."""
    return np.zeros((len(inputs.lengths), 2), np.float32)


def no_margins(better: Any, worse: Any) -> Any:
    """No row exceeds another."""
    return np.zeros(len(better))


NULLS = {
    "learn": nothing_learnt, "chain_state": no_weights, "chain_restore": still_nothing, "log_probabilities": any_symbol,
    "chosen": first_order, "scores": no_scores, "processed": no_state, "margins": no_margins,
}  # fmt: skip
