"""Convex hulls of five points as the authors of Pointer Networks published them: 10,000 problems to test on.

Looked for in REPRO_DATA and then among the downloads, below `ptrnet/`: as `convex_hull_5_test.txt.gz`, or the same
file unpacked. It is checked against its sha256. Each line is `x1 y1 ... x5 y5 output i1 ... i1`, with places counted
from 1 and the hull closed; here they are counted from 0 and it is not. There is no training split: the authors' recipe,
uniform points, makes as many examples as are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data._dataset import Dataset, Description
from repro.data._published import PublishedFiles
from repro.data._reading import guarded
from repro.errors import ReproError, Unavailable
from repro.task import Sequences

URL = "https://drive.google.com/drive/folders/0B2fg8yPGn2TCMzBtS0o4Q2RJaEU"  # where goo.gl/NDcOIG of the paper led
FILE = "convex_hull_5_test.txt"
DIGEST = "0e5ba4d58c21f035a18c72403ffc1ef0a4525e8b407369bcb5f4b564561df99e"  # of the unpacked file
PACKED_BYTES = 500_073
FILES = PublishedFiles(title="Pointer Networks", folder="ptrnet", forms=("{}.gz", "{}"), largest=8 << 20)


@dataclass(frozen=True, kw_only=True, eq=False)
class PublishedHulls:
    """Points and their hulls.

    Attributes:
        inputs: points [N, L, 2], float32.
        outputs: places [N, M] of the hulls' corners, counted from 0.
    """

    inputs: Sequences
    outputs: Sequences

    def __post_init__(self) -> None:
        if len(self.inputs.lengths) != len(self.outputs.lengths):
            raise ValueError(f"{len(self.inputs.lengths)} inputs but {len(self.outputs.lengths)} outputs")

    def __len__(self) -> int:
        return len(self.inputs.lengths)

    def copied(self) -> PublishedHulls:
        """The same hulls in memory of their own."""
        return PublishedHulls(inputs=_copied(self.inputs), outputs=_copied(self.outputs))

    def same(self, other: PublishedHulls) -> bool:
        """Whether points and hulls are equal."""
        return _same(self.inputs, other.inputs) and _same(self.outputs, other.outputs)


def load() -> Dataset[PublishedHulls]:
    """No hulls to learn from, and 10,000 of five points to test on.

    Raises:
        Unavailable: if the file is not on this machine.
        ReproError: if it is damaged or another one.
    """
    read = FILES.find([FILE])
    if read is None:
        raise Unavailable("The dataset ptrnet is not on this machine", describe().how_to_get)
    data = FILES.checked(FILE, read(FILE), DIGEST, text=True)
    with guarded(lambda why: FILES.damaged(FILE, why)):
        test = parse(data.decode("ascii"))
    return Dataset(name="ptrnet", train=parse(""), test=test, digest=DIGEST, note="test set only")


def digest() -> str:
    """The sha256 of the file, without reading it."""
    return DIGEST


def available() -> bool:
    """Whether the file is on this machine."""
    return FILES.find([FILE]) is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="convex hulls of five points in the unit square, 10,000 for testing",
        url=URL,
        size_bytes=PACKED_BYTES,
        licence="none stated",
        embedded=False,
        how_to_get=(
            f"Download {FILE} by hand from the authors' Google Drive folder ({URL}; the paper's short link is dead) "
            f"or, where that is gone, any copy whose sha256 is {DIGEST}; put it into a folder ptrnet/, packed by gzip "
            "or not, and set REPRO_DATA to the folder that holds that."
        ),
    )


def parse(text: str) -> PublishedHulls:
    """Hulls in the published format.

    Raises:
        ReproError: naming the line, counted from 1, and what is wrong with it.
    """
    rows = [_line(number, line) for number, line in enumerate(text.splitlines(), start=1)]
    points, places = [points for points, _ in rows], [places for _, places in rows]
    return PublishedHulls(inputs=_padded(points, np.float32, (2,)), outputs=_padded(places, np.int64, ()))


def _line(number: int, line: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points [n, 2] and places [M] of one line."""
    before, separator, after = line.partition("output")
    with guarded(lambda why: _wrong(number, why)):
        points, places = np.array(before.split(), np.float32), np.array(after.split(), np.int64)
    if not separator or not len(points) or len(points) % 2:
        raise _wrong(number, f"{len(points)} coordinates {'and' if separator else 'without'} an output")
    if not np.isfinite(points).all():
        raise _wrong(number, "a coordinate is not a number")
    if len(places) < 2 or places[0] != places[-1]:
        raise _wrong(number, "the output does not end where it began")
    if places.min() < 1 or places.max() > len(points) // 2:
        raise _wrong(number, f"places run over {places.min()}..{places.max()}, not 1..{len(points) // 2}")
    return points.reshape(-1, 2), places[:-1] - 1


def _padded(rows: Sequence[NDArray[Any]], kind: type, tail: tuple[int, ...]) -> Sequences:
    lengths = np.array([len(row) for row in rows], np.int64)
    items = np.zeros((len(rows), int(lengths.max(initial=0)), *tail), kind)
    for own, row in zip(items, rows, strict=True):
        own[: len(row)] = row
    return Sequences(items=items, lengths=lengths)


def _copied(rows: Sequences) -> Sequences:
    return Sequences(items=rows.items.copy(), lengths=rows.lengths.copy())


def _same(rows: Sequences, other: Sequences) -> bool:
    return np.array_equal(rows.items, other.items) and np.array_equal(rows.lengths, other.lengths)


def _wrong(number: int, why: str) -> ReproError:
    return ReproError(f"Pointer Networks: line {number} of {FILE} cannot be read: {why}", "Restore the published file.")
