"""The reference of kaplan2020 as software, and what its experiments do with it."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import nn

from claims.experiments import kaplan2020 as measuring
from claims.experiments import kaplan2020_laws
from reference import kaplan2020 as scaling
from repro import Setting
from repro import data as datasets
from repro.claim.catalogue import Catalogue
from repro.claim.claim import arms_of, leaves
from repro.errors import ReproError
from repro.trial import implementation

KINDS = 11
TINY = scaling.Config(
    layers=2, width=8, heads=2, context=6, vocabulary=KINDS, init=0.3, batch=4, updates=6, warmup=2, lr=0.02
)
EXACT = replace(TINY, precision="float64")
TEXT = np.random.default_rng(0).integers(0, KINDS, 60)
TEXTS = np.random.default_rng(1).integers(0, KINDS, (3, 6))
LAW = scaling.Law()


def corpus(tokens: np.ndarray = TEXT, vocabulary: int = KINDS) -> SimpleNamespace:
    """A text to train on."""
    return SimpleNamespace(tokens=tokens, validation=tokens[:0], vocabulary=vocabulary)


def final(config: scaling.Config = TINY, data: Any = None, **how: Any) -> scaling.Trained:
    """The reader at the end of training."""
    *_, (_, reader) = scaling.train(config, data or corpus(), **{"seed": 0, "device": "cpu", **how})
    return reader


def scores(reader: Any, texts: np.ndarray = TEXTS) -> np.ndarray:
    """What is expected after each token of texts [B, T], [T, B, V]."""
    stream = reader.start(len(texts))
    return np.stack([stream.step(column) for column in texts.T])


def usual(config: scaling.Config, weights: dict[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """The same network of torch's own layers: logits [B, T, V] of contexts [B, T]."""
    x = weights["embedding"][0][tokens] + weights["positions"][0, : tokens.shape[1]]
    mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], dtype=torch.float64)
    for i in range(config.layers):
        own = {name.removeprefix(f"{i} "): value[0] for name, value in weights.items() if name.startswith(f"{i} ")}
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            4 * config.width,
            dropout=0.0,
            activation=lambda y: nn.functional.gelu(y, approximate="tanh"),
            batch_first=True,
            norm_first=True,
            dtype=torch.float64,
        )
        layer.load_state_dict(
            {
                "self_attn.in_proj_weight": own["attention in"].T,
                "self_attn.in_proj_bias": own["attention in bias"],
                "self_attn.out_proj.weight": own["attention out"].T,
                "self_attn.out_proj.bias": own["attention out bias"],
                "linear1.weight": own["inner in"].T,
                "linear1.bias": own["inner in bias"],
                "linear2.weight": own["inner out"].T,
                "linear2.bias": own["inner out bias"],
                "norm1.weight": own["attention norm"],
                "norm1.bias": own["attention norm bias"],
                "norm2.weight": own["inner norm"],
                "norm2.bias": own["inner norm bias"],
            }
        )
        x = layer(x, src_mask=mask, is_causal=True)
    x = nn.functional.layer_norm(x, (config.width,), weights["norm"][0], weights["norm bias"][0])
    return x @ weights["embedding"][0].T


def test_the_network_is_the_usual_decoder():
    """Logits are those of torch's own pre-norm layers with the same weights, all of them moved off their start."""
    weights = {name: w.detach() for name, w in final(EXACT).weights.items()}
    tokens = torch.from_numpy(TEXTS)
    found = scaling.logits(EXACT, weights, tokens[None]).view(3, 6, KINDS)
    with torch.no_grad():
        torch.testing.assert_close(found, usual(EXACT, weights, tokens))


def test_streams_read_contexts_one_after_another():
    """Token by token a context gives what it gives at once, and the next one begins as if nothing had been read."""
    reader = final(EXACT)
    at_once = scaling.logits(EXACT, reader.weights, torch.from_numpy(TEXTS)[None]).view(3, 6, KINDS).numpy()
    twice = scores(reader, np.hstack([TEXTS, TEXTS]))
    np.testing.assert_allclose(twice[:6], at_once.transpose(1, 0, 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(twice[6:], twice[:6])


def test_streams_are_independent():
    """A text has the same scores alone and among others, and in streams that take turns."""
    reader = final()
    together = scores(reader)
    for stream, text in enumerate(TEXTS):
        np.testing.assert_allclose(scores(reader, text[None])[:, 0], together[:, stream], atol=1e-5)
    one, other = reader.start(3), reader.start(3)
    by_turns = [(one.step(column), other.step((column + 1) % KINDS))[0] for column in TEXTS.T]
    np.testing.assert_array_equal(np.stack(by_turns), together)


def test_replicas_are_what_single_networks_are():
    """Trained side by side, each network is the one that training with its seed gives."""
    seen = list(scaling.train_replicas(EXACT, corpus(), seeds=[3, 0, 5], device="cpu", eval_steps=[2]))
    assert [number for number, _ in seen] == [2, 6]
    for seed, reader in zip([3, 0, 5], seen[-1][1], strict=True):
        np.testing.assert_allclose(scores(reader), scores(final(EXACT, seed=seed)), atol=1e-5)


def test_training_depends_on_the_seed_and_on_nothing_else():
    """Same seed, same scores to the last bit; another seed, others; the global generator plays no part."""
    config = replace(TINY, dropout=0.2)
    torch.manual_seed(1)
    first = scores(final(config))
    torch.manual_seed(2)
    np.testing.assert_array_equal(first, scores(final(config)))
    assert np.abs(first - scores(final(config, seed=1))).max() > 1e-3
    assert np.abs(first - scores(final())).max() > 1e-3


def test_eval_steps_do_not_change_the_training():
    """Readers come at the asked updates and at the end, and looking on the way leaves the end as it was."""
    steps = scaling.train(TINY, corpus(), seed=0, device="cpu", eval_steps=(0, 4, 99))
    seen = [(step, scores(reader)) for step, reader in steps]
    assert [step for step, _ in seen] == [0, 4, 6]
    np.testing.assert_array_equal(seen[-1][1], scores(final()))


def test_training_learns():
    """A text that repeats itself is predicted after its first tokens."""
    text = np.tile(np.arange(7), 30)
    reader = final(replace(TINY, vocabulary=7, updates=150, dropout=0.1, init=0.1), corpus(text, 7))
    found = scores(reader, text[None, :6])
    assert (found[:, 0].argmax(1) == text[1:7]).all()


def test_bfloat16_trains_alike():
    """Reduced precision changes the weights a little, and they are kept in float32."""
    exact, rough = (final(replace(TINY, precision=precision)) for precision in ("float32", "bfloat16"))
    assert all(weight.dtype == torch.float32 for weight in rough.weights.values())
    assert 0 < np.abs(scores(exact) - scores(rough)).max() < 0.2


def test_contexts_come_from_the_whole_text():
    """Each context is a stretch of the text; the first and the last that fit are drawn, each replica on its own."""
    training = scaling.Training(replace(TINY, batch=400), corpus(np.arange(10) % KINDS), [0, 1], "cpu")
    first, second = training.contexts().numpy()
    assert first.shape == (400, 7)
    np.testing.assert_array_equal(first, first[:, :1] + np.arange(7))
    assert set(first[:, 0]) == set(second[:, 0]) == {0, 1, 2, 3}
    assert (first != second).any()


def test_the_learning_rate_warms_up_and_falls_to_zero():
    """It is linear, then a cosine; by default its height is that of Appendix D.1."""
    found = [scaling.rate(replace(TINY, updates=10), number) for number in (0, 1, 2, 6, 10)]
    assert found == pytest.approx([0.01, 0.02, 0.02, 0.01, 0])
    config = scaling.CONFIGS["model"]
    assert scaling.rate(config, 3000) == pytest.approx(0.003239 - 0.0001395 * math.log(707_788_800))


def test_initial_weights_are_those_of_gpt2():
    """Deviations of 0.02, less where a sublayer ends; norms begin as the identity and biases as zero."""
    config = replace(TINY, width=64, init=0.02, layers=8)
    weights = scaling.initialise(config, [0, 1])
    assert float(weights["0 inner in"].std()) == pytest.approx(0.02, rel=0.03)
    assert float(weights["0 inner out"].std()) == pytest.approx(0.02 / 4, rel=0.03)
    assert bool((weights["norm"] == 1).all())
    assert not any(bool(weight.any()) for name, weight in weights.items() if name.endswith("bias"))
    assert not torch.equal(*weights["embedding"])


def test_operations_are_those_of_the_products():
    """Two for each weight, token and direction, of attention's pairs of positions and of the softmax too."""
    weights = 12 * 2 * 8**2
    forward = 2 * weights + 4 * 2 * 6 * 8 + 2 * 8 * KINDS
    assert scaling.flops(TINY) == (forward, 2 * forward)


def test_texts_that_do_not_fit_are_refused():
    """Another vocabulary, or a text that does not fill a context, is an error before any training."""
    with pytest.raises(ValueError, match="12 kinds of tokens"):
        next(scaling.train(TINY, corpus(vocabulary=12), seed=0, device="cpu"))
    with pytest.raises(ValueError, match="do not fill a context of 7"):
        next(scaling.train(TINY, corpus(TEXT[:6]), seed=0, device="cpu"))


@pytest.mark.parametrize("compute", [1e17, 1e20, 1e24])
def test_the_frontier_is_the_lowest_loss(compute):
    """Solving Eq. B.3 for the loss of each size and searching over sizes finds the closed forms."""

    def at(log_n: float) -> float:
        n = math.exp(log_n)

        def gap(nats: float) -> float:
            steps = compute / (6 * n * scaling.critical_batch(LAW, nats))
            return (LAW.n_c / n) ** LAW.alpha_n + (LAW.s_c / steps) ** LAW.alpha_s - nats

        return optimize.brentq(gap, 1e-3, 1e6, xtol=1e-12)

    best = optimize.minimize_scalar(at, bounds=(math.log(1e4), math.log(1e14)), method="bounded")
    found = scaling.frontier(LAW, compute)
    assert found["loss"] == pytest.approx(best.fun, rel=1e-8)
    assert found["parameters"] == pytest.approx(math.exp(best.x), rel=1e-2)
    way = scaling.reach(LAW, found["loss"], scaling.best_excess(LAW))
    assert way == pytest.approx({name: found[name] for name in way})


def test_the_joint_law_and_its_inverse_agree():
    """The data that is said to be needed overfits by as much as was asked; rescaled constants scale the loss."""
    d = scaling.data_needed(LAW, 1e9, 0.02)
    assert scaling.loss(LAW, 1e9, d) / scaling.loss(LAW, 1e9, math.inf) == pytest.approx(1.02)
    assert scaling.loss(scaling.rescaled(LAW, 1.3), 1e9, d) == pytest.approx(1.3 * scaling.loss(LAW, 1e9, d))


def test_critical_batches_double_updates_and_data():
    """At the critical batch, updates are twice the least and examples twice the least."""
    critical = scaling.critical_batch(LAW, 3.0)
    steps = scaling.steps_at(LAW, 1e4, 3.0, critical)
    assert steps == pytest.approx(2e4)
    assert steps * critical == pytest.approx(2 * scaling.steps_at(LAW, 1e4, 3.0, 1e-9 * critical) * 1e-9 * critical)


@pytest.mark.parametrize("preset", ["hoffmann", "besiroglu"])
def test_the_parametric_optimum_is_the_lowest_loss(preset):
    """A search over sizes at fixed compute finds the same."""
    law, compute = scaling.CONFIGS[preset], 1e17

    def nats(log_n: float) -> float:
        n = math.exp(log_n)
        whole = n + law.embedding * n ** (1 / 3)
        return law.e + law.a * whole**-law.alpha + law.b * (6 * n / compute) ** law.beta

    best = optimize.minimize_scalar(nats, bounds=(5, 25), method="bounded", options={"xatol": 1e-9})
    assert math.log(scaling.parametric_optimum(law, compute)) == pytest.approx(best.x, abs=1e-4)


def test_fitted_constants_have_the_least_errors():
    """A search without derivatives from where the fit ended finds nothing better, for losses that scatter."""
    rng, truth = np.random.default_rng(0), scaling.CONFIGS["besiroglu"]
    sizes, amounts = np.exp(rng.uniform(18, 23, 60)), np.exp(rng.uniform(21, 27, 60))

    def losses(law: Any) -> np.ndarray:
        return law.e + law.a * sizes**-law.alpha + law.b * amounts**-law.beta

    found = losses(truth) * np.exp(0.004 * rng.standard_normal(60))

    def errors(logs: np.ndarray) -> float:
        e, a, b, alpha, beta = np.exp(logs)
        gaps = np.abs(np.log(losses(SimpleNamespace(e=e, a=a, b=b, alpha=alpha, beta=beta)) / found))
        return float(np.where(gaps < 1e-3, gaps**2 / 2, 1e-3 * (gaps - 5e-4)).sum())

    law = scaling.fitted(replace(truth, embedding=0.0), sizes, amounts, found)
    start = np.log([law.e, law.a, law.b, law.alpha, law.beta])
    best = optimize.minimize(errors, start, method="Nelder-Mead", options={"maxfev": 4000, "xatol": 1e-8})
    assert law.embedding == 0
    assert errors(start) < 1.001 * best.fun
    assert errors(start) < 0.95 * errors(np.log([truth.e, truth.a, truth.b, truth.alpha, truth.beta]))


def test_a_network_is_what_its_arrays_say():
    """What `state` gives has the shapes that are declared, and makes the same network."""
    reader = final()
    arrays = scaling.state(reader)
    assert {name: array.shape for name, array in arrays.items()} == scaling.shapes(TINY)
    np.testing.assert_array_equal(scores(scaling.restore(TINY, arrays, device="cpu")), scores(reader))


def test_queries_keys_and_values_may_stand_apart():
    """Weights are the same whether they are fused or not, biases may be missing, and what is not there is named."""
    arrays = scaling.state(final())
    apart = {name: array for name, array in arrays.items() if "bias" not in name and "attention in" not in name}
    for i in range(TINY.layers):
        parts = np.split(arrays[f"{i} attention in"], 3, axis=1)
        apart |= {f"{i} {name}": part for name, part in zip(("queries", "keys", "values"), parts, strict=True)}
    found = measuring.learnt(TINY, apart)
    np.testing.assert_array_equal(found["1 attention in"], arrays["1 attention in"])
    del apart["1 keys"]
    with pytest.raises(ReproError, match="no '1 keys'"):
        measuring.learnt(TINY, apart)


# Experiments.


class Fixed:
    """A reader that always expects token 0 by a margin."""

    def __init__(self, margin: float, kinds: int = KINDS) -> None:
        self.scores = margin * np.eye(1, kinds)

    def start(self, streams: int) -> Fixed:
        """A stream, which is this too."""
        self.streams = streams
        return self

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Scores [B, V]."""
        return np.tile(self.scores, (self.streams, 1))


def trained_by(train: Any) -> SimpleNamespace:
    """An implementation whose readers are `Fixed`: what they learn is their margin and how many kinds there are."""
    return SimpleNamespace(
        train=train,
        state=lambda reader: {"scores": reader.scores},
        restore=lambda config, state, device: Fixed(float(state["scores"].max()), state["scores"].size),
        shapes=lambda config: {"scores": (1, config.vocabulary)},
    )


def setting(tokens: np.ndarray, config: Any = TINY, seed: int = 0) -> Setting:
    """One text for all purposes; of the test text every token is 0."""
    text = datasets.Text(tokens=tokens, validation=0 * tokens[:20], vocabulary=config.vocabulary)
    test = replace(text, tokens=0 * tokens[:20])
    return Setting(
        config=config, seed=seed, device="cpu", data=datasets.Dataset(name="toy", train=text, test=test, digest="toy")
    )


def test_parts_are_made_of_pieces_and_nested():
    """Each part begins the next, its pieces are stretches of the text, each once, and another seed draws others."""
    seen: list[np.ndarray] = []

    def train(config: Any, data: Any, **how: Any) -> Any:
        seen.append(np.asarray(data.tokens))
        yield 1, Fixed(1.0, 37)

    amounts = measuring.Amounts((4, 10, 35), piece=5, eval_steps=())
    text, config = np.arange(37), replace(TINY, vocabulary=37)
    for seed in (0, 1):
        amounts(trained_by(train), setting(text, config, seed))
    first, second, third, *others = seen
    assert [len(part) for part in seen] == [4, 10, 35] * 2
    np.testing.assert_array_equal(third[:10], second)
    np.testing.assert_array_equal(second[:4], first)
    pieces = third.reshape(7, 5)
    np.testing.assert_array_equal(pieces, pieces[:, :1] + np.arange(5))
    assert sorted(pieces[:, 0]) == [0, 5, 10, 15, 20, 25, 30]
    assert (others[2] != third).any()
    with pytest.raises(ReproError, match="the text has 35"):
        measuring.Amounts((36,), piece=5, eval_steps=())(trained_by(train), setting(text, config))


def test_training_on_a_part_stops_at_the_second_look_that_is_no_better():
    """The loss is that of the best checkpoint before it, and no later one is asked for."""
    margins, asked = [1.0, 3.0, 2.0, 1.0, 9.0], []

    def train(config: Any, data: Any, **how: Any) -> Any:
        for number, margin in enumerate(margins):
            asked.append(number)
            yield number, Fixed(margin)

    found = measuring.Amounts((5,), piece=5, eval_steps=())(trained_by(train), setting(np.arange(10)))
    assert float(found["loss"].value[0]) == pytest.approx(math.log(1 + (KINDS - 1) * math.exp(-3)))
    assert asked == [0, 1, 2, 3]


def test_the_frontier_of_runs_is_their_lowest_loss():
    """Between eval_steps log loss is linear in log compute; a network counts from its first checkpoint on."""
    rates = {4: 1.0, 8: 2.0, 16: 4.0}

    def train(config: Any, data: Any, **how: Any) -> Any:
        yield from ((step, Fixed(rates[config.width] * step)) for step in (1, 2))

    experiment = measuring.Compute(((1, 4, 1), (1, 8, 1), (1, 16, 1)), eval_steps=(1,), points=3)
    found = experiment(trained_by(train), setting(np.arange(10)))

    def nats(margin: float) -> float:
        return math.log(1 + (KINDS - 1) * math.exp(-margin))

    each = 6 * 12 * 16**2 * TINY.batch * TINY.context
    assert found["loss"].x == pytest.approx([each, each * math.sqrt(2), each * 2])
    assert found["loss"].value == pytest.approx([nats(4), math.sqrt(nats(4) * nats(8)), nats(8)])
    assert found["final"].value == pytest.approx([nats(2), nats(4), nats(8)])
    assert found["final"].x == pytest.approx([12 * width**2 for width in rates])


def test_the_noisy_quadratic_is_the_mean_of_runs():
    """Descent that really draws its noise has the target's mean loss after as many updates as are said."""
    noise, rate = 1 / 40, 0.3
    steps = kaplan2020_laws.quadratic_steps(rate, noise)
    rng, modes = np.random.default_rng(0), kaplan2020_laws.MODES
    x, means = np.ones((150, len(modes))), []
    for _ in range(math.ceil(steps)):
        means.append(float((x**2 @ modes).mean() / modes.sum()))
        x -= rate * (modes * x + np.sqrt(noise * modes) * rng.standard_normal(x.shape))
    assert means[-1] == pytest.approx(kaplan2020_laws.TARGET, rel=0.05)
    assert means[int(0.8 * steps)] > 1.1 * kaplan2020_laws.TARGET


@pytest.mark.parametrize("decay", [0.7, 1.2])
def test_solvable_models_have_the_powers_of_the_theory(decay):
    """By Eq. 1.8 without batches, from L(N) and L(S) of the model."""
    power = 1 / (1 / decay + (1 + decay) / decay)
    assert kaplan2020_laws.solvable_powers(decay) == pytest.approx((-power, power / decay), abs=0.005)


CLAIMS = [c for c in Catalogue().claims if c.paper.key == "kaplan2020" and c.tier == "gpu"]
AT_SCALE = {arm.label: (arm, c) for c in CLAIMS for arm in arms_of(c.measurements())}


@pytest.mark.parametrize("label", AT_SCALE)
def test_claims_at_scale_run(label: str):
    """Experiments at scale measure what is judged, with their own networks, on the reference and its controls.

    Of the training, two updates on short contexts are made, on text of which the largest amount is learnt.
    """
    arm, found = AT_SCALE[label]
    less = {"evaluated": 33, "eval_steps": (1,)}
    experiment = replace(arm.experiment, **{k: v for k, v in less.items() if hasattr(arm.experiment, k)})
    few = {**arm.overrides, "updates": 2, "warmup": 1, "batch": 2, "context": 8}
    length = max(getattr(arm.experiment, "tokens", (20_000,)))
    text = np.random.default_rng(0).integers(0, 256, length)
    controls = [implementation.control("kaplan2020", name) for name in found.controls]
    for subject in (implementation.reference("kaplan2020"), *controls):
        measured = experiment(subject.names, setting(text, replace(scaling.CONFIGS[arm.preset], **few)))
        judged = [drawn for c in CLAIMS for drawn in leaves(c.measurements()) if drawn.arm.label == label]
        assert {drawn.measurement for drawn in judged} <= set(measured)
        losses = np.concatenate([np.atleast_1d(measurement.value) for measurement in measured.values()])
        assert (abs(losses - math.log(256)) < 2).all()
