"""The help text of Python's own `help()`, letter by letter: the text of the claims on how loss depends on scale.

The text is that of `pydoc`: the language reference in `pydoc_data.topics`, about 460,000 characters. It is split into
paragraphs; those of equal text are kept once. They are permuted by NumPy's legacy generator with seed 0, whose stream
never changes, as the topics' alphabetical order would make the start of the text another text than its end: 80 % are
the training split, 10 % its validation text and 10 % the test split. Each paragraph ends with an empty line. The
vocabulary is one token for everything rare and the 95 most frequent characters of the training paragraphs, in this
order.

The text differs a little from one version of Python to the next. The digest says which one was read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.data import pydoc
from repro.data.dataset import Dataset, Description, Text, text_digest
from repro.errors import ReproError

VOCABULARY = 96
RARE = ""
"""Stands for every character that is none of the most frequent."""


def load() -> Dataset[Text]:
    """About 300,000 characters to learn from, and 40,000 each to choose by and to test on.

    Raises:
        ReproError: if this Python came without the text.
    """
    train, test = _splits()
    return Dataset(name="characters", train=train, test=test, digest=digest())


@cache
def digest() -> str:
    """The sha256 of both splits."""
    return text_digest(*_splits())


def available() -> bool:
    """Whether this Python has the text."""
    return pydoc.available()


def hidden() -> tuple[Path, ...]:
    """Where the text lies: not to be seen by what is scored on it."""
    return pydoc.hidden()


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says=f"the text of Python's language reference as its help() has it, by characters of {VOCABULARY} kinds",
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
    first, second = int(0.8 * len(order)), int(0.9 * len(order))
    parts = ["".join(paragraphs[place] for place in part) for part in np.split(order, [first, second])]
    counts = Counter(parts[0])
    most = sorted(counts, key=lambda letter: (-counts[letter], letter))[: VOCABULARY - 1]
    kinds = [RARE, *most]
    train, validation, test = (_numbered(part, kinds) for part in parts)
    return (
        Text(tokens=train, validation=validation, vocabulary=len(kinds)),
        Text(tokens=test, validation=np.empty(0, np.int64), vocabulary=len(kinds)),
    )


def _paragraphs() -> list[str]:
    """Each paragraph with the empty line after it, those of equal text once, in the order of the topics' names."""
    if not available():
        raise ReproError("This Python has no pydoc_data", describe().how_to_get)
    from pydoc_data.topics import topics

    found = [text.strip("\n") for name in sorted(topics) for text in re.split(r"\n\s*\n", topics[name])]
    return [f"{text}\n\n" for text in dict.fromkeys(found) if text.strip()]


def _numbered(text: str, kinds: Sequence[str]) -> NDArray[np.int64]:
    number = {letter: place for place, letter in enumerate(kinds)}
    return np.array([number.get(letter, 0) for letter in text], np.int64)
