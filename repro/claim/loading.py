"""Importing a file of a project under a name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from repro.errors import ReproError


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
