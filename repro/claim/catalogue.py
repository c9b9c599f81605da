"""Which papers and claims there are, found by file name."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from types import ModuleType

from repro.claim.claim import Claim
from repro.errors import ReproError, unknown
from repro.paper import Paper
from repro.paths import project_root


class Catalogue:
    """The claims of a project: every `claims/test_<key>.py` below `root`.

    Raises:
        ReproError: if the project has no claims, or a claims file cannot be imported.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or project_root()
        files = sorted((self.root / "claims").glob("test_*.py"))
        if not files:
            raise ReproError(f"There are no claims in {self.root}", "Run this inside a clone of the repository.")
        self.modules = {path.stem.removeprefix("test_"): load_file(path, f"claims.{path.stem}") for path in files}

    @property
    def papers(self) -> dict[str, Paper]:
        """Papers by key."""
        return {key: module.PAPER for key, module in self.modules.items()}

    @property
    def claims(self) -> list[Claim]:
        """All claims, in the order of the files and of the lines in them; a row of a table is a claim."""
        return [claim for module in self.modules.values() for claim in claims_in(module)]

    def select(self, names: Sequence[str]) -> list[Claim]:
        """Claims by paper key, `key/name`, `key/name@version` or `key/name@version[row]`; all for no names.

        Raises:
            ReproError: for a name that selects nothing, with suggestions.
        """
        claims = {claim.id: claim for claim in self.claims}
        return [claims[name] for name in select(claims, names)]


def claims_in(module: ModuleType) -> list[Claim]:
    """The claims that a module states, in its order."""
    return [claim for value in vars(module).values() for claim in getattr(value, "claims", ())]


def matches(claim: str, name: str) -> bool:
    """Whether `name` is a claim's id, or a leading part of it that ends at a boundary."""
    return claim == name or bool(re.match(re.escape(name) + r"[/@\[]", claim))


def is_named(claim: str, names: Sequence[str]) -> bool:
    """Whether one of the names is that of a claim, by its id; without names every claim is."""
    return not names or any(matches(claim, name) for name in names)


def select(claims: Collection[str], names: Sequence[str]) -> list[str]:
    """Those of some claims, by their ids, that are named, or all, in their order.

    Raises:
        ReproError: for a name that selects nothing, with suggestions.
    """
    for name in names:
        if not any(matches(claim, name) for claim in claims):
            papers = set[str]() if "/" in name else {claim.partition("/")[0] for claim in claims}
            raise unknown("claim" if "/" in name else "paper", name, papers.union(claims))
    return [claim for claim in claims if is_named(claim, names)]


def load_file(path: Path, name: str) -> ModuleType:
    """Import a file under a name, once.

    Raises:
        ReproError: if importing it fails, with what it raised.
    """
    path = path.resolve()
    known = sys.modules.get(name)
    if known is not None and Path(known.__file__ or "").resolve() == path:
        return known
    root = str(path.parent.parent)
    if root not in sys.path and path.parent.name in ("claims", "reference"):
        sys.path.insert(0, root)  # a file may build on another of its folder
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ReproError(f"{path.name} cannot be imported", "It must be a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception) and not isinstance(error, ReproError):
            raise ReproError(f"Importing {path.name} raised {type(error).__name__}: {error}") from error
        raise
    return module
