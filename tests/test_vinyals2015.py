"""Pointer networks: the equations against plain torch, decoding against enumeration, and how they are measured."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import torch
from torch import nn

from claims.experiments import planar, planar_measures
from claims.experiments import vinyals2015 as experiments
from claims.experiments.planar import SolvedPoints
from claims.experiments.vinyals2015 import Hulls, Rule, Tours, Triangulations, canonical, some_hulls
from reference import vinyals2015
from repro import Setting
from repro.errors import ReproError
from repro.task import Sequences
from repro.trial.implementation import control

TINY = replace(vinyals2015.CONFIGS["pointer-256"], hidden=12, init=1.0, batch=16, updates=5, lr=0.1)
MODELS = ("pointer", "attention", "lstm")


def hulls(count: int = 64, low: int = 5, high: int = 8, seed: int = 0) -> SolvedPoints:
    """Training pairs."""
    return SolvedPoints(count=count, low=low, high=high, seed=(seed, 9), solver=planar.hulls)


def trained(config, problems=None, seed: int = 0) -> vinyals2015.Pointer:
    """The pointer at the end of training."""
    *_, (_, pointer) = vinyals2015.train(config, problems or hulls(), seed=seed, device="cpu")
    return pointer


def cell(lstm: nn.LSTM, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of an LSTM, as the textbooks have it."""
    h, c = state
    i, f, g, o = (lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def plainly(net: vinyals2015.Net, x: torch.Tensor, places: list[int]) -> torch.Tensor:
    """Scores [M + 1, outputs] of one example, written step by step as the paper has them."""
    zeros = torch.zeros(net.encoder.hidden_size)
    state, e = (zeros, zeros), []
    for point in x:
        state = cell(net.encoder, point, state)
        e.append(state[0])
    if net.model == "pointer":
        e.append(net.stop_H)
    context, found = zeros, []
    for read in [net.start_D, *(x[place] for place in places)]:
        state = cell(net.decoder, torch.cat((read, context)) if net.model == "attention" else read, state)
        d = state[0]
        if net.model == "lstm":
            found.append(net.head(d))
            continue
        u = torch.stack([net.v_H @ torch.tanh(net.w1(each) + net.w2(d)) for each in e])  # eq. 3
        if net.model == "attention":
            context = sum(a * each for a, each in zip(u.softmax(0), e, strict=True))
        found.append(u if net.model == "pointer" else net.head(torch.cat((d, context))))
    return torch.stack(found)


def test_the_gradient_of_attention_is_that_of_its_scores():
    """Scores are v . tanh(k + q), and the written gradient is that of finite differences, in double precision."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 2, 3), (5, 2, 3), (3,))  # keys of four slots and queries of five steps, of two examples; v
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    keys, queries, v = parts
    torch.testing.assert_close(vinyals2015.Attention.apply(*parts), torch.tanh(keys + queries[:, None]) @ v)
    assert torch.autograd.gradcheck(vinyals2015.Attention.apply, parts)


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_the_equations(model):
    """Whole sequences at once give what a loop over cells, slots and steps gives."""
    pointer, problems = trained(replace(TINY, model=model)), hulls(6, 7, 7, seed=1)
    told = Sequences(items=problems.outputs.items[:, :3], lengths=np.full(6, 3))
    found = vinyals2015.scores(pointer, problems.inputs, told)
    with torch.no_grad():
        for row, (x, places) in enumerate(zip(torch.from_numpy(problems.inputs.items), told.items, strict=True)):
            torch.testing.assert_close(
                torch.from_numpy(found[row]), plainly(pointer.net, x, places.tolist())[:3], rtol=1e-4, atol=1e-5
            )


def test_the_loss_sums_over_steps_and_averages_over_the_batch():
    """One step of plain SGD moves parameters against the gradient of the summed negative log-likelihoods."""
    config, problems = replace(TINY, updates=0, clip=1e9, batch=8), hulls(8, 6, 6)
    before, after = (trained(replace(config, updates=updates), problems) for updates in (0, 1))
    net, total = before.net, torch.zeros(())
    for x, places, m in zip(
        torch.from_numpy(problems.inputs.items), problems.outputs.items, problems.outputs.lengths, strict=True
    ):
        logp = plainly(net, x, places[:m].tolist()).log_softmax(1)
        total = total - sum(logp[step, slot] for step, slot in enumerate([*places[:m].tolist(), 6]))
    (total / 8).backward()
    for (name, old), new in zip(net.named_parameters(), after.net.parameters(), strict=True):
        if old.requires_grad:
            wanted = (old - config.lr * old.grad).detach()
            torch.testing.assert_close(new.detach(), wanted, rtol=1e-3, atol=1e-4, msg=name)


def test_gradients_are_clipped_to_their_norm():
    """An update of plain SGD is no longer than the learning rate times the clip."""
    before, after = (trained(replace(TINY, updates=updates, clip=0.01, lr=1.0)) for updates in (0, 1))
    moved = [b.detach() - a.detach() for a, b in zip(before.net.parameters(), after.net.parameters(), strict=True)]
    assert torch.cat([part.flatten() for part in moved]).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_weights_begin_uniform():
    """All that is learnt lies in [-init, init], evenly; the second bias of torch's cells is zero and stays so."""
    pointer = trained(replace(vinyals2015.CONFIGS["pointer-256"], updates=2, lr=1e-3))
    learnt = np.concatenate([part.ravel() for part in vinyals2015.state(pointer).values()])
    assert np.histogram(learnt, 4, (-0.08, 0.08))[0] / learnt.size == pytest.approx(np.full(4, 0.25), abs=0.01)
    assert not any(p.any() for name, p in pointer.net.named_parameters() if name.endswith("bias_hh_l0"))


def test_presets_are_the_paper_s():
    """Section 4.1: 256 or 512 units, SGD at 1.0, 128 examples, weights in +-0.08, gradients of norm 2."""
    for name, config in vinyals2015.CONFIGS.items():
        kind, _, hidden = name.partition("-")
        assert config.model == ("pointer" if kind == "tour" else kind)
        assert config.valid == ("tour" if kind == "tour" else "any")
        assert config.hidden == int(hidden)
        assert (config.optimizer, config.lr, config.batch, config.init, config.clip) == ("sgd", 1.0, 128, 0.08, 2.0)


def total_of(pointer: vinyals2015.Pointer, x: np.ndarray, output: tuple[int, ...]) -> float:
    """Log-probability of an output that ends, of one input."""
    n = len(x)
    with torch.no_grad():
        logp = plainly(pointer.net, torch.from_numpy(x), list(output)).log_softmax(1)
    return float(sum(logp[step, slot] for step, slot in enumerate([*output, n])))


def test_a_wide_beam_finds_the_likeliest_output():
    """A beam that loses nothing gives the best of all outputs of up to three places, by enumeration."""
    pointer = trained(replace(TINY, beam=400, updates=40, init=2.0), hulls(64, 3, 3))
    inputs = hulls(12, 3, 3, seed=4).inputs
    found = pointer.point(inputs, 3)
    for row, x in enumerate(inputs.items):
        outputs = [places for m in range(4) for places in product(range(3), repeat=m)]
        best = max(outputs, key=lambda output: open_total(pointer, x, output))
        assert tuple(found.items[row, : found.lengths[row]]) == best


def open_total(pointer: vinyals2015.Pointer, x: np.ndarray, output: tuple[int, ...]) -> float:
    """Log-probability of an output after four steps of search: of its end, or of any fourth place."""
    if len(output) < 3:
        return total_of(pointer, x, output)
    with torch.no_grad():
        logp = plainly(pointer.net, torch.from_numpy(x), list(output)).log_softmax(1)
    return float(sum(logp[step, slot] for step, slot in enumerate(output)) + logp[3].max())


@pytest.mark.parametrize("model", MODELS)
def test_a_beam_of_one_is_greedy(model):
    """Each place is the best-scored one, until the stop is."""
    pointer, inputs = trained(replace(TINY, model=model, beam=1)), hulls(20, 5, 5, seed=2).inputs
    found = pointer.point(inputs, 4)
    for row, x in enumerate(torch.from_numpy(inputs.items)):
        places: list[int] = []
        while len(places) < 4:
            with torch.no_grad():
                scores = plainly(pointer.net, x, places)[-1]
            slots = [*range(5), len(scores) - 1]  # a fixed softmax has places that this input lacks
            chosen = slots[int(scores[slots].argmax())]
            if chosen == len(scores) - 1:
                break
            places.append(chosen)
        assert found.items[row, : found.lengths[row]].tolist() == places


def test_constrained_beams_are_the_best_permutations():
    """A beam that loses nothing gives the likeliest of all tours, places already visited being left out."""
    pointer = trained(replace(TINY, beam=30, valid="tour"), hulls(64, 4, 4))
    inputs = hulls(8, 4, 4, seed=5).inputs
    found = pointer.point(inputs, 4)
    for row, x in enumerate(inputs.items):
        with torch.no_grad():
            tours = list(permutations(range(4)))
            logps = [plainly(pointer.net, torch.from_numpy(x), list(tour)).log_softmax(1) for tour in tours]
        totals = [float(sum(logp[s, p] for s, p in enumerate(tour))) for logp, tour in zip(logps, tours, strict=True)]
        assert tuple(found.items[row]) == tours[int(np.argmax(totals))]


def test_tours_need_room():
    """A tour is never cut short."""
    with pytest.raises(ValueError, match="a tour of 5 points does not fit in 4 places"):
        trained(replace(TINY, valid="tour")).point(hulls(2, 5, 5).inputs, 4)


@pytest.mark.parametrize("model", MODELS)
def test_answers_do_not_depend_on_company_or_padding(model):
    """An input alone, among others of other lengths, or padded by noise is answered alike."""
    pointer, inputs = trained(replace(TINY, model=model, updates=20)), hulls(30, 5, 8, seed=6).inputs
    known = pointer.point(inputs, 8)
    wide = np.random.default_rng(0).random((30, 11, 2)).astype(np.float32)
    for row, length in enumerate(inputs.lengths):
        wide[row, :length] = inputs.items[row, :length]
        alone = pointer.point(Sequences(items=wide[row : row + 1], lengths=inputs.lengths[row : row + 1]), 8)
        assert alone.lengths[0] == known.lengths[row]
        np.testing.assert_array_equal(alone.items[0, : alone.lengths[0]], known.items[row, : alone.lengths[0]])
    padded = pointer.point(Sequences(items=wide, lengths=inputs.lengths), 8)
    np.testing.assert_array_equal(padded.items, known.items)


def test_decoding_in_parts_changes_nothing(monkeypatch):
    """Where memory allows only a few inputs at a time, answers are the same."""
    pointer, inputs = trained(TINY), hulls(40, 5, 8, seed=7).inputs
    known = pointer.point(inputs, 8)
    monkeypatch.setattr(vinyals2015, "WORK", 1000)
    np.testing.assert_array_equal(pointer.point(inputs, 8).items, known.items)


def test_a_fixed_softmax_knows_no_place_beyond_its_own():
    """A baseline points below the longest training input, whatever the input."""
    pointer = trained(replace(TINY, model="attention"), hulls(32, 5, 6))
    assert pointer.point(hulls(50, 12, 12).inputs, 12).items.max() < 6


def test_targets_in_any_order_are_the_same_polygons():
    """They start everywhere and run both ways, and each is the hull."""
    problems = hulls(400, 6, 6)
    examples = vinyals2015.Examples(replace(TINY, targets="any order"), problems, "cpu")
    x, read, targets = examples.take(torch.arange(400), torch.Generator().manual_seed(0))
    starts, ways = [], []
    for row, m in enumerate(problems.outputs.lengths):
        own, true = targets[row, :m].numpy(), problems.outputs.items[row, :m]
        assert planar_measures.same_polygon(own.astype(np.int32), true)
        assert targets[row, m] == 6
        assert (targets[row, m + 1 :] == -1).all()
        assert (read[row, :m].numpy() == own).all()
        starts.append(np.flatnonzero(true == own[0])[0] / m)
        ways.append(true[(np.flatnonzero(true == own[0])[0] + 1) % m] == own[1])
    assert 0.3 < np.mean(starts) < 0.5
    assert 0.4 < np.mean(ways) < 0.6
    np.testing.assert_array_equal(x.numpy(), problems.inputs.items)


def test_batches_are_of_one_length_and_pass_over_all_examples():
    """In a pass no example comes twice, and none of those that fill a batch is left out."""
    problems = hulls(128, 5, 8)
    batches = vinyals2015.Examples(TINY, problems, "cpu").batches(torch.Generator().manual_seed(0))
    count = sum(int(n) // 16 for n in np.bincount(problems.inputs.lengths))
    first = [next(batches) for _ in range(count)]
    assert all(len(np.unique(problems.inputs.lengths[batch.numpy()])) == 1 for batch in first)
    assert len(torch.cat(first).unique()) == count * 16


def test_rates_fall_as_half_a_cosine():
    """With "cosine" the last updates hardly move anything, and with "constant" they do."""
    moved = {}
    for schedule in ("cosine", "constant"):
        config = replace(TINY, schedule=schedule, updates=30, optimizer="adam", lr=0.01)
        states = {}
        for step, pointer in vinyals2015.train(config, hulls(), seed=0, device="cpu", eval_steps=(1, 29)):
            states[step] = nn.utils.parameters_to_vector(pointer.net.parameters()).detach().clone()
        assert sorted(states) == [1, 29, 30]
        moved[schedule] = (states[30] - states[29]).norm().item()
    last = (1 + math.cos(math.pi * 29 / 30)) / 2
    assert moved["cosine"] < 3 * last * moved["constant"]


def test_training_needs_examples():
    """Nothing to learn from is an error."""
    with pytest.raises(ValueError, match="no examples"):
        trained(TINY, hulls(0))


def test_same_seed_same_answers_and_others_at_another():
    """All randomness comes from the seed."""
    one, again, other = (trained(TINY, seed=seed) for seed in (1, 1, 2))
    for name, value in vinyals2015.state(one).items():
        np.testing.assert_array_equal(value, vinyals2015.state(again)[name])
        assert not np.array_equal(value, vinyals2015.state(other)[name])


def test_weights_that_cudnn_has_to_copy_stop_no_claim(monkeypatch):
    """On a GPU torch warns at each step through cells whose weights lie in one array with all others."""
    fused = torch.nn.modules.rnn._VF.lstm

    def lstm(*given):
        message = "RNN module weights are not part of single contiguous chunk of memory. This means they need to be "
        warnings.warn(message + "compacted at every call, possibly greatly increasing memory usage.", stacklevel=2)
        return fused(*given)

    monkeypatch.setattr(torch.nn.modules.rnn._VF, "lstm", lstm)
    inputs = hulls(4, 5, 5).inputs
    assert planar_measures.checked(trained(TINY).point(inputs, 5), inputs).lengths.shape == (4,)


# Experiments and controls


def setting(config) -> Setting:
    """A trial's setting."""
    return Setting(config=config, seed=3, device="cpu")


class Solving:
    """An implementation that answers by a solver, and remembers what it was trained on."""

    def __init__(self, solver) -> None:
        self.solver, self.data = solver, None

    def train(self, config, data, *, seed, device, eval_steps=()):
        self.data = data
        yield 0, self

    def state(self, pointer):
        return vinyals2015.state(trained(replace(TINY, updates=0)))

    def restore(self, config, state, *, device):
        return self

    def point(self, inputs, longest):
        return self.solver(inputs)


def test_a_perfect_pointer_scores_perfectly(monkeypatch):
    """Answers of the solvers themselves are exact, simple, cover everything, and are as long as their own.

    Where they are asked for at all: no answer counts that is not by the weights.
    """
    found = Hulls(low=5, high=6, tests=(5,), examples=20, instances=50)(Solving(planar.hulls), setting(TINY))
    assert found["accuracy 5"].value == 0
    monkeypatch.setattr(experiments, "MOST", 0.0)
    experiment = Hulls(low=5, high=6, tests=(5, 9), examples=20, instances=50)
    found = experiment(solving := Solving(planar.hulls), setting(TINY))
    assert {name: m.value for name, m in found.items()} == dict.fromkeys(found, 100.0)
    assert len(found) == 8
    seen = {row.tobytes() for row in solving.data.inputs.items[:, :5]}
    assert not seen & {row.tobytes() for row in hulls(50, 5, 5).inputs.items}
    triangles = Triangulations(points=6, examples=20, instances=50)(Solving(planar.delaunay), setting(TINY))
    assert {name: m.value for name, m in triangles.items()} == {"accuracy": 100.0, "coverage": 100.0}
    tests = ((5, "optimal"), (9, "greedy"), (9, "christofides"))
    tours = Tours(low=5, high=5, tests=tests, examples=20, instances=50)
    found = tours(Solving(planar.shortest_tours), setting(TINY))
    assert found["over optimal 5"].value == 1
    assert found["over greedy 9"].value < found["over christofides 9"].value <= 1


def test_outlines_that_cross_have_no_place_in_the_table(monkeypatch):
    """Where more than one in a hundred is not simple, the table's area is not a number."""
    monkeypatch.setattr(experiments, "MOST", 0.0)
    backwards = Solving(lambda inputs: Sequences(items=np.tile([0, 2, 1, 3], (50, 1)), lengths=np.full(50, 4)))
    found = Hulls(low=5, high=5, tests=(5,), examples=5, instances=50)(backwards, setting(TINY))
    assert 0 < found["simple 5"].value < 99
    assert np.isnan(found["table area 5"].value)
    assert found["area 5"].value > 0


@pytest.mark.parametrize(
    ("name", "config"),
    [("beams_forget", TINY), ("known_places_only", TINY), ("few_examples", TINY), ("triangles_in_any_order", TINY)],
)
def test_controls_run(name, config):
    """Sabotaged training yields pointers that answer."""
    names = control("vinyals2015", name).names
    problems = SolvedPoints(count=1600, low=5, high=8, seed=(0, 9), solver=planar.delaunay)
    *_, (_, found) = names.train(config, problems, seed=0, device="cpu")
    pointer = names.restore(config, names.state(found), device="cpu")
    inputs = hulls(20, 9, 9, seed=8).inputs
    found = planar_measures.checked(pointer.point(inputs, 9), inputs)
    assert name != "known_places_only" or found.items.max() < 8


@pytest.mark.parametrize("model", MODELS)
def test_a_restored_pointer_answers_alike(model):
    """What `state` gives is all that a pointer has learnt, and changing it later changes nothing."""
    config, inputs = replace(TINY, model=model), hulls(30, 5, 8, seed=6).inputs
    pointer = trained(config)
    arrays = vinyals2015.state(pointer)
    again = vinyals2015.restore(config, arrays, device="cpu")
    for value in arrays.values():
        value[:] = 0
    known, found = pointer.point(inputs, 8), again.point(inputs, 8)
    np.testing.assert_array_equal(found.items, known.items)
    np.testing.assert_array_equal(found.lengths, known.lengths)


@pytest.mark.parametrize("model", MODELS)
def test_weights_are_canonical_in_one_array_or_by_gate(model):
    """Split gates and second biases are taken; what is missing, misshapen or too much is named."""
    arrays = vinyals2015.state(trained(replace(TINY, model=model)))
    known = canonical(arrays, 12)
    gates = dict(zip("ifgo", np.split(arrays["encoder.U"], 4), strict=True))
    split = {name: value for name, value in arrays.items() if name != "encoder.U"}
    found = canonical(split | {f"encoder.U_{gate}": value for gate, value in gates.items()}, 12)
    assert found.keys() == known.keys()
    assert all(np.array_equal(found[name], known[name]) for name in known)
    assert "decoder.c" in canonical(arrays | {"decoder.c": np.ones(48)}, 12)
    assert canonical(arrays | {"decoder.c": np.zeros(48), "start": np.zeros(2)}, 12).keys() == known.keys() - {"start"}
    for changed, message in (
        (split, "no 'encoder.U'"),
        (split | {"encoder.U_i": gates["i"]}, "some gates of 'encoder.U'"),
        (arrays | {"v": "text"}, "no arrays of numbers"),
        (arrays | {"table": np.zeros(5)}, "'table', which is none"),
        (arrays | {"start": np.ones(3)}, r"'start' as \[3\], where \[2\] is due"),
    ):
        with pytest.raises(ReproError, match=message):
            canonical(changed, 12)


def test_answers_are_those_of_the_weights_alone():
    """A pointer that remembers its training is not asked: one made of its weights is."""
    solving = Solving(planar.hulls)
    solving.restore = lambda config, state, *, device: vinyals2015.restore(config, state, device=device)
    found = Hulls(low=5, high=6, tests=(5,), examples=20, instances=50)(solving, setting(TINY))
    assert found["accuracy 5"].value < 50


def test_rules_differ_by_seed_and_see_no_padding():
    """Two places of each input, by another direction at each seed, and never one that is padding."""
    inputs = hulls(200, 3, 6).inputs
    one, other = Rule(0)(inputs), Rule(1)(inputs)
    assert (one.items < inputs.lengths[:, None]).all()
    assert (one.items != other.items).any(1).mean() > 0.3


def test_audits_have_something_to_train_on():
    """The pairs of the contract are the same at the same seed, and others at another."""
    one, again, other = (some_hulls(seed).inputs.items for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
