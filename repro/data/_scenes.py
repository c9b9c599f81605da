"""Scenes: photographs, or none, with a label for every place, read from image files."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data._reading import guarded, is_file
from repro.errors import ReproError

WEIGHTS_BYTES = 2 << 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenes:
    """A split of labelled scenes.

    Attributes:
        images: RGB bytes [N, H, W, 3]; where there are no photographs, the label maps [N, H, W].
        maps: a class for every place, [N, H, W]; from `classes` on a place has no label.
        classes: how many there are.
        start: weights of VGG-16 by canonical names, for networks that start from them; empty where there are none.
    """

    images: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    classes: int
    start: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.maps)

    def copied(self) -> Scenes:
        """The same scenes in memory of their own."""
        return replace(self, images=self.images.copy(), maps=self.maps.copy())

    def same(self, other: Any) -> bool:
        """Whether another split has the same scenes."""
        return np.array_equal(self.images, other.images) and np.array_equal(self.maps, other.maps)


def framed(images: Sequence[NDArray[np.uint8]], size: tuple[int, int], fill: int) -> NDArray[np.uint8]:
    """Images [H, W, ...] of several sizes as [N, *size, ...], with `fill` beside and below the smaller ones.

    Raises:
        ReproError: if one is larger.
    """
    found = np.full((len(images), *size, *images[0].shape[2:]), fill, np.uint8)
    for place, image in zip(found, images, strict=True):
        if image.shape[0] > size[0] or image.shape[1] > size[1]:
            raise ReproError(f"An image of {image.shape[0]}x{image.shape[1]} does not fit into {size[0]}x{size[1]}")
        place[: image.shape[0], : image.shape[1]] = image
    return found


def files_digest(*parts: Any) -> str:
    """A sha256 that stands for files by their names and sizes, and for how they are read, without reading them."""
    total = hashlib.sha256()
    for part in parts:
        known = (part.name, part.stat().st_size) if isinstance(part, Path) else part
        total.update(repr(known).encode())
    return total.hexdigest()


def vgg16(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Weights of VGG-16 from a folder's `vgg16.npz`: k1, b1 to k15, b15, the 14th as 7x7 filters; none without it.

    Raises:
        ReproError: if it is damaged or far larger than such weights are.
    """
    path = folder / "vgg16.npz"
    if not is_file(path):
        return {}
    remedy = "Get the file again, or remove it to start from nothing."
    with guarded(lambda why: ReproError(f"{path.name} cannot be read ({why})", remedy)):
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no file of arrays")
        with zipfile.ZipFile(path) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > WEIGHTS_BYTES:
            raise ValueError(f"{size:,} bytes, where VGG-16 has less than {WEIGHTS_BYTES:,}")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}
