"""Datasets as people have them: broken blocks, links, other systems' files, incomplete sets, and bombs."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness.cli.data import data as command
from repro import data
from repro.data import camvid, cifar10, first_names, imagenet, ptb, ptrnet, qm9_3k
from repro.data._lazy_images import Pictures
from repro.data._reading import image, is_file, text_of
from repro.data._scenes import vgg16
from repro.errors import ReproError
from tests.fuzzing import refusal

WORDS = b" the <unk> sat on the mat \n the end \n"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """Where REPRO_DATA is, with two classes of ImageNet."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    data._read.cache_clear()
    imagenet._listing.cache_clear()
    for split in ("train", "val"):
        for wnid in ("n01", "n02"):
            (tmp_path / "imagenet" / split / wnid).mkdir(parents=True)
            (tmp_path / "imagenet" / split / wnid / f"{wnid}_0.JPEG").write_bytes(jpeg())
    return tmp_path


def jpeg(mode: str = "RGB", kind: str = "JPEG") -> bytes:
    """A small image file."""
    packed = io.BytesIO()
    Image.new(mode, (9, 7)).save(packed, kind)
    return packed.getvalue()


def with_broken_exif() -> bytes:
    """A JPEG file whose EXIF block has a resolution that lies beyond its end, in place of JFIF's."""
    entry = struct.pack("<HHII", 0x011A, 5, 1, 1 << 22) + struct.pack("<HHII", 0x0128, 3, 1, 2)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entry + bytes(4)
    plain = jpeg()
    rest = plain[4 + struct.unpack(">H", plain[4:6])[0] :]
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 2) + block + rest


@pytest.mark.parametrize(
    "content", [with_broken_exif(), jpeg("CMYK"), jpeg("L"), jpeg(kind="PNG")], ids=["exif", "cmyk", "grey", "png"]
)
def test_pictures_that_are_odd_but_whole_are_read(root, content):
    """Dozens of ImageNet's have a broken EXIF block, some are CMYK, one is a PNG; warnings are errors in this test."""
    path = root / "x.JPEG"
    path.write_bytes(content)
    assert Pictures((str(path),))[0].shape == (7, 9, 3)


def png_of(width: int, height: int) -> bytes:
    """A PNG file that announces a size, with little in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", jpeg()[:200], jpeg()[:-20], png_of(9, 9)[:40], png_of(100_000, 100_000), png_of(0, 0)],
    ids=["empty", "text", "head only", "cut", "cut png", "bomb", "no pixels"],
)
def test_pictures_that_are_none_are_named(root, content):
    """Empty, cut, garbage, or of a size that no memory holds."""
    path = root / "x.JPEG"
    path.write_bytes(content)
    with pytest.raises(ReproError, match=r"The image x\.JPEG cannot be read: \S.*Get the file again"):
        Pictures((str(path),))[0]


def odd_file(path: Path, kind: str) -> None:
    """Put something else where a file is due."""
    make = {
        "missing": lambda: None,
        "folder": path.mkdir,
        "dangling": lambda: path.symlink_to("/nowhere"),
        "loop": lambda: path.symlink_to(path.name),
        "pipe": lambda: os.mkfifo(path),
    }
    make[kind]()


@pytest.mark.parametrize("kind", ["missing", "folder", "dangling", "loop", "pipe"])
def test_what_is_no_file_is_not_read(root, kind):
    """Neither as a picture, nor for ever."""
    odd_file(root / "x.JPEG", kind)
    with pytest.raises(ReproError, match="there is no such file"):
        image(root / "x.JPEG", "x.JPEG", "RGB")


@pytest.mark.parametrize("mode", ["RGB", "I;16", "RGBA", "1"])
def test_a_label_map_has_numbers_of_classes(root, mode):
    """A photograph or 16 bits in place of a map is no map, and is not cut down to one."""
    Image.new(mode, (4, 4)).save(root / "x.png")
    with pytest.raises(ReproError, match="where numbers of classes are due"):
        image(root / "x.png", "x.png", "")


@pytest.mark.parametrize("kind", ["folder", "dangling", "loop", "pipe"])
def test_imagenet_names_what_is_no_image(root, kind):
    """A link that leads nowhere, a loop, a folder or a pipe among the images is one error with its path."""
    odd_file(root / "imagenet" / "train" / "n01" / "x.JPEG", kind)
    result = CliRunner().invoke(command, ["verify", "imagenet"])
    assert isinstance(result.exception, ReproError)
    assert "train/n01/x.JPEG cannot be read (" in str(result.exception)
    assert ("a link that leads nowhere" in str(result.exception)) == (kind in ("dangling", "loop"))


def test_imagenet_names_a_class_that_leads_nowhere(root):
    """A folder of a class that is a dangling link is not taken for a class that is not there."""
    odd_file(root / "imagenet" / "val" / "n03", "dangling")
    with pytest.raises(ReproError, match=r"val/n03 cannot be read \(a link that leads nowhere: "):
        data.load("imagenet")


def test_files_of_macos_are_no_images(root):
    """Names that begin with "._" are neither counted nor read, in folders and in archives."""
    (root / "imagenet" / "train" / "n01" / "._n01_0.JPEG").write_bytes(b"\0\5\x16\7")
    (root / "imagenet" / "train" / "._n01").mkdir()
    assert len(data.load("imagenet").train) == 2
    files = {"qm9.csv": table().encode(), "xyz/a.xyz": XYZ, "xyz/._a.xyz": b"\0\5\x16\7"}
    assert len(qm9_3k.parse(lzma.compress(tar(files)))) == 1


def test_names_that_are_not_utf_8_are_counted(root):
    """Old archives have them."""
    path = os.fsencode(root / "imagenet" / "train" / "n01") + b"/\xff.JPEG"
    Path(os.fsdecode(path)).write_bytes(jpeg())
    assert len(data.digest("imagenet")) == 64


def test_an_incomplete_set_is_said(root):
    """`repro data verify` counts, and says that it is not the full set."""
    result = CliRunner().invoke(command, ["verify", "imagenet"])
    assert result.exit_code == 0
    assert "not the full set: 2 classes, 2 training and 2 test images" in result.output
    assert not data.complete("imagenet")


XYZ = b"2\nx\nH 0 0 0\nH 0 0 0.74\n"


def table() -> str:
    """One molecule's properties."""
    return ",".join(["mol_id", *qm9_3k.COLUMNS]) + "\na," + ",".join(["1.5"] * len(qm9_3k.COLUMNS)) + "\n"


def tar(files: dict[str, bytes], links: dict[str, tuple[bytes, str]] | None = None) -> bytes:
    """A tar file of files and of links, by type and target."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, (kind, target) in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return packed.getvalue()


@pytest.fixture
def words(root, monkeypatch) -> Path:
    """PTB's folder, with one small text for all three."""
    monkeypatch.setattr(ptb, "TEXTS", dict.fromkeys(ptb.TEXTS, hashlib.sha256(WORDS).hexdigest()))
    (root / "ptb").mkdir()
    return root / "ptb"


@pytest.mark.parametrize("form", ptb.FILES.forms)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_text_from_windows_is_the_same_text(words, form, bom):
    """Lines that end in CRLF, and a byte-order mark, change no word."""
    pack = gzip.compress if form.endswith("gz") else bytes
    for name in ptb.TEXTS:
        (words / form.format(name)).write_bytes(pack(bom + WORDS.replace(b"\n", b"\r\n")))
    assert len(data.load("ptb").train) == 10


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize(
    "target", ["simple-examples/data/ptb.test.txt", "nowhere", "simple-examples/data/ptb.train.txt"]
)
def test_a_linked_member_is_refused(words, kind, target):
    """A link of any kind, to a member, to nowhere or to itself, a folder or a pipe in place of a text."""
    place = "simple-examples/data/ptb.{}.txt"
    plain = {place.format(name): WORDS for name in ("valid", "test")}
    (words / ptb.FILES.archive).write_bytes(tar(plain, {place.format("train"): (kind, target)}))
    with pytest.raises(ReproError, match=r"is a link|is not a file in it"):
        data.load("ptb")


PACKS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "tar": bytes}


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "tail", "bomb"])
def test_damaged_archives_are_named(words, pack, harm):
    """Whatever packs them and wherever the damage is; a header that announces a thousand gigabytes takes none."""
    place = "simple-examples/data/ptb.{}.txt"
    plain = tar({place.format(name): WORDS for name in ptb.TEXTS})
    if harm == "bomb":  # a header of names, which tarfile would read whole
        head = tarfile.TarInfo("x")
        head.type, head.size = tarfile.XHDTYPE, 1 << 40
        plain = head.tobuf(tarfile.GNU_FORMAT) + plain
    packed = PACKS[pack](plain)
    half = len(packed) // 2
    harmed = {
        "empty": b"",
        "cut": packed[:half],
        "flipped": packed[:half] + b"\xff" * 9 + packed[half + 9 :],
        "tail": packed[:-4],
        "bomb": packed,
    }[harm]
    (words / ptb.FILES.archive).write_bytes(harmed)
    if harm == "tail" or (pack == "tar" and harm in ("cut", "flipped")):  # only padding may be lost
        return_or_refuse("ptb")
        return
    with pytest.raises(ReproError, match=r"simple-examples\.tgz is damaged or another file"):
        data.load("ptb")


def return_or_refuse(name: str) -> None:
    """Padding may be lost without harm; what is read is right, or refused."""
    said = refusal(lambda: data.load(name))
    assert said is None or "is damaged or another file" in said


def test_names_in_a_damaged_zip_file(root, monkeypatch):
    """Cut, without a member, with one that unpacks to far more than names, or not in UTF-8."""
    (root / "names").mkdir()

    def load(content: bytes) -> None:
        (root / "names" / first_names.NAME).write_bytes(content)
        monkeypatch.setattr(first_names, "DIGEST", hashlib.sha256(content).hexdigest())
        data._read.cache_clear()
        data.load("first_names")

    def packed(text: bytes, members: tuple[str, ...] = first_names.MEMBERS) -> bytes:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, text)
        return whole.getvalue()

    load(packed(b"Ada\r\nBob\r\nCarl\r\n"))
    bad = [b"", packed(b"Ada\n")[:60], packed(b"Ada\n", ("other",)), packed(bytes(2 << 20)), packed(b"\xff\n")]
    for content in bad:
        with pytest.raises(ReproError, match=r"names\.zip is damaged or another file"):
            load(content)


def test_a_batch_of_another_content_is_named(monkeypatch):
    """The checksum aside: no arrays, other labels than images, labels that are no class."""
    rows = np.zeros((2, 3072), np.uint8)
    for content in ([], {}, {b"data": rows}, {b"data": rows, b"labels": [1]}, {b"data": rows, b"labels": [1, 10]}):
        packed = pickle.dumps(content, protocol=3)
        monkeypatch.setattr(cifar10, "BATCH_HASHES", {"test_batch": hashlib.sha256(packed).hexdigest()})
        with pytest.raises(ReproError, match="test_batch is damaged or another file"):
            cifar10._batch("test_batch", packed)


def test_molecules_in_a_bomb(monkeypatch):
    """A file of zeros that packs to nothing is refused before it is held."""
    with pytest.raises(ReproError, match="more than 16,777,216 bytes"):
        qm9_3k.parse(lzma.compress(tar({"qm9.csv": bytes(17 << 20)}), preset=0))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4" + bytes(30), b"\x93NUMPY\1\0"])
def test_weights_that_are_none(root, content):
    """A broken file of weights is not silently a network that starts from nothing."""
    (root / "vgg16.npz").write_bytes(content)
    with pytest.raises(ReproError, match=r"vgg16\.npz cannot be read \(.*remove it to start from nothing"):
        vgg16(root)


def test_a_list_is_text_in_any_ending(root):
    """A byte-order mark and CRLF are read over; what is no ASCII is refused."""
    (root / "a.txt").write_bytes(b"\xef\xbb\xbf2007_1\r\n2007_2\r\n")
    assert text_of(root / "a.txt", "VOC 2012").split() == ["2007_1", "2007_2"]
    (root / "a.txt").write_bytes(b"\xff\xfe2\0")
    with pytest.raises(ReproError, match=r"VOC 2012: a\.txt cannot be read"):
        text_of(root / "a.txt", "VOC 2012")


def test_a_map_that_is_a_folder_or_a_loop_is_said(root, monkeypatch):
    """CamVid names the map that is none, and does not count what macOS adds."""
    monkeypatch.setattr(camvid, "COUNTS", {"train": 1, "test": 1})
    for split in ("train", "test"):
        (root / "camvid" / split).mkdir(parents=True)
        (root / "camvid" / f"{split}annot").mkdir()
        (root / "camvid" / split / "a.png").write_bytes(jpeg(kind="PNG"))
        (root / "camvid" / f"{split}annot" / "._a.png").write_bytes(b"\0")
    odd_file(root / "camvid" / "trainannot" / "a.png", "loop")
    with pytest.raises(ReproError, match=r"trainannot/a\.png is missing"):
        camvid.load()


def test_a_place_that_cannot_be_seen_is_said():
    """A name that no system takes is one error, as is a folder of somebody else."""
    with pytest.raises(ReproError, match=r"cannot be looked at \(File name too long\)\. Set REPRO_DATA"):
        is_file(Path("/" + "x" * 5000))


def test_the_hulls_have_an_address_that_lives():
    """The paper's short link is dead: what to do names the folder and the checksum that any copy must have."""
    facts = data.describe("ptrnet")
    assert facts.url.startswith("https://drive.google.com/")
    assert ptrnet.DIGEST in facts.how_to_get
