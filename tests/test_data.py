"""Datasets: the right items, unchanged, from wherever they are kept."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro import data
from repro.data import cifar10, imagenet
from repro.data._dataset import Split, arrays_digest
from repro.errors import ReproError, Unavailable

REAL = Path(os.environ.get("REPRO_DATA", "")) / "cifar10"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    """No test sees the datasets or the cache of this machine, unless it asks for them."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    data._read.cache_clear()
    imagenet._listing.cache_clear()


def test_datasets_are_found_by_their_file_names():
    """Every module that is no helper is a dataset, and says what it is."""
    assert {"cifar10", "digits", "imagenet", "ptb", "pydoc"} <= set(data.names())
    for name in data.names():
        facts = data.describe(name)
        assert facts.says
        assert facts.url.startswith(("https://", "http://"))
        assert facts.licence
        assert data.how_to_get(name)
        assert data.available(name) == facts.embedded


def test_an_unknown_dataset_is_answered_with_the_nearest():
    """A misspelt name gets the right one suggested."""
    with pytest.raises(ReproError, match="Did you mean cifar10"):
        data.load("cifar-10")


def test_digits_are_split_as_the_ledger_says():
    """1,400 and 397 images, every one of scikit-learn's exactly once, grey levels scaled and invertible."""
    from sklearn.datasets import load_digits

    digits = data.load("digits")
    assert digits.train.images.shape == (1400, 8, 8, 1)
    assert digits.test.images.shape == (397, 8, 8, 1)
    together = np.concatenate([digits.train.images, digits.test.images])
    assert together.dtype == np.uint8
    levels = np.rint(together[..., 0].astype(float) * 16 / 255)
    original = load_digits()
    order = np.random.RandomState(0).permutation(1797)
    assert np.array_equal(levels, original["images"][order])
    assert np.array_equal(np.concatenate([digits.train.labels, digits.test.labels]), original["target"][order])


def test_the_digest_stands_for_the_content():
    """The digest that cache keys use without reading is that of the arrays, and one changed pixel changes it."""
    digits = data.load("digits")
    assert digits.digest == data.digest("digits") == arrays_digest(digits.train, digits.test)
    digits.test.images[0, 0, 0, 0] ^= 1
    assert arrays_digest(digits.train, digits.test) != digits.digest


def test_nobody_can_change_the_data_of_the_next_trial():
    """What one trial does to its arrays, another does not see."""
    data.load("digits").train.images[:] = 0
    data.load("digits").train.labels[:] = 0
    assert data.load("digits").train.images.any()
    assert data.load("digits").train.labels.any()


def test_splits_are_checked():
    """A split with more images than labels, or labels beyond its classes, is refused."""
    images = np.zeros((2, 1, 1, 1), np.uint8)
    with pytest.raises(ValueError, match="2 images but 1 labels"):
        Split(images=images, labels=np.array([0]), classes=1)
    with pytest.raises(ValueError, match="labels run over"):
        Split(images=images, labels=np.array([0, 2]), classes=2)


def batch(seed: int) -> bytes:
    """A small batch with the published ones' content; protocol 3 keeps bytes as Python 2 kept its texts."""
    rng = np.random.default_rng(seed)
    content = {
        b"batch_label": b"a batch",
        b"labels": [int(label) for label in rng.integers(0, 10, 4)],
        b"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8),
        b"filenames": [b"a.png"] * 4,
    }
    return pickle.dumps(content, protocol=3)


@pytest.fixture
def batches(monkeypatch) -> dict[str, bytes]:
    """Six small batches in place of CIFAR-10's, with their checksums."""
    made = {name: batch(seed) for seed, name in enumerate(cifar10.BATCH_HASHES)}
    monkeypatch.setattr(cifar10, "BATCH_HASHES", {n: hashlib.sha256(b).hexdigest() for n, b in made.items()})
    splits = cifar10._parsed(made.__getitem__)
    monkeypatch.setattr(cifar10, "DIGEST", arrays_digest(*splits))
    return made


def as_xz(folder: Path, batches: dict[str, bytes]) -> None:
    """`<batch>.xz`, one file each."""
    for name, content in batches.items():
        (folder / f"{name}.xz").write_bytes(lzma.compress(content))


def as_folder(folder: Path, batches: dict[str, bytes]) -> None:
    """The unpacked archive."""
    (folder / cifar10.FOLDER).mkdir()
    for name, content in batches.items():
        (folder / cifar10.FOLDER / name).write_bytes(content)


def as_archive(folder: Path, batches: dict[str, bytes]) -> None:
    """The published archive, with a member that would escape if it were ever extracted."""
    with tarfile.open(folder / cifar10.FILES.archive, "w:gz") as archive:
        for name, content in {f"{cifar10.FOLDER}/{n}": c for n, c in batches.items()}.items() | {
            ("../../escaped", b"x")
        }:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where CIFAR-10 is looked for below REPRO_DATA."""
    path = tmp_path / "data" / "cifar10"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("lay_out", [as_xz, as_folder, as_archive])
def test_cifar10_is_read_however_it_is_kept(batches, folder, tmp_path, lay_out):
    """Compressed batches, the unpacked folder and the archive give the same arrays, and nothing is unpacked to disk."""
    lay_out(folder, batches)
    before = sorted(folder.rglob("*"))
    loaded = data.load("cifar10")
    assert loaded.train.images.shape == (20, 32, 32, 3)
    content = pickle.loads(batches["data_batch_2"])
    assert np.array_equal(loaded.train.images[5, :, :, 1].ravel(), content[b"data"][1, 1024:2048])
    assert list(loaded.train.labels[4:8]) == content[b"labels"]
    assert len(loaded.test) == 4
    assert sorted(folder.rglob("*")) == before
    assert not list(tmp_path.rglob("escaped"))


def test_parsed_arrays_are_kept_and_checked(batches, folder, tmp_path):
    """The second load needs no source; a damaged copy is parsed again, or missed when there is no source."""
    as_folder(folder, batches)
    first = cifar10.load()
    for file in (folder / cifar10.FOLDER).iterdir():
        file.unlink()
    assert np.array_equal(cifar10.load().train.images, first.train.images)
    (kept,) = (tmp_path / "cache" / "data" / "cifar10").glob("*.npz")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 255
    kept.write_bytes(content)
    with pytest.raises(Unavailable, match="repro data get cifar10"):
        cifar10.load()


def test_missing_data_says_how_it_is_had():
    """Without the data, the message names the command and the variable."""
    for name in ("cifar10", "imagenet"):
        with pytest.raises(Unavailable, match="REPRO_DATA"):
            data.load(name)
    with pytest.raises(ReproError, match="cannot be downloaded"):
        data.fetch("imagenet")


@pytest.mark.parametrize("lay_out", [as_xz, as_folder, as_archive])
@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_damaged_batches_are_named(batches, folder, lay_out, harm):
    """A batch that is cut or changed is refused by name, whatever it is kept in."""
    name = "data_batch_3"
    bad = batches[name][:-100] if harm == "cut" else batches[name][:-100] + b"x" * 100
    lay_out(folder, batches | {name: bad})
    with pytest.raises(ReproError, match=f"{name} is damaged or another file"):
        cifar10.load()


@pytest.mark.parametrize("name", ["data_batch_1.xz", cifar10.FILES.archive])
def test_truncated_files_are_named(batches, folder, name):
    """A compressed file that ends too early is one clear error."""
    (as_xz if name.endswith("xz") else as_archive)(folder, batches)
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReproError, match=r"is damaged or another file"):
        cifar10.load()


class Evil:
    """An object whose pickle calls a function."""

    def __init__(self, call: tuple[object, tuple[object, ...]]) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize(
    "call", [(os.system, ("true",)), (eval, ("1",)), (getattr, ("a", "upper"))], ids=["os", "eval", "getattr"]
)
def test_pickles_can_execute_nothing(call):
    """A pickle that names any function is refused before it is called."""
    with pytest.raises(ReproError, match=f"it names .*{call[0].__name__}"):
        cifar10.unpickle(pickle.dumps({b"data": Evil(call)}, protocol=3))


@pytest.mark.skipif(not (REAL / "data_batch_1.xz").is_file(), reason="REPRO_DATA holds no cifar10/*.xz")
def test_real_cifar10_is_what_everybody_measured(monkeypatch):
    """The real batches of REPRO_DATA pass their checksums; one test batch has its known labels and mean colour."""
    monkeypatch.setenv("REPRO_DATA", str(REAL.parent))
    read = cifar10.FILES.find(cifar10.BATCH_HASHES)
    assert read is not None
    images, labels = cifar10._batch("test_batch", read("test_batch"))
    assert images.shape == (10_000, 32, 32, 3)
    assert list(np.bincount(labels)) == [1000] * 10
    assert list(labels[:5]) == [3, 8, 8, 0, 6]
    assert images.mean(axis=(0, 1, 2)) / 255 == pytest.approx([0.4942, 0.4851, 0.4504], abs=1e-4)


def write_images(root: Path, wnids: dict[str, int], split: str) -> None:
    """Small JPEG files in ImageNet's layout."""
    for wnid, count in wnids.items():
        folder = root / "imagenet" / split / wnid
        folder.mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8 + number, 6), (number, 0, 0)).save(folder / f"{wnid}_{number}.JPEG", format="JPEG")


def test_imagenet_is_listed_by_sorted_class(tmp_path):
    """Paths and labels follow the sorted WordNet ids, validation is the test split, and the note says it is partial."""
    root = tmp_path / "data"
    write_images(root, {"n02": 2, "n01": 3}, "train")
    write_images(root, {"n01": 1, "n02": 1}, "val")
    (root / "imagenet" / "train" / "n01" / "notes.txt").write_text("not an image")
    loaded = data.load("imagenet")
    assert list(loaded.train.labels) == [0, 0, 0, 1, 1]
    assert list(loaded.test.labels) == [0, 1]
    with Image.open(loaded.train.images[3]) as image:
        assert image.size == (8, 6)
    assert "not the full set: 2 classes, 5 training and 2 test images" in loaded.note
    assert loaded.digest == data.digest("imagenet")
    before = loaded.digest
    (root / "imagenet" / "val" / "n02" / "n02_0.JPEG").write_bytes(b"x")
    imagenet._listing.cache_clear()
    assert data.digest("imagenet") != before


def test_imagenet_with_other_classes_to_validate_on_is_refused(tmp_path):
    """Training and validation folders must be of the same classes."""
    write_images(tmp_path / "data", {"n01": 1, "n02": 1}, "train")
    write_images(tmp_path / "data", {"n01": 1}, "val")
    with pytest.raises(ReproError, match="2 classes in train/ and 1 in val/"):
        data.load("imagenet")
