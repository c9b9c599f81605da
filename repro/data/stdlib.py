"""The source text of Python's standard library by bytes: the larger text of the claims on how loss depends on scale.

All `*.py` files below the standard library's folder, without installed packages, are read in the order of their paths;
files of equal content are kept once. They are permuted by NumPy's legacy generator with seed 0, whose stream never
changes: 90 % of the files are the training split, 5 % its validation text and 5 % the test split. A file ends with a
byte of zero. Tokens are bytes, so the vocabulary is 256.

The text differs from one version of Python to the next, and with the parts of the library that were installed. The
digest says which one was read. It cannot be hidden from what is scored on it: a program in Python cannot run without
its library. So a score on it shows nothing about code that is not trusted.
"""

from __future__ import annotations

import sysconfig
from functools import cache
from pathlib import Path

import numpy as np

from repro.data._dataset import Dataset, Description, Text, text_dataset
from repro.errors import ReproError

VOCABULARY = 256
ELSEWHERE = {"site-packages", "dist-packages", "__pycache__"}
"""Folders that are not of the library itself."""
LEAST = 1_000_000
"""A library of fewer bytes has been stripped of its source."""


def load() -> Dataset[Text]:
    """Tens of millions of bytes to learn from, and about a million each to choose by and to test on.

    Raises:
        ReproError: if this Python came without the source of its library.
    """
    if not available():
        raise ReproError("This Python lacks the source of its standard library", describe().how_to_get)
    files = list(dict.fromkeys(path.read_bytes() for path in _paths()))
    order = np.random.RandomState(0).permutation(len(files))
    parts = np.split(order, [int(0.9 * len(order)), int(0.95 * len(order))])
    texts = (
        np.frombuffer(b"".join(files[place] + b"\0" for place in part), np.uint8).astype(np.int64) for part in parts
    )
    return text_dataset("stdlib", texts, VOCABULARY)


@cache
def available() -> bool:
    """Whether this Python has the source of its library."""
    return sum(path.stat().st_size for path in _paths()) >= LEAST


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="the source text of Python's standard library, by bytes",
        url="https://docs.python.org/3/library/",
        size_bytes=sum(path.stat().st_size for path in _paths()),
        licence="PSF-2.0",
        embedded=True,
        how_to_get="Install Python with the source of its standard library.",
    )


@cache
def _paths() -> tuple[Path, ...]:
    """The library's files that are not empty, by their paths within its folder."""
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in root.rglob("*.py") if not ELSEWHERE & set(path.relative_to(root).parts))
    kept = [path for path in found if path.is_file() and path.stat().st_size]
    return tuple(sorted(kept, key=lambda path: path.relative_to(root).as_posix()))
