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
from pathlib import Path
from typing import TypeVar

import numpy as np

from repro.data._dataset import Dataset, Description, Text, text_dataset
from repro.errors import ReproError

T = TypeVar("T")

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
    found = (tuple(WORD.findall(text.lower())) for text in paragraphs())
    parts = shuffled([[*words, END] for words in dict.fromkeys(found) if words])
    counts = Counter(word for words in parts[0] for word in words[:-1])
    most = sorted(counts, key=lambda word: (-counts[word], word))[: VOCABULARY - 2]
    number = {word: place for place, word in enumerate([UNKNOWN, END, *most])}
    unknown = number[UNKNOWN]
    texts = (np.array([number.get(word, unknown) for words in part for word in words], np.int64) for part in parts)
    return text_dataset("pydoc", texts, len(number))


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


def paragraphs() -> list[str]:
    """All paragraphs, in the order of the topics' names; some stand several times.

    Raises:
        ReproError: if this Python came without the text.
    """
    if not available():
        raise ReproError("This Python has no pydoc_data", describe().how_to_get)
    from pydoc_data.topics import topics

    return [text for name in sorted(topics) for text in re.split(r"\n\s*\n", topics[name])]


def shuffled(items: Sequence[T]) -> list[list[T]]:
    """What belongs to training, validation and test, 80, 10 and 10 % of the items."""
    order = np.random.RandomState(0).permutation(len(items))
    cuts = [int(0.8 * len(items)), int(0.9 * len(items))]
    return [[items[place] for place in part] for part in np.split(order, cuts)]
