"""The Penn Treebank as Mikolov et al. prepared it for language models: 10,000 words, one sentence a line.

Looked for in REPRO_DATA and then among the downloads, below `ptb/`: as `ptb.train.txt.gz` and so on, as the same files
unpacked, or in the published archive. Each text is checked against its sha256. A line's end is the word <eos>, as all
papers count it: 929,589 words to learn from, 73,760 to choose by and 82,430 to test on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repro.code_digest import digest as sha256
from repro.data._dataset import Dataset, Description, Text, text_dataset
from repro.data._published import PublishedFiles
from repro.data._reading import guarded
from repro.errors import Unavailable

URL = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
MIRROR = "https://dataset.bj.bcebos.com/imikolov%2Fsimple-examples.tgz"  # PaddlePaddle's
ARCHIVE_BYTES = 34_869_662
TEXTS = {
    "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
}
FILES = PublishedFiles(
    title="PTB",
    folder="ptb",
    forms=("ptb.{}.txt.gz", "ptb.{}.txt"),
    largest=8 << 20,
    archive="simple-examples.tgz",
    archive_urls=(URL, MIRROR),
    archive_hash="md5:30177ea32e27c525793142b6bf2c8e2d",  # as PaddlePaddle's loader has it; the makers publish none
    member="simple-examples/data/ptb.{}.txt",
)
fetch = FILES.fetch
END = "<eos>"


def load() -> Dataset[Text]:
    """Both splits; the validation text belongs to the training split. Words are numbered from the most frequent on.

    Raises:
        Unavailable: if the data is not on this machine.
        ReproError: if a file is damaged or is another one.
    """
    read = FILES.find(TEXTS)
    if read is None:
        raise Unavailable("The dataset ptb is not on this machine", describe().how_to_get)
    words = {name: _words(name, read(name)) for name in TEXTS}
    kinds, first, counts = np.unique(words["train"], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    number = {word: place for place, word in enumerate(kinds[order].tolist())}
    with guarded(lambda why: FILES.damaged("a text", f"a word that is not in the training text: {why}")):
        tokens = {name: np.array([number[word] for word in text], np.int64) for name, text in words.items()}
    return text_dataset("ptb", tokens.values(), len(number), digest())


def digest() -> str:
    """A sha256 that stands for the three texts, without reading them."""
    return sha256(" ".join(TEXTS.values()))


def available() -> bool:
    """Whether the texts are on this machine."""
    return FILES.find(TEXTS) is not None


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


def _words(name: str, data: bytes) -> NDArray[np.str_]:
    """The words of a text, a line's end among them, [T]."""
    file = f"ptb.{name}.txt"
    text = FILES.checked(file, data, TEXTS[name], text=True)
    with guarded(lambda why: FILES.damaged(file, why)):
        return np.array(text.decode().replace("\n", f" {END} ").split(), np.str_)
