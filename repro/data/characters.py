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

from collections import Counter
from dataclasses import replace

import numpy as np

from repro.data import pydoc
from repro.data._dataset import Dataset, Description, Text, text_dataset

VOCABULARY = 96
RARE = ""
"""Stands for every character that is none of the most frequent."""


def load() -> Dataset[Text]:
    """About 300,000 characters to learn from, and 40,000 each to choose by and to test on.

    Raises:
        ReproError: if this Python came without the text.
    """
    found = dict.fromkeys(text.strip("\n") for text in pydoc.paragraphs())
    parts = ["".join(part) for part in pydoc.shuffled([f"{text}\n\n" for text in found if text.strip()])]
    counts = Counter(parts[0])
    most = sorted(counts, key=lambda letter: (-counts[letter], letter))[: VOCABULARY - 1]
    number = {letter: place for place, letter in enumerate([RARE, *most])}
    texts = (np.array([number.get(letter, 0) for letter in part], np.int64) for part in parts)
    return text_dataset("characters", texts, len(number))


available = pydoc.available
hidden = pydoc.hidden


def describe() -> Description:
    """What the dataset is."""
    says = f"the text of Python's language reference as its help() has it, by characters of {VOCABULARY} kinds"
    return replace(pydoc.describe(), says=says)
