"""CamVid: frames of a drive through Cambridge whose places have one of eleven classes, or none.

Looked for in REPRO_DATA and then among the downloads, as `camvid/`, in the layout in which Badrinarayanan et al. (2017)
share the split of Sturgess et al. (2009):

    camvid/{train,val,test}/<name>.png           frames of one size; Yu & Koltun (2016) have 640x480
    camvid/{train,val,test}annot/<name>.png      classes 0..10; 11 is no label

and beside them `vgg16.npz`, weights to start from. Frames to validate on are in no split here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data._dataset import Dataset, Description
from repro.data._reading import image, is_dir, is_file
from repro.data._scenes import Scenes, files_digest, vgg16
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

CLASSES = 11
COUNTS = {"train": 367, "test": 233}


def load() -> Dataset[Scenes]:
    """367 frames to learn from and 233 to test on.

    Raises:
        Unavailable: if the folder is not on this machine.
        ReproError: if frames are missing, or are not of one size.
    """
    root, parts = _present(), list[Scenes]()
    for name in COUNTS:
        frames = [image(path, path.name, "RGB") for path, _ in _files(root, name)]
        labels = [image(path, path.name, "") for _, path in _files(root, name)]
        if len({one.shape[:2] for one in (*frames, *labels)}) != 1:
            raise ReproError(f"CamVid: the images of {name} are not of one size", "Scale frames and labels alike.")
        parts.append(Scenes(images=np.stack(frames), maps=np.stack(labels), classes=CLASSES, start=vgg16(root)))
    return Dataset(name="camvid", train=parts[0], test=parts[1], digest=digest())


def digest() -> str:
    """A sha256 that stands for names and sizes of the files."""
    root = _present()
    files = [path for name in COUNTS for pair in _files(root, name) for path in pair]
    weights = [root / "vgg16.npz"] if is_file(root / "vgg16.npz") else []
    return files_digest(CLASSES, *files, *weights)


def available() -> bool:
    """Whether the folder is on this machine."""
    return _root() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="frames of a drive with eleven classes of places, 367 for training and 233 for testing",
        url="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        size_bytes=1_200_000_000,
        licence="research and education",
        embedded=False,
        how_to_get=(
            "Lay frames and labels out as camvid/{train,test}/*.png and camvid/{train,test}annot/*.png, put vgg16.npz "
            "into camvid/, and set REPRO_DATA to the folder above it."
        ),
    )


def _root() -> Path | None:
    folders = (root / "camvid" for root in data_dirs())
    return next((one for one in folders if all(is_dir(one / f"{name}annot") for name in COUNTS)), None)


def _present() -> Path:
    root = _root()
    if root is None:
        raise Unavailable("The dataset camvid is not on this machine", describe().how_to_get)
    return root


def _files(root: Path, name: str) -> list[tuple[Path, Path]]:
    labels = sorted(p for p in (root / f"{name}annot").glob("*.png") if not p.name.startswith("._"))  # AppleDouble
    found = [(root / name / path.name, path) for path in labels]
    if len(found) != COUNTS[name]:
        raise ReproError(f"CamVid: {name}annot has {len(found)} maps, not {COUNTS[name]}", "Get them again.")
    if missing := [path for pair in found for path in pair if not is_file(path)]:
        where = missing[0].relative_to(root).as_posix()
        raise ReproError(f"CamVid: {where} is missing", "Get it again.")
    return found
