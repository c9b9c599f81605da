"""Code that jails are shown, kept by its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from repro.errors import ReproError
from repro.paths import cache_dir


def digest(files: dict[str, bytes]) -> str:
    """The sha256, in hex, of files by relative path."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return total.hexdigest()


def keep(files: dict[str, bytes], name: str) -> Path:
    """The folder in the cache that holds exactly these files; what runs is read from there, so it is what was hashed.

    Raises:
        ReproError: if the cache cannot be written.
    """
    folder = cache_dir() / "submissions" / name
    write(folder / "source", files)
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder that holds these files, all of them or none; a folder that is there already stays as it is.

    Raises:
        ReproError: for a name that leads out of the folder or is no plain relative path, or if it cannot be written.
    """
    for name in files:
        if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in name.split("/")) or len(name) > 500:
            raise ReproError(f"A file is named {name[:80]!r}, which is no plain path below its folder")
    if folder.is_dir():
        return
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        for name, data in files.items():
            target = made / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        made.chmod(0o755)
        os.rename(made, folder)  # noqa: PTH104 -- all of it or nothing
    except OSError as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        if not folder.is_dir():  # else another process was first
            remedy = "Set REPRO_CACHE to a folder of yours, on a disk with space."
            raise ReproError(f"The folder {folder} cannot be written: {error}", remedy) from error
