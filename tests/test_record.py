"""Records: canonical, hashed, and strict about what they admit."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.errors import ReproError
from repro.record import record as records
from repro.record.format import json_schema
from repro.record.record import Record, as_sample, decode, encode, file_name, sample_part, seal
from repro.record.store import Store
from repro.trial.recording import superseding
from tests.records import make_record
from tests.strategies import record_drafts, samples

RECORD = make_record()
DATA = encode(RECORD)


@given(record_drafts())
def test_what_is_encoded_comes_back(draft):
    """Sealing, encoding and decoding any record gives it again, and encoding that gives the same bytes."""
    sealed = seal(draft)
    assert decode(encode(sealed)) == sealed
    assert encode(decode(encode(sealed))) == encode(sealed)
    assert seal(sealed) == sealed


def test_the_id_is_the_hash_of_the_canonical_rest():
    """Anybody can check the id with a JSON library and sha256."""
    plain = json.loads(DATA)
    stated = plain.pop("id")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert stated == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert file_name(RECORD) == stated[7:23] + ".json"
    assert DATA.endswith(b"}\n")


def test_notes_of_a_course_have_records():
    """A record of notes, which are keyed by the course's number, decodes, and its schema admits it."""
    notes = make_record(paper="cs231n")
    assert decode(encode(notes)) == notes
    jsonschema.validate(json.loads(encode(notes)), json_schema(Record))


def edited(*path: str | int, value: object) -> bytes:
    """The record's JSON with one value replaced, in canonical form but with its old id."""
    plain = json.loads(DATA)
    place = plain
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return (json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


INVALID = {
    "edited number": (edited("verdict", "estimate", value=0.5), "states the hash"),
    "edited word": (edited("word", value="reproduced"), "states the hash"),
    "unknown key": (edited("surprise", value=1), "unknown field `surprise`"),
    "unknown key within": (edited("claim", "surprise", value=1), r"unknown field `surprise` - at `\$.claim`"),
    "unknown key of a verdict": (edited("verdict", "surprise", value=1), "canonical"),
    "text for a number": (
        edited("trials", 0, "seed", value="0"),
        r"Expected `int`, got `str` - at `\$.trials\[0\].seed`",
    ),
    "NaN": (edited("verdict", "estimate", value=math.nan), "not valid"),
    "infinity": (edited("verdict", "estimate", value=math.inf), "not valid"),
    "number out of range": (DATA.replace(b'"rate":0.001', b'"rate":1e999'), "out of range"),
    "seeds without values": (edited("samples", 0, "seeds", value=[0]), "1 seeds but 2 values"),
    "path for a paper": (edited("paper", "key", value="../../etc"), "paper key"),
    "path for a key": (edited("implementation", "key", value="../.."), "regex"),
    "no time": (edited("created", value="yesterday"), "regex"),
    "later schema": (edited("schema", value=2), "schema 2"),
    "schema as text": (edited("schema", value="1"), "Expected `int`"),
    "truncated": (DATA[:-20], "truncated"),
    "trailing space": (DATA + b" ", "canonical"),
    "line ends of Windows": (DATA.replace(b"\n", b"\r\n"), "line ends of another system"),
    "inner space": (DATA.replace(b":", b": ", 1), "canonical"),
    "empty": (b"", "truncated"),
    "list": (b"[]", "Expected `object`"),
    "not UTF-8": (b"\xff" + DATA, "not valid"),
    "too deep": (b"[" * 100_000, "not valid"),
    "cut character": (DATA.replace(b'"name":"\xc3\xa9"', b'"name":"\xc3"'), "not valid"),
}


@pytest.mark.parametrize("damage", INVALID)
def test_invalid_files_are_one_clear_error(damage):
    """An edited, cut, stretched, non-finite or foreign file is refused, with the first thing that is wrong."""
    data, says = INVALID[damage]
    with pytest.raises(ReproError, match=says):
        decode(data)


@given(st.binary(max_size=60), st.integers(0, len(DATA)))
def test_no_corruption_passes(junk, place):
    """Overwriting any bytes of a file makes it invalid, and never raises anything but ReproError."""
    data = DATA[:place] + junk + DATA[place + len(junk) :]
    if data == DATA:
        assert decode(data) == RECORD
        return
    with pytest.raises(ReproError):
        decode(data)


def test_huge_files_are_refused_before_they_are_read(monkeypatch):
    """A file over the limit is not parsed."""
    monkeypatch.setattr(records, "LARGEST", 100)
    with pytest.raises(ReproError, match="more than 100"):
        decode(DATA)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_never_written(value):
    """NaN and infinities cannot get into a record, neither in a verdict nor in a config."""
    verdict = msgspec.structs.replace(RECORD.verdict, estimate=value)
    with pytest.raises(ReproError, match="cannot be written"):
        seal(msgspec.structs.replace(RECORD, verdict=verdict))
    with pytest.raises(ReproError, match="cannot be written"):
        encode(msgspec.structs.replace(RECORD, verdict=verdict))


@given(samples())
def test_samples_keep_every_raw_value(sample):
    """A sample put into a record and taken out again has the same values, bit by bit."""
    again = as_sample(sample_part(sample))
    assert np.array_equal(again.values, sample.values)
    assert (again.arm, again.unit, again.seeds) == (sample.arm, sample.unit, sample.seeds)


def test_diverged_runs_are_kept_as_null():
    """A run that gave NaN or infinity is in the record as null and comes back as NaN."""
    sample = as_sample(RECORD.samples[0])
    assert np.isnan(sample.values[1])
    assert sample_part(sample).values == (1.0, None)
    curve = as_sample(RECORD.samples[1])
    assert curve.values.shape == (1, 2)
    assert sample_part(curve) == RECORD.samples[1]


def test_the_published_schema_is_current():
    """docs/reference/record.schema.json is what `python -m repro.record.record` prints, and admits a real record."""
    path = Path(__file__).parents[1] / "docs" / "reference" / "record.schema.json"
    committed = json.loads(path.read_text())
    assert committed == json.loads(json.dumps(json_schema(Record))), (
        "run: python -m repro.record.record > docs/reference/record.schema.json"
    )
    jsonschema.validate(json.loads(DATA), committed)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(edited("surprise", value=1)), committed)


def test_what_supersedes_is_newer_whatever_the_clock_said(tmp_path):
    """A record that replaces another is the newest of its claim, even where the clock has gone back in between."""
    before = make_record(1, created="2026-11-02T10:00:00Z")
    after = superseding(make_record(1, created="2026-11-01T10:00:00Z", word="refuted"), before)
    store = Store(tmp_path)
    for record in (after, before):
        store.add(record)
    assert after.created == "2026-11-02T10:00:01Z"
    assert [record.id for record in store.newest()] == [after.id]
