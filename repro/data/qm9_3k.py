"""Every fortieth molecule of QM9, 3,000 in all, with twelve of its thirteen targets: omega is missing.

Looked for in REPRO_DATA and then among the downloads, below `qm9_3k/`: `qm9_3k.tar.xz`, which is checked against its
sha256. It holds `qm9.csv`, with a line of properties for each molecule in the published units, and the molecules'
geometries as `qm9_xyz/<id>.xyz`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np

from repro.data import qm9
from repro.data._dataset import Dataset, Description
from repro.data._molecules import HARTREE, KCAL, Molecules, archived_texts, geometry, molecules
from repro.data._reading import guarded, is_file
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

FILE = "qm9_3k.tar.xz"
DIGEST = "fe7e1ba897125485739a7bd5157fdbbe34ac56edf7fa5296742fe9c937b6c2e2"
SIZE = 732_044  # bytes
TESTS = 500
TARGETS = qm9.TARGETS[:-1]
COLUMNS = {  # and what a unit of the file is in those of the targets
    "mu": 1.0, "alpha": 1.0, "homo": HARTREE, "lumo": HARTREE, "gap": HARTREE, "r2": 1.0, "zpve": HARTREE,
    "u0_atom": -KCAL, "u298_atom": -KCAL, "h298_atom": -KCAL, "g298_atom": -KCAL, "cv": 1.0,
}  # fmt: skip


def load() -> Dataset[Molecules]:
    """2,500 molecules to learn from and 500 to test on.

    Raises:
        Unavailable: if the file is not on this machine.
        ReproError: if it is damaged or another one.
    """
    path = _path()
    if path is None:
        raise Unavailable("The dataset qm9_3k is not on this machine", describe().how_to_get)
    with guarded(_damaged):
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != DIGEST:
        raise _damaged(f"its sha256 is {found[:16]}, not {DIGEST[:16]}")
    everything = parse(data)
    order = np.random.default_rng(0).permutation(len(everything))
    train, test = everything.some(order[TESTS:]), everything.some(order[:TESTS])
    return Dataset(name="qm9_3k", train=train, test=test, digest=digest(), note="a fortieth of QM9, without omega")


def digest() -> str:
    """A sha256 that stands for the file and for how it is split, without reading it."""
    return hashlib.sha256(repr((DIGEST, TESTS, TARGETS, COLUMNS)).encode()).hexdigest()


def available() -> bool:
    """Whether the file is on this machine."""
    return _path() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="3,000 molecules of QM9 with geometry and twelve properties by DFT (B3LYP)",
        url=qm9.URL,
        size_bytes=SIZE,
        licence="CC0 (QM9)",
        embedded=False,
        how_to_get=(
            f"Put {FILE}, made of data/qm9/ of https://github.com/rangsimanketkaew/ml-qm-book-code, into a folder "
            "qm9_3k/, and set REPRO_DATA to the folder that holds that."
        ),
    )


def parse(data: bytes) -> Molecules:
    """The molecules in an archive, in the order of its table.

    Raises:
        ReproError: naming what cannot be read.
    """
    with guarded(_damaged):
        texts = archived_texts(data)
        rows = list(csv.DictReader(io.StringIO(texts["qm9.csv"])))
        atoms = [geometry(texts[f"{row['mol_id']}.xyz"], FILE) for row in rows]
        outputs = [[scale * float(row[name]) for name, scale in COLUMNS.items()] for row in rows]
        return molecules(atoms, outputs, TARGETS)


def _path() -> Path | None:
    paths = (root / "qm9_3k" / FILE for root in data_dirs())
    return next((path for path in paths if is_file(path)), None)


def _damaged(why: str) -> ReproError:
    return ReproError(f"QM9, every fortieth: {FILE} is damaged or another file ({why})", "Delete it and get it again.")
