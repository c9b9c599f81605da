"""Downloads: from several addresses, retried, resumed, checked, and put in place whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repro.errors import ReproError
from repro.paths import unwritable

RETRIES = 3
"""Further attempts at each address; one that a server let go on where the last ended, and that got on, is free."""
TIMEOUT_S = 30.0
CHUNK = 1 << 16
STEP = 1 << 20  # bytes that a free attempt brings at least
MOST = 1 << 30  # bytes of any download: more is another file
PATIENCE_S, SLOW = 20.0, 200e3
"""After so many seconds an address that gave fewer bytes per second is left for the next one, if there is one."""


def download(
    urls: str | Sequence[str],
    target: Path,
    *,
    known_hash: str,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch a file to `target` and check it; a file that is there and right is left alone.

    The bytes go to `<target>.part` first, so an interrupted download leaves nothing that could be taken for the file,
    and the next one, from whichever address, goes on where it ended.

    Args:
        urls: where the file is published, the first address first.
        target: where it is to lie.
        known_hash: "sha256:..." or "md5:...", as its makers publish it.
        progress: called with (bytes so far, bytes in all).

    Raises:
        ReproError: saying for every address whether the network, the server, the checksum or the disk was at fault.
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    attempt = _Download(target, known_hash, progress or (lambda done, total: None))
    try:
        if target.is_file() and _hash(target, known_hash) == known_hash:
            return target
        if target.is_dir():
            raise ReproError(f"{target} is a folder, where a file is due", "Move it away.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with attempt.alone():
            if any(attempt.tried(url, last=url == addresses[-1]) for url in addresses):
                return target
            raise attempt.failed()
    except OSError as error:
        with contextlib.suppress(OSError):
            attempt.part.unlink()
        raise unwritable(f"{target.parent}", error, "Set REPRO_CACHE to a folder that can be.") from error


class _Refused(Exception):
    """An address gave nothing that can be used; `remedy` is what to do, and `final` that it is not asked again."""

    def __init__(self, problem: str, remedy: str, *, final: bool = False) -> None:
        super().__init__(problem)
        self.remedy, self.final = remedy, final


@dataclass
class _Download:
    """One download: what has arrived of it, and why addresses failed."""

    target: Path
    known_hash: str
    progress: Callable[[int, int], None]
    failures: list[_Refused] = field(default_factory=list)
    resumable: bool = False  # whether some address lets a download go on where it ended

    @property
    def part(self) -> Path:
        """Where the bytes go until all are there."""
        return self.target.with_name(f"{self.target.name}.part")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the file of what has arrived; in the end it stays only where it helps the next download.

        Raises:
            ReproError: if another process holds it.
        """
        import fcntl

        with self.part.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ReproError(f"Another process is downloading {self.target.name}", "Wait until it ends.") from error
            try:
                yield
            finally:
                if self.part.is_file() and not (self.resumable and self._size()):
                    self.part.unlink()

    def tried(self, url: str, *, last: bool) -> bool:
        """Whether the file is there now, from this address or from what had arrived before."""
        failures = 0
        while True:
            before = self._size()
            try:
                self._stream(url, patient=last)
                self._placed()
                return True
            except _Refused as error:
                resumed = before and self._size() >= before + STEP
                failures += not resumed
                if failures > RETRIES or error.final:
                    self.failures.append(error)
                    return False
            time.sleep(failures)

    def failed(self) -> ReproError:
        """The error that says what every address did."""
        kept = f"The {self._size():,} bytes that arrived are kept, and the next attempt goes on there. "
        by_hand = (
            f"Or fetch {self.target.name} by hand and set REPRO_DATA to the folder above {self.target.parent.name}/."
        )
        remedy = " ".join(dict.fromkeys(failure.remedy for failure in self.failures))
        problem = "; ".join(dict.fromkeys(map(str, self.failures)))
        return ReproError(problem, f"{remedy} {kept if self.resumable and self._size() else ''}{by_hand}")

    def _stream(self, url: str, *, patient: bool) -> None:
        """Bring what is missing; an error of requests becomes one that names the host that failed."""
        import requests

        times = f"{RETRIES + 1} times"
        try:
            self._receive(url, patient)
        except requests.HTTPError as error:
            problem = f"{error}".rstrip(".")  # such as "404 Client Error: Not Found for url: ..."
            raise _Refused(f"{problem} ({times})", "Try again later.") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise _Refused(f"The download of {self.target.name} was cut short, {times}", "Try again.") from error
        except requests.RequestException as error:
            asked = getattr(error.request, "url", None) or url
            led = "" if asked == url else f", where {url} leads"
            # each wait for a host that is silent is long, so the next address has its turn at once
            raise _Refused(f"{asked} cannot be reached{led}", "Check the network.", final=not patient) from error

    def _receive(self, url: str, patient: bool) -> None:
        import requests

        start = self._size()
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, stream=True, timeout=TIMEOUT_S, headers=headers) as response:
            if response.status_code == 416:  # more is here than the server has, so it is of another file
                os.truncate(self.part, 0)
            response.raise_for_status()
            self.resumable |= response.headers.get("accept-ranges") == "bytes" or response.status_code == 206
            resumed = response.headers.get("content-range", "").startswith(f"bytes {start}-")
            done = start if response.status_code == 206 and resumed else 0
            total = done + int(response.headers.get("content-length", 0))
            began, earlier = time.monotonic(), done
            with self.part.open("ab" if done else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    self.progress(done, max(total, done))
                    took = time.monotonic() - began
                    if done > MOST:
                        raise _Refused(f"{url} sends more than {MOST:,} bytes", "Try again later.", final=True)
                    if not patient and took > PATIENCE_S and done - earlier < SLOW * took:
                        raise _Refused(f"{url} is slow", "Try again later.", final=True)

    def _placed(self) -> None:
        """Put what arrived in place, or remove it if it is another file."""
        found = _hash(self.part, self.known_hash)
        if found == self.known_hash:
            shutil.move(self.part, self.target)
            return
        with self.part.open("rb") as file:
            page = file.read(200).lstrip().lower().startswith((b"<!doctype", b"<html"))
        os.truncate(self.part, 0)
        algorithm, _, expected = self.known_hash.rpartition(":")
        problem = (
            f"{self.target.name} has the wrong checksum: expected {algorithm} {expected}, got {found.split(':')[1]}"
        )
        sent = " (a web page was sent in its place)" if page else ""
        raise _Refused(problem + sent, "Sign in to the network." if page else "The file was not kept.")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0


def _hash(path: Path, like: str) -> str:
    """The digest of a file, written as `like` is."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
