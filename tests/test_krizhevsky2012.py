"""The reference of krizhevsky2012, its experiments and training that goes on after a kill, as software."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from claims.experiments import krizhevsky2012 as experiments
from reference import krizhevsky2012
from reference.common.images import standard_crops
from reference.common.response_normalization import response_normalized
from repro import data
from repro.data import Dataset, Split, imagenet
from repro.experiment.classification import decoded_split, score_split
from repro.experiment.setting import Setting
from repro.experiment.snapshots import Snapshots, SnapshotWarning, snapshots_of, train_with_snapshots
from repro.trial.implementation import sabotage

ROOT = Path(krizhevsky2012.__file__).parent.parent
MLP = replace(krizhevsky2012.CONFIGS["digits-mlp"], hidden=(16, 16), iterations=12, milestones=(6, 10))
CNN = replace(krizhevsky2012.CONFIGS["digits-cnn"], filters=(4, 4, 8), normalized=(1,), split=(2,), iterations=6)
FOLDER = replace(
    krizhevsky2012.CONFIGS["alexnet"],
    filters=(8, 8, 8),
    kernels=(5, 3, 3),
    stride=2,
    split=(2,),
    pooled=(1, 3),
    ones=(2,),
    std=None,
    hidden=(32, 16),
    frame=40,
    image=32,
    classes=2,
    scale=1 / 255,
    batch=4,
    iterations=10,
    milestones=(6,),
)
LONG = replace(FOLDER, iterations=40, milestones=(20,))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """The digits."""
    return data.load("digits")


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Dataset:
    """Two classes of JPEG files of all sizes, red and blue, in ImageNet's layout."""
    make_pictures(tmp_path)
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return imagenet.load()


def make_pictures(root: Path) -> None:
    """Write the files."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for split, number in (("train", 8), ("val", 5)):
        for wnid, colour in (("n01440764", (200, 30, 30)), ("n01443537", (30, 30, 200))):
            folder = root / "imagenet" / split / wnid
            folder.mkdir(parents=True)
            for index in range(number):
                height, width = rng.integers(40, 90, 2)
                pixels = np.clip(np.array(colour) + rng.normal(0, 20, (height, width, 3)), 0, 255).astype(np.uint8)
                image.fromarray(pixels).save(folder / f"{wnid}_{index}.JPEG", quality=95)


def final(config, split, **how):
    """The predictor at the end of training."""
    *_, (_, predictor) = krizhevsky2012.train(config, split, **{"seed": 0, "device": "cpu", **how})
    return predictor


def bits(predictor) -> bytes:
    """All weights, byte by byte."""
    return b"".join(array.tobytes() for array in krizhevsky2012.state(predictor).values())


def test_the_network_is_the_published_one():
    """Shapes, parameters and sides of maps are those of a network that torch builds from the paper's numbers."""
    listed = krizhevsky2012.layers(krizhevsky2012.CONFIGS["alexnet"])
    assert sum(int(np.prod(shape)) for layer in listed for shape in layer.weights) == 60_965_224
    assert [layer.output[1] for layer in listed if layer.kind == "conv"] == [55, 27, 13, 13, 13]
    plain = nn.Sequential(
        nn.Conv2d(3, 96, 11, 4, 2), nn.ReLU(), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    net = krizhevsky2012.Net(replace(krizhevsky2012.CONFIGS["alexnet"], hidden=(), classes=1))
    krizhevsky2012.initialise(net, 0)
    weights = [parameter for parameter in net.parameters() if parameter.dim() != 2][:10]
    plain.load_state_dict(dict(zip(plain.state_dict(), weights, strict=True)))
    x = 50 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        *_, features = net.features(x)
        torch.testing.assert_close(features, plain(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("maps", [1, 2, 3, 5, 7])
def test_response_normalization_and_its_gradient_are_torchs(maps):
    """The layer of torch, given alpha times n, agrees in value and gradient for any number of maps, both layouts."""
    a = (30 * torch.rand(2, maps, 3, 4, dtype=torch.float64)).requires_grad_()
    layer = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
    weights = torch.rand(2, maps, 3, 4, dtype=torch.float64)
    for layout in (torch.contiguous_format, torch.channels_last):
        ours = response_normalized(a.to(memory_format=layout))
        torch.testing.assert_close(ours, layer(a))
        found, expected = (torch.autograd.grad((weights * b).sum(), a)[0] for b in (ours, layer(a)))
        torch.testing.assert_close(found, expected)
    torch.autograd.gradcheck(response_normalized, a)


def test_the_update_is_the_papers_and_torchs_until_the_rate_falls():
    """At a constant rate torch's rule does the same; after a fall only the recurrence of Section 5 does."""
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(3), rng.standard_normal((12, 3))
    rates = np.array([0.01] * 6 + [0.001] * 6)
    found = krizhevsky2012.descend(krizhevsky2012.CONFIGS["alexnet"], start, gradients, rates)
    w, v, expected = start, np.zeros(3), []
    for gradient, rate in zip(gradients, rates, strict=True):
        v = 0.9 * v - 0.0005 * rate * w - rate * gradient
        w = w + v
        expected.append(w)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    parameter = nn.Parameter(torch.tensor(start))
    rule, theirs = torch.optim.SGD([parameter], 0.01, momentum=0.9, weight_decay=5e-4), []
    for gradient, rate in zip(gradients, rates, strict=True):
        parameter.grad, rule.param_groups[0]["lr"] = torch.tensor(gradient), rate
        rule.step()
        theirs.append(parameter.detach().numpy().copy())
    np.testing.assert_allclose(found[:6], theirs[:6], atol=1e-14)
    assert np.abs(found[6:] - theirs[6:]).max() > 1e-3


def test_dropout_drops_half_and_is_halved_at_the_end(digits):
    """In training a mask decides; in prediction outputs are halved; with nothing to drop both are the plain network."""
    net = krizhevsky2012.Net(MLP)
    krizhevsky2012.initialise(net, 0)
    x = torch.rand(5, 1, 8, 8)
    first, second, last = net.linears
    with torch.no_grad():
        h = torch.relu(second(torch.relu(first(x.flatten(1))) / 2)) / 2
        torch.testing.assert_close(net(x), last(h))
        torch.testing.assert_close(net(x, [torch.full((5, 16), 0.5)] * 2), last(h))
    feed = krizhevsky2012.Feed(MLP, digits.train, "cpu", 0)
    update = krizhevsky2012.Update(net, MLP, feed, "cpu", 1)
    update(next(feed.batches(0, 0, 0, 1)), 0.1, 7)
    mask = update.masks[0].clone()
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert 0.4 < float(mask.mean()) < 0.6
    assert not torch.equal(mask, update.masks[1])


@pytest.mark.parametrize("config", [MLP, CNN], ids=["mlp", "cnn"])
def test_training_depends_on_the_seed_and_on_nothing_else(digits, config):
    """Same seed, same bits; another seed, others; global generator and eval_steps play no part."""
    torch.manual_seed(1)
    first = final(config, digits.train)
    torch.manual_seed(2)
    again = final(config, digits.train, eval_steps=(0, 3, 99))
    assert bits(first) == bits(again)
    assert bits(first) != bits(final(config, digits.train, seed=1))


def test_eval_steps_come_when_asked(digits):
    """Predictors are yielded at the asked updates and at the end, each as it would be if training ended there."""
    steps = []
    for step, predictor in krizhevsky2012.train(CNN, digits.train, seed=0, device="cpu", eval_steps=(0, 4, 99)):
        steps.append(step)
        assert bits(predictor) == bits(final(replace(CNN, iterations=step), digits.train))
    assert steps == [0, 4, 6]


def test_scores_do_not_depend_on_the_rest_of_the_batch(digits):
    """An image has the same scores alone, in another order and among all."""
    predictor, images = final(CNN, digits.train), digits.test.images[:20]
    together = predictor.predict(images)
    alone = np.concatenate([predictor.predict(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(predictor.predict(images[::-1])[::-1], together, atol=1e-5)
    assert predictor.predict(images[:0]).shape == (0, 10)


def test_networks_learn(digits):
    """Two hundred updates on the digits leave few errors."""
    predictor = final(krizhevsky2012.CONFIGS["digits-cnn"], digits.train, seed=0)
    assert score_split(predictor, digits.train).wrong.mean() < 0.15


def test_bfloat16_trains_too(digits):
    """Reduced precision changes the scores a little and is confined to training."""
    exact, rough = (
        final(replace(CNN, precision=precision), digits.train).predict(digits.test.images[:50])
        for precision in ("float32", "bfloat16")
    )
    assert exact.dtype == rough.dtype == np.float32
    assert 0 < np.abs(exact - rough).max() < 1


def test_a_pass_takes_each_image_at_most_once_and_processes_share_it(digits):
    """The batches of a pass are disjoint, two processes split each, and a later start gives the same batches."""
    feed = krizhevsky2012.Feed(CNN, digits.train, "cpu", 0)
    each = len(digits.train) // CNN.batch
    whole, left, right = (
        [batch[0].tolist() for batch in islice(feed.batches(5, 0, *share), each + 2)]
        for share in ((0, 1), (0, 2), (1, 2))
    )
    assert len({index for batch in whole[:each] for index in batch}) == each * CNN.batch
    assert [sorted(a + b) for a, b in zip(left, right, strict=True)] == [sorted(batch) for batch in whole]
    for start in (3, each, each + 1):
        later = next(feed.batches(5, start, 0, 1))
        assert later[0].tolist() == whole[start]


def test_ten_views_are_corners_centre_and_their_reflections():
    """Views are slices of the image, and ten of them are averaged as probabilities."""
    x = torch.arange(2 * 8 * 8 * 1.0).reshape(2, 8, 8, 1)
    crops = standard_crops(x, 6, 10)
    for view, (y, z) in zip(crops.unbind(1)[:5], [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)], strict=True):
        assert torch.equal(view, x[:, y : y + 6, z : z + 6])
    assert torch.equal(crops[:, 5:], crops[:, :5].flip(3))
    assert torch.equal(standard_crops(x, 6, 1)[:, 0], crops[:, 4])


def test_pictures_are_scaled_to_their_shorter_side_and_cut_in_the_middle():
    """A picture of the right height is only cut; a larger one becomes a square of the asked side."""
    picture = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(krizhevsky2012.framed(picture, 40), picture[:, 12:52])
    assert krizhevsky2012.framed(picture, 16).shape == (16, 16, 3)


def test_data_of_other_sizes_are_refused(digits):
    """Images, classes, a batch or crops that do not fit the config are errors."""
    for wrong, says in (({"frame": 32}, "images are"), ({"classes": 5}, "10 classes"), ({"batch": 2000}, "fill a")):
        with pytest.raises(ValueError, match=says):
            next(krizhevsky2012.train(replace(MLP, **wrong), digits.train, seed=0, device="cpu"))
    with pytest.raises(ValueError, match="1 or 10 crops"):
        final(replace(MLP, iterations=0), digits.train).predict(digits.test.images, crops=5)


def test_state_is_all_that_a_prediction_needs(digits):
    """A network restored from its state predicts the same, and cannot be gone on with."""
    predictor = final(CNN, digits.train)
    again = krizhevsky2012.restore(CNN, krizhevsky2012.state(predictor), device="cpu")
    np.testing.assert_array_equal(predictor.predict(digits.test.images), again.predict(digits.test.images))
    with pytest.raises(ValueError, match="not being trained"):
        again.snapshot()


@pytest.mark.parametrize("config", [MLP, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("step", [0, 3, 8, 12])
def test_training_goes_on_from_a_snapshot_bit_for_bit(digits, config, step):
    """A run that goes on from a snapshot, across falls of the rate and passes, ends with the same bits."""
    config = replace(config, iterations=12, milestones=(6, 10))
    whole = final(config, digits.train)
    steps = krizhevsky2012.train(config, digits.train, seed=0, device="cpu", eval_steps=(step,))
    start = next(steps)[1].snapshot()
    assert bits(final(config, digits.train, start=start)) == bits(whole)


def test_a_snapshot_is_not_changed_by_what_follows(digits):
    """It is a copy: training on leaves it as it was."""
    steps = krizhevsky2012.train(MLP, digits.train, seed=0, device="cpu", eval_steps=(4,))
    start = next(steps)[1].snapshot()
    before = {name: array.copy() for name, array in start.items()}
    list(steps)
    assert all(np.array_equal(before[name], start[name]) for name in start)


def test_imagenet_works_from_files_to_the_error_of_an_ensemble(pictures, tmp_path, monkeypatch):
    """A small folder in the real layout is trained on and scored end to end, the same with snapshots and without."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    setting = Setting(config=FOLDER, seed=0, device="cpu", data=pictures)
    plain, kept = (experiments.Ensemble(networks=2, crops=10, every=every)(krizhevsky2012, setting) for every in (0, 3))
    assert set(plain) == {"test_error", "single_error", "one_view_error"}
    assert {name: found.value for name, found in plain.items()} == {name: found.value for name, found in kept.items()}
    assert list((tmp_path / "cache" / "snapshots").iterdir()) == []


def test_red_and_blue_pictures_are_told_apart(pictures):
    """Streamed training learns: the folder's two classes differ in colour only."""
    config = replace(FOLDER, iterations=60, milestones=(), batch=8)
    predictor = final(config, decoded_split(pictures.train))
    assert score_split(predictor, decoded_split(pictures.train)).wrong.mean() < 0.2
    ten = predictor.predict(decoded_split(pictures.test).images, crops=10)
    np.testing.assert_allclose(np.exp(ten).sum(1), 1, atol=1e-5)


CHILD = """
import os, signal, sys
sys.path.insert(0, {root!r})
from dataclasses import replace
import torch
torch.set_num_threads(1)
from claims.experiments.krizhevsky2012 import Ensemble
from reference import krizhevsky2012
from repro.data import imagenet
from repro.experiment import snapshots
from repro.experiment.setting import Setting
from tests.test_krizhevsky2012 import LONG

put = snapshots.Snapshots.put

def last(self, step, arrays):
    put(self, step, arrays)
    if step == 6:
        os.kill(os.getpid(), signal.SIGKILL)

snapshots.Snapshots.put = last
setting = Setting(config=LONG, seed=0, device="cpu", data=imagenet.load())
Ensemble(networks=2, crops=10, every=2)(krizhevsky2012, setting)
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(pictures, tmp_path, monkeypatch):
    """A process is killed (SIGKILL) after its third snapshot; this one goes on, and agrees bit for bit."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("REPRO_CACHE", str(cache))
    script = tmp_path / "run.py"
    script.write_text(CHILD.format(root=str(ROOT)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.run([sys.executable, str(script)], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    left = {path.parent for path in cache.glob("snapshots/*/*.snapshot")}
    setting = Setting(config=LONG, seed=0, device="cpu", data=pictures)
    seed = int(np.random.SeedSequence(0).generate_state(2)[0])
    resumed, kept = train_with_snapshots(krizhevsky2012, setting, decoded_split(pictures.train), seed=seed, every=2)
    assert kept is not None
    assert kept.folder in left
    assert bits(resumed) == bits(final(LONG, decoded_split(pictures.train), seed=seed))
    plain, again = (experiments.Ensemble(networks=2, crops=10, every=n)(krizhevsky2012, setting) for n in (0, 2))
    assert {name: found.value for name, found in plain.items()} == {name: found.value for name, found in again.items()}


def test_a_damaged_snapshot_is_said_and_the_one_before_it_is_used(tmp_path):
    """Half a file, or one with a flipped bit, is passed over and removed; two are kept."""
    kept = Snapshots(tmp_path / "some")
    assert kept.latest() is None
    for step in (1, 2, 3):
        kept.put(step, {"a": np.array([step])})
    assert len(list(kept.folder.iterdir())) == 2
    newest = kept.folder / "000000000003.snapshot"
    content = bytearray(newest.read_bytes())
    content[-5] ^= 1
    newest.write_bytes(content)
    with pytest.warns(SnapshotWarning, match="000000000003"):
        step, arrays = kept.latest()
    assert (step, arrays["a"].tolist()) == (2, [2])
    (kept.folder / "000000000002.snapshot").write_bytes(b"")
    with pytest.warns(SnapshotWarning, match="from the start"):
        assert kept.latest() is None
    assert list(kept.folder.iterdir()) == []


def test_a_disk_that_refuses_snapshots_does_not_end_training(tmp_path):
    """What cannot be written is said, and training goes on."""
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(SnapshotWarning, match="could not be written"):
        Snapshots(tmp_path / "file").put(1, {"a": np.zeros(1)})


def test_snapshots_belong_to_one_training_only(digits, tmp_path, monkeypatch):
    """Another seed, config or implementation has another folder; what runs in another process has none."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    setting = Setting(config=MLP, seed=0, device="cpu", data=digits)
    other = sabotage(krizhevsky2012, train=lambda *args, **kwargs: krizhevsky2012.train(*args, **kwargs))
    folders = {
        snapshots_of(krizhevsky2012, setting, seed=0).folder,
        snapshots_of(krizhevsky2012, setting, seed=1).folder,
        snapshots_of(krizhevsky2012, replace(setting, config=replace(MLP, lr=0.5)), seed=0).folder,
        snapshots_of(other, setting, seed=0).folder,
    }
    assert len(folders) == 4
    assert snapshots_of(SimpleNamespace(train=Ellipsis), setting, seed=0) is None


def test_predictors_without_snapshots_are_trained_to_the_end(digits, tmp_path, monkeypatch):
    """An implementation that cannot be gone on with is trained all the same, and nothing is written."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))

    def train(config, split, *, seed, device, eval_steps=()):
        yield from ((step, str(step)) for step in (2, 4, 5))

    setting = Setting(config=MLP, seed=0, device="cpu", data=digits)
    predictor, kept = train_with_snapshots(SimpleNamespace(train=train), setting, digits.train, seed=0, every=2)
    assert predictor == "5"
    assert kept is not None
    assert not kept.folder.exists()


def test_convergence_counts_updates_at_the_best_rate(digits):
    """The fewest updates at any rate are found; a rate that never gets there counts as the limit."""

    class Knowing:
        def __init__(self, split, right) -> None:
            self.scores = np.eye(10, dtype=np.float32)[split.labels if right else (split.labels + 1) % 10]

        def predict(self, images, *, crops=1):
            return self.scores

    def train(config, split, *, seed, device, eval_steps=()):
        for step in (*eval_steps, config.iterations):
            yield step, Knowing(split, step >= 40 / config.lr)

    knowing = SimpleNamespace(
        train=train,
        state=lambda one: {"right": (one.scores.argmax(1) == digits.train.labels).all()},
        restore=lambda config, state, device: Knowing(digits.train, state["right"]),
    )
    setting = Setting(config=MLP, seed=0, device="cpu", data=digits)
    for rates, found in (((1.0, 2.0, 0.5), 20), ((0.5,), 80), ((0.1,), 100), ((), 100)):
        experiment = experiments.Convergence(error=25.0, every=5, limit=100, rates=rates)
        assert experiment(knowing, setting)["updates"].value == found


def test_wrong_labels_stay_in_training(digits):
    """The share of labels is drawn anew, images are different ones, and test labels stay right."""
    seen: list[Split] = []

    def train(config, split, *, seed, device, eval_steps=()):
        seen.append(split)
        yield from krizhevsky2012.train(config, split, seed=seed, device=device)

    setting = Setting(config=MLP, seed=0, device="cpu", data=digits)
    experiments.Overfitting(images=400, noise=0.3)(sabotage(krizhevsky2012, train=train), setting)
    (split,) = seen
    known = {image.tobytes(): label for image, label in zip(digits.train.images, digits.train.labels, strict=True)}
    wrong = np.mean([known[image.tobytes()] != label for image, label in zip(split.images, split.labels, strict=True)])
    assert len(split) == 400
    assert 0.2 < wrong < 0.3


DISTRIBUTED = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import torch.distributed as dist
from reference import krizhevsky2012
from repro import data
from repro.machine import process_group
from tests.test_krizhevsky2012 import MLP, bits, final
process_group.init_process_group("cpu")
split = data.load("digits").train
whole = final(MLP, split)
steps = krizhevsky2012.train(MLP, split, seed=0, device="cpu", eval_steps=(7,))
start = next(steps)[1].snapshot()
steps.close()
same = bits(final(MLP, split, start=start)) == bits(whole)
found = Path(sys.argv[1]) / str(dist.get_rank())
found.write_text(" ".join([str(dist.get_world_size()), hashlib.sha256(bits(whole)).hexdigest(), str(same)]))
del steps, whole
process_group.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_under_torchrun_end_with_the_same_weights(tmp_path):
    """Data-parallel training keeps weights equal, and goes on from a snapshot as if it had not stopped."""
    script = tmp_path / "train.py"
    script.write_text(DISTRIBUTED.format(root=str(ROOT)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command.append(str(tmp_path))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = ((tmp_path / rank).read_text() for rank in "01")
    assert first == second
    assert first.split()[0::2] == ["2", "True"]
