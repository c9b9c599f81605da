"""Training that goes on where it was killed: snapshots on disk, written whole and verified when they are read.

An implementation whose training can be gone on with yields predictors that have `snapshot()`, arrays by name, and its
`train` takes these as `start`. It opens no file: the suite keeps the arrays, one file a snapshot, named by its update
and in a folder named by the hash of all that decides what the training gives. A damaged file is reported, removed and
passed over.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.code_digest import digest, object_closure
from repro.errors import ReproError
from repro.experiment.setting import Setting
from repro.machine.arithmetic import torch_capability
from repro.machine.determinism import THREADS
from repro.machine.environment import device_class, software
from repro.machine.process_group import broadcast_from_rank0, rank, world
from repro.paths import atomic_write, cache_dir
from repro.task import Predictor

KEPT = 2  # newest snapshots: one may turn out to be damaged
MOST = 10_000  # snapshots of one training; what lies beyond its end is its end

Arrays = Mapping[str, NDArray[Any]]


class SnapshotWarning(UserWarning):
    """A snapshot is damaged or could not be written; training goes on without it."""


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of one training, in a folder that is made on the first write."""

    folder: Path

    def put(self, step: int, arrays: Arrays) -> None:
        """Keep the snapshot of an update and the newest of the older ones; a full disk is reported, not raised."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType] -- a flag, not an array
        content = buffer.getbuffer()
        try:
            atomic_write(self._path(step), hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            for path in self._all()[KEPT:]:
                path.unlink()
        except OSError as error:
            _say(f"the snapshot of update {step} could not be written ({error.strerror or error})")

    def latest(self) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """The newest valid snapshot with its update, or None."""
        for path in self._all():
            found = _read(path)
            if found is not None:
                return int(path.stem), found
            _say(f"snapshot {path.name} is damaged; training goes on from the one before it, or from the start")
            with contextlib.suppress(OSError):
                path.unlink()
        return None

    def clear(self) -> None:
        """Remove all of them: the training is over and its result is kept."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:012d}.snapshot"

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("*.snapshot"), reverse=True)


def snapshots_of(implementation: Any, setting: Setting, *, seed: int) -> Snapshots | None:
    """Where the snapshots of a training lie; None for what runs in another process.

    Args:
        implementation: what is trained.
        setting: the trial's.
        seed: what `train` is given, which may be another than the trial's.
    """
    train = getattr(implementation, "train", None)
    if not inspect.isfunction(train):
        return None
    facts = {
        "train": object_closure(train),
        "config": repr(setting.config),
        "data": None if setting.data is None else setting.data.digest,
        "seed": seed,
        "device": device_class(setting.device),
        "software": repr(software(threads=THREADS, capability=torch_capability())),
        "processes": world(),
    }
    return Snapshots(cache_dir() / "snapshots" / digest(repr(sorted(facts.items()))))


def train_with_snapshots(
    implementation: Any, setting: Setting, images: Any, *, seed: int, every: int
) -> tuple[Predictor, Snapshots | None]:
    """The predictor at the end of training, and its snapshots, for the caller to clear once it has measured.

    Args:
        implementation: a `repro.task.Classifier`.
        setting: the trial's.
        images: what it is trained on.
        seed: of its training.
        every: updates between snapshots; 0: there are none.

    Raises:
        ReproError: if training yields no predictor.
    """
    kept = snapshots_of(implementation, setting, seed=seed) if every else None
    found = None if kept is None else _shared(kept)
    last, further = (-1, {}) if found is None else (found[0], {"start": found[1]})
    marks = range(every, every * MOST, every) if kept else ()
    predictor: Any = None
    for step, predictor in implementation.train(
        setting.config, images, seed=seed, device=setting.device, eval_steps=marks, **further
    ):
        if kept is not None and step > last and rank() == 0 and hasattr(predictor, "snapshot"):
            kept.put(step, predictor.snapshot())
    if predictor is None:
        raise ReproError("Training gave no predictor", "train must yield one at the end.")
    return predictor, kept


def _shared(kept: Snapshots) -> tuple[int, dict[str, NDArray[Any]]] | None:
    """The newest snapshot, which under torchrun rank 0 reads for all processes."""
    return broadcast_from_rank0(kept.latest) if world() > 1 else kept.latest()


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    try:
        told, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != told:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError):
        return None


def _say(what: str) -> None:
    warnings.warn(what, SnapshotWarning, stacklevel=3)
