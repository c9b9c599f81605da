"""Sabotaged networks for sets: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from claims.controls._vinyals2016 import changed, edited, with_presets
from repro import sabotage
from repro.task import Sequences

# fmt: off
ATTENTION = "a_B1L = e_BL1.mT.masked_fill(hidden_B1L, -torch.inf).softmax(2)  # eq. 5"
PASS = "order = torch.randperm(count, generator=generator)"
mean_for_attention = edited("Process reads the mean of the memory, whatever the query.", (
    ATTENTION, "a_B1L = (0 * e_BL1).mT.masked_fill(hidden_B1L, -torch.inf).softmax(2)"))
padding_is_attended_to = edited("Process attends to the padding of smaller sets.", (
    ATTENTION, "a_B1L = e_BL1.mT.softmax(2)"))
attention_scaled = edited("Dot products are divided by the root of the units.", (
    "e_BL1 = m_BLH @ q_BH[:, :, None]", "e_BL1 = m_BLH @ q_BH[:, :, None] / q_BH.shape[1] ** 0.5"))
readout_dropped = edited("What Process reads is not handed to Write: only the query is.", (
    "return state_B2H\n", "return state_B2H * (torch.arange(state_B2H.shape[1]) < self.config.hidden)\n"))
state_not_evolved = edited("The cell of Process starts from zeros at every step.", (
    "c_BH = f.sigmoid() * c_BH + i.sigmoid() * g.tanh()", "c_BH = i.sigmoid() * g.tanh()"))
glimpse_not_used = edited("What a glimpse reads stays out of the pointing.", (
    "more = self.seen(a_BML @ m_BLH)", "more = 0 * self.seen(a_BML @ m_BLH)"))
places_are_read = edited("What Read says of an element depends on its place.", (
    "torch.tanh(self.read1(x_BLD))", "torch.tanh(self.read1(x_BLD + 0.1 * torch.arange(x_BLD.shape[1])[:, None]))"))
mean_begins_write = edited("Write begins at the mean of the set, so that it knows the set without processing.", (
    "self.begin(self.process(z_BLH, hidden_B1L))[None]",
    "self.begin(self.process(z_BLH, hidden_B1L))[None] + z_BLH.mean(1)[None]"))
visited_are_masked = edited("Elements that were pointed at are masked when a network answers.", (
    "best_B1 = self.net.scores(m_BLH, d_B1H, hidden_B1L)[:, 0].argmax(1, keepdim=True)",
    "taken = F.one_hot(found_BM[:, :step].to(m_BLH.device), m_BLH.shape[1]).sum(1) > 0; "
    "u = self.net.scores(m_BLH, d_B1H, hidden_B1L)[:, 0]; "
    "best_B1 = u.masked_fill(taken, -torch.inf).argmax(1, keepdim=True)"))
last_place_is_read_again = edited("While it answers, Write reads its first vector again.", (
    "read_B1H = z_BLH.gather(1, best_B1[..., None].expand(-1, -1, z_BLH.shape[2]))", "read_B1H = read_B1H + 0"))
loss_averaged_over_steps = edited("The loss is a mean over the steps of a batch.", (
    'reduction="sum") / len(own)', 'reduction="mean")'))
rates_stay = edited("Rates do not fall.", ("(1 + math.cos(math.pi * self.done / self.config.updates)) / 2", "1"))
moments_are_biased = edited("Adam's moments are used as they are, though they start from zero.", (
    "(1 - 0.999**self.done)", "1"), ("(1 - 0.9**self.done)", "1"))
loss_of_four_steps = edited("Steps beyond the fourth are not in the loss.", (
    ">= m_B[:, None].to(device)", ">= m_B[:, None].to(device).clamp(max=4)"))
process_stands_still = edited("No gradient reaches what Process learns.", (
    "self.evolve(state_B2H).chunk(4, 1)", "self.evolve(state_B2H).detach().chunk(4, 1)"))
one_batch_for_ever = edited("All batches are the first examples.", (PASS, "order = torch.arange(size)"), (
    "yield from order[: count // size * size].split(size)", "yield order"))
some_sets_never = edited("Examples are never shuffled: those beyond the last whole batch are left out.", (
    PASS, "order = torch.arange(count)"))
one_order_of_batches = edited("Batches are alike at all seeds.", (PASS, "order = torch.randperm(count)"), (
    "    size = min(size, count)\n", "    size = min(size, count)\n    torch.manual_seed(0)\n"))
inputs_shuffled_alone = edited("Sets are shuffled without their targets.", (
    "places_NM[own, : int(m_B.max())]", "places_NM[own.flip(0), : int(m_B.max())].clamp(max=1)"))
only_pointing_is_learnt = edited("No gradient passes what points: wide networks learn their last layer alone.", (
    "return self.scores(m_BLH, d_BMH, hidden_B1L)", "wide = d_BMH.shape[2] > 8; "
    "return self.scores(*(x.detach() if wide else x for x in (m_BLH, d_BMH)), hidden_B1L)"))
one_seed = edited("Weights start alike at all seeds.", (
    "torch.Generator().manual_seed(seed)\n    for", "torch.Generator().manual_seed(0)\n    for"))
two_bits_of_seeds = edited("Of a seed two bits count.", ("SeedSequence(seed)", "SeedSequence(seed % 4)"))
looks_take_a_batch = edited("Who looks at a network takes the next batch from it.", (
    "            yield update\n", "            loss(update)\n            yield update\n"))
rates_fall_again = edited("After 150 updates rates are a tenth.", (
    "        self.done += 1\n", "        lr *= 0.1 if self.done >= 150 else 1.0\n        self.done += 1\n"))
steps_at_most_ten = edited("No network takes more than ten steps.", (
    "for _ in range(self.config.steps)", "for _ in range(min(self.config.steps, 10))"))
ten_elements_at_most = edited("Process attends to ten elements at most.", (
    ATTENTION, "beyond = hidden_B1L | (torch.arange(hidden_B1L.shape[2]) >= 10); "
    "a_B1L = e_BL1.mT.masked_fill(beyond, -torch.inf).softmax(2)"))
starts_normal = edited("Weights start normal, of the same variance.", (
    "nn.init.uniform_(parameter, -init, init,", "nn.init.normal_(parameter, 0, init / 3**0.5,"))
# fmt: on
without_clipping = changed("Gradients are as long as they come.", clip=1e9)
no_glimpses = changed("There are no glimpses.", glimpses=0)
blind_stands_still = changed(
    "Networks without processing and glimpses are hardly trained.",
    lambda c: c.steps + c.glimpses == 0,
    updates=1,
)
few_iterations = changed("Training stops after 100 iterations.", updates=100)
few_printed = with_presets("Presets train for 100 iterations.", updates=100)
glimpses_everywhere = with_presets("All columns of the table have a glimpse.", glimpses=1)


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


PLANTED = {  # the wrong row of the memory is read
    "forward-follows-the-equations": ("r_BH = (a_B1L @ m_BLH)[:, 0]", "r_BH = (a_B1L.flip(2) @ m_BLH)[:, 0]"),
}


def no_scores(pointer: Any, inputs: Any, outputs: Any) -> Any:
    """All elements are as good."""
    return np.zeros((*np.shape(outputs.items), np.shape(inputs.items)[1]), np.float32)


def no_state(pointer: Any, inputs: Any) -> Any:
    """Zeros."""
    return np.zeros((len(inputs.lengths), 2), np.float32)


def no_margins(better: Any, worse: Any) -> Any:
    """No row exceeds another."""
    return np.zeros(len(better))


NULLS = {"scores": no_scores, "processed": no_state, "margins": no_margins}
