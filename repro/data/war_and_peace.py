"""War and Peace in English, by characters: the text of char-rnn whose length karpathy2015's companion paper prints.

Looked for in REPRO_DATA and then among the downloads, below `war_and_peace/`: as `warpeace_input.txt`, or packed as
`warpeace_input.txt.gz`. It is checked against its sha256, which is that of a copy put together anew: its authors
publish none, but length and number of characters are theirs. The first 80 % are the training text, 10 % its validation
text and 10 % the test text. Characters are bytes, numbered by their values.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from repro.code_digest import digest as sha256
from repro.data._dataset import Dataset, Description, Text, text_dataset
from repro.data._download import download
from repro.data._published import PublishedFiles
from repro.errors import Unavailable
from repro.paths import download_dir

URL = "https://cs.stanford.edu/people/karpathy/char-rnn/warpeace_input.txt"
NAME = "warpeace_input.txt"
DIGEST = "fb66ba999dafe24017cdd59e04c56d385a9c8466993d374fd4c6f08b2142985e"
SIZE = 3_258_246  # bytes
SHARES = (0.8, 0.9)
FILES = PublishedFiles(title="War and Peace", folder="war_and_peace", forms=("{}.gz", "{}"), largest=8 << 20)


def load() -> Dataset[Text]:
    """2.6 million characters to learn from, and 326,000 each to choose by and to test on.

    Raises:
        Unavailable: if the text is not on this machine.
        ReproError: if it is damaged or another one.
    """
    read = FILES.find([NAME])
    if read is None:
        raise Unavailable("The dataset war_and_peace is not on this machine", describe().how_to_get)
    data = FILES.checked(NAME, read(NAME), DIGEST, text=True)
    kinds, tokens = np.unique(np.frombuffer(data, np.uint8), return_inverse=True)
    parts = np.split(tokens.astype(np.int64), [int(share * len(tokens)) for share in SHARES])
    return text_dataset("war_and_peace", parts, len(kinds), digest())


def digest() -> str:
    """A sha256 that stands for the text and how it is split, without reading it."""
    return sha256(f"{DIGEST} {SHARES}")


def available() -> bool:
    """Whether the text is on this machine."""
    return FILES.find([NAME]) is not None


def fetch(progress: Callable[[int, int], None] | None = None) -> Path:
    """Download the text.

    Raises:
        ReproError: if that fails, with what to do.
    """
    target = download_dir() / FILES.folder / NAME
    return download(URL, target, known_hash=f"sha256:{DIGEST}", progress=progress)


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="War and Peace in English, 3,258,246 characters of 87 kinds",
        url=URL,
        size_bytes=SIZE,
        licence="Project Gutenberg, in the public domain in the United States",
        embedded=False,
        how_to_get="Run `repro data get war_and_peace` (3 MiB), or set REPRO_DATA to a folder with war_and_peace/.",
    )
