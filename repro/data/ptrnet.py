"""Convex hulls of five points as the authors of Pointer Networks published them: 10,000 problems to test on.

Looked for in REPRO_DATA and then among the downloads, below `ptrnet/`: as `convex_hull_5_test.txt.gz`, or the same
file unpacked. It is checked against its sha256. Each line is `x1 y1 ... x5 y5 output i1 ... i1`, with places counted
from 1 and the hull closed; here they are counted from 0 and it is not. There is no training split: the authors' recipe,
uniform points, makes as many examples as are wanted.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data.dataset import Dataset, Description
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

URL = "http://goo.gl/NDcOIG"
FILE = "convex_hull_5_test.txt"
DIGEST = "0e5ba4d58c21f035a18c72403ffc1ef0a4525e8b407369bcb5f4b564561df99e"  # of the unpacked file
PACKED_BYTES = 500_073
LARGEST = 8 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Sequences of different lengths, padded at their ends; `repro.task.Sequences` in what lies below the contract.

    Attributes:
        items: [N, L] or [N, L, D].
        lengths: items of each sequence that count, [N].
    """

    items: NDArray[Any]
    lengths: NDArray[np.int64]

    def copied(self) -> Rows:
        """The same sequences in memory of their own."""
        return Rows(items=self.items.copy(), lengths=self.lengths.copy())

    def same(self, other: Rows) -> bool:
        """Whether items and lengths are equal."""
        return np.array_equal(self.items, other.items) and np.array_equal(self.lengths, other.lengths)


@dataclass(frozen=True, kw_only=True, eq=False)
class Problems:
    """Inputs and the answers that belong to them.

    Attributes:
        inputs: points [N, L, 2], float32.
        outputs: places [N, M], counted from 0.
    """

    inputs: Rows
    outputs: Rows

    def __post_init__(self) -> None:
        if len(self.inputs.lengths) != len(self.outputs.lengths):
            raise ValueError(f"{len(self.inputs.lengths)} inputs but {len(self.outputs.lengths)} outputs")

    def __len__(self) -> int:
        return len(self.inputs.lengths)

    def copied(self) -> Problems:
        """The same problems in memory of their own."""
        return Problems(inputs=self.inputs.copied(), outputs=self.outputs.copied())

    def same(self, other: Problems) -> bool:
        """Whether points and answers are equal."""
        return self.inputs.same(other.inputs) and self.outputs.same(other.outputs)


def load() -> Dataset[Problems]:
    """No training problems and 10,000 test problems of five points.

    Raises:
        Unavailable: if the file is not on this machine.
        ReproError: if it is damaged or another one.
    """
    path = _path()
    if path is None:
        raise Unavailable("The dataset ptrnet is not on this machine", describe().how_to_get)
    data = _read(path)
    found = hashlib.sha256(data).hexdigest()
    if found != DIGEST:
        raise _damaged(path.name, f"its sha256 is {found[:16]}, not {DIGEST[:16]}")
    test = parse(data.decode("ascii"))
    none = [Rows(items=rows.items[:0], lengths=rows.lengths[:0]) for rows in (test.inputs, test.outputs)]
    return Dataset(
        name="ptrnet", train=Problems(inputs=none[0], outputs=none[1]), test=test, digest=DIGEST, note="test set only"
    )


def digest() -> str:
    """The sha256 of the file, without reading it."""
    return DIGEST


def available() -> bool:
    """Whether the file is on this machine."""
    return _path() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="convex hulls of five points in the unit square, 10,000 for testing",
        url=URL,
        size_bytes=PACKED_BYTES,
        licence="none stated",
        embedded=False,
        how_to_get=(
            f"Download {FILE} by hand from the authors' Google Drive folder ({URL}), put it into a folder ptrnet/, "
            "packed by gzip or not, and set REPRO_DATA to the folder that holds that."
        ),
    )


def parse(text: str) -> Problems:
    """Problems in the published format.

    Raises:
        ReproError: naming the line, counted from 1, and what is wrong with it.
    """
    rows = [_line(number, line) for number, line in enumerate(text.splitlines(), start=1)]
    points, places = [points for points, _ in rows], [places for _, places in rows]
    return Problems(inputs=_padded(points, np.float32, (2,)), outputs=_padded(places, np.int64, ()))


def _line(number: int, line: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points [n, 2] and places [M] of one line."""
    before, separator, after = line.partition("output")
    try:
        points, places = np.array(before.split(), np.float32), np.array(after.split(), np.int64)
    except ValueError as error:
        raise _wrong(number, str(error)) from error
    if not separator or not len(points) or len(points) % 2:
        raise _wrong(number, f"{len(points)} coordinates {'and' if separator else 'without'} an output")
    if not np.isfinite(points).all():
        raise _wrong(number, "a coordinate is not a number")
    if len(places) < 2 or places[0] != places[-1]:
        raise _wrong(number, "the output does not end where it began")
    if places.min() < 1 or places.max() > len(points) // 2:
        raise _wrong(number, f"places run over {places.min()}..{places.max()}, not 1..{len(points) // 2}")
    return points.reshape(-1, 2), places[:-1] - 1


def _padded(rows: Sequence[NDArray[Any]], kind: type, tail: tuple[int, ...]) -> Rows:
    lengths = np.array([len(row) for row in rows], np.int64)
    items = np.zeros((len(rows), int(lengths.max(initial=0)), *tail), kind)
    for own, row in zip(items, rows, strict=True):
        own[: len(row)] = row
    return Rows(items=items, lengths=lengths)


def _path() -> Path | None:
    """The first copy there is, or None."""
    names = (f"{FILE}.gz", FILE)
    return next((p for root in data_dirs() for p in (root / "ptrnet" / name for name in names) if p.is_file()), None)


def _read(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file.read(LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path.name, str(error)) from error


def _wrong(number: int, why: str) -> ReproError:
    return ReproError(f"Pointer Networks: line {number} of {FILE} cannot be read: {why}", "Restore the published file.")


def _damaged(name: str, why: str) -> ReproError:
    return ReproError(f"Pointer Networks: {name} is damaged or another file ({why})", "Delete it and get it again.")
