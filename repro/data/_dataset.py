"""What a dataset is: two disjoint splits, of images or of text, and a digest that stands for both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray


class Part(Protocol):
    """What a split of any kind offers."""

    def __len__(self) -> int:
        """How many items it has."""
        ...

    def copied(self) -> Self:
        """The same split in memory of its own."""
        ...

    def same(self, other: Any) -> bool:
        """Whether another split of its kind has the same content."""
        ...


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

    def copied(self) -> Split:
        """The same images and labels in memory of their own; paths stay."""
        images = self.images.copy() if isinstance(self.images, np.ndarray) else self.images
        return replace(self, images=images, labels=self.labels.copy())

    def same(self, other: Split) -> bool:
        """Whether labels, and images in memory, are equal."""
        in_memory = isinstance(self.images, np.ndarray)
        return np.array_equal(self.labels, other.labels) and (
            not in_memory or np.array_equal(self.images, np.asarray(other.images))
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Text:
    """A text as a sequence of tokens, as `repro.task.Corpus` asks for it.

    Attributes:
        tokens: [T] in 0..vocabulary-1.
        validation: a text to choose by, [T'] in the same numbers; empty in a test split.
        vocabulary: number of different tokens.
    """

    tokens: NDArray[np.int64]
    validation: NDArray[np.int64]
    vocabulary: int

    def __post_init__(self) -> None:
        for tokens in (self.tokens, self.validation):
            if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.vocabulary:
                raise ValueError(f"tokens run over {tokens.min()}..{tokens.max()}, not 0..{self.vocabulary - 1}")

    def __len__(self) -> int:
        return len(self.tokens)

    def copied(self) -> Text:
        """The same text in memory of its own."""
        return replace(self, tokens=self.tokens.copy(), validation=self.validation.copy())

    def same(self, other: Text) -> bool:
        """Whether both texts are equal."""
        return np.array_equal(self.tokens, other.tokens) and np.array_equal(self.validation, other.validation)


PartT = TypeVar("PartT", bound=Part)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset(Generic[PartT]):
    """A dataset with its two disjoint splits.

    Attributes:
        name: what claims call it by.
        digest: sha256 in hex that changes whenever the content of a split can.
        note: what a reader should know about this copy, such as how many classes it has.
    """

    name: str
    train: PartT
    test: PartT
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


def text_digest(*splits: Text) -> str:
    """The sha256, in hex, of texts (as int64) and the size of their vocabulary."""
    total = hashlib.sha256()
    for split in splits:
        total.update(repr((len(split.tokens), len(split.validation), split.vocabulary)).encode())
        for tokens in (split.tokens, split.validation):
            total.update(np.ascontiguousarray(tokens, dtype="<i8").data)
    return total.hexdigest()


def text_dataset(name: str, texts: Iterable[NDArray[np.int64]], vocabulary: int, digest: str = "") -> Dataset[Text]:
    """A dataset of texts to learn from, to choose by and to test on, [T] each; by default its digest is of them."""
    train, validation, test = texts
    own = Text(tokens=train, validation=validation, vocabulary=vocabulary)
    other = Text(tokens=test, validation=np.empty(0, np.int64), vocabulary=vocabulary)
    return Dataset(name=name, train=own, test=other, digest=digest or text_digest(own, other))
