"""10,000 molecules of QM9 with other properties: binding energy, HOMO and dipole moment by RI-MP2.

They stand in for QM9's own targets where only its geometries are to be had; errors on them must not be set beside
published ones. Looked for in REPRO_DATA and then among the downloads, below `qm9_ppqm10k/`: `qm9_10k_rimp2.tar.xz`,
which is checked against its sha256. It holds `reference.csv`, in atomic units, and the geometries in `xyz/`. What its
table calls an ionization energy is the energy of the highest occupied orbital.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np

from repro.data._dataset import Dataset, Description
from repro.data._molecules import HARTREE, Molecules, archived_texts, geometry, molecules
from repro.data._reading import guarded, is_file
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

FILE = "qm9_10k_rimp2.tar.xz"
DIGEST = "cc8bfc6f125f5a992b4c36195180970c7b2be0dcaa1c752acf2719ad10e85118"
SIZE = 3_432_728  # bytes
TESTS = 1_000
TARGETS = ("binding (eV)", "HOMO (eV)", "mu (atomic units)")


def load() -> Dataset[Molecules]:
    """9,000 molecules to learn from and 1,000 to test on.

    Raises:
        Unavailable: if the file is not on this machine.
        ReproError: if it is damaged or another one.
    """
    path = _path()
    if path is None:
        raise Unavailable("The dataset qm9_ppqm10k is not on this machine", describe().how_to_get)
    with guarded(_damaged):
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != DIGEST:
        raise _damaged(f"its sha256 is {found[:16]}, not {DIGEST[:16]}")
    everything = parse(data)
    order = np.random.default_rng(0).permutation(len(everything))
    train, test = everything.some(order[TESTS:]), everything.some(order[:TESTS])
    note = "other properties than QM9's, so errors are not to be compared with published ones"
    return Dataset(name="qm9_ppqm10k", train=train, test=test, digest=digest(), note=note)


def digest() -> str:
    """A sha256 that stands for the file and for how it is split, without reading it."""
    return hashlib.sha256(repr((DIGEST, TESTS, TARGETS)).encode()).hexdigest()


def available() -> bool:
    """Whether the file is on this machine."""
    return _path() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="10,000 molecules of QM9 with geometry and three properties by RI-MP2",
        url="https://github.com/ppqm/dataset-qm9",
        size_bytes=SIZE,
        licence="CC0 (QM9's geometries); none stated for the properties",
        embedded=False,
        how_to_get=(
            f"Put {FILE}, made of reference.csv and the molecules that molecules_10k_ran lists in "
            "https://github.com/ppqm/dataset-qm9, into a folder qm9_ppqm10k/, and set REPRO_DATA to the folder that "
            "holds that."
        ),
    )


def parse(data: bytes) -> Molecules:
    """The molecules in an archive, in the order of its table.

    Raises:
        ReproError: naming what cannot be read.
    """
    with guarded(_damaged):
        texts = archived_texts(data)
        _, *rows = csv.reader(io.StringIO(texts["reference.csv"]), skipinitialspace=True)
        atoms = [geometry(texts[f"{row[0]}.xyz"], FILE) for row in rows]
        outputs = [[HARTREE * float(row[1]), HARTREE * float(row[2]), float(row[3])] for row in rows]
        return molecules(atoms, outputs, TARGETS)


def _path() -> Path | None:
    paths = (root / "qm9_ppqm10k" / FILE for root in data_dirs())
    return next((path for path in paths if is_file(path)), None)


def _damaged(why: str) -> ReproError:
    return ReproError(f"QM9 by RI-MP2: {FILE} is damaged or another file ({why})", "Delete it and get it again.")
