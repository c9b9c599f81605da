"""ImageNet (ILSVRC 2012) as a folder of JPEG files: `imagenet/{train,val}/<wnid>/*.JPEG` below REPRO_DATA.

It may not be passed on, so it is never downloaded. Images are given as paths, to be decoded where they are used.
Classes are the sorted names of the folders (WordNet ids), as everybody numbers them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from repro.data._dataset import Dataset, Description, Split
from repro.data._reading import guarded, is_dir
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

FULL = (1000, 1_281_167, 50_000)  # classes, training and validation images


def load() -> Dataset[Split]:
    """Paths and labels of the training split, and of the validation split as the test split.

    Raises:
        Unavailable: if the folder is not on this machine.
        ReproError: if the two splits do not have the same classes, or one has no images, or one cannot be
            listed, such as a link that leads nowhere.
    """
    root = _present_root()
    listing = _listing(root)
    classes = {split: sorted({path.split("/")[1] for path, _ in files}) for split, files in listing.items()}
    if not classes["train"] or classes["train"] != classes["val"]:
        raise ReproError(
            f"imagenet has {len(classes['train'])} classes in train/ and {len(classes['val'])} in val/, not the same",
            "Each needs a folder for each WordNet id with .JPEG files in it.",
        )
    train, test = (_split(root, listing[split], classes["train"]) for split in ("train", "val"))
    size = (train.classes, len(train), len(test))
    note = "" if size == FULL else f"not the full set: {size[0]} classes, {size[1]} training and {size[2]} test images"
    return Dataset(name="imagenet", train=train, test=test, digest=digest(), note=note)


def digest() -> str:
    """The sha256 of the sorted listing with each file's size; the images themselves are not read.

    Raises:
        Unavailable: if the folder is not on this machine.
    """
    total = hashlib.sha256()
    for files in _listing(_present_root()).values():
        for path, size in files:
            total.update(f"{path} {size}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def shared() -> tuple[Path, ...]:
    """The folder of training images, which an implementation reads for itself."""
    root = _root()
    return () if root is None else (root / "train",)


def available() -> bool:
    """Whether both splits are on this machine."""
    return _root() is not None


def complete() -> bool:
    """Whether the folder has as many classes and images as the published set."""
    root = _root()
    if root is None:
        return False
    listing = _listing(root)
    classes = {path.split("/")[1] for path, _ in listing["train"]}
    return (len(classes), len(listing["train"]), len(listing["val"])) == FULL


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="photographs of 1,000 classes, 1,281,167 for training and 50,000 for validation, used as the test",
        url="https://www.image-net.org/challenges/LSVRC/2012/",
        size_bytes=155_000_000_000,
        licence="non-commercial research and education; access on request",
        embedded=False,
        how_to_get=(
            "Ask for access at image-net.org, unpack it as imagenet/train/<wnid>/*.JPEG and "
            "imagenet/val/<wnid>/*.JPEG, and set REPRO_DATA to the folder above imagenet/."
        ),
    )


def _root() -> Path | None:
    folders = (root / "imagenet" for root in data_dirs())
    return next((f for f in folders if is_dir(f / "train") and is_dir(f / "val")), None)


def _present_root() -> Path:
    root = _root()
    if root is None:
        raise Unavailable("The dataset imagenet is not on this machine", describe().how_to_get)
    return root


@lru_cache(maxsize=4)
def _listing(root: Path) -> dict[str, list[tuple[str, int]]]:
    """Per split, every image's path below `root` and its size, sorted; listed once in a process."""
    return {split: sorted(_images(root, split)) for split in ("train", "val")}


def _images(root: Path, split: str) -> Iterator[tuple[str, int]]:
    for name, status in _entries(root, split):
        if stat.S_ISDIR(status.st_mode):
            for file, found in _entries(root, f"{split}/{name}", (".JPEG", ".JPG")):
                if not stat.S_ISREG(found.st_mode):
                    raise _unreadable(f"{split}/{name}/{file}", "it is no file")
                yield f"{split}/{name}/{file}", found.st_size


def _entries(root: Path, folder: str, suffixes: tuple[str, ...] = ("",)) -> Iterator[tuple[str, os.stat_result]]:
    """Names in a folder that end so, and what lies there; macOS keeps attributes in files named "._"."""
    with guarded(lambda why: _unreadable(folder, why)), os.scandir(root / folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.name.upper().endswith(suffixes) and not entry.name.startswith("._"):
            what = "a link that leads nowhere: " if entry.is_symlink() else ""
            with guarded(lambda why, what=what, name=entry.name: _unreadable(f"{folder}/{name}", what + why)):
                status = entry.stat()
            yield entry.name, status


def _unreadable(what: str, why: str) -> ReproError:
    shown = what.encode(errors="replace").decode()
    return ReproError(f"imagenet: {shown} cannot be read ({why})", "Remove it or restore it from the archive.")


def _split(root: Path, files: list[tuple[str, int]], classes: list[str]) -> Split:
    index = {wnid: number for number, wnid in enumerate(classes)}
    labels = np.fromiter((index[path.split("/")[1]] for path, _ in files), dtype=np.int64, count=len(files))
    return Split(images=[f"{root}/{path}" for path, _ in files], labels=labels, classes=len(classes))
