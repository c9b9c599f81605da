"""What a dataset is: a training and a test split, and a digest that stands for both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Labelled images, as `repro.task.Images` asks for them.

    Attributes:
        images: [N, H, W, C] in 0..255, or N file paths for a set that does not fit in memory.
        labels: class of each image, [N], in 0..classes-1.
        classes: number of classes.
    """

    images: NDArray[np.uint8] | Sequence[str]
    labels: NDArray[np.int64]
    classes: int

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(f"{len(self.images)} images but {len(self.labels)} labels")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            raise ValueError(f"labels run over {self.labels.min()}..{self.labels.max()}, not 0..{self.classes - 1}")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A dataset with its two disjoint splits.

    Attributes:
        name: what claims call it by.
        digest: sha256 in hex that changes whenever the content of a split can.
        note: what a reader should know about this copy, such as how many classes it has.
    """

    name: str
    train: Split
    test: Split
    digest: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a dataset is and how it is had.

    Attributes:
        says: what it holds, in one line.
        url: where its makers publish it.
        size_bytes: size of what is downloaded, or of what is bundled.
        licence: licence or terms of use.
        embedded: whether it comes with the installed packages, so that nothing is downloaded.
        how_to_get: what to do when it is missing; empty when it cannot be.
    """

    says: str
    url: str
    size_bytes: int
    licence: str
    embedded: bool
    how_to_get: str


def arrays_digest(*splits: Split) -> str:
    """The sha256, in hex, of the images (row-major bytes) and labels (as int64) of splits held in memory."""
    total = hashlib.sha256()
    for split in splits:
        images = np.ascontiguousarray(split.images)
        total.update(repr((images.dtype.str, images.shape)).encode())
        total.update(images.data)
        total.update(np.ascontiguousarray(split.labels, dtype="<i8").data)
    return total.hexdigest()
