"""The Penn Treebank as Mikolov et al. prepared it for language models: 10,000 words, one sentence a line.

Looked for in REPRO_DATA and then among the downloads, below `ptb/`: as `ptb.train.txt.gz` and so on, as the same files
unpacked, or in the published archive. Each text is checked against its sha256. A line's end is the word <eos>, as all
papers count it: 929,589 words to learn from, 73,760 to choose by and 82,430 to test on.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.data.dataset import Dataset, Description, Text
from repro.data.download import download
from repro.errors import ReproError, Unavailable
from repro.paths import data_dirs, download_dir
from repro.source import digest as sha256

URL = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
ARCHIVE = "simple-examples.tgz"
ARCHIVE_HASH = "md5:30177ea32e27c525793142b6bf2c8e2d"  # as PaddlePaddle's loader has it; the makers publish none
ARCHIVE_BYTES = 34_869_662
TEXTS = {
    "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
}
LARGEST = 8 << 20
END = "<eos>"

Read = Callable[[str], bytes]
"""Returns the bytes of a text by its name, "train", "valid" or "test"."""


def load() -> Dataset[Text]:
    """Both splits; the validation text belongs to the training split. Words are numbered from the most frequent on.

    Raises:
        Unavailable: if the data is not on this machine.
        ReproError: if a file is damaged or is another one.
    """
    read = _source()
    if read is None:
        raise Unavailable("The dataset ptb is not on this machine", describe().how_to_get)
    words = {name: _words(name, read(name)) for name in TEXTS}
    kinds, first, counts = np.unique(words["train"], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    number = {word: place for place, word in enumerate(kinds[order].tolist())}
    tokens = {name: np.array([number[word] for word in text], np.int64) for name, text in words.items()}
    train = Text(tokens=tokens["train"], validation=tokens["valid"], vocabulary=len(number))
    test = Text(tokens=tokens["test"], validation=np.empty(0, np.int64), vocabulary=len(number))
    return Dataset(name="ptb", train=train, test=test, digest=digest())


def digest() -> str:
    """A sha256 that stands for the three texts, without reading them."""
    return sha256(" ".join(TEXTS.values()))


def available() -> bool:
    """Whether the texts are on this machine."""
    return _source() is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="newspaper text of 10,000 kinds of words, 929,589 for training, 73,760 for validation, 82,430 for testing",
        url=URL,
        size_bytes=ARCHIVE_BYTES,
        licence="no open licence: it derives from the Penn Treebank (LDC99T42) and is passed on for research",
        embedded=False,
        how_to_get="Run `repro data get ptb` (33 MiB), or set REPRO_DATA to a folder that holds ptb/.",
    )


def fetch(progress: Callable[[int, int], None] | None = None) -> Path:
    """Download the published archive.

    Raises:
        ReproError: if that fails, with what to do.
    """
    return download(URL, download_dir() / "ptb" / ARCHIVE, known_hash=ARCHIVE_HASH, progress=progress)


def _source() -> Read | None:
    """A reader of the first copy that is complete by file names, or None."""
    for root in data_dirs():
        folder = root / "ptb"
        if all((folder / f"ptb.{name}.txt.gz").is_file() for name in TEXTS):
            return lambda name, folder=folder: _unpacked(folder / f"ptb.{name}.txt.gz")
        if all((folder / f"ptb.{name}.txt").is_file() for name in TEXTS):
            return lambda name, folder=folder: (folder / f"ptb.{name}.txt").read_bytes()
        if (folder / ARCHIVE).is_file():
            return lambda name, folder=folder: _archived(folder / ARCHIVE, name)
    return None


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path.name, str(error)) from error


def _archived(path: Path, name: str) -> bytes:
    """One text, read in memory: nothing of the archive is written to the disk."""
    wanted = f"simple-examples/data/ptb.{name}.txt"
    try:
        with tarfile.open(path) as archive:
            found = next((m for m in archive if m.name.removeprefix("./") == wanted), None)
            member = archive.extractfile(found) if found else None
            if member is None:
                raise _damaged(path.name, f"{wanted} is not a file in it")
            return member.read(LARGEST)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise _damaged(path.name, str(error)) from error


def _words(name: str, data: bytes) -> NDArray[np.str_]:
    """The words of a text, a line's end among them, [T]."""
    found = hashlib.sha256(data).hexdigest()
    if found != TEXTS[name]:
        raise _damaged(f"ptb.{name}.txt", f"its sha256 is {found[:16]}, not {TEXTS[name][:16]}")
    return np.array(data.decode().replace("\n", f" {END} ").split())


def _damaged(name: str, why: str) -> ReproError:
    return ReproError(f"PTB: {name} is damaged or another file ({why})", "Delete it and fetch it again.")
