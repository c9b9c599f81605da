"""First names, by characters: the list of Mark Kantrowitz that the post of karpathy2015 links, 7,578 different ones.

Looked for in REPRO_DATA and then among the downloads, below `names/`: `names.zip`, as NLTK distributes it, which is
checked against its sha256. Names of both files, those in both once, are put into an order that a generator with a fixed
seed draws; a line's end follows each. The first 90 % are the training text, 5 % its validation text and 5 % the test
text. Characters are numbered in the order of their codes: the line's end is 0.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from repro.code_digest import digest as sha256
from repro.data._dataset import Dataset, Description, Text, text_dataset
from repro.data._download import download
from repro.data._published import PublishedFiles
from repro.data._reading import at_most, guarded
from repro.errors import Unavailable
from repro.paths import download_dir

URL = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/names.zip"
NAME = "names.zip"
DIGEST = "0eec7e958b34982662b8f05824ae64642dea097b08057ade65c252191c5fe7ca"
SIZE = 21_326  # bytes
MEMBERS = ("names/female.txt", "names/male.txt")
SHARES = (0.9, 0.95)
FILES = PublishedFiles(title="names", folder="names", forms=("{}",), largest=1 << 20)


def load() -> Dataset[Text]:
    """6,820 names to learn from, and 379 each to choose by and to test on.

    Raises:
        Unavailable: if the list is not on this machine.
        ReproError: if it is damaged or another one.
    """
    read = FILES.find([NAME])
    if read is None:
        raise Unavailable("The dataset first_names is not on this machine", describe().how_to_get)
    data = FILES.checked(NAME, read(NAME), DIGEST)
    with guarded(lambda why: FILES.damaged(NAME, why)), zipfile.ZipFile(io.BytesIO(data)) as packed:
        texts = [at_most(packed.open(member), FILES.largest).decode() for member in MEMBERS]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    found = sorted({line for line in lines if line})
    order = np.random.RandomState(0).permutation(len(found))  # a stream that never changes
    cuts = np.split(order, [int(share * len(found)) for share in SHARES])
    texts = ["".join(f"{found[place]}\n" for place in part) for part in cuts]
    kinds = sorted(set("".join(texts)))
    number = {letter: place for place, letter in enumerate(kinds)}
    tokens = (np.array([number[letter] for letter in text], np.int64) for text in texts)
    return text_dataset("first_names", tokens, len(kinds), digest())


def digest() -> str:
    """A sha256 that stands for the list and how it is split, without reading it."""
    return sha256(f"{DIGEST} {MEMBERS} {SHARES}")


def available() -> bool:
    """Whether the list is on this machine."""
    return FILES.find([NAME]) is not None


def fetch(progress: Callable[[int, int], None] | None = None) -> Path:
    """Download the list.

    Raises:
        ReproError: if that fails, with what to do.
    """
    return download(URL, download_dir() / FILES.folder / NAME, known_hash=f"sha256:{DIGEST}", progress=progress)


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="7,578 first names, one a line, by characters",
        url="https://www.cs.cmu.edu/afs/cs/project/ai-repository/ai/areas/nlp/corpora/names/",
        size_bytes=SIZE,
        licence="any purpose with credit to Mark Kantrowitz and Bill Ross; to be redistributed with its README",
        embedded=False,
        how_to_get="Run `repro data get first_names` (21 KiB), or set REPRO_DATA to a folder that holds names/.",
    )
