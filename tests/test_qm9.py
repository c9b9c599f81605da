"""QM9: the published format, its thirteen targets and atom energies, and what stands in for it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from repro import data
from repro.data import _molecules, qm9, qm9_3k, qm9_ppqm10k
from repro.errors import ReproError, Unavailable

PROPERTIES = "157.7118 157.70997 157.70699 0. 13.21 -0.3877 0.1171 0.5048 35.3641 0.044749 -40.47893 -40.476062 "
PROPERTIES += "-40.475117 -40.498597 6.469"
METHANE = """5
gdb 1\tPROPERTIES\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 1.9761204*^-3\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 0.9063972942\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
""".replace("PROPERTIES", PROPERTIES.replace(" ", "\t"))
HYDROGEN = "2\ngdb 7\t" + "\t".join(["1."] * 15) + "\nH\t0\t0\t0\t0\nH\t0\t0\t0.74\t0\n4400.5\n[HH]\t[HH]\nx\tx\n"
REAL = Path(os.environ.get("REPRO_DATA", ""))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where an archive of eight files in the published format lies, two of them in the list of those left out."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    data._read.cache_clear()
    place = tmp_path / "data" / "qm9"
    place.mkdir(parents=True)
    with tarfile.open(place / qm9.ARCHIVE, "w:bz2") as archive:
        for number in range(1, 9):
            text = (METHANE if number % 2 else HYDROGEN).replace("0.74", f"0.7{number}").encode()
            member = tarfile.TarInfo(f"dsgdb9nsd_{number:06d}.xyz")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    (place / qm9.LEFT_OUT).write_text("=====\nIndex Smiles\n-----\n    1  C  C\n    4  [HH]  [HH]\n===\nof 8\n")
    monkeypatch.setattr(qm9, "MD5", hashlib.md5((place / qm9.ARCHIVE).read_bytes()).hexdigest())
    for name, value in {"COUNT": 8, "BAD": 2, "HELD": 1}.items():
        monkeypatch.setattr(qm9, name, value)
    return place


def test_the_thirteen_targets_of_a_published_file():
    """Electronvolts, energies of formation from atoms that bind, and the highest frequency; 1.2*^-3 is a number."""
    atoms, values = qm9.parse(METHANE)
    assert atoms.shape == (5, 4)
    assert atoms[:, 0].tolist() == [6, 1, 1, 1, 1]
    assert atoms[1, 3] == pytest.approx(0.0019761204)
    found = dict(zip((name.split()[0] for name in qm9.TARGETS), values, strict=True))
    assert found["HOMO"] == pytest.approx(-0.3877 * 27.211386, rel=1e-6)
    assert found["gap"] == pytest.approx(found["LUMO"] - found["HOMO"], abs=0.01)
    assert found["Omega"] == 3151.7078
    kcal = {"U0": 395.999595, "U": 398.643290, "H": 401.014647, "G": 372.471772}  # as others derive them
    assert {name: found[name] for name in kcal} == pytest.approx({n: v * 0.0433641 for n, v in kcal.items()}, rel=1e-5)


def test_the_archive_is_read_without_what_is_left_out(folder):
    """Of eight molecules two are in the list, one is to test on, and one, which the paper stops by, is in no split."""
    found = data.load("qm9")
    assert found.train.outputs.shape == (4, 13)
    assert len(found.test) == 1
    assert data.digest("qm9") == found.digest
    copy = found.train.copied()
    copy.outputs[:] = 0
    assert not copy.same(found.train)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda text: text.replace("6.469\t\n", "\n"), "14 properties"),
        (lambda text: text.replace("6.469", "six"), "could not convert"),
        (lambda text: text.replace("C\t-0", "Si\t-0"), "Si .* is no atom"),
        (lambda text: text.replace("157.7118", "nan"), "15 properties"),
        (lambda text: "\n".join(text.splitlines()[:4]), "gdb 1 is damaged"),
        (lambda text: "", "a file is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(harm, why):
    """Missing or wrong fields end in one line that names the molecule."""
    with pytest.raises(ReproError, match=why):
        qm9.parse(harm(METHANE))


def test_another_archive_or_list_is_refused(folder, monkeypatch):
    """A checksum, a count of molecules and a count of ids must be the published ones."""
    monkeypatch.setattr(qm9, "COUNT", 9)
    with pytest.raises(ReproError, match="it has 8 molecules, not 9"):
        data.load("qm9")
    (folder / qm9.LEFT_OUT).write_text("nothing\n")
    with pytest.raises(ReproError, match="it has 0 ids, not 2"):
        data.load("qm9")
    (folder / qm9.ARCHIVE).write_bytes(b"other")
    with pytest.raises(ReproError, match="its md5 is"):
        data.load("qm9")
    (folder / qm9.ARCHIVE).unlink()
    with pytest.raises(Unavailable, match="by hand"):
        data.load("qm9")


def test_bonds_and_features_of_known_molecules():
    """Hydrogen cyanide has a triple bond and an sp carbon; without hydrogens they are counted."""
    atoms = np.array([[1, 0, 0, -1.07], [6, 0, 0, 0], [7, 0, 0, 1.16]])
    made = _molecules.molecules([atoms], [[1.0]], ("x (1)",))
    graphs = made.graphs()
    features = [dict(zip(_molecules.FEATURES, row, strict=True)) for row in graphs.nodes]
    assert graphs.edges.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert graphs.links[:, 1:].tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert graphs.links[1, 0] == pytest.approx(2.23)
    assert [row["sp"] for row in features] == [0, 1, 1]
    assert [row["hydrogens"] for row in features] == [0, 1, 0]
    assert [row["acceptor"] for row in features] == [0, 0, 1]
    assert made.graphs(hydrogens=False).nodes_of.tolist() == [2]
    assert _molecules.molecules([atoms[:1]], [[1.0]], ("x (1)",)).graphs(hydrogens=False).nodes_of.tolist() == [1]


@pytest.mark.parametrize(("module", "tests", "count"), [(qm9_3k, 500, 3_000), (qm9_ppqm10k, 1_000, 10_000)])
def test_the_sets_that_stand_in(module, tests, count):
    """They are read whole, their splits share no molecule, and another file is refused."""
    name = module.__name__.rpartition(".")[2]
    if not (REAL / name / module.FILE).is_file():
        pytest.skip(f"REPRO_DATA holds no {name}")
    found = module.load()
    assert (len(found.train), len(found.test)) == (count - tests, tests)
    assert np.isfinite(found.train.outputs).all()
    train, test = ({row.tobytes() for row in part.inputs.items} for part in (found.train, found.test))
    assert not train & test
    few = found.test.some(np.arange(50))
    graphs = few.graphs()
    hydrogen = graphs.nodes[:, 0] == 1
    bonds = np.zeros(len(hydrogen))
    first = np.repeat(np.cumsum(graphs.nodes_of) - graphs.nodes_of, graphs.edges_of)
    for end in graphs.edges.T:
        np.add.at(bonds, first + end, graphs.links[:, 1:].sum(1))
    assert (bonds[hydrogen] == 1).all()
    with pytest.raises(ReproError, match="damaged or another file"):
        module.parse(b"nothing")
