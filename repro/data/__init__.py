"""Datasets by name: every module of this package but the helpers is one, found by its file name.

It has `load()`, `available()` and `describe()`. A module that knows the digest of its data without reading them also
has `digest()`, one whose data can be downloaded `fetch(progress)`, one whose data come with installed packages
`hidden()`, and one whose training images do not fit in memory `shared()`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from repro.data._dataset import Dataset as Dataset
from repro.data._dataset import Description as Description
from repro.data._dataset import Part as Part
from repro.data._dataset import Split as Split
from repro.data._dataset import Text as Text
from repro.errors import ReproError, unknown

Progress = Callable[[int, int], None]
"""Told (bytes so far, bytes in all) while something is downloaded."""


def names() -> list[str]:
    """The datasets there are, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def load(name: str) -> Dataset[Any]:
    """A dataset by name, read once in a process.

    The arrays are copies of the caller's own: no trial can change what the next one sees.

    Raises:
        ReproError: for a name that is not known, or data that is damaged.
        Unavailable: for data that is not on this machine, saying how it is had.
    """
    original = _read(name)
    return replace(original, train=original.train.copied(), test=original.test.copied())


def digest(name: str) -> str:
    """A sha256 in hex that stands for the dataset in cache keys and records; large sets are not read for it."""
    known = getattr(_module(name), "digest", None)
    return _read(name).digest if known is None else known()


def available(name: str) -> bool:
    """Whether the dataset can be loaded here without a download."""
    return _module(name).available()


def complete(name: str) -> bool:
    """Whether the data here are the whole published set; a set that is verified by checksum always is."""
    check = getattr(_module(name), "complete", None)
    return available(name) and (check is None or check())


def hidden() -> tuple[Path, ...]:
    """Files and folders of installed packages that hold test labels of some dataset."""
    return tuple(path for name in names() for path in getattr(_module(name), "hidden", tuple)())


def shared(name: str) -> tuple[Path, ...]:
    """Folders of the dataset's training split that an implementation must see for itself; empty for most."""
    return getattr(_module(name), "shared", tuple)()


def describe(name: str) -> Description:
    """What the dataset is: one line, URL, size, licence."""
    return _module(name).describe()


def how_to_get(name: str) -> str:
    """What to do when the dataset is missing, as a sentence."""
    return describe(name).how_to_get


def fetch(name: str, progress: Progress | None = None) -> Path | None:
    """Download the dataset if it can be and is not here; None where nothing had to be downloaded.

    Raises:
        ReproError: if it cannot be downloaded, or the download failed, with what to do.
    """
    module = _module(name)
    if module.available():
        return None
    if not hasattr(module, "fetch"):
        raise ReproError(f"The dataset {name} cannot be downloaded", how_to_get(name))
    return module.fetch(progress)


@cache
def _read(name: str) -> Dataset[Any]:
    return _module(name).load()


def _module(name: str) -> Any:
    if name not in names():
        raise unknown("dataset", name, names())
    return importlib.import_module(f"repro.data.{name}")
