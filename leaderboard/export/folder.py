"""A folder that is written whole or not at all, and replaced only where it holds nothing but an earlier export."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from repro.errors import ReproError

MARK = "export.json"
WHAT = "static export of a Repro board"


class ExportMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What says that a folder is an export, and what of it.

    Attributes:
        files: all that the export wrote, but this.
    """

    what: str = WHAT
    schema: int = 1
    files: tuple[str, ...]


def write(folder: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files below a folder, which is missing, empty, or an earlier export; how many they are.

    They are written next to it and take its place in the end: until then, and if anything fails, it stays as it was.

    Raises:
        ReproError: if the folder holds anything else, two files would lie at one place, or the disk refuses.
    """
    folder = Path(os.path.realpath(folder))
    check(folder)
    staging = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        written = _fill(staging, files)
        mark = msgspec.json.format(msgspec.json.encode(ExportMark(files=tuple(sorted(written)))), indent=1)
        (staging / MARK).write_bytes(mark + b"\n")
        check(folder)  # it may have changed since
        _exchange(folder, staging)
    except OSError as error:
        raise ReproError(
            f"{folder} cannot be written ({error.strerror or error})", "Free space, or give another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return len(written)


def check(folder: Path) -> None:
    """Refuse a folder that holds anything which is not of an earlier export.

    Raises:
        ReproError: naming what it holds.
    """
    other = "Give a folder that is missing or empty."
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ReproError(f"{folder} is a file", other)
    if not any(folder.iterdir()):
        return
    try:
        mark = msgspec.json.decode((folder / MARK).read_bytes(), type=ExportMark)
    except (OSError, msgspec.MsgspecError):
        mark = None
    if mark is None or mark.what != WHAT:
        raise ReproError(f"{folder} is not empty, and not an export", other)
    known = {MARK, *mark.files}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        above = path.is_dir() and not path.is_symlink() and any(one.startswith(f"{name}/") for one in known)
        if name not in known and not above:
            raise ReproError(f"{folder} holds {name}, which no export has written", "Move it away first.")


def _fill(folder: Path, files: Iterable[tuple[str, bytes]]) -> set[str]:
    written: set[str] = set()
    for name, data in files:
        parts = PurePosixPath(name).parts
        if not parts or PurePosixPath(name).is_absolute() or any(part.startswith(".") for part in parts):
            raise ValueError(f"{name!r} is no path below a folder")
        if name in written or name == MARK:
            raise ReproError(f"Two files would lie at {name}", "Give one of the claims another name.")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written.add(name)
    return written


def _exchange(folder: Path, new: Path) -> None:
    """Put a new folder into the place of an old one, and the old one back if that fails."""
    old = new.with_suffix(".old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            with contextlib.suppress(OSError):
                old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
