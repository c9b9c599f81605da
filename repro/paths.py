"""Where things lie: the project, the caches, the records and the datasets; and how a file is written there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import uuid
from pathlib import Path
from typing import BinaryIO

from repro.errors import ReproError

PACKAGE = Path(__file__).resolve().parent
NAMELESS: int | None = getattr(os, "O_TMPFILE", None)
"""Opens a file without a name in a folder; None where the system has no such files."""
UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV}
"""What file systems say that have no files without a name, or lack /proc to give them one."""


def project_root() -> Path:
    """The project: REPRO_PROJECT, else the nearest folder at or above the current one that holds claims.

    Where there is none, the folder that holds this package.
    """
    return _from_environment("REPRO_PROJECT") or project_of(Path.cwd()) or PACKAGE.parent


def project_of(place: Path) -> Path | None:
    """The nearest folder at or above a place that is a project; None where there is none."""
    return next((folder for folder in (place, *place.parents) if _is_project(folder)), None)


def cache_dir() -> Path:
    """Where trials, downloads and parsed datasets are kept: REPRO_CACHE, or .repro/cache in the project."""
    return _from_environment("REPRO_CACHE") or _home() / "cache"


def store_dir() -> Path:
    """Where the files of records are written: REPRO_STORE unless it is a URL, or .repro/store in the project."""
    return (None if _store_url() else _from_environment("REPRO_STORE")) or _home() / "store"


def index_url() -> str | None:
    """The database that indexes the store: REPRO_INDEX, or REPRO_STORE if it is a URL; by default SQLite in it."""
    return os.environ.get("REPRO_INDEX") or _store_url()


def store_environment(store: Path | None) -> dict[str, str]:
    """This process's environment for one that lies elsewhere, with the same store, or another folder for its files."""
    own = {"REPRO_STORE": str((store or store_dir()).resolve()), "REPRO_INDEX": index_url() or ""}
    return os.environ | own


def published_dir() -> Path:
    """Where the records that the project publishes lie, one folder for each paper."""
    return project_root() / "leaderboard" / "records"


def download_dir() -> Path:
    """Where downloaded datasets are kept."""
    return cache_dir() / "data"


def data_dirs() -> tuple[Path, ...]:
    """Where datasets are looked for: the folder REPRO_DATA, if it is set, then what was downloaded."""
    own = _from_environment("REPRO_DATA")
    return (own, download_dir()) if own is not None else (download_dir(),)


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file so that others see all of it or none, and it survives a crash.

    Where the system can, the file has no name until it is whole: a process that is killed leaves nothing behind.

    Raises:
        OSError: if the disk refuses; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_nameless(path, data)
    except OSError as error:
        if NAMELESS is not None and error.errno not in UNSUPPORTED:
            raise
        _write_named(path, data)


def _write_nameless(path: Path, data: bytes) -> None:
    if NAMELESS is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    handle = os.open(path.parent, NAMELESS | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as file:
        _fill(file, data)
        own = f"/proc/self/fd/{handle}"
        try:
            os.link(own, path, src_dir_fd=handle)  # a folder is given so that the link in /proc is followed
        except FileExistsError:  # only a name takes the place of another
            temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")
            os.link(own, temporary, src_dir_fd=handle)
            _put(temporary, path)


def _write_named(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            _fill(file, data)
    except OSError:
        _drop(name)
        raise
    _put(name, path)


def _fill(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fchmod(file.fileno(), 0o644)  # mkstemp's files are for their owner only
    os.fsync(file.fileno())


def _put(temporary: str | Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except OSError:
        _drop(temporary)
        raise


def _drop(temporary: str | Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(temporary)


def unwritable(what: str, error: OSError, remedy: str) -> ReproError:
    """The error for a place below the cache that cannot be written, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ReproError(f"The disk of {what} is full", "Free space or set REPRO_CACHE elsewhere.")
    return ReproError(f"{what[0].upper()}{what[1:]} cannot be written ({error.strerror or error})", remedy)


def _is_project(folder: Path) -> bool:
    return (folder / "claims").is_dir() and (folder / "pyproject.toml").is_file()


def _store_url() -> str | None:
    value = os.environ.get("REPRO_STORE", "")
    return value if "://" in value else None


def _from_environment(name: str) -> Path | None:
    value = os.environ.get(name, "")
    try:
        return Path(value).expanduser().absolute() if value else None
    except RuntimeError as error:  # pathlib's, where the user of a "~user" has no home
        raise ReproError(f"{name} is {value[:200]}, of a user who has no home here", "Give the whole path.") from error


def _home() -> Path:
    root = project_root()
    if _is_project(root):
        return root / ".repro"
    import platformdirs  # an installed package without a clone: nothing is written beside it

    return Path(platformdirs.user_data_dir("repro"))
