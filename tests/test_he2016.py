"""The reference of he2016, as software: units against plain torch, the recipe, dropout, gates, test crops."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from reference import he2015, he2016
from repro import data
from repro.data import Dataset, Split
from repro.experiment.classification import score_split

TINY = replace(
    he2016.CONFIGS["resnet-110-original"],
    depth=8,
    widths=(8, 8, 16),  # in fewer maps oneDNN corrupts memory on some processors, in strided 1x1 convolutions
    image=8,
    channels=1,
    augment="none",
    batch=32,
    iterations=8,
    lr=0.05,
    milestones=(6,),
    slow_updates=2,
)
VARIANTS = {
    **{unit: {"unit": unit} for unit in he2016.ORDERS},
    "asymmetric": {"unit": "asymmetric"},
    "scaled": {"scale": 0.5, "branch_scale": 0.5},
    "exclusive": {"gate": "exclusive", "gate_bias": -2.0},
    "gated": {"gate": "shortcut", "gate_bias": -2.0},
    "convolutional": {"shortcut": "C"},
    "dropout": {"dropout": 0.5},
    "plain": {"residual": False},
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits."""
    return data.load("digits")


def final(config, split, seed: int = 0):
    """The predictor at the end of training."""
    *_, (_, predictor) = he2016.train(config, split, seed=seed, device="cpu")
    return predictor


def branch(unit: he2016.Unit, order: str, x):
    """F and what follows the sum, with a unit's own layers in the order that Figure 4 draws, by plain torch."""
    convs = [module for module in unit.body if isinstance(module, nn.Conv2d)]
    norms = [module for part in (unit.head, unit.body, unit.after) for module in part.modules()]
    first, second = (module for module in norms if isinstance(module, nn.BatchNorm2d))

    def conv(index, h):
        return nn.functional.conv2d(h, convs[index].weight, stride=convs[index].stride, padding=1)

    def norm(module, h):
        return nn.functional.batch_norm(h, None, None, module.weight, module.bias, training=True)

    match order:
        case "original":
            return norm(second, conv(1, norm(first, conv(0, x)).relu())), lambda y: y.relu()
        case "bn-after-addition":
            return conv(1, norm(first, conv(0, x)).relu()), lambda y: norm(second, y).relu()
        case "relu-before-addition":
            return norm(second, conv(1, norm(first, conv(0, x)).relu())).relu(), lambda y: y
        case "relu-preactivation":
            return norm(second, conv(1, norm(first, conv(0, x.relu())).relu())), lambda y: y
        case _:
            return conv(1, norm(second, conv(0, norm(first, x).relu())).relu()), lambda y: y


@pytest.mark.parametrize("order", he2016.ORDERS)
def test_units_have_the_order_of_figure_4(order):
    """Each unit equals its picture, computed with plain torch from the unit's own weights."""
    unit = he2016.Unit(replace(TINY, unit=order), 4, 4, 1).train()
    for index, parameter in enumerate(unit.parameters()):
        nn.init.normal_(parameter, mean=0.2, generator=torch.Generator().manual_seed(index))
    x = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(9))
    residual, after = branch(unit, order, x)
    torch.testing.assert_close(unit(x.clone()), after(x + residual), rtol=1e-4, atol=1e-4)


def test_shortcuts_have_the_form_of_figure_2():
    """Scaling, both gates and the convolution equal their formulas; F is that of the clean unit throughout."""
    x = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(9))
    for name in ("scaled", "exclusive", "gated", "convolutional"):
        config = replace(TINY, **VARIANTS[name])
        unit = he2016.Unit(config, 4, 4, 1)
        he2016.initialise(unit, 0)
        residual = unit.body(x)
        if name == "scaled":
            expected = 0.5 * x + 0.5 * residual
        elif name == "convolutional":
            project, norm = unit.shortcut
            expected = norm(nn.functional.conv2d(x, project.weight)) + residual
        else:
            (gate,) = unit.merge.shortcut
            assert torch.equal(gate.bias, torch.full((4,), -2.0))
            g = 1 / (1 + torch.exp(-nn.functional.conv2d(x, gate.weight, gate.bias)))
            expected = (1 - g) * x + (g * residual if name == "exclusive" else residual)
        torch.testing.assert_close(unit(x), expected.relu(), rtol=1e-5, atol=1e-5)


def test_units_of_the_original_order_are_those_of_the_earlier_paper():
    """From the same seed both references compute the same scores and gradients, rounding apart."""
    old_config = replace(he2015.CONFIGS["resnet-20"], depth=8, widths=TINY.widths, image=8, channels=1)
    old, new = he2015.Net(old_config), he2016.Net(TINY)
    he2015.initialise(old, 5)
    he2016.initialise(new, 5)
    x = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(new(x), old(x), rtol=1e-5, atol=1e-5)
    old(x).square().sum().backward()
    new(x).square().sum().backward()
    for mine, theirs in zip(new.parameters(), old.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_networks_of_every_kind_train_and_list_their_layers(digits, name, bottleneck):
    """All options fit together, every parameter has a gradient, and `layers` lists exactly the network's parameters."""
    depth, size_changes = (11, "B") if bottleneck else (8, "A")
    config = replace(TINY, bottleneck=bottleneck, depth=depth, **{"shortcut": size_changes, **VARIANTS[name]})
    net = he2016.Net(config)
    he2016.initialise(net, 0)
    net(torch.randn(8, 1, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    found = he2016.layers(config)
    assert sorted(s for layer in found for s in layer.weights) == sorted(tuple(p.shape) for p in net.parameters())
    assert {layer.name for layer in found if ".shortcut." in layer.name} == {x.name for x in found if x.shortcut}


@pytest.mark.parametrize(
    "name", {preset.partition("resnet-")[2].partition("-")[0]: preset for preset in he2016.CONFIGS}.values()
)
def test_presets_have_the_depth_in_their_name(name):
    """Convolutions and linear maps on the main path are as many as the name says."""
    listed = he2016.layers(he2016.CONFIGS[name])
    depth = name.partition("resnet-")[2].partition("-")[0]
    assert sum(layer.kind != "norm" and not layer.shortcut for layer in listed) == int(depth)


def test_depths_outside_the_design_are_refused():
    """A depth that is not 6n + 2, or 9n + 2 with bottlenecks, or not in a table, is an error that says so."""
    for wrong, says in (
        ({"depth": 11}, r"not 2 \+ 6 n"),
        ({"bottleneck": True}, r"not 2 \+ 9 n"),
        ({"stem": "imagenet"}, "no 8-layer network"),
    ):
        with pytest.raises(ValueError, match=says):
            he2016.Net(replace(TINY, **wrong))


def test_the_learning_rate_is_a_tenth_at_first_and_after_each_milestone():
    """The appendix's recipe: 400 slow updates, then 0.1, divided by 10 at 32k and 48k."""
    config = he2016.CONFIGS["resnet-110-preactivation"]
    steps = (0, 399, 400, 31_999, 32_000, 47_999, 48_000)
    assert [he2016.rate(config, step) for step in steps] == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_training_is_torchs_sgd_on_the_feeds_batches(digits):
    """Weights after training are those of a loop written with torch.optim.SGD and the same batches."""
    config = replace(TINY, unit="preactivation")
    weights_seed, order_seed, _ = he2015.seeds(3, 3)
    net, feed = he2016.Net(config), he2015.CifarLoader(config, digits.train, "cpu")
    he2016.initialise(net, weights_seed)
    optimizer = torch.optim.SGD(net.parameters(), 1.0, momentum=0.9, weight_decay=1e-4)
    draws = feed.batches(torch.Generator().manual_seed(order_seed), 0, 1)
    for lr, inputs in zip([0.005, 0.005, 0.05, 0.05, 0.05, 0.05, 0.005, 0.005], islice(draws, 8), strict=True):
        x, labels = feed.prepare(*inputs)
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()
    trained = final(config, digits.train, seed=3).net
    for mine, theirs in zip(trained.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["preactivation", "dropout"])
def test_training_depends_on_the_seed_and_on_nothing_else(digits, name):
    """Same seed, same scores, also after looking on the way; another seed, others; the global generator has no part."""
    config = replace(TINY, **VARIANTS[name])
    torch.manual_seed(1)
    first = final(config, digits.train).predict(digits.test.images)
    torch.manual_seed(2)
    steps = he2016.train(config, digits.train, seed=0, device="cpu", eval_steps=(0, 5, 99))
    seen = [(step, predictor.predict(digits.test.images)) for step, predictor in steps]
    assert [step for step, _ in seen] == [0, 5, 8]
    np.testing.assert_array_equal(seen[-1][1], first)
    assert np.abs(first - final(config, digits.train, seed=1).predict(digits.test.images)).max() > 0.1


def test_dropout_zeroes_half_of_the_shortcut_and_predicts_with_its_expectation():
    """In training values are kept or zeroed and not rescaled; in evaluation and for statistics they are halved."""
    dropout, h = he2016.Dropout(0.5), torch.ones(100, 100)
    kept = dropout(h)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept.mean().item() == pytest.approx(0.5, abs=0.03)
    assert not torch.equal(kept, dropout(h))
    with torch.no_grad():
        assert torch.equal(dropout(h), h / 2)
    assert torch.equal(dropout.eval()(h), h / 2)


def test_a_graph_is_not_captured_where_dropout_draws(digits, monkeypatch):
    """With dropout, updates on a GPU stay eager; without, they are captured as in he2015."""
    calls = []
    monkeypatch.setattr(he2015.Update, "_update", lambda self: calls.append("update"))
    monkeypatch.setattr(he2015.Update, "_capture", lambda self: calls.append("capture"))
    for rate, engine in ((0.5, "eager; not captured: dropout"), (0.0, "eager")):
        config = replace(TINY, dropout=rate)
        update = he2016.Update(he2016.Net(config), config, he2015.CifarLoader(config, digits.train, "cpu"), "cpu", 1)
        update._capture()
        assert update.engine == engine
    assert calls == ["update", "capture"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_state_that_is_carried_over_restores_the_predictor(digits, name):
    """`state` holds all that was learnt: a fresh network with it predicts bit for bit the same."""
    config = replace(TINY, iterations=2, **VARIANTS[name])
    trained = final(config, digits.train)
    fresh = he2016.restore(config, he2016.state(trained), device="cpu")
    np.testing.assert_array_equal(fresh.predict(digits.test.images), trained.predict(digits.test.images))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_asymmetric_units_of_a_trained_network_compute_what_it_does(digits, bottleneck):
    """Figure 5: the network cut elsewhere gives the same scores, with projections too."""
    config = replace(TINY, unit="preactivation", bottleneck=bottleneck, depth=11 if bottleneck else 8, shortcut="B")
    trained = final(config, digits.train)
    cut = he2016.repartition(trained, replace(config, unit="asymmetric"))
    assert all(isinstance(unit.head, nn.Identity) for unit in he2016.units_of(cut.net))
    before, after = (predictor.predict(digits.test.images) for predictor in (trained, cut))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)


def test_gradients_of_signals_agree_with_differences():
    """What `unroll` says of the loss by a unit's input equals the change of the loss where that input is changed."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (4, 8, 8, 1), dtype=np.uint8), rng.integers(0, 10, 4)
    config = replace(TINY, unit="preactivation")
    found = he2016.unroll(config, images, labels, seed=1)
    net = he2016.Net(config)
    he2016.initialise(net, *he2015.seeds(1, 1))
    rest = nn.Sequential(*he2016.units_of(net)[1:], net.stages[-1]).double().train()
    direction, losses = torch.from_numpy(rng.normal(size=found["x"][1].shape)), []
    for step in (1e-5, -1e-5):
        pooled = rest(torch.from_numpy(found["x"][1]) + step * direction).mean((2, 3))
        losses.append(nn.functional.cross_entropy(net.classify.double()(pooled), torch.from_numpy(labels)).item())
    expected = (losses[0] - losses[1]) / 2e-5
    assert float((found["gradient"][1] * direction.numpy()).sum()) == pytest.approx(expected, rel=1e-5)
    assert len(found["x"]) == len(found["gradient"]) == len(found["residual"]) + 1
    assert all(np.abs(f).max() == 0 for f in he2016.unroll(config, images, labels, seed=1, branch=0.0)["residual"])


def test_test_crops_are_the_centre_of_the_scaled_image():
    """The shorter side becomes the crop's; where it has that length already, the crop is a slice."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 41, 3), dtype=np.uint8)
    np.testing.assert_array_equal(he2016.Crops([picture], 32)[0], picture[:, 4:36])
    shapes = [he2016.Crops([picture[:, :width]], 24)[0].shape for width in (20, 32, 41)]
    assert shapes == [(24, 24, 3)] * 3


def test_networks_are_tested_on_crops_larger_than_those_of_training():
    """Scores are those of the whole larger crop less the mean colour, of pictures of any size, restored ones too."""
    config = replace(
        TINY, stem="imagenet", depth=152, widths=(2, 2, 2, 2), bottleneck=True, shortcut="B", channels=3, image=32,
        test_image=48, unit="preactivation", augment="none", iterations=1, batch=4,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    predictor = final(config, Split(images=small, labels=np.arange(8) % 10, classes=10))
    large = rng.integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    inputs = torch.from_numpy((large - small.mean((0, 1, 2))) / 255).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = predictor.net(inputs)
    np.testing.assert_allclose(predictor.predict(large), expected, rtol=1e-3, atol=1e-3)
    fresh = he2016.restore(config, he2016.state(predictor), device="cpu")
    mixed = [large[0], rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)]
    np.testing.assert_allclose(fresh.predict(mixed), predictor.predict(mixed), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="10 crops of 48 pixels"):
        predictor.predict(large, crops=10)


def test_data_of_other_sizes_are_refused(digits):
    """Images, classes or a batch that do not fit the config are errors before any training."""
    for wrong, says in (({"image": 32}, "images are"), ({"classes": 5}, "10 classes"), ({"batch": 2000}, "fill a")):
        with pytest.raises(ValueError, match=says):
            next(he2016.train(replace(TINY, **wrong), digits.train, seed=0, device="cpu"))


def test_preactivation_learns(digits):
    """Sixty updates on the digits leave few training errors, in full and in reduced precision."""
    for precision in ("float32", "bfloat16"):
        config = replace(
            TINY,
            unit="preactivation",
            widths=(8, 8, 16),
            batch=64,
            iterations=60,
            milestones=(50,),
            precision=precision,
        )
        assert score_split(final(config, digits.train), digits.train).wrong.mean() < 0.15
