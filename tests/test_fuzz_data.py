"""Damaged files of datasets, by the thousand: each loader reads them or says in one line what is wrong."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from repro import data
from repro.data import camvid, cifar10, first_names, imagenet, ptb, ptrnet, qm9, qm9_3k, qm9_ppqm10k, voc2012
from repro.data._lazy_images import Pictures
from repro.data._reading import image
from repro.data._scenes import vgg16
from tests.fuzzing import damaged, fuzz, refusal
from tests.test_qm9 import HYDROGEN, METHANE

XYZ = "2\nx\nH 0 0 0\nH 0 0 0.74\n"
TABLES = {
    qm9_3k: ("qm9.csv", ",".join(["mol_id", *qm9_3k.COLUMNS]) + "\na," + ",".join(["1.5"] * 12) + "\n"),
    qm9_ppqm10k: ("reference.csv", "name, b, h, m\na, 1.5, 2.5, 3.5\n"),
}
HULL = "0.1 0.2 0.9 0.1 0.5 0.8 output 1 2 3 1\n"
WORDS = b" the <unk> sat on \n the mat \n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """A folder for REPRO_DATA without anything of this machine."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    return tmp_path


def tar(**files: bytes) -> bytes:
    """A tar file; "__" in a name is a slash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def picture(kind: str, mode: str = "RGB") -> bytes:
    """A small image file."""
    packed = io.BytesIO()
    Image.new(mode, (9, 7), 3).save(packed, kind)
    return packed.getvalue()


def sha256(content: bytes) -> str:
    """Its digest in hex."""
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("mode", ["RGB", ""])
def test_images(here, mode):
    """JPEG, PNG, GIF, BMP, TIFF and WebP, as a photograph of ImageNet and as a label map."""
    whole = [picture("JPEG"), picture("PNG", "P"), picture("PNG", "L"), *map(picture, ("GIF", "BMP", "TIFF", "WEBP"))]
    path = here / "x.JPEG"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = image(path, path.name, mode)
        assert found.dtype == np.uint8
        assert mode == "" or Pictures((str(path),))[0].shape == found.shape

    fuzz(damaged(*whole), read)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress], ids=["tar", "gz", "xz", "bz2"])
def test_archives(here, pack):
    """The archive of PTB's texts, packed in each way, damaged before or after packing."""
    inner = tar(**{f"simple-examples__data__ptb.{name}.txt": WORDS for name in ptb.TEXTS})
    path = here / "ptb" / ptb.FILES.archive
    path.parent.mkdir()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        ptb.load()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ptb, "TEXTS", dict.fromkeys(ptb.TEXTS, sha256(WORDS)))
        fuzz(damaged(pack(inner)) | damaged(inner).map(pack), read)


@pytest.mark.parametrize("form", ptb.FILES.forms)
def test_texts_of_words(here, monkeypatch, form):
    """PTB's texts, of any bytes that have the checksum."""
    pack = gzip.compress if form.endswith("gz") else bytes
    (here / "ptb").mkdir()

    def read(content: bytes) -> None:
        for name in ptb.TEXTS:
            (here / "ptb" / form.format(name)).write_bytes(pack(WORDS if name == "valid" else content))
        monkeypatch.setattr(ptb, "TEXTS", {n: sha256(WORDS if n == "valid" else content) for n in ptb.TEXTS})
        ptb.load()

    fuzz(damaged(WORDS), read)


def test_hulls(here, monkeypatch):
    """Lines of points and corners."""
    (here / "ptrnet").mkdir()

    def read(content: bytes) -> None:
        (here / "ptrnet" / ptrnet.FILE).write_bytes(content)
        monkeypatch.setattr(ptrnet, "DIGEST", sha256(content))
        ptrnet.load()

    fuzz(damaged(HULL.encode() * 2), read)


def test_names(here, monkeypatch):
    """A zip file of two texts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in first_names.MEMBERS:
            archive.writestr(member, "Ada\nBob\nCarl\n")
    (here / "names").mkdir()

    def read(content: bytes) -> None:
        (here / "names" / first_names.NAME).write_bytes(content)
        monkeypatch.setattr(first_names, "DIGEST", sha256(content))
        first_names.load()

    fuzz(damaged(packed.getvalue()), read)


def test_batches(monkeypatch):
    """Pickles of CIFAR-10, of any content that has the checksum."""
    rows = np.zeros((2, 3072), np.uint8)
    contents = [{b"data": rows, b"labels": [1, 2]}, {b"data": [1], b"labels": [10]}, [1], {b"data": rows[:, :5]}]

    def read(content: bytes) -> None:
        monkeypatch.setattr(cifar10, "BATCH_HASHES", {"data_batch_1": sha256(content)})
        cifar10._batch("data_batch_1", content)

    fuzz(damaged(*(pickle.dumps(content, protocol=p) for content in contents for p in (2, 3))), read)


@pytest.mark.parametrize("module", TABLES, ids=lambda module: module.__name__)
def test_tables_of_molecules(module):
    """Archives of a table and geometries, damaged in the archive or in its files."""
    name, table = TABLES[module]

    def packed(table: bytes, xyz: bytes) -> bytes:
        return lzma.compress(tar(**{name: table, "xyz__a.xyz": xyz}), preset=0)

    whole, plain = packed(table.encode(), XYZ.encode()), (table.encode(), XYZ.encode())
    fuzz(damaged(whole) | st.builds(packed, damaged(plain[0]), damaged(plain[1])), module.parse)


def test_molecules(here, monkeypatch):
    """QM9's own files, and the list of those left out."""
    (here / "qm9").mkdir()
    for key, value in {"COUNT": 2, "BAD": 1, "HELD": 0}.items():
        monkeypatch.setattr(qm9, key, value)

    def read(parts: tuple[bytes, bytes]) -> None:
        content, listed = parts
        packed = tar(**{"a_1.xyz": HYDROGEN.encode(), "a_2.xyz": content})
        (here / "qm9" / qm9.ARCHIVE).write_bytes(packed)
        (here / "qm9" / qm9.LEFT_OUT).write_bytes(listed)
        monkeypatch.setattr(qm9, "MD5", hashlib.md5(packed).hexdigest())
        qm9.load()

    fuzz(st.tuples(damaged(METHANE.encode()), st.just(b" 1 x\n") | damaged(b" 1 x\n")), read)


def test_weights(here):
    """Arrays in a .npz file."""
    packed = io.BytesIO()
    np.savez_compressed(packed, k1=np.ones((2, 3), np.float32), b1=np.zeros(2))

    def read(content: bytes) -> None:
        (here / "vgg16.npz").write_bytes(content)
        vgg16(here)

    fuzz(damaged(packed.getvalue()), read)


def test_lists_of_scenes(here, monkeypatch):
    """VOC's lists, which name files."""
    lists = here / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    monkeypatch.setattr(voc2012, "COUNTS", {"train": 1, "val": 1})

    def read(content: bytes) -> None:
        for name in ("train", "val"):
            (lists / f"{name}.txt").write_bytes(content)
        voc2012.load()

    fuzz(damaged(b"2007_000032\n", b"a/../b", b"x" * 300), read)


KINDS = ("nothing", "file", "folder", "dangling", "loop", "link", "fifo", "empty")


def test_trees_of_files(here, monkeypatch):
    """What may lie where ImageNet's and CamVid's images are due: links, folders, pipes, any names."""
    monkeypatch.setattr(camvid, "COUNTS", {"train": 1, "test": 1})
    names = st.sampled_from(["a.JPEG", "._a.JPEG", "b.jpg", "c.png", ".x.JPEG", "é\udcff.JPEG", "d" * 200 + ".JPEG"])
    places = (
        "imagenet/train/n1",
        "imagenet/val/n1",
        "imagenet/train",
        "camvid/trainannot",
        "camvid/testannot",
        "camvid",
    )
    entries = st.lists(st.tuples(st.sampled_from(places), names, st.sampled_from(KINDS)), max_size=6)

    def put(path: Path, kind: str) -> None:
        if path.is_symlink() or path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        make: dict[str, Any] = {
            "file": lambda: path.write_bytes(picture("JPEG")),
            "empty": lambda: path.write_bytes(b""),
            "folder": path.mkdir,
            "dangling": lambda: path.symlink_to("/nowhere/at all"),
            "loop": lambda: path.symlink_to(path.name),
            "link": lambda: path.symlink_to(".."),
            "fifo": lambda: os.mkfifo(path),
        }
        make.get(kind, lambda: None)()

    def read(tree: list[tuple[str, str, str]]) -> None:
        for folder in ("imagenet", "camvid"):
            shutil.rmtree(here / folder, ignore_errors=True)
        for place, name, kind in tree:
            put(here / place / name, kind)
        for folder in ("imagenet/train", "imagenet/val"):
            (here / folder).mkdir(parents=True, exist_ok=True)
        imagenet._listing.cache_clear()
        for name in ("imagenet", "camvid"):
            data._read.cache_clear()
            said = refusal(lambda name=name: data.load(name))
            assert said is None or (len(said.splitlines()) == 1 and said.encode())

    fuzz(entries, read)
