"""Molecules with geometry: a split of them, and graphs whose bonds are inferred from the geometry.

Files of coordinates hold no bonds. Two atoms are bonded where they are nearer than the sum of their covalent radii
(Cordero et al., 2008) and 0.2 Angstrom, and between heavy atoms the type is that of the nearest length among the usual
ones. So no chemistry software is needed, and a type is a class of lengths rather than a chemist's assignment.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.data._reading import SAYS, archive, at_most, guarded, regular
from repro.errors import ReproError
from repro.task import Graphs, Sequences

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8, "F": 9}
RADII = np.array([0, 0.31, 0, 0, 0, 0, 0.76, 0.71, 0.66, 0.57])  # Angstrom, by atomic number
MARGIN = 0.2
SINGLE, DOUBLE, TRIPLE, AROMATIC = range(4)
LONGEST = {  # of a triple, a double and an aromatic bond, Angstrom; what is longer is single
    (6, 6): (1.26, 1.365, 1.43), (6, 7): (1.20, 1.30, 1.375), (6, 8): (1.15, 1.28, 1.28),
    (7, 7): (1.16, 1.27, 1.355), (7, 8): (1.10, 1.27, 1.38),
}  # fmt: skip
LARGEST = 16 << 20  # bytes of one file: a table of 10,000 molecules has 2 MiB
HARTREE, KCAL = 27.211386245988, 0.0433641153  # eV; KCAL per mol (CODATA 2018)

FEATURES = (
    "hydrogen", "carbon", "nitrogen", "oxygen", "fluorine", "atomic number", "acceptor", "donor", "aromatic", "sp",
    "sp2", "sp3", "hydrogens",
)  # fmt: skip
"""Of an atom, after Table 1 of Gilmer et al. (2017)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Molecules:
    """Molecules and their properties.

    Attributes:
        inputs: items [N, L, 4], the atomic number and the place in Angstrom of each atom, and lengths [N].
        outputs: [N, D], in the units of `targets`.
        targets: name and unit of each property, such as "mu (D)".
    """

    inputs: Sequences
    outputs: NDArray[np.float64]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.outputs.shape != (len(self.inputs.lengths), len(self.targets)):
            raise ValueError(f"{len(self.inputs.lengths)} molecules, but properties {self.outputs.shape}")

    def __len__(self) -> int:
        return len(self.outputs)

    def copied(self) -> Molecules:
        """The same molecules in memory of their own."""
        inputs = Sequences(items=self.inputs.items.copy(), lengths=self.inputs.lengths.copy())
        return replace(self, inputs=inputs, outputs=self.outputs.copy())

    def same(self, other: Molecules) -> bool:
        """Whether atoms and properties are equal."""
        parts = ((self.inputs.items, other.inputs.items), (self.inputs.lengths, other.inputs.lengths))
        return all(np.array_equal(*part) for part in (*parts, (self.outputs, other.outputs)))

    def some(self, rows: NDArray[np.int64]) -> Molecules:
        """Some of the molecules."""
        inputs = Sequences(items=self.inputs.items[rows], lengths=self.inputs.lengths[rows])
        return replace(self, inputs=inputs, outputs=self.outputs[rows])

    def graphs(self, *, hydrogens: bool = True) -> Graphs:
        """Atoms with `FEATURES`, and for every pair of them the distance and a one-hot bond type of four.

        Args:
            hydrogens: whether they are nodes, or only counted in the features of the others.
        """
        made = [_graph(atoms[:n], hydrogens) for atoms, n in zip(self.inputs.items, self.inputs.lengths, strict=True)]
        nodes, edges, links = (np.concatenate(part) for part in zip(*made, strict=True))
        nodes_of, edges_of = (np.array([len(one[part]) for one in made], np.int64) for part in (0, 1))
        return Graphs(nodes=nodes, edges=edges, links=links, nodes_of=nodes_of, edges_of=edges_of)


def molecules(
    atoms: Sequence[NDArray[np.float64]], outputs: Sequence[Sequence[float]], targets: tuple[str, ...]
) -> Molecules:
    """Molecules of atoms [n, 4] each."""
    lengths = np.array([len(own) for own in atoms], np.int64)
    items = np.zeros((len(atoms), int(lengths.max(initial=0)), 4))
    for into, own in zip(items, atoms, strict=True):
        into[: len(own)] = own
    values = np.array(outputs, np.float64).reshape(len(atoms), len(targets))
    return Molecules(inputs=Sequences(items=items, lengths=lengths), outputs=values, targets=targets)


def archived_texts(data: bytes) -> dict[str, str]:
    """The files of a packed archive by name, without folders and what macOS adds; all of them are ASCII.

    Raises:
        Exception: whatever damage leads to; callers make one error of it.
    """
    found = dict[str, str]()
    with archive(io.BytesIO(data)) as members:
        for member in members:
            name = Path(member.name).name
            if not name.startswith("._") and (file := regular(members, member)) is not None:
                found[name] = at_most(file, LARGEST).decode("ascii")
    return found


def atom(title: str, symbol: str, place: Sequence[str]) -> list[float]:
    """The atomic number and the place of an atom.

    Raises:
        ReproError: for an element that no molecule here has, or what is no number.
    """
    shown = f"{symbol} {' '.join(place)}"[:SAYS]
    with guarded(lambda why: ReproError(f"{title}: {shown} is no atom", "Restore the published file.")):
        found = [NUMBERS[symbol], *(number(text) for text in place)]
        if len(found) != 4 or not np.isfinite(found).all():
            raise ValueError
        return found


def geometry(text: str, title: str) -> NDArray[np.float64]:
    """Atoms [n, 4] of a file of coordinates: their number, a comment, then a line each.

    Raises:
        ReproError: for a line that is no atom.
        ValueError: if there are fewer lines than atoms, or no atom.
    """
    count, _, *lines = text.splitlines()
    fields = [line.split() for line in lines[: int(count)]]
    if len(fields) != int(count) or not fields:
        raise ValueError(f"{len(fields)} of {count} atoms")
    return np.array([atom(title, field[0], field[1:4]) for field in fields])


def number(text: str) -> float:
    """A number, which in the published files may be written as Mathematica does: 1.2*^-6."""
    return float(text.replace("*^", "e"))


def molecules_digest(*parts: Molecules) -> str:
    """The sha256, in hex, of atoms, lengths, properties and their names."""
    total = hashlib.sha256()
    for part in parts:
        total.update(repr((part.inputs.items.shape, part.targets)).encode())
        for array in (part.inputs.items, part.inputs.lengths, part.outputs):
            total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def bond_types(atoms: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances [n, n] of atoms [n, 4], and bond types [n, n], -1 where there is no bond."""
    kinds, places = atoms[:, 0].astype(int), atoms[:, 1:]
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    bonded = apart < RADII[kinds][:, None] + RADII[kinds][None] + MARGIN
    np.fill_diagonal(bonded, False)
    found = np.where(bonded, SINGLE, -1)
    for v, w in zip(*np.nonzero(np.triu(bonded)), strict=True):
        first, second = sorted((int(kinds[v]), int(kinds[w])))
        bounds = LONGEST.get((first, second), (0.0, 0.0, 0.0))
        types = (TRIPLE, DOUBLE, AROMATIC, SINGLE)
        found[v, w] = found[w, v] = types[int(np.searchsorted(bounds, apart[v, w], side="right"))]
    return apart, found


def _graph(
    atoms: NDArray[np.float64], hydrogens: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Nodes [n, F], pairs [m, 2] and links [m, 5] of one molecule."""
    kinds = atoms[:, 0].astype(int)
    apart, types = bond_types(atoms)
    has = [(types == kind).sum(1) for kind in range(4)]
    heavy, count = kinds > 1, ((types >= 0) & (kinds == 1)).sum(1)
    polar = (kinds == 7) | (kinds == 8)
    sp = heavy & ((has[TRIPLE] > 0) | (has[DOUBLE] > 1))
    sp2 = heavy & ~sp & ((has[DOUBLE] > 0) | (has[AROMATIC] > 0))
    flags = [kinds[:, None] == list(NUMBERS.values()), kinds, polar, polar & (count > 0), has[AROMATIC] > 0]
    nodes = np.column_stack([*flags, sp, sp2, heavy & ~sp & ~sp2, count]).astype(np.float32)
    kept = np.arange(len(atoms)) if hydrogens or not heavy.any() else np.flatnonzero(heavy)
    pairs = np.stack(np.triu_indices(len(kept), 1), 1)
    v, w = kept[pairs].T
    links = np.column_stack([apart[v, w], types[v, w][:, None] == np.arange(4)]).astype(np.float32)
    return nodes[kept], pairs, links
