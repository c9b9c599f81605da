"""Reading files that may be damaged: whatever that provokes is one error, and no more is unpacked than may be there."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError

AGAIN = "Get the file again."
BLOCK = 64 << 20  # bytes that one read of an archive may ask for: a header that announces more is no header
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
SAYS = 200  # characters of what a decoder says


@contextmanager
def guarded(damaged: Callable[[str], ReproError]) -> Iterator[None]:
    """Make what goes wrong while a file is read the error that `damaged` builds of it.

    Decoders raise whatever a damaged file leads them into: besides their own errors KeyError, MemoryError,
    RecursionError, struct.error and more. An error for the user passes as it is.
    """
    try:
        yield
    except ReproError:
        raise
    except Exception as error:
        raise damaged(said(error)) from error


def said(error: Exception) -> str:
    """What an error says in one short line; its kind where that is no sentence."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(reason.split())
    plain = text and not isinstance(error, KeyError | IndexError | MemoryError)
    return (text if plain else f"{type(error).__name__} {text}".strip())[:SAYS]


def is_file(path: Path) -> bool:
    """Whether a regular file lies there.

    Raises:
        ReproError: if that cannot be seen, as in a folder of somebody else.
    """
    with guarded(lambda why: _unseen(path, why)):
        return path.is_file()


def is_dir(path: Path) -> bool:
    """Whether a folder lies there.

    Raises:
        ReproError: if that cannot be seen.
    """
    with guarded(lambda why: _unseen(path, why)):
        return path.is_dir()


def text_of(path: Path, title: str) -> str:
    """A text in ASCII, however its lines end, with or without a byte-order mark.

    Raises:
        ReproError: if it is none or cannot be read.
    """
    with guarded(lambda why: ReproError(f"{title}: {path.name} cannot be read ({why})", AGAIN)):
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("ascii")


def at_most(file: IO[bytes], largest: int) -> bytes:
    """All bytes of a file.

    Raises:
        ValueError: if it has more than `largest`.
    """
    data = file.read(largest + 1)
    if len(data) > largest:
        raise ValueError(f"more than {largest:,} bytes")
    return data


def image(file: Path | IO[bytes], name: str, mode: str) -> NDArray[np.uint8]:
    """The pixels of an image file [H, W, ...]: colours as `mode` says, such as "RGB", or of "" its palette's numbers.

    Warnings are for what lies beside the pixels, such as a broken EXIF block, which dozens of ImageNet's files have.

    Raises:
        ReproError: if it is no image, not a whole one, or for "" one of colours.
    """
    from PIL import Image

    with guarded(lambda why: ReproError(f"The image {name} cannot be read: {why}", AGAIN)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(file, Path) and not file.is_file():
            raise ValueError("there is no such file")
        with Image.open(file) as found:
            if not mode and found.mode not in ("P", "L"):
                raise ValueError(f"it has colours ({found.mode}), where numbers of classes are due")
            return np.array(found.convert(mode) if mode else found, np.uint8)


@contextmanager
def archive(file: Path | IO[bytes]) -> Iterator[tarfile.TarFile]:
    """A tar file, packed or not, that asks for no more memory than `BLOCK` at once."""
    with file.open("rb") if isinstance(file, Path) else file as raw:
        head = raw.read(6)
        raw.seek(0)
        unpack = next((own for magic, own in PACKED.items() if head.startswith(magic)), None)
        with (
            cast("IO[bytes]", unpack(raw)) if unpack else raw as plain,
            tarfile.open(fileobj=cast("IO[bytes]", _Measured(plain)), mode="r:") as found,
        ):
            yield found


def regular(found: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """What a member holds; None for a folder.

    Raises:
        ValueError: for a link, which could name another file than the one that was asked for.
    """
    if member.issym() or member.islnk():
        raise ValueError(f"{member.name[:SAYS]} is a link")
    return found.extractfile(member) if member.isreg() else None


class _Measured:
    """A file of which nothing is read that would not fit in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        if size > BLOCK:
            raise ValueError(f"a header or member of {size:,} bytes")
        return self._file.read(size)


def _unseen(path: Path, why: str) -> ReproError:
    shown: Any = f"{path}"[:SAYS]
    return ReproError(f"{shown} cannot be looked at ({why})", "Set REPRO_DATA to a folder that you can read.")
