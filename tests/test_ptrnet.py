"""The published convex hulls: the file's format, and that the suite's own hulls are the same."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from claims.experiments import planar
from repro import data
from repro.data import ptrnet
from repro.data.ptrnet import parse
from repro.errors import ReproError, Unavailable
from repro.task import Sequences

REAL = Path(os.environ.get("REPRO_DATA", "")) / "ptrnet"
LINE = "0.1 0.2 0.9 0.1 0.5 0.8 output 1 2 3 1 \n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where a small file in the published format lies, with its checksum in place of the published one."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(ptrnet, "DIGEST", hashlib.sha256((LINE * 2).encode()).hexdigest())
    data._read.cache_clear()
    (tmp_path / "data" / "ptrnet").mkdir(parents=True)
    return tmp_path / "data" / "ptrnet"


@pytest.mark.parametrize("packed", [True, False])
def test_the_published_file_is_read_packed_or_not(folder, packed):
    """Places count from 0, hulls are not closed, nothing is there to train on, and a copy is the caller's own."""
    text = (LINE * 2).encode()
    (folder / (ptrnet.FILE + ".gz" * packed)).write_bytes(gzip.compress(text) if packed else text)
    found = data.load("ptrnet")
    assert (len(found.train), len(found.test)) == (0, 2)
    assert found.test.inputs.items[1].tolist() == np.float32([[0.1, 0.2], [0.9, 0.1], [0.5, 0.8]]).tolist()
    assert found.test.outputs.items.tolist() == [[0, 1, 2]] * 2
    found.test.outputs.items[:] = 1
    assert not found.test.same(data.load("ptrnet").test)
    assert found.test.same(found.test.copied())


def test_a_damaged_file_is_refused(folder):
    """Another content, and a file that does not unpack, end in one line."""
    (folder / ptrnet.FILE).write_text(LINE * 3)
    with pytest.raises(ReproError, match="damaged or another file"):
        data.load("ptrnet")
    (folder / f"{ptrnet.FILE}.gz").write_bytes(gzip.compress((LINE * 2).encode())[:20])
    with pytest.raises(ReproError, match="damaged or another file"):
        data.load("ptrnet")


def test_where_the_file_is_missing_it_is_said_how_it_is_had(folder):
    """The authors' folder cannot be downloaded from by a program."""
    assert not data.available("ptrnet")
    with pytest.raises(Unavailable) as raised:
        data.load("ptrnet")
    assert "by hand" in str(raised.value) + data.how_to_get("ptrnet")
    with pytest.raises(ReproError, match="cannot be downloaded"):
        data.fetch("ptrnet")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0.1 0.2 0.3 output 1 1", "3 coordinates and an output"),
        ("0.1 0.2 1 2 1", "5 coordinates without an output"),
        ("0.1 x output 1 1", "could not convert"),
        ("0.1 nan output 1 1", "not a number"),
        ("0.1 0.2 0.3 0.4 output 1 2", "does not end where it began"),
        ("0.1 0.2 0.3 0.4 output 1 3 1", r"places run over 1\.\.3, not 1\.\.2"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, why):
    """The error says which line, and what is wrong with it."""
    with pytest.raises(ReproError, match=f"line 2 .*{why}"):
        parse(LINE + line)


def test_our_hulls_are_the_published_ones():
    """All 10,000 published hulls are what the suite computes from their points."""
    if not any((REAL / name).is_file() for name in (ptrnet.FILE, f"{ptrnet.FILE}.gz")):
        pytest.skip(f"the published hulls are not here: {data.how_to_get('ptrnet')}")
    data._read.cache_clear()
    test = data.load("ptrnet").test
    ours = planar.hulls(Sequences(items=test.inputs.items, lengths=test.inputs.lengths))
    assert len(test) == 10_000
    np.testing.assert_array_equal(ours.lengths, test.outputs.lengths)
    np.testing.assert_array_equal(ours.items[:, : test.outputs.items.shape[1]], test.outputs.items)
