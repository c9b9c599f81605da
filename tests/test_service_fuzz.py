"""Whatever is sent to the service of a shared board, it answers with a refusal, never with a mistake of its own."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("streamlit", reason="the service needs the extra `board`")

from repro.record.record import encode
from repro.record.store import Store
from tests.records import make_record
from tests.service import PATIENCE_S, Open, files, refused, served

# What is fuzzed: any bytes, any JSON, and records with any part replaced whose hash is right all the same.
PLAIN = json.loads(encode(make_record(1)))
DIGITS = "2026-01-01T00:00:00Z".translate({ord("0") + k: 0x660 + k for k in range(10)})  # Arabic ones are digits too
SPECIAL = st.sampled_from(
    [
        None, True, -1, 2**31, 2**63, 2**64, 10**400, -(2**63) - 1, 0.1, 1e308, math.nan, math.inf, "", "\0", "\ud800",
        "é" * 300, "../../etc/passwd", "he2015\n", "2026-01-01T00:00:00Z\n", "9999-99-99T99:99:99Z", [], {}, [[]],
        "<script>", "'; drop table records; --", DIGITS, "sha256:" + "f" * 64,
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)

ALIKE = {
    str: st.text(max_size=20),
    int: st.integers(-(2**65), 2**65) | st.sampled_from([2**31, 2**63, 2**64 - 1]),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
}


def places(plain: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in JSON data."""
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = list(places(PLAIN))


def resealed(plain: dict[str, Any]) -> bytes:
    """JSON data as a record file with a hash that is right, whatever else is not."""
    rest = {key: value for key, value in plain.items() if key != "id"}

    def canonical(value: Any) -> bytes:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")

    return canonical(rest | {"id": "sha256:" + sha256(canonical(rest)).hexdigest()}) + b"\n"


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A record with one to three of its values replaced, left out or added, and sealed again."""
    plain = deepcopy(PLAIN)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(PLACES))
        parent: Any = plain
        with suppress(KeyError, IndexError, TypeError):  # where an earlier change took the place away
            for key in path:
                parent = parent[key]
            change = draw(st.sampled_from(("alike",) * 6 + ("other",) * 3 + ("add", "drop")))
            if change == "add" and isinstance(parent, dict):
                parent["more"] = draw(SPECIAL | JSON)
            elif change == "drop":
                del parent[last]
            else:
                parent[last] = draw(ALIKE.get(type(parent[last]), JSON) if change == "alike" else SPECIAL | JSON)
    return resealed(plain)


DATA = encode(make_record(1))
ODD = [
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b'{"schema":1' + b"0" * 10_000 + b"}",
    b"\xef\xbb\xbf" + DATA,
    DATA.replace(b'{"claim"', b'{"id":"x","claim"'),
    DATA.decode().encode("utf-16"),
    gzip.compress(DATA, mtime=0),
]


def overwritten(at: int, junk: bytes) -> bytes:
    """A record file with some of its bytes replaced."""
    return DATA[:at] + junk + DATA[at + len(junk) :]


BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    mutants(),
    st.builds(overwritten, st.integers(0, len(DATA)), st.binary(max_size=9)),
    st.sampled_from(ODD),
)


def fuzz(here: Open, examples: int) -> list[int]:
    """Send bodies; each is taken or refused with a reason. What statuses there were."""
    seen: list[int] = []
    session = requests.Session()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {here.token}"}

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(BODIES)
    def send(body: bytes) -> None:
        answer = session.post(here.url + "/api/records", body, headers=headers, timeout=PATIENCE_S)
        seen.append(answer.status_code)
        if answer.status_code not in (200, 201):
            refused(answer, 422)

    send()
    return seen


def test_no_body_breaks_the_service(tmp_path):
    """Any bytes and any sealed nonsense get 2xx or 422; what was taken can be read, and indexed anew."""
    with served(tmp_path) as url:
        here = Open(url, tmp_path)
        statuses = fuzz(here, 300)
        assert {201, 422} <= set(statuses)
        store = Store(tmp_path)
        assert store.problems() == []
        rows = store.rows()
        assert len(rows) == len(files(tmp_path)) == statuses.count(201)
        store.rebuild()
        assert store.rows() == rows
        assert here.get("/api/claims.json").status_code == 200


@pytest.mark.postgresql
def test_no_body_breaks_the_service_on_postgresql(tmp_path, empty_url):
    """The same where columns have widths and texts hold no NUL."""
    with served(tmp_path, empty_url) as url:
        here = Open(url, tmp_path)
        statuses = fuzz(here, 200)
        assert {201, 422} <= set(statuses)
        assert len(Store(tmp_path, empty_url).rows()) == len(files(tmp_path)) == statuses.count(201)
        assert here.get("/api/claims.json").status_code == 200
