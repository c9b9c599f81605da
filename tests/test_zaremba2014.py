"""The reference of zaremba2014 as software."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from claims.experiments.zaremba2014 import learnt
from reference import zaremba2014 as rnn
from repro.errors import ReproError

WORDS = 30
TINY = replace(
    rnn.CONFIGS["small"],
    hidden=8,
    vocabulary=WORDS,
    init=0.3,
    batch=4,
    unroll=5,
    epochs=3,
    constant_epochs=1,
    clip=0.5,
)
EXACT = replace(TINY, precision="float64")
TEXT = np.random.default_rng(0).integers(0, WORDS, 4 * 17 + 3)
"""Four streams of 17 words, so three segments an epoch and a word that no segment predicts, three words too many."""


def corpus(tokens: np.ndarray = TEXT, vocabulary: int = WORDS) -> SimpleNamespace:
    """A text to train on."""
    return SimpleNamespace(tokens=tokens, validation=tokens[:0], vocabulary=vocabulary)


def final(config: rnn.Config, data: Any = None, **how: Any) -> rnn.Trained:
    """The reader at the end of training."""
    *_, (_, reader) = rnn.train(config, data or corpus(), **{"seed": 0, "device": "cpu", **how})
    return reader


def scores(reader: Any, texts: np.ndarray) -> np.ndarray:
    """What is expected after each word of texts [B, T], [T, B, V]."""
    stream = reader.start(len(texts))
    return np.stack([stream.step(column) for column in texts.T])


TEXTS = np.random.default_rng(1).integers(0, WORDS, (3, 12))


def plain(config: rnn.Config, seed: int) -> nn.ModuleDict:
    """The usual modules, with the weights that the reference begins with."""
    net = rnn.initialise(rnn.build(config), seed)
    copied = nn.ModuleDict(
        {
            "embedding": nn.Embedding(config.vocabulary, config.hidden),
            "lstm": nn.LSTM(config.hidden, config.hidden, config.layers),
            "softmax": nn.Linear(config.hidden, config.vocabulary),
        }
    ).double()
    sources = [net.embedding.weight, *net.recurrent.parameters(), *net.softmax.parameters()]
    with torch.no_grad():
        for target, source in zip(copied.parameters(), sources, strict=True):
            target.copy_(source)
    return copied


def by_hand(config: rnn.Config, seed: int) -> nn.ModuleDict:
    """The paper's training by autograd and torch's SGD."""
    net = plain(config, seed)
    streams = torch.from_numpy(TEXT[: 4 * 17].reshape(4, 17).T.copy())
    optimizer = torch.optim.SGD(net.parameters(), 1.0)
    for epoch in range(config.epochs):
        optimizer.param_groups[0]["lr"] = config.lr / config.decay ** max(0, epoch + 1 - config.constant_epochs)
        state = None
        for start in range(0, 15, config.unroll):
            hidden, state = net["lstm"](net["embedding"](streams[start : start + config.unroll]), state)
            state = tuple(part.detach() for part in state)
            logits = net["softmax"](hidden).flatten(0, 1)
            targets = streams[start + 1 : start + 1 + config.unroll].flatten()
            loss = nn.functional.cross_entropy(logits, targets, reduction="sum") / config.batch
            optimizer.zero_grad()
            (loss / (config.unroll if config.reduction == "mean" else 1)).backward()
            norm = sum(float(parameter.grad.square().sum()) for parameter in net.parameters()) ** 0.5
            for parameter in net.parameters():
                parameter.grad *= min(1.0, config.clip / norm)  # torch's own clipping adds 1e-6 to the norm
            optimizer.step()
    return net


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("clip", [0.5, 1e9])
def test_training_is_that_of_autograd_and_sgd(reduction, clip):
    """Three epochs give the weights that torch's modules, cross-entropy and SGD give, in float64."""
    config = replace(EXACT, reduction=reduction, clip=clip)
    expected = by_hand(config, int(np.random.SeedSequence(0).generate_state(2)[0]))
    net = final(config).net
    found = [net.embedding.weight, *net.recurrent.parameters(), *net.softmax.parameters()]
    for mine, theirs in zip(found, expected.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), theirs.detach(), rtol=1e-9, atol=1e-10)


def test_a_stream_is_the_network_unrolled():
    """Reading word by word gives what nn.LSTM gives for the whole text at once."""
    config = EXACT
    net = rnn.initialise(rnn.build(config), 3)
    modules = plain(config, 3)
    with torch.no_grad():
        expected = modules["softmax"](modules["lstm"](modules["embedding"](torch.from_numpy(TEXTS.T.copy())))[0])
    np.testing.assert_allclose(scores(rnn.Trained(net), TEXTS), expected.numpy(), atol=1e-6)


def test_both_ways_through_a_layer_agree():
    """Torch's LSTM and the step-by-step loop compute the same, dropout's masks included."""
    net = rnn.initialise(rnn.build(replace(EXACT, dropout=0.5)), 0)
    x = torch.randn(5, 4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (fused, ends), (looped, others) = (
        net(x, net.zeros(4), rnn.Dropout(0.5, torch.Generator().manual_seed(2)), cell) for cell in (None, rnn.lstm)
    )
    torch.testing.assert_close(fused, looped)
    torch.testing.assert_close(ends, others)


@pytest.mark.parametrize(("where", "calls"), [("non-recurrent", 3), ("recurrent", 10), ("both", 13)])
def test_dropout_acts_where_the_config_says(where, calls):
    """Of two layers over five steps: three connections upwards, five recurrent ones for each layer, or all."""
    seen = []
    net = rnn.initialise(rnn.build(replace(TINY, where=where)), 0)
    net(torch.zeros(5, 4, 8), net.zeros(4), lambda x: seen.append(tuple(x.shape)) or x)
    assert len(seen) == calls
    assert seen.count((5, 4, 8)) == (0 if where == "recurrent" else 3)


def test_dropout_keeps_the_mean_and_draws_anew():
    """A share of the entries is zero, the others are scaled up, and the next mask is another one."""
    drop = rnn.Dropout(0.65, torch.Generator().manual_seed(0))
    first, second = drop(torch.ones(100, 400)), drop(torch.ones(100, 400))
    assert first.unique().tolist() == pytest.approx([0, 1 / 0.35])
    assert float(first.mean()) == pytest.approx(1, abs=0.03)
    assert 0.4 < float((first == second).float().mean()) < 0.7


def test_initial_parameters_are_uniform():
    """Every parameter lies in the config's range, and they fill it."""
    parameters = torch.cat(
        [p.detach().flatten() for p in rnn.initialise(rnn.build(rnn.CONFIGS["small"]), 0).parameters()]
    )
    assert float(parameters.abs().max()) <= 0.1
    assert float(parameters.std()) == pytest.approx(0.1 / 3**0.5, rel=0.01)


@pytest.mark.parametrize(("preset", "count"), [("small", 4_653_200), ("medium", 19_780_400), ("large", 66_034_000)])
def test_presets_have_the_sizes_of_the_paper(preset, count):
    """Weights of the three networks, with two bias vectors a cell, without allocating them."""
    assert sum(int(np.prod(shape)) for shape in rnn.shapes(rnn.CONFIGS[preset]).values()) == count


@pytest.mark.parametrize(
    ("preset", "rates"),
    [
        ("small", {0: 1, 3: 1, 4: 1 / 2, 12: 2**-9}),
        ("medium", {5: 1, 6: 1 / 1.2, 38: 1.2**-33}),
        ("large", {13: 1, 14: 1 / 1.15, 54: 1.15**-41}),
    ],
)
def test_the_learning_rate_falls_as_in_the_paper(preset, rates):
    """It stays for some epochs, and each later one divides it."""
    config = replace(rnn.CONFIGS[preset], hidden=2, vocabulary=WORDS, batch=2, unroll=3)
    training = rnn.Training(rnn.initialise(rnn.build(config), 0), corpus(), "cpu", torch.Generator())
    assert {epoch: training.rate(epoch) for epoch in rates} == pytest.approx(rates)


def test_segments_cover_each_lane_once():
    """Inputs of an epoch are the streams' words in order, targets the words after them, and the rest is left out."""
    segments = rnn.Segments(TINY, corpus(), "cpu")
    streams = TEXT[: 4 * 17].reshape(4, 17).T
    inputs = [kinds[place].reshape(5, 4).numpy() for kinds, place in map(segments.inputs, range(segments.count))]
    targets = [segments.targets(number).reshape(5, 4).numpy() for number in range(segments.count)]
    np.testing.assert_array_equal(np.concatenate(inputs), streams[:15])
    np.testing.assert_array_equal(np.concatenate(targets), streams[1:16])


def test_training_depends_on_the_seed_and_on_nothing_else():
    """Same seed, same scores to the last bit; another seed, others; the global generator plays no part."""
    config = replace(TINY, dropout=0.5)
    torch.manual_seed(1)
    first = scores(final(config), TEXTS)
    torch.manual_seed(2)
    again = scores(final(config), TEXTS)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - scores(final(config, seed=1), TEXTS)).max() > 1e-3


def test_eval_steps_do_not_change_the_training():
    """Readers come at the asked updates and at the end, and looking on the way leaves the end as it was."""
    config = replace(TINY, dropout=0.5)
    seen = [
        (step, scores(reader, TEXTS))
        for step, reader in rnn.train(config, corpus(), seed=0, device="cpu", eval_steps=(0, 4, 99))
    ]
    assert [step for step, _ in seen] == [0, 4, 9]
    np.testing.assert_array_equal(seen[-1][1], scores(final(config), TEXTS))


@pytest.mark.parametrize("where", ["non-recurrent", "recurrent", "both"])
def test_training_learns(where):
    """A text that repeats itself is predicted, wherever dropout acts."""
    text = np.tile(np.arange(7), 60)
    config = replace(TINY, vocabulary=7, epochs=12, constant_epochs=9, clip=5.0, dropout=0.2, where=where)
    found = scores(final(config, corpus(text, 7)), text[None, :40])
    assert (found[10:-1, 0].argmax(1) == text[11:40]).all()


@pytest.mark.parametrize("where", ["non-recurrent", "recurrent", "both"])
def test_both_biases_of_a_layer_move_alike(where):
    """What a layer receives has their sum, so their gradients are the same, and so is what an update does to them."""
    config = replace(EXACT, dropout=0.2, where=where)
    seen = rnn.train(config, corpus(), seed=0, device="cpu", eval_steps=(0, 5))
    first, later = (rnn.state(reader) for _, reader in itertools.islice(seen, 2))
    for layer in (1, 2):
        moved = [later[f"{bias} {layer}"] - first[f"{bias} {layer}"] for bias in ("b_x", "b_h")]
        np.testing.assert_allclose(*moved, rtol=1e-9)


def test_bfloat16_trains_alike():
    """Reduced precision changes the weights a little, and they are kept in float32."""
    exact, rough = (final(replace(TINY, precision=precision)) for precision in ("float32", "bfloat16"))
    assert all(parameter.dtype == torch.float32 for parameter in rough.net.parameters())
    change = np.abs(scores(exact, TEXTS) - scores(rough, TEXTS)).max()
    assert 0 < change < 0.1


def test_streams_and_streams_are_independent():
    """A text has the same scores alone, among others, and beside a stream of the same reader that reads another."""
    reader = final(TINY)
    together = scores(reader, TEXTS)
    for stream, text in enumerate(TEXTS):
        np.testing.assert_allclose(scores(reader, text[None])[:, 0], together[:, stream], atol=1e-5)
    one, other = reader.start(3), reader.start(3)
    by_turns = [(one.step(column), other.step((column + 1) % WORDS))[0] for column in TEXTS.T]
    np.testing.assert_array_equal(np.stack(by_turns), together)


def test_ensembles_average_probabilities():
    """The softmax of an ensemble's scores is the mean of its members' softmax."""
    readers = [final(TINY, seed=seed) for seed in range(3)]
    members = [torch.from_numpy(scores(reader, TEXTS)).double().softmax(2) for reader in readers]
    found = torch.from_numpy(scores(rnn.ensemble(readers), TEXTS)).double().softmax(2)
    torch.testing.assert_close(found, torch.stack(members).mean(0), atol=1e-6, rtol=1e-5)


def test_influence_sums_absolute_derivatives():
    """Without dropout it is the sum over the full Jacobian of a network whose weights are made positive."""
    net = rnn.initialise(rnn.build(EXACT), 0)
    for parameter in net.parameters():
        parameter.data.abs_()

    def output(x: torch.Tensor) -> torch.Tensor:
        inputs = torch.cat([x[None, None], torch.ones(2, 1, 8, dtype=torch.float64)])
        return net.softmax(net(inputs, net.zeros(1), None, rnn.linearised)[0][-1, 0])

    slope = torch.autograd.functional.jacobian(output, torch.ones(8, dtype=torch.float64))
    assert rnn.influence(TINY, 1.0, 2) == pytest.approx(float(slope.abs().sum()))


def test_influence_falls_by_the_factor_at_every_crossing():
    """Two layers are three crossings at any distance; with recurrent dropout the distance counts."""
    ratios = [rnn.influence(TINY, 1.0, lag) / rnn.influence(TINY, 0.5, lag) for lag in (1, 4)]
    assert ratios == pytest.approx([8, 8])
    config = replace(TINY, where="recurrent")
    near, far = (rnn.influence(config, 1.0, lag) / rnn.influence(config, 0.5, lag) for lag in (1, 4))
    assert 1.1 < near < 0.6 * far


def test_the_cell_jacobian_is_the_forget_gate():
    """It has the forget gates on its diagonal and zeros elsewhere; masks and weights vary with the seed."""
    config = replace(TINY, dropout=0.5)
    slope, forget = rnn.cell_jacobian(config, seed=5)
    np.testing.assert_allclose(slope, np.diag(forget), atol=1e-12)
    assert ((forget > 0) & (forget < 1)).all()
    assert np.abs(forget - rnn.cell_jacobian(config, seed=6)[1]).max() > 1e-3


def test_texts_that_do_not_fit_are_refused():
    """Another vocabulary, or a text that does not fill a segment, is an error before any training."""
    with pytest.raises(ValueError, match="31 kinds of words"):
        next(rnn.train(TINY, corpus(vocabulary=31), seed=0, device="cpu"))
    with pytest.raises(ValueError, match="do not fill 4 streams of 6"):
        next(rnn.train(TINY, corpus(TEXT[:23]), seed=0, device="cpu"))


def test_a_network_is_what_its_arrays_say():
    """What `state` gives has the shapes that are declared, and makes the same network."""
    reader = final(TINY)
    arrays = rnn.state(reader)
    assert {name: array.shape for name, array in arrays.items()} == rnn.shapes(TINY)
    again = rnn.restore(TINY, arrays, device="cpu")
    np.testing.assert_array_equal(scores(again, TEXTS), scores(reader, TEXTS))
    np.testing.assert_array_equal(arrays["W_x 1"][:8], reader.net.recurrent[0].weight_ih_l0[:8].detach().numpy())


def test_gates_and_biases_may_stand_apart():
    """Weights are the same whether gates are fused or not, and one bias will do; what is missing is named."""
    arrays = rnn.state(final(TINY))
    fused = learnt(TINY, arrays)
    apart = {name: array for name, array in arrays.items() if not name.startswith(("W_h", "b_x", "b_h"))}
    for layer in (1, 2):
        parts = np.split(arrays[f"W_h {layer}"], 4)
        apart |= {f"W_h{gate} {layer}": part for gate, part in zip("ifog", parts, strict=True)}
        apart[f"b {layer}"] = arrays[f"b_x {layer}"]
    found = learnt(TINY, apart)
    np.testing.assert_array_equal(found["W_h 2"], fused["W_h 2"])
    assert {"b 1", "b 2"} <= found.keys()
    del apart["W_ho 2"]
    with pytest.raises(ReproError, match="no 'W_ho 2'"):
        learnt(TINY, apart)


def test_one_bias_may_be_given_as_either_part():
    """A second one that is missing or zero is none; an array of another shape is an error that names it."""
    arrays = rnn.state(rnn.Trained(rnn.initialise(rnn.build(TINY), 0)))
    names = [f"b_h {layer}" for layer in (1, 2)]
    missing = learnt(TINY, {name: array for name, array in arrays.items() if name not in names})
    zero = learnt(TINY, arrays | {name: np.zeros_like(arrays[name]) for name in names})
    for found in (missing, zero):
        assert not {"b_x 1", "b_h 1"} & found.keys()
        np.testing.assert_array_equal(found["b 1"], arrays["b_x 1"])
    with pytest.raises(ReproError, match=r"'W_x 1' as \[8\]"):
        learnt(TINY, arrays | {"W_x 1": np.zeros(8)})
