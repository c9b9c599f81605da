"""Implementations: the reference of a paper, a control built from it, or somebody's submission."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Literal, Protocol

from repro.claim.catalogue import load_file
from repro.code_digest import deviations, digest, file_closure, object_closure
from repro.errors import ReproError, unknown
from repro.paths import project_root
from repro.record.record import SubmissionPart

Kind = Literal["reference", "control", "submission"]


@dataclass(frozen=True)
class Opened:
    """An implementation that is ready for one trial: its names, and the process that it runs in if not this one."""

    names: Any
    pid: int | None = None


class ImplementationHost(Protocol):
    """Runs an implementation in another process, a fresh one for each trial."""

    @property
    def isolation(self) -> str:
        """What it runs in, as records say it."""
        ...

    def seed(self, seed: int) -> int:
        """The seed that the implementation is given for a trial's seed."""
        ...

    def open(self, *, seed: int, device: str, dataset: str | None) -> AbstractContextManager[Opened]:
        """A fresh process that has seen nothing; `dataset` names what it may be trained on."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedImplementation:
    """Loaded code that answers claims.

    Attributes:
        kind: what it is; a control is sabotaged on purpose.
        name: "reference", the control's name or the submission's.
        names: the module or namespace that offers the contract's names.
        source: sha256 of its source and of the project code it is built on.
        says: a control's one stated difference, else "".
        deviations: how many numbered deviations from the paper its header lists.
        original: for a control that only changes configs, the reference that it hands them to.
        host: what runs it elsewhere; None if it runs in this process.
        division: of a submission, the one it asks to be in.
        submission: of a submission, what its records say beside.
    """

    kind: Kind
    paper: str
    name: str
    names: Any
    source: str
    says: str = ""
    deviations: int = 0
    original: LoadedImplementation | None = None
    host: ImplementationHost | None = None
    division: Literal["closed", "open"] | None = None
    submission: SubmissionPart | None = None

    def open(self, *, seed: int, device: str, dataset: str | None) -> AbstractContextManager[Opened]:
        """The implementation, ready for one trial."""
        if self.host is None:
            return nullcontext(Opened(self.names))
        return self.host.open(seed=seed, device=device, dataset=dataset)

    @property
    def label(self) -> str:
        """What people read: "reference", "control:NAME" or "submission:NAME"."""
        return self.kind if self.kind == "reference" else f"{self.kind}:{self.name}"

    def config(self, preset: str, overrides: Mapping[str, Any]) -> Any:
        """The preset's config with some fields replaced.

        Raises:
            ReproError: for a preset or a field that the implementation does not have.
        """
        presets = getattr(self.names, "CONFIGS", {})
        if preset not in presets:
            raise unknown(f"preset of {self.paper} ({self.label})", preset, presets)
        config = presets[preset]
        fields = [field.name for field in dataclasses.fields(config)]
        for name in overrides:
            if name not in fields:
                raise unknown(f"config field of {self.paper} ({self.label})", name, fields)
        return dataclasses.replace(config, **overrides)


def sabotage(reference: Any, **replaced: Any) -> SimpleNamespace:
    """An implementation that is `reference` with some of its names replaced.

    Raises:
        ReproError: if a replaced name is not one of the reference's, since the sabotage would then do nothing.
    """
    names = {name: value for name, value in vars(reference).items() if not name.startswith("__")}
    for name in replaced:
        if name not in names:
            raise unknown("name of the reference", name, names)
    return SimpleNamespace(**{**names, **replaced})


class Reconfigured(SimpleNamespace):
    """An implementation that changes every config and then is the original: see `reconfigure`."""

    change: Callable[[Any], Any]


def reconfigure(reference: Any, change: Callable[[Any], Any]) -> Reconfigured:
    """An implementation that is `reference` with `change` applied to every config it is given.

    A trial whose experiment passes the config on untouched is then the same trial as one of the reference with the
    changed config, and is computed once for both. `change` must leave a changed config as it is.
    """
    names = {name: value for name, value in vars(reference).items() if not name.startswith("__")}
    functions = {name: value for name, value in names.items() if inspect.isfunction(value)}
    taking = {name: f for name, f in functions.items() if "config" in inspect.signature(f).parameters}
    changed = {name: _with_changed_config(function, change) for name, function in taking.items()}
    return Reconfigured(**{**names, **changed, "change": change})


def _with_changed_config(function: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def changed(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.arguments["config"] = change(bound.arguments["config"])
        return function(*bound.args, **bound.kwargs)

    return changed


def reference(paper: str, root: Path | None = None) -> LoadedImplementation:
    """The reference implementation of a paper, from `reference/<key>.py`."""
    base = root or project_root()
    path = base / "reference" / f"{paper}.py"
    if not path.is_file():
        raise unknown("reference implementation", paper, (p.stem for p in path.parent.glob("[a-z]*.py")))
    module = load_file(path, f"reference.{paper}")
    return LoadedImplementation(
        kind="reference",
        paper=paper,
        name="reference",
        names=module,
        source=_closure(path, base, path.stat().st_mtime_ns),
        deviations=len(deviations(module.__doc__ or "")),
    )


def controls_of(paper: str, root: Path | None = None) -> ModuleType:
    """The module `claims/controls/<key>.py`: sabotages, and beside them what the battery and the gate's tests use.

    `NULLS` maps functions of the paper's own to functions that answer without knowing anything, and `PLANTED` the name
    of a claim to a pair of texts: what stands in the reference once, and the bug that replaces it.

    Raises:
        ReproError: if there is none.
    """
    path = (root or project_root()) / "claims" / "controls" / f"{paper}.py"
    if not path.is_file():
        raise ReproError(f"{paper} has no controls", f"Write claims/controls/{paper}.py.")
    return load_file(path, f"claims.controls.{paper}")


def control(paper: str, name: str, root: Path | None = None) -> LoadedImplementation:
    """A sabotaged implementation, from `claims/controls/<key>.py`."""
    module = controls_of(paper, root)
    build = getattr(module, name, None)
    if build is None or not callable(build):
        raise unknown(f"control of {paper}", name, (n for n in vars(module) if not n.startswith("_")))
    original = reference(paper, root)
    names = build(original.names)
    return LoadedImplementation(
        kind="control",
        paper=paper,
        name=name,
        names=names,
        source=digest(original.source + object_closure(build)),
        says=" ".join((build.__doc__ or "").split()),
        deviations=original.deviations,
        original=original if isinstance(names, Reconfigured) else None,
    )


@lru_cache(maxsize=256)
def _closure(path: Path, root: Path, _changed: int) -> str:
    return file_closure(path, root)
