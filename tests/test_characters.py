"""Texts by characters and by bytes: every paragraph and file once, and in one split."""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from repro import data
from repro.data import characters, stdlib
from repro.errors import ReproError


@pytest.fixture
def library(tmp_path, monkeypatch) -> Path:
    """A standard library of a few small files, and caches that know nothing of another."""
    for name in ("a.py", "b.py", "json/c.py", "site-packages/d.py", "json/__pycache__/e.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "copy.py").write_bytes(b"a.py")
    (tmp_path / "empty.py").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"notes")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(stdlib, "LEAST", 1)
    caches = (stdlib._paths, stdlib.available, data._read)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    for cached in caches:
        cached.cache_clear()


def test_characters_are_the_help_text():
    """All parts together have each paragraph of the help text once, as far as characters are known."""
    from pydoc_data.topics import topics

    found = data.load("characters")
    parts = found.train.tokens, found.train.validation, found.test.tokens
    paragraphs = {t.strip("\n") for text in topics.values() for t in re.split(r"\n\s*\n", text) if t.strip()}
    assert sum(map(len, parts)) == sum(len(text) + 2 for text in paragraphs)
    assert 0.75 < len(parts[0]) / sum(map(len, parts)) < 0.85
    common = Counter("".join(f"{text}\n\n" for text in paragraphs)).most_common(1)[0][1]
    assert sum(int((part == 1).sum()) for part in parts) == common


def test_characters_are_known_from_training_alone():
    """Every number but that of rare characters occurs in the training text, the more often the smaller it is."""
    found = data.load("characters")
    counts = np.bincount(found.train.tokens, minlength=found.train.vocabulary)
    assert found.train.vocabulary == found.test.vocabulary == characters.VOCABULARY < 128
    assert (counts[1:] > 0).all()
    assert (np.diff(counts[1:]) <= 0).all()
    assert (found.test.tokens == 0).mean() < 0.01


def test_characters_are_hidden_from_jails():
    """The folder that this Python reads is among those that a jail covers."""
    import pydoc_data

    assert Path(pydoc_data.__path__[0]) in characters.hidden()
    assert set(characters.hidden()) <= set(data.hidden())


def test_paragraphs_are_in_one_split_each():
    """No paragraph of the test text is one of the training text."""
    found = data.load("characters")
    ends = int(np.flatnonzero(found.train.tokens[1:] == found.train.tokens[:-1])[0])  # any doubled character
    assert ends >= 0
    newline = int(found.train.tokens[-1])

    def paragraphs(tokens: np.ndarray) -> set[bytes]:
        breaks = np.flatnonzero((tokens[1:] == newline) & (tokens[:-1] == newline))
        return {part.tobytes() for part in np.split(tokens, breaks + 2) if len(part)}

    train, test = paragraphs(found.train.tokens), paragraphs(found.test.tokens)
    assert len(test) > 100
    assert len(test & train) <= 0.01 * len(test)


def test_the_library_is_read_whole_and_once(library):
    """Files that are the library's own, each content once, end with a zero and are in one part each."""
    found = stdlib.load()
    parts = found.train.tokens, found.train.validation, found.test.tokens
    texts = sorted(text for part in parts for text in bytes(part.astype(np.uint8)).split(b"\0") if text)
    assert texts == [b"a.py", b"b.py", b"json/c.py"]
    assert found.train.vocabulary == 256
    assert stdlib.describe().size_bytes == len(b"a.pyb.pyjson/c.pya.py")


def test_the_library_has_a_digest_of_its_content(library):
    """One changed file changes the digest."""
    before = data.digest("stdlib")
    (library / "b.py").write_bytes(b"other")
    for cached in (stdlib._paths, data._read):
        cached.cache_clear()
    assert data.digest("stdlib") != before


def test_a_library_without_source_is_one_error(library, monkeypatch):
    """Where the source was stripped, the text is not available, and loading it says what to do."""
    monkeypatch.setattr(stdlib, "LEAST", 1000)
    assert not stdlib.available()
    with pytest.raises(ReproError, match="lacks the source of its standard library"):
        stdlib.load()
