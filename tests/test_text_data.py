"""Texts: every word in its order, unchanged, from wherever they are kept."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from repro import data
from repro.data import ptb, pydoc
from repro.data._dataset import Text, text_digest
from repro.errors import ReproError, Unavailable

REAL = Path(os.environ.get("REPRO_DATA", "")) / "ptb"
TEXTS = {
    "train": b" the <unk> sat on the mat \n the end \n",
    "valid": b" the mat sat \n",
    "test": b" the end \n on the <unk> \n",
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    """No test sees the datasets of this machine, unless it asks for them."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    data._read.cache_clear()


@pytest.fixture
def small(monkeypatch, tmp_path) -> Path:
    """Checksums of three small texts in place of PTB's, and the folder to put them in."""
    monkeypatch.setattr(ptb, "TEXTS", {name: hashlib.sha256(text).hexdigest() for name, text in TEXTS.items()})
    folder = tmp_path / "data" / "ptb"
    folder.mkdir(parents=True)
    return folder


def gzipped(folder: Path) -> None:
    """The three texts, packed one by one."""
    for name, text in TEXTS.items():
        (folder / f"ptb.{name}.txt.gz").write_bytes(gzip.compress(text))


def plain(folder: Path) -> None:
    """The three texts as they are."""
    for name, text in TEXTS.items():
        (folder / f"ptb.{name}.txt").write_bytes(text)


def archived(folder: Path, prefix: str = "./simple-examples/data/") -> None:
    """The three texts in an archive like the published one."""
    with tarfile.open(folder / ptb.FILES.archive, "w:gz") as archive:
        for name, text in TEXTS.items():
            member = tarfile.TarInfo(f"{prefix}ptb.{name}.txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))


@pytest.mark.parametrize("keep", [gzipped, plain, archived])
def test_ptb_is_read_from_every_form_it_is_kept_in(small, keep):
    """Words are numbered from the most frequent on, a line's end is a word, and validation belongs to training."""
    keep(small)
    found = data.load("ptb")
    assert found.train.vocabulary == 7
    words = ["the", "<eos>", "<unk>", "sat", "on", "mat", "end"]  # equally frequent ones by first appearance
    assert [words[token] for token in found.train.tokens] == [
        "the",
        "<unk>",
        "sat",
        "on",
        "the",
        "mat",
        "<eos>",
        "the",
        "end",
        "<eos>",
    ]
    assert [words[token] for token in found.train.validation] == ["the", "mat", "sat", "<eos>"]
    assert [words[token] for token in found.test.tokens] == ["the", "end", "<eos>", "on", "the", "<unk>", "<eos>"]
    assert not len(found.test.validation)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "ptb.test.txt.gz").write_bytes(gzip.compress(b"another text")), "its sha256 is"),
        (lambda folder: (folder / "ptb.test.txt.gz").write_bytes(b"not gzip"), "damaged or another file"),
        (lambda folder: (folder / "ptb.test.txt.gz").write_bytes(gzip.compress(TEXTS["test"])[:-9]), "damaged"),
    ],
)
def test_a_damaged_text_is_one_error(small, damage, words):
    """A wrong, a broken and a short file are each refused, with what to do."""
    gzipped(small)
    damage(small)
    with pytest.raises(ReproError, match=words) as found:
        data.load("ptb")
    assert "Delete it and fetch it again" in str(found.value)


@pytest.mark.parametrize("content", [b"not an archive", None])
def test_a_damaged_archive_is_one_error(small, content):
    """An archive that is none, or that lacks a text, is refused by name."""
    archived(small, prefix="elsewhere/")
    if content is not None:
        (small / ptb.FILES.archive).write_bytes(content)
    with pytest.raises(ReproError, match=r"simple-examples.tgz is damaged or another file"):
        data.load("ptb")


def test_ptb_that_is_not_here_says_how_it_is_had():
    """Without a copy nothing is downloaded behind anybody's back."""
    assert not data.available("ptb")
    with pytest.raises(Unavailable, match="repro data get ptb"):
        data.load("ptb")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real PTB is not here: set REPRO_DATA")
def test_the_real_ptb_has_the_published_counts(monkeypatch):
    """929,589, 73,760 and 82,430 words of exactly 10,000 kinds."""
    monkeypatch.setenv("REPRO_DATA", str(REAL.parent))
    found = data.load("ptb")
    assert (len(found.train), len(found.train.validation)) == (929_589, 73_760)
    assert (len(found.test), found.train.vocabulary) == (82_430, 10_000)
    assert len(np.unique(found.train.tokens)) == 10_000


def test_pydoc_has_every_paragraph_once_and_in_one_split():
    """The three parts together are all different paragraphs of Python's help text."""
    from pydoc_data.topics import topics

    found = data.load("pydoc")
    total = len(found.train) + len(found.train.validation) + len(found.test)
    ends = sum(int((part == 1).sum()) for part in (found.train.tokens, found.train.validation, found.test.tokens))
    texts = {" ".join(text.split()) for topic in topics.values() for text in topic.split("\n\n")}
    assert found.train.vocabulary == found.test.vocabulary == 2000
    assert 60_000 < total < 200_000
    assert 0.5 * len(texts) < ends <= len(texts)
    assert 0.75 < len(found.train) / total < 0.85


def test_pydoc_words_are_known_from_training_alone():
    """Every number but that of <unk> occurs in the training text, so nothing of the test text made the vocabulary."""
    found = data.load("pydoc")
    assert set(np.unique(found.train.tokens)) == set(range(2000))
    assert 0 < (found.test.tokens == 0).mean() < 0.1


def test_pydoc_is_hidden_wherever_a_python_keeps_it():
    """The folder that this Python reads is among those that a jail covers."""
    import pydoc_data

    assert Path(pydoc_data.__path__[0]) in pydoc.hidden()
    assert set(pydoc.hidden()) <= set(data.hidden())


def test_the_digest_of_a_text_stands_for_its_content():
    """One changed word, or the border between two parts moved, changes the digest."""
    found = data.load("pydoc")
    assert found.digest == data.digest("pydoc") == text_digest(found.train, found.test)
    found.test.tokens[0] ^= 1
    assert text_digest(found.train, found.test) != found.digest
    one, other = (Text(tokens=np.arange(n), validation=np.arange(n, 5), vocabulary=5) for n in (2, 3))
    assert text_digest(one) != text_digest(other)


def test_nobody_can_change_the_text_of_the_next_trial():
    """What one trial does to its tokens, another does not see."""
    data.load("pydoc").train.tokens[:] = 0
    assert data.load("pydoc").train.tokens.any()


def test_a_token_beyond_the_vocabulary_is_refused():
    """A text whose numbers do not fit its vocabulary is an error where it is made."""
    with pytest.raises(ValueError, match=r"tokens run over 0..5, not 0..4"):
        Text(tokens=np.array([0, 5]), validation=np.empty(0, np.int64), vocabulary=5)
