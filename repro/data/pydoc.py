"""The help text of Python's own `help()`: the text of the claims on language models that run anywhere.

Every Python brings its language reference as plain text in `pydoc_data.topics`, about 460,000 characters. It is split
into paragraphs; those that say the same are kept once. They are permuted by NumPy's legacy generator with seed 0, whose
stream never changes: 80 % are the training split, 10 % its validation text and 10 % the test split. Words are in lower
case; punctuation marks are words, and each paragraph ends with <eos>. The vocabulary is <unk>, <eos> and the
1,998 most frequent words of the training paragraphs, in this order.

The text differs a little from one version of Python to the next. The digest says which one was read.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.data.dataset import Dataset, Description, Text, text_digest
from repro.errors import ReproError

VOCABULARY = 2000
END, UNKNOWN = "<eos>", "<unk>"
WORD = re.compile(r"[a-z_]+|[0-9]+|[^\sa-z0-9_]")
ELSEWHERE = ("/usr/lib/python3*", "/usr/local/lib/python3*")
"""Where another Python of the system may have the same text."""


def load() -> Dataset[Text]:
    """About 75,000 tokens to learn from, and 9,000 each to choose by and to test on.

    Raises:
        ReproError: if this Python came without the text.
    """
    train, test = _splits()
    return Dataset(name="pydoc", train=train, test=test, digest=digest())


@cache
def digest() -> str:
    """The sha256 of both splits."""
    return text_digest(*_splits())


def available() -> bool:
    """Whether this Python has the text."""
    return importlib.util.find_spec("pydoc_data") is not None


def hidden() -> tuple[Path, ...]:
    """Where the text lies: not to be seen by what is scored on it."""
    found = importlib.util.find_spec("pydoc_data")
    own = [Path(folder) for folder in (found.submodule_search_locations if found else None) or ()]
    others = [path for pattern in ELSEWHERE for path in Path("/").glob(f"{pattern[1:]}/pydoc_data")]
    return tuple(dict.fromkeys(own + others))


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="the text of Python's language reference as its help() has it, about 93,000 tokens of 2,000 kinds",
        url="https://docs.python.org/3/reference/",
        size_bytes=464_970,
        licence="PSF-2.0",
        embedded=True,
        how_to_get="Install Python with its standard library complete.",
    )


@cache
def _splits() -> tuple[Text, Text]:
    """Both splits, tokenised once in a process."""
    paragraphs = _paragraphs()
    order = np.random.RandomState(0).permutation(len(paragraphs))
    shuffled = [paragraphs[place] for place in order]
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    parts = shuffled[:first], shuffled[first:second], shuffled[second:]
    counts = Counter(word for paragraph in parts[0] for word in paragraph[:-1])
    most = sorted(counts, key=lambda word: (-counts[word], word))[: VOCABULARY - 2]
    number = {word: place for place, word in enumerate([UNKNOWN, END, *most])}
    train, validation, test = (_numbered(part, number) for part in parts)
    return (
        Text(tokens=train, validation=validation, vocabulary=len(number)),
        Text(tokens=test, validation=np.empty(0, np.int64), vocabulary=len(number)),
    )


def _paragraphs() -> list[list[str]]:
    """The words of each paragraph, those of equal text once, in the order of the topics' names."""
    if not available():
        raise ReproError("This Python has no pydoc_data", describe().how_to_get)
    from pydoc_data.topics import topics

    texts = [text for name in sorted(topics) for text in re.split(r"\n\s*\n", topics[name])]
    found = [[*WORD.findall(text.lower()), END] for text in texts]
    return [list(words) for words in dict.fromkeys(map(tuple, found)) if len(words) > 1]


def _numbered(paragraphs: Sequence[Sequence[str]], number: dict[str, int]) -> NDArray[np.int64]:
    unknown = number[UNKNOWN]
    return np.array([number.get(word, unknown) for words in paragraphs for word in words], np.int64)
