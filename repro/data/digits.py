"""Handwritten digits, 8x8, bundled with scikit-learn: the data of the claims that run anywhere.

The 1,797 images of the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, UCI, 1998).
Grey levels 0..16 become bytes by round(x * 255 / 16), half to even, so that x = round(byte * 16 / 255) again.
The images are permuted by NumPy's legacy generator with seed 0, whose stream never changes; the first 1,400 are
the training split and the other 397 the test split.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from repro.data._dataset import Dataset, Description, Split, arrays_digest
from repro.errors import ReproError

TRAIN = 1400
DIGEST = "905326c1b1448ee0cf7bc2d17076065708a667f04296fbec72255894ed895f98"


def load() -> Dataset[Split]:
    """1,400 training and 397 test images [N, 8, 8, 1] of ten classes.

    Raises:
        ReproError: if the installed scikit-learn bundles other data.
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()  # images [1797, 8, 8] in 0..16
    images = np.rint(bunch["images"] * 255 / 16).astype(np.uint8)[..., None]
    labels = np.asarray(bunch["target"], dtype=np.int64)
    order = np.random.RandomState(0).permutation(len(labels))
    parts = np.split(order, [TRAIN])
    train, test = (Split(images=images[part], labels=labels[part], classes=10) for part in parts)
    found = arrays_digest(train, test)
    if found != DIGEST:
        raise ReproError(
            f"scikit-learn's digits have digest {found[:12]}, not {DIGEST[:12]}", "Reinstall scikit-learn."
        )
    return Dataset(name="digits", train=train, test=test, digest=DIGEST)


def digest() -> str:
    """Known beforehand: `load` refuses other data."""
    return DIGEST


def available() -> bool:
    """Whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None


def hidden() -> tuple[Path, ...]:
    """Where the bundled images and labels lie: not to be seen by what is scored on them."""
    found = importlib.util.find_spec("sklearn")
    folders = found.submodule_search_locations if found else None
    return tuple(Path(folder) / "datasets" / "data" for folder in folders or ())


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="handwritten digits, 8x8 grey, 1,400 for training and 397 for testing",
        url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        size_bytes=57523,
        licence="CC BY 4.0",
        embedded=True,
        how_to_get="Install scikit-learn.",
    )
