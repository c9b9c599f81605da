"""QM9 with the thirteen targets of Gilmer et al. (2017): molecules of up to nine heavy atoms, by DFT.

Looked for in REPRO_DATA and then among the downloads, below `qm9/`: the published archive `dsgdb9nsd.xyz.tar.bz2`,
checked against its published md5, and beside it `uncharacterized.txt`, the list of molecules whose geometry failed its
makers' check, which are left out. Gilmer et al. have 130,462 molecules; they do not say which, nor do they publish
their split, so there are some hundred more here. A file of the archive is

    n
    gdb <id> A B C mu alpha homo lumo gap r2 zpve U0 U H G Cv
    <element> x y z <charge>          n lines, Angstrom and elementary charges
    <frequencies, cm^-1>
    <SMILES> <SMILES>
    <InChI> <InChI>

with energies in Hartree. Energies of formation from atoms are positive where a molecule is bound: the sum of its atoms'
energies, which the makers publish as `atomref.txt`, less its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.data._dataset import Dataset, Description
from repro.data._molecules import HARTREE, LARGEST, Molecules, atom, molecules, number
from repro.data._reading import SAYS, archive, at_most, guarded, is_file, regular
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs

TITLE = "QM9"
URL = "https://figshare.com/collections/978904"
ARCHIVE, LEFT_OUT = "dsgdb9nsd.xyz.tar.bz2", "uncharacterized.txt"
MD5 = "ad1ebd51ee7f5b3a6e32e974e5d54012"  # of the archive
SIZE = 86_144_227  # bytes
COUNT, BAD = 133_885, 3_054  # molecules in the archive, and in the list of those left out
HELD = 10_000  # to test on, and as many that Gilmer et al. stop by, which are in no split here

TARGETS = (
    "mu (D)", "alpha (Bohr^3)", "HOMO (eV)", "LUMO (eV)", "gap (eV)", "R2 (Bohr^2)", "ZPVE (eV)", "U0 (eV)", "U (eV)",
    "H (eV)", "G (eV)", "Cv (cal/(mol K))", "Omega (cm^-1)",
)  # fmt: skip
ATOMS = {  # Hartree: at 0 K, at 298.15 K, enthalpy and free energy there
    1: (-0.500273, -0.498857, -0.497912, -0.510927),
    6: (-37.846772, -37.845355, -37.844411, -37.861317),
    7: (-54.583861, -54.582445, -54.581501, -54.598897),
    8: (-75.064579, -75.063163, -75.062219, -75.079532),
    9: (-99.718730, -99.717314, -99.716370, -99.733544),
}


def load() -> Dataset[Molecules]:
    """All molecules but those left out, 10,000 of them to test on and 10,000 in no split.

    Raises:
        Unavailable: if a file is not on this machine.
        ReproError: if one is damaged or another one.
    """
    folder = _folder()
    if folder is None:
        raise Unavailable("The dataset qm9 is not on this machine", describe().how_to_get)
    with guarded(lambda why: _damaged(ARCHIVE, why)), (folder / ARCHIVE).open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != MD5:
        raise _damaged(ARCHIVE, f"its md5 is {found[:16]}, not {MD5[:16]}")
    with guarded(lambda why: _damaged(LEFT_OUT, why)):
        bad = left_out((folder / LEFT_OUT).read_text(encoding="ascii", errors="replace"))
    with guarded(lambda why: _damaged(ARCHIVE, why)):
        kept = [parse(text) for name, text in _members(folder / ARCHIVE) if _id(name) not in bad]
    everything = molecules([atoms for atoms, _ in kept], [values for _, values in kept], TARGETS)
    order = np.random.default_rng(0).permutation(len(everything))
    train, test = everything.some(order[2 * HELD :]), everything.some(order[:HELD])
    note = f"{len(everything):,} molecules; the split is not the paper's, which is unpublished"
    return Dataset(name="qm9", train=train, test=test, digest=digest(), note=note)


def digest() -> str:
    """A sha256 that stands for the files that were asked for and for how they are read, without reading them."""
    return hashlib.sha256(repr((MD5, COUNT, BAD, HELD, TARGETS, ATOMS)).encode()).hexdigest()


def available() -> bool:
    """Whether both files are on this machine."""
    return _folder() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="134,000 molecules with geometry and thirteen properties by DFT (B3LYP)",
        url=URL,
        size_bytes=SIZE,
        licence="CC0",
        embedded=False,
        how_to_get=(
            f"Download {ARCHIVE} and {LEFT_OUT} by hand from {URL} into a folder qm9/, and set REPRO_DATA to the "
            "folder that holds that."
        ),
    )


def parse(text: str) -> tuple[NDArray[np.float64], list[float]]:
    """Atoms [n, 4] and the thirteen targets of one file.

    Raises:
        ReproError: naming the molecule and what is wrong with it.
    """
    lines = text.splitlines()
    name = " ".join(lines[1].split()[:2])[:SAYS] if len(lines) > 1 else "a file"
    with guarded(lambda why: _damaged(name, why)):
        count = int(lines[0])
        values = [number(field) for field in lines[1].split()[2:]]
        atoms = np.array([atom(name, field[0], field[1:4]) for field in (s.split() for s in lines[2 : 2 + count])])
        frequencies = [number(field) for field in lines[2 + count].split()]
    if len(values) != 15 or len(atoms) != count or not frequencies or not np.isfinite([*values, *frequencies]).all():
        raise _damaged(name, f"{len(values)} properties, {len(atoms)} of {count} atoms, {len(frequencies)} frequencies")
    mu, alpha, homo, lumo, gap, r2, zpve, *energies, cv = values[3:]
    apart = np.sum([ATOMS[int(kind)] for kind in atoms[:, 0]], axis=0)
    electronic = [HARTREE * value for value in (homo, lumo, gap)]
    formed = [*(HARTREE * (apart - energies))]
    return atoms, [mu, alpha, *electronic, r2, HARTREE * zpve, *formed, cv, max(frequencies)]


def left_out(text: str) -> frozenset[int]:
    """The ids in the published list, whose lines of interest begin with a number.

    Raises:
        ReproError: if they are not as many as published.
    """
    firsts = [line.split()[0] for line in text.splitlines() if line.strip()]
    found = frozenset(int(first) for first in firsts if first.isdigit())
    if len(found) != BAD:
        raise _damaged(LEFT_OUT, f"it has {len(found)} ids, not {BAD}")
    return found


def _members(path: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every file in the archive, in its order; nothing is unpacked to the disk."""
    count = 0
    with archive(path) as members:
        for member in members:
            file = regular(members, member) if member.name.endswith(".xyz") else None
            if file is not None and not Path(member.name).name.startswith("._"):
                count += 1
                yield member.name, at_most(file, LARGEST).decode("ascii")
    if count != COUNT:
        raise _damaged(path.name, f"it has {count} molecules, not {COUNT}")


def _id(name: str) -> int:
    """The number in dsgdb9nsd_000001.xyz."""
    return int(Path(name).stem.rpartition("_")[2])


def _folder() -> Path | None:
    folders = (root / "qm9" for root in data_dirs())
    return next((one for one in folders if all(is_file(one / name) for name in (ARCHIVE, LEFT_OUT))), None)


def _damaged(name: str, why: str) -> ReproError:
    return ReproError(f"{TITLE}: {name} is damaged or another file ({why})", "Delete it and get it again.")
