"""The trial cache: content-addressed, shared by processes and machines, verified on read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from repro.errors import ReproError
from repro.paths import atomic_write, unwritable

REMEDY = "Set REPRO_CACHE to a folder that can be, or pass --no-cache."


class CacheWarning(UserWarning):
    """A damaged entry was found; the trial is computed again."""


class Cache:
    """A folder of results, made when first written: a file each, named by the hash of all that can change it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Where the entry of `key` (a sha256 in hex) lies."""
        return self.root / key[:2] / f"{key}.json"

    def get(self, key: str) -> Any | None:
        """The entry's payload, or None; a damaged entry is reported, removed and counts as absent."""
        path = self.path(key)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ReproError(
                f"The trial cache cannot be read: {error}", "Set REPRO_CACHE to a folder of yours."
            ) from error
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(text)
            if entry["key"] == key and entry["digest"] == _digest(entry["payload"]):
                return entry["payload"]
        warnings.warn(
            f"cache entry {path.name[:12]} is damaged; the trial is computed again", CacheWarning, stacklevel=2
        )
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, payload: Any) -> None:
        """Write an entry whole or not at all.

        Raises:
            ReproError: if the folder is read-only or full, with what to do.
        """
        path = self.path(key)
        text = _canonical({"key": key, "digest": _digest(payload), "payload": payload})
        try:
            atomic_write(path, text)
        except OSError as error:
            raise unwritable(f"the trial cache {self.root}", error, REMEDY) from error

    @contextlib.contextmanager
    def lock(self, key: str, *, wait: float) -> Iterator[bool]:
        """Hold the right to compute `key`; yields False if another process held it for all of `wait` seconds."""
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"), timeout=wait)
            try:
                lock.acquire()
            except Timeout:
                yield False
                return
        except OSError as error:
            raise unwritable(f"the trial cache {self.root}", error, REMEDY) from error
        try:
            yield True
        finally:
            lock.release()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _digest(payload: Any) -> str:
    return hashlib.sha256(_canonical(payload)).hexdigest()
