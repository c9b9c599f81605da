"""Files as a dataset's makers publish them: found in whatever form they are kept, and checked before they are read."""

from __future__ import annotations

import gzip
import hashlib
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from repro.data._download import download
from repro.data._reading import archive, guarded, is_file, regular
from repro.errors import ReproError
from repro.paths import data_dirs, download_dir

BOM = b"\xef\xbb\xbf"  # what some editors put before a text in UTF-8
Read = Callable[[str], bytes]
"""Returns the bytes of a file by its name."""


@dataclass(frozen=True, kw_only=True)
class PublishedFiles:
    """Where the files of a dataset lie. They are read in memory; nothing is ever unpacked to the disk.

    Attributes:
        title: what messages call the dataset.
        folder: its folder, in REPRO_DATA or among the downloads.
        forms: how a file of a name may lie there, such as "{}.gz"; the first of which all files are there is read.
        largest: bytes of the largest file, unpacked; what follows is not read.
        archive: the archive that holds all files, "" for none; it is looked for last, and can be downloaded.
        archive_urls: where it is published, the makers' own address first.
        member: where a file of a name lies in the archive.
    """

    title: str
    folder: str
    forms: tuple[str, ...]
    largest: int
    archive: str = ""
    archive_urls: tuple[str, ...] = ()
    archive_hash: str = ""
    member: str = "{}"

    def find(self, names: Iterable[str]) -> Read | None:
        """A reader of the first copy that is complete by file names, or None.

        The reader raises ReproError for a file that cannot be unpacked.
        """
        for folder in (root / self.folder for root in data_dirs()):
            for form in self.forms:
                if all(is_file(folder / form.format(name)) for name in names):
                    return lambda name, folder=folder, form=form: self._unpacked(folder / form.format(name))
            if self.archive and is_file(folder / self.archive):
                return lambda name, folder=folder: self._archived(folder / self.archive, self.member.format(name))
        return None

    def fetch(self, progress: Callable[[int, int], None] | None = None) -> Path:
        """Download the archive.

        Raises:
            ReproError: if that fails, with what to do.
        """
        target = download_dir() / self.folder / self.archive
        return download(self.archive_urls, target, known_hash=self.archive_hash, progress=progress)

    def checked(self, name: str, data: bytes, sha256: str, *, text: bool = False) -> bytes:
        """The content of a file, which must have the sha256, in hex.

        A text may have gone through a tool of Windows: with other line ends or a byte-order mark it is the same text,
        and comes without them.

        Raises:
            ReproError: naming the file.
        """
        plain = data.removeprefix(BOM).replace(b"\r\n", b"\n") if text else data
        found = next((one for one in (data, plain) if hashlib.sha256(one).hexdigest() == sha256), None)
        if found is None:
            raise self.damaged(name, f"its sha256 is {hashlib.sha256(data).hexdigest()[:16]}, not {sha256[:16]}")
        return found

    def damaged(self, name: str, why: str) -> ReproError:
        """The error for a file that is not the published one."""
        remedy = f"Delete it and {'fetch' if self.archive else 'get'} it again."
        return ReproError(f"{self.title}: {name} is damaged or another file ({why})", remedy)

    def _unpacked(self, path: Path) -> bytes:
        unpack = {".xz": lzma.open, ".gz": gzip.open}.get(path.suffix)
        with guarded(lambda why: self.damaged(path.name, why)), unpack(path) if unpack else path.open("rb") as file:
            return file.read(self.largest)

    def _archived(self, path: Path, wanted: str) -> bytes:
        with guarded(lambda why: self.damaged(path.name, why)), archive(path) as found:
            member = next((m for m in found if m.name.removeprefix("./") == wanted), None)
            file = regular(found, member) if member else None
            if file is None:
                raise self.damaged(path.name, f"{wanted} is not a file in it")
            return file.read(self.largest)
