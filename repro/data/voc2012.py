"""Pascal VOC 2012, segmentation: photographs whose places have one of 20 classes or are background.

Looked for in REPRO_DATA and then among the downloads, in the published layout:

    VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val}.txt     names, one a line
    VOCdevkit/VOC2012/JPEGImages/<name>.jpg                      photographs of at most 500x500
    VOCdevkit/VOC2012/SegmentationClass/<name>.png               palette: 0 background, 1..20, 255 no label

and beside them `vgg16.npz`, weights to start from. Images of 512x512, black and unlabelled beyond the photograph.
"""

from __future__ import annotations

import re
from pathlib import Path

from repro.data._dataset import Dataset, Description
from repro.data._reading import image, is_file, text_of
from repro.data._scenes import Scenes, files_digest, framed, vgg16
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

CLASSES, SIZE = 21, (512, 512)
COUNTS = {"train": 1464, "val": 1449}


def load() -> Dataset[Scenes]:
    """1,464 scenes to learn from and 1,449, the validation split, to test on.

    Raises:
        Unavailable: if the folder is not on this machine.
        ReproError: if a list is not the published one, or an image is missing.
    """
    root = _present()
    start = vgg16(root)
    parts = {name: _read(root, name) for name in COUNTS}
    train, test = (Scenes(images=one[0], maps=one[1], classes=CLASSES, start=start) for one in parts.values())
    return Dataset(name="voc2012", train=train, test=test, digest=digest(), note="tested on its validation split")


def digest() -> str:
    """A sha256 that stands for names and sizes of the files and for how they are read."""
    root = _present()
    files = [path for name in COUNTS for one in _names(root, name) for path in _files(root, one)]
    weights = [root / "vgg16.npz"] if is_file(root / "vgg16.npz") else []
    return files_digest(CLASSES, SIZE, *files, *weights)


def available() -> bool:
    """Whether the folder is on this machine."""
    return _root() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="photographs with 21 classes of places, 1,464 for training and 1,449 for validation, used as the test",
        url="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        size_bytes=2_000_000_000,
        licence="Flickr's terms of use",
        embedded=False,
        how_to_get=(
            "Download VOCtrainval_11-May-2012.tar by hand, unpack it, put vgg16.npz into VOCdevkit/VOC2012, and set "
            "REPRO_DATA to the folder above VOCdevkit/."
        ),
    )


def _root() -> Path | None:
    folders = (root / "VOCdevkit" / "VOC2012" for root in data_dirs())
    return next((one for one in folders if all(is_file(_list(one, name)) for name in COUNTS)), None)


def _present() -> Path:
    root = _root()
    if root is None:
        raise Unavailable("The dataset voc2012 is not on this machine", describe().how_to_get)
    return root


def _list(root: Path, name: str) -> Path:
    return root / "ImageSets" / "Segmentation" / f"{name}.txt"


def _names(root: Path, name: str) -> list[str]:
    found = text_of(_list(root, name), "VOC 2012").split()
    if odd := next((one for one in found if not re.fullmatch(r"\w{1,40}", one)), None):
        raise ReproError(f"VOC 2012: {name}.txt names {odd[:40]!r}, which is no image of it", "Get it again.")
    if len(found) != COUNTS[name]:
        raise ReproError(f"VOC 2012: {name}.txt has {len(found)} names, not {COUNTS[name]}", "Get it again.")
    return found


def _files(root: Path, one: str) -> tuple[Path, Path]:
    found = root / "JPEGImages" / f"{one}.jpg", root / "SegmentationClass" / f"{one}.png"
    if missing := [path.name for path in found if not is_file(path)]:
        raise ReproError(f"VOC 2012: {missing[0]} is missing", "Unpack the archive again.")
    return found


def _read(root: Path, name: str) -> tuple:
    photographs, labels = zip(*(_files(root, one) for one in _names(root, name)), strict=True)
    images = framed([image(path, path.name, "RGB") for path in photographs], SIZE, 0)
    return images, framed([image(path, path.name, "") for path in labels], SIZE, 255)
