"""How graph regressors err on molecules that the suite makes, and on those of a dataset."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from claims.experiments.molecular_graphs import Array, MolecularPairs, generated
from repro import Experiment, Measurements, Setting, curve, scalar
from repro.task import Graphs

TRAIN, TEST, AUDIT = 0, 1, 2  # streams of random numbers
ACCURACY = {  # chemical accuracy, Table 5 of Gilmer et al. (2017), in the units of their Section 4
    "mu": 0.1, "alpha": 0.1, "HOMO": 0.043, "LUMO": 0.043, "gap": 0.043, "R2": 1.2, "ZPVE": 0.0012, "U0": 0.043,
    "U": 0.043, "H": 0.043, "G": 0.043, "Cv": 0.050, "Omega": 10.0,
}  # fmt: skip


@dataclass(frozen=True)
class MolecularErrors(Experiment):
    """Mean absolute errors on molecules that were not learnt from."""

    passes_config_on: ClassVar[bool] = True

    @abstractmethod
    def predicted(self, network: Any, setting: Setting, data: MolecularPairs, tests: Graphs) -> Array:
        """What a network that was trained on data predicts [N, D]."""
        ...

    def missed(self, network: Any, setting: Setting, data: MolecularPairs, tests: MolecularPairs) -> Array:
        """The mean absolute error of each target [D]."""
        return np.abs(self.predicted(network, setting, data, tests.inputs) - tests.outputs).mean(0)


@dataclass(frozen=True)
class GeneratedErrors(MolecularErrors):
    """Errors on generated molecules, over those of the training targets' mean.

    Measures:
        errors: the mean over targets, as a curve over how many molecules there were to learn from.
        error: the last of them.

    Attributes:
        examples: molecules to learn from, ascending.
        targets: of those of `generated`, which are learnt, each by a network of its own.
    """

    examples: tuple[int, ...]
    targets: tuple[int, ...]

    def __call__(self, network: Any, setting: Setting) -> Measurements:
        """Train and test."""
        tests, errors = generated(300, (setting.seed, TEST)), []
        for data in (generated(examples, (setting.seed, TRAIN)) for examples in self.examples):
            ratios = []
            for own, other in ((data.only([target]), tests.only([target])) for target in self.targets):
                constant = np.abs(own.outputs.mean(0) - other.outputs).mean(0)
                ratios += [*(self.missed(network, setting, own, other) / constant)]
            errors.append(np.mean(ratios))
        all_sizes = curve(self.examples, errors, unit="1", x_unit="molecules", better="lower")
        return {"errors": all_sizes, "error": scalar(errors[-1], "1", better="lower")}


@dataclass(frozen=True)
class ErrorRatios(MolecularErrors):
    """Errors on the test molecules of a dataset, in units of chemical accuracy.

    Measures:
        by its name the error of each target, their mean as `error`, and how many are below 1 as `accurate`.

    Attributes:
        targets: as the dataset names them, without units; all by default.
        alone: whether each target has a network of its own.
        hydrogens: whether they are nodes.
    """

    targets: tuple[str, ...] = ()
    alone: bool = True
    hydrogens: bool = True

    def __call__(self, network: Any, setting: Setting) -> Measurements:
        """Train and test; a dataset that has no molecules measures NaN."""
        parts: Any = (setting.dataset.train, setting.dataset.test)
        names = [name.split()[0] for name in getattr(parts[0], "targets", ())]
        asked = [name for name in self.targets or ACCURACY if name in names]
        found = dict.fromkeys(self.targets or ACCURACY, np.nan)
        if asked:
            graphs = [part.graphs(hydrogens=self.hydrogens) for part in parts]
            data, tests = (MolecularPairs(inputs=g, outputs=p.outputs) for g, p in zip(graphs, parts, strict=True))
            for chosen in [(name,) for name in asked] if self.alone else [asked]:
                own, other = (part.only(map(names.index, chosen)) for part in (data, tests))
                missed = self.missed(network, setting, own, other)
                found |= {name: error / ACCURACY[name] for name, error in zip(chosen, missed, strict=True)}
        ratios = np.array([*found.values()])
        measured = {name: scalar(error, "error ratio", better="lower") for name, error in found.items()}
        count = np.nan if np.isnan(ratios).any() else (ratios < 1).sum()
        measured["error"] = scalar(float(ratios.mean()), "error ratio", better="lower")
        return measured | {"accurate": scalar(count, "targets", better="higher")}
