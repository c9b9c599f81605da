"""The reference of he2015 and the suite's classification experiment, as software."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.sandbox import host
from reference import he2015
from repro import data
from repro.data import Dataset, Split, imagenet
from repro.data._lazy_images import Pictures
from repro.errors import ReproError
from repro.experiment.classification import Classification, decoded_split, score_split
from repro.experiment.setting import Setting

ROOT = Path(he2015.__file__).parent.parent
TINY = replace(
    he2015.CONFIGS["resnet-20"],
    depth=8,
    widths=(4, 4, 8),
    image=8,
    channels=1,
    augment="none",
    batch=32,
    iterations=12,
    lr=0.05,
    milestones=(10,),
)
FOLDER = replace(
    he2015.CONFIGS["imagenet-resnet-18"],
    widths=(4, 4, 8, 8),
    image=32,
    classes=2,
    batch=4,
    iterations=3,
    milestones=(2,),
)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits."""
    return data.load("digits")


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Dataset:
    """Two classes of JPEG files of all sizes, red and blue, in ImageNet's layout."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 5)):
        for wnid, colour in (("n01440764", (200, 30, 30)), ("n01443537", (30, 30, 200))):
            folder = tmp_path / "imagenet" / split / wnid
            folder.mkdir(parents=True)
            for index in range(count):
                height, width = rng.integers(40, 90, 2)
                pixels = np.clip(np.array(colour) + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)
                image.fromarray(pixels).save(folder / f"{wnid}_{index}.JPEG", quality=95)
    image.fromarray(pixels[..., 0]).save(folder / f"{wnid}_grey.JPEG")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return imagenet.load()


def final(config, split, **how):
    """The predictor at the end of training."""
    *_, (_, predictor) = he2015.train(config, split, **{"seed": 0, "device": "cpu", **how})
    return predictor


def error(predictor, split) -> float:
    """The share of images classified wrongly."""
    return float(score_split(predictor, split).wrong.mean())


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_networks_of_every_kind_give_one_logit_per_class(shortcut, bottleneck, stem):
    """All options fit together, and `layers` lists exactly the parameters that the network has."""
    config = replace(TINY, shortcut=shortcut, bottleneck=bottleneck, channels=3, image=32)
    if stem == "imagenet":
        config = replace(config, stem=stem, depth=18, widths=(4, 4, 8, 8))
    net = he2015.Net(config)
    listed = sorted(shape for layer in he2015.layers(config) for shape in layer.weights)
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert listed == sorted(tuple(parameter.shape) for parameter in net.parameters())


@pytest.mark.parametrize("name", sorted(he2015.CONFIGS))
def test_presets_have_the_depth_in_their_name(name):
    """Convolutions and linear maps on the main path are as many as the name says."""
    listed = he2015.layers(he2015.CONFIGS[name])
    assert sum(layer.kind != "norm" and not layer.shortcut for layer in listed) == int(name.rpartition("-")[2])


def test_depths_outside_the_design_are_refused():
    """A depth that is not 6n + 2, or not in Table 1, is an error that says so."""
    with pytest.raises(ValueError, match=r"depth 21 is not 2 \+ 6 n"):
        he2015.Net(replace(TINY, depth=21))
    with pytest.raises(ValueError, match="no 20-layer network"):
        he2015.Net(replace(FOLDER, depth=20))


def test_plain_and_residual_twins_start_from_the_same_weights():
    """The shortcut is the only difference, also at initialisation."""
    plain, residual = he2015.Net(replace(TINY, residual=False)), he2015.Net(TINY)
    he2015.initialise(plain, 3)
    he2015.initialise(residual, 3)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), residual.parameters(), strict=True))


def test_training_depends_on_the_seed_and_on_nothing_else(digits):
    """Same seed, same scores to the last bit; another seed, others; the global generator plays no part."""
    torch.manual_seed(1)
    first = final(TINY, digits.train).predict(digits.test.images)
    torch.manual_seed(2)
    again = final(TINY, digits.train).predict(digits.test.images)
    other = final(TINY, digits.train, seed=1).predict(digits.test.images)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_eval_steps_do_not_change_the_training(digits):
    """Predictors come at the asked updates and at the end, and looking on the way leaves the end as it was."""
    steps = he2015.train(TINY, digits.train, seed=0, device="cpu", eval_steps=(0, 5, 99))
    seen = [(step, predictor.predict(digits.test.images)) for step, predictor in steps]
    assert [step for step, _ in seen] == [0, 5, 12]
    np.testing.assert_array_equal(seen[-1][1], final(TINY, digits.train).predict(digits.test.images))


def test_training_learns(digits):
    """A hundred updates on the digits leave few training errors."""
    config = replace(TINY, batch=64, iterations=100, milestones=(80,))
    assert error(final(config, digits.train), digits.train) < 0.15


def test_bfloat16_trains_too(digits):
    """Reduced precision changes the weights a little and is confined to training."""
    config = replace(TINY, precision="bfloat16")
    exact, rough = (final(c, digits.train).predict(digits.test.images[:50]) for c in (TINY, config))
    assert exact.dtype == rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 2


def test_scores_do_not_depend_on_the_rest_of_the_batch(digits):
    """An image has the same scores alone, in another order and among all."""
    predictor = final(TINY, digits.train)
    images = digits.test.images[:40]
    together = predictor.predict(images)
    alone = np.concatenate([predictor.predict(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(predictor.predict(images[::-1])[::-1], together, atol=1e-4)
    assert predictor.predict(images[:0]).shape == (0, 10)


def test_deepening_keeps_the_function_and_can_be_trained_on():
    """The deeper network gives the same scores to the last bit, and its added scales have gradients."""
    split = Split(
        images=np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8),
        labels=np.arange(64) % 10,
        classes=10,
    )
    shallow = final(TINY, split)
    deep = he2015.deepen(shallow, replace(TINY, depth=26), seed=1)
    np.testing.assert_array_equal(deep.predict(split.images), shallow.predict(split.images))
    deep.net.train()(torch.randn(8, 1, 8, 8)).square().sum().backward()
    assert deep.net.stages[0][-1].body[-1].weight.grad.abs().sum() > 0


def test_augmentation_pads_shifts_and_mirrors(digits):
    """A batch equals crops taken one by one from padded images, mean subtracted before padding."""
    config = replace(TINY, augment="shift-flip")
    feed = he2015.CifarLoader(config, digits.train, "cpu")
    ((draws,),) = islice(feed.batches(torch.Generator().manual_seed(0), 0, 1), 1)
    inputs, labels = feed.prepare(draws)
    centred = np.pad(digits.train.images - digits.train.images.mean(0), ((0, 0), (4, 4), (4, 4), (0, 0)))
    for (index, down, right, flip), found, label in zip(draws.tolist(), inputs, labels, strict=True):
        crop = centred[index, 4 + down : 12 + down, 4 + right : 12 + right, 0] / 255
        np.testing.assert_allclose(found[0], crop[:, ::-1] if flip else crop, atol=1e-5)
        assert label == digits.train.labels[index]
    assert set(draws[:, 3].tolist()) == {0, 1}


def test_a_pass_takes_each_image_at_most_once_and_processes_share_it(digits):
    """The batches of a pass are disjoint, and two processes split each batch between them."""
    passes = 1400 // TINY.batch
    feed = he2015.CifarLoader(TINY, digits.train, "cpu")
    whole, left, right = (
        [draws[:, 0].tolist() for (draws,) in islice(feed.batches(torch.Generator().manual_seed(0), *share), passes)]
        for share in ((0, 1), (0, 2), (1, 2))
    )
    indices = [index for batch in whole for index in batch]
    assert len(indices) == len(set(indices)) == passes * TINY.batch
    assert [sorted(a + b) for a, b in zip(left, right, strict=True)] == [sorted(batch) for batch in whole]


@pytest.mark.parametrize(("labels", "rate"), [("one", 0.05), ("random", 0.005)])
def test_warmup_ends_when_the_training_error_is_below_80_percent(digits, labels, rate):
    """The learning rate is a tenth until the network learns something, and then stays what it is."""
    config = replace(TINY, warmup=True, classes=10)
    drawn = np.random.default_rng(0).integers(0, 10, len(digits.train)) if labels == "random" else 0
    split = Split(images=digits.train.images, labels=digits.train.labels * 0 + drawn, classes=10)
    net, feed = he2015.Net(config), he2015.CifarLoader(config, split, "cpu")
    he2015.initialise(net, 0)
    update = he2015.Update(net, config, feed, "cpu", 1)
    rates = []
    for inputs in islice(feed.batches(torch.Generator().manual_seed(0), 0, 1), 40):
        update(inputs, config.lr)
        rates.append(float(update.rate))
    assert rates[0] == pytest.approx(0.005)
    assert rates[-1] == pytest.approx(rate)
    assert rates == sorted(rates)


@pytest.mark.parametrize("fails", [False, True])
def test_updates_on_a_gpu_are_captured_once_and_then_replayed(digits, monkeypatch, fails):
    """Three updates run beside, the fourth is captured and replayed; where capturing fails, updates go on eagerly.

    torch's CUDA graphs are stood in for by counters: this is the order of calls, not the GPU's arithmetic.
    """
    calls = []

    class Graph:
        def replay(self) -> None:
            calls.append("replay")

    @contextlib.contextmanager
    def capture(graph, capture_error_mode):
        calls.append("capture")
        yield
        if fails:
            raise RuntimeError("operation not permitted when stream is capturing")

    class Stream:
        def wait_stream(self, other) -> None:
            calls.append("wait")

    for name, stand_in in {
        "CUDAGraph": Graph,
        "graph": capture,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: contextlib.nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(he2015.Update, "_update", lambda self: calls.append("update"))
    feed = he2015.CifarLoader(TINY, digits.train, "cpu")
    update = he2015.Update(he2015.Net(TINY), TINY, feed, "cpu", 1)
    update.run = update._beside
    for inputs in islice(feed.batches(torch.Generator().manual_seed(0), 0, 1), 6):
        place = update.inputs
        update(inputs, 0.1)
        assert not place or place[0] is update.inputs[0]
        assert torch.equal(update.inputs[0], inputs[0])
    last = "update" if fails else "replay"
    assert calls == ["wait", "update", "wait"] * 3 + ["capture", "update"] + [last] * 3
    assert update.engine.startswith("eager; not captured: operation" if fails else "CUDA graph")


def test_data_of_other_sizes_are_refused(digits):
    """Images, classes or a batch that do not fit the config are errors before any training."""
    for wrong, says in (
        ({"image": 32}, "images are"),
        ({"classes": 5}, "10 classes"),
        ({"batch": 2000}, "fill a batch"),
    ):
        with pytest.raises(ValueError, match=says):
            next(he2015.train(replace(TINY, **wrong), digits.train, seed=0, device="cpu"))


def test_small_images_have_one_view(digits):
    """Ten crops of a CIFAR-sized image are not a thing of this paper."""
    with pytest.raises(ValueError, match="10 crops"):
        final(replace(TINY, iterations=1), digits.train).predict(digits.test.images, crops=10)


def test_ten_crops_are_corners_centre_and_their_mirror_images():
    """On an image whose shorter side needs no scaling, the crops are slices of it."""
    picture = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    crops = he2015.crops_of(picture, 224, 10).numpy()
    places = [(0, 0), (0, 76), (32, 0), (32, 76), (16, 38)]
    for crop, (y, x) in zip(crops[:5], places, strict=True):
        np.testing.assert_array_equal(crop, picture[y : y + 224, x : x + 224])
    np.testing.assert_array_equal(crops[5:], crops[:5, :, ::-1])
    np.testing.assert_array_equal(he2015.crops_of(picture, 224, 1)[0], crops[4])
    assert he2015.crops_of(picture[:100, :, :], 224, 10).shape == (10, 224, 224, 3)


def test_imagenet_works_from_files_to_ten_crop_error(pictures):
    """A small folder in the real layout is trained on and scored end to end, the same twice."""
    setting = Setting(config=FOLDER, seed=0, device="cpu", data=pictures)
    first, again = (Classification(crops=10, eval_steps=(2,))(he2015, setting) for _ in range(2))
    assert set(first) == {"train_error", "test_error", "train_loss", "mean_train_loss"}
    assert all(np.array_equal(first[name].value, again[name].value) for name in first)
    assert {measurement.better for measurement in first.values()} == {"lower"}
    assert 0 <= first["test_error"].value <= 100


def test_a_jail_shows_pictures_to_train_on_and_sends_those_to_predict(pictures, tmp_path, monkeypatch):
    """In a jail, where validation files do not exist, a folder of images gives the same numbers as in this process."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    experiment, beside = Classification(), host.as_reference("he2015")
    setting = Setting(config=replace(FOLDER, iterations=2), seed=0, device="cpu", data=pictures)
    here = experiment(he2015, setting)
    with beside.open(seed=0, device="cpu", dataset="imagenet") as opened:
        there = experiment(opened.names, setting)
    assert {name: found.value for name, found in here.items()} == {name: found.value for name, found in there.items()}


def test_red_and_blue_pictures_are_told_apart(pictures):
    """Streamed training learns: the folder's two classes differ in colour only."""
    config = replace(FOLDER, iterations=40, milestones=(32,), lr=0.01, batch=8)
    predictor = final(config, decoded_split(pictures.train))
    assert error(predictor, decoded_split(pictures.train)) < 0.2
    one, ten = (predictor.predict(decoded_split(pictures.test).images, crops=crops) for crops in (1, 10))
    assert one.shape == ten.shape == (11, 2)
    np.testing.assert_allclose(np.exp(ten).sum(1), 1, atol=1e-5)


def test_colour_jitter_follows_the_principal_components(pictures):
    """A column is a principal component of the training pixels times its eigenvalue, with colours in 0..1."""
    feed = he2015.ImageNetLoader(FOLDER, decoded_split(pictures.train), "cpu", 0)
    pixels = torch.cat([x.flatten(0, 2) for x in feed.framed(list(range(16)))]).double() / 255
    shifts, covariance = feed.colour_CC.double() / 255, torch.cov(pixels.T)
    torch.testing.assert_close(shifts @ shifts.T, covariance @ covariance, rtol=0.05, atol=1e-4)


def test_a_file_that_is_no_image_is_named(pictures):
    """A damaged file ends in one line that says which."""
    path = Path(pictures.test.images[0])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ReproError, match=path.name):
        decoded_split(pictures.test).images[0]


def test_pictures_slice_without_decoding(pictures):
    """A slice is again a sequence of files; grey images come as RGB."""
    images = decoded_split(pictures.test).images
    assert images[2:5] == Pictures(images.paths[2:5])
    assert all(image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 for image in images)


DISTRIBUTED = """
import hashlib, sys
from pathlib import Path
import torch.distributed as dist
sys.path.insert(0, {root!r})
from reference import he2015
from repro import data
from repro.machine import process_group
from tests.test_he2015 import TINY
process_group.init_process_group("cpu")
*_, (_, predictor) = he2015.train(TINY, data.load("digits").train, seed=0, device="cpu")
state = b"".join(p.detach().numpy().tobytes() for p in predictor.net.parameters())
found = Path(sys.argv[1]) / str(dist.get_rank())
found.write_text(str(dist.get_world_size()) + " " + hashlib.sha256(state).hexdigest())
del predictor
process_group.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_under_torchrun_end_with_the_same_weights(tmp_path):
    """Data-parallel training with gradients averaged over processes keeps their parameters equal."""
    script = tmp_path / "train.py"
    script.write_text(DISTRIBUTED.format(root=str(ROOT)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(
        [*command, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (size, first), (_, second) = ((tmp_path / rank).read_text().split() for rank in "01")
    assert size == "2"
    assert first == second


def test_a_state_that_is_carried_over_restores_the_predictor(digits):
    """`state` holds all that was learnt: a fresh network with it predicts bit for bit the same."""
    *_, (_, trained) = he2015.train(TINY, digits.train, seed=1, device="cpu")
    fresh = he2015.restore(TINY, he2015.state(trained), device="cpu")
    np.testing.assert_array_equal(fresh.predict(digits.test.images), trained.predict(digits.test.images))
