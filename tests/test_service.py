"""The service of a shared board, over real connections: what it takes in, what it refuses, and what it gives out."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import msgspec
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("streamlit", reason="the service needs the extra `board`")

from leaderboard.api import badges, board, limits
from leaderboard.api.ingest import arrivals_file
from leaderboard.api.limits import Limiter
from leaderboard.board import queries
from repro.errors import ReproError
from repro.record.access_tokens import Tokens
from repro.record.index import Index
from repro.record.record import Record, encode, seal, terms
from repro.record.store import MergedStore, Store
from tests import factory
from tests.records import make_record
from tests.service import PATIENCE_S, Open, files, refused, served

HOSTILE = '"><script>alert(1)</script>\x1b[2J\u202e&<!--'


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch):
    """The board looks at its stores at every request."""
    monkeypatch.setattr(board, "FRESH_S", 0.0)


@pytest.fixture
def root(tmp_path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store"


@pytest.fixture
def open_board(root) -> Iterator[Open]:
    """A service on an empty store with an index in SQLite."""
    with served(root) as url:
        yield Open(url, root)


def submitted(**changes: Any) -> Record:
    """A record of a submission."""
    return make_record(3, implementation="mine", **changes)


def test_a_record_is_taken_once_and_given_out_as_it_came(open_board):
    """The first time it is new, then it is known; its bytes come back by id and by file name, and may be kept."""
    record = make_record(1)
    first, second = open_board.post(encode(record)), open_board.post(encode(record))
    assert [a.status_code for a in (first, second)] == [201, 200]
    assert first.json() == {"id": record.id, "new": True, "runner": "self-reported"}
    assert [line["record"] for line in map(json.loads, arrivals_file(open_board.root).read_text().splitlines())] == [
        record.id
    ]
    assert [path.read_bytes() for path in files(open_board.root)] == [encode(record)]
    for name in (record.id, record.id[7:], record.id[7:23], record.id[7:23] + ".json"):
        answer = open_board.get(f"/api/records/{name}")
        assert answer.content == encode(record)
        assert "immutable" in answer.headers["cache-control"]
    tag = {"If-None-Match": answer.headers["etag"]}
    assert open_board.get(f"/api/records/{record.id}", headers=tag).status_code == 304
    for name in ("0" * 64, "0" * 16, record.id[7:20], "%2e%2e%2ftokens.json", "tokens.json", "%00"):
        refused(open_board.get(f"/api/records/{name}"), 404)


def test_only_good_tokens_are_taken(open_board):
    """No token, a made-up one, another's secret, a revoked one, and one of another scope add nothing."""
    record, other = make_record(1), open_board.tokens.new("Cem", ["admin"])
    swapped = open_board.token[:15] + open_board.verifier[15:]
    for token in ("repro_00000000_x", swapped, open_board.token[:-1], "é".encode().decode("latin-1"), "x" * 5000):
        refused(open_board.post(encode(record), token), 401, "not known")
    refused(requests.post(open_board.url + "/api/records", encode(record), timeout=PATIENCE_S), 401, "shows no token")
    refused(open_board.post(encode(record), other), 403, "may not verify")
    refused(open_board.post(encode(record), open_board.verifier), 403, "may not publish")
    assert files(open_board.root) == []
    assert open_board.send(record) == 201
    open_board.tokens.revoke(open_board.tokens.all()[0].id)
    refused(open_board.post(encode(make_record(2))), 401, "revoked")
    assert len(files(open_board.root)) == 1


def test_an_admin_revokes_tokens_and_sees_no_secrets(open_board):
    """An admin lists and revokes; anyone revokes their own; the answer holds neither secret nor hash."""
    admin = {"Authorization": f"Bearer {open_board.tokens.new('Cem', ['admin'])}"}
    plain = {"Authorization": f"Bearer {open_board.token}"}
    first, second, _ = (token.id for token in open_board.tokens.all())
    refused(open_board.get("/api/tokens", headers=plain), 403)
    listed = open_board.get("/api/tokens", headers=admin)
    assert [set(one) for one in listed.json()] == [{"id", "name", "scopes", "created", "revoked"}] * 3
    path = open_board.url + "/api/tokens/"
    refused(requests.delete(path + second, headers=plain, timeout=PATIENCE_S), 403)
    refused(requests.delete(path + "nobody", headers=admin, timeout=PATIENCE_S), 404)
    for own, headers in ((second, admin), (first, plain)):
        assert requests.delete(path + own, headers=headers, timeout=PATIENCE_S).json()["revoked"]
    assert [token.revoked is None for token in open_board.tokens.all()] == [False, False, True]
    refused(open_board.post(encode(make_record(1)), open_board.verifier), 401)


def test_too_many_records_are_told_to_wait(root):
    """A token over its rate gets 429 with the seconds to wait; another token is not held up."""
    with served(root, limits={"per_minute": 0.6, "burst": 2}) as url:
        here = Open(url, root)
        statuses = [here.post(encode(make_record(n))) for n in range(3)]
        assert [answer.status_code for answer in statuses] == [201, 201, 429]
        refused(statuses[2], 429, "Too many")
        assert 1 <= int(statuses[2].headers["retry-after"]) <= 100
        assert here.send(make_record(2), here.tokens.new("Dan")) == 201
        assert len(files(root)) == 3


def test_guessing_tokens_is_slowed_down(open_board, monkeypatch):
    """One address may show only so many unknown tokens; a token that has been seen goes on working."""
    assert open_board.send(make_record(1)) == 201
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Limiter, "take", lambda self, caller: 7.5 if "." in caller else 0.0)  # addresses have dots
        refused(open_board.post(b"{}", "repro_00000000_x"), 429)
        assert open_board.send(make_record(2)) == 201


def test_buckets_fill_again_and_callers_are_forgotten(monkeypatch):
    """A bucket gives its burst, then one at its rate; of too many callers those with full buckets go first."""
    now = [0.0]
    limiter = Limiter(60, 2, lambda: now[0])
    assert [limiter.take("a") for _ in range(3)] == [0.0, 0.0, 1.0]
    now[0] = 0.5
    assert limiter.take("a") == 0.5
    now[0] = 1.0
    assert limiter.take("a") == 0.0
    monkeypatch.setattr(limits, "CALLERS", 10)
    for number in range(50):
        now[0] += 0.1
        limiter.take(str(number))
    assert len(limiter._buckets) <= 10


def raw(url: str, request: bytes, *, close: bool = False) -> bytes:
    """What a server answers to bytes; with `close`, the connection is then closed halfway."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as line:
        line.sendall(request)
        if close:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := line.recv(65536):
            answer += chunk
            if b"\r\n\r\n" in answer and b"}" in answer:
                break
        return answer


def head(here: Open, *lines: str) -> bytes:
    """The head of a request to add a record."""
    usual = ("Host: x", f"Authorization: Bearer {here.token}", "Content-Type: application/json")
    return "\r\n".join(("POST /api/records HTTP/1.1", *usual, *lines, "", "")).encode()


def test_what_is_too_large_is_refused_before_it_is_read(root):
    """A stated length over the limit is refused by the head alone; chunks are counted as they come."""
    with served(root, limits={"largest": 5000, "per_minute": 1e6, "burst": 1000}) as url:
        here = Open(url, root)
        for stated in ("5001", "99999999999999999999"):
            assert b" 413 " in raw(url, head(here, f"Content-Length: {stated}")).partition(b"\r\n")[0]
        endless = (b"x" * 1000 for _ in range(10**6))
        answer = raw(
            url,
            head(here, "Transfer-Encoding: chunked") + b"".join(b"3e8\r\n" + next(endless) + b"\r\n" for _ in range(6)),
        )
        assert b" 413 " in answer.partition(b"\r\n")[0]
        refused(here.post(encode(seal(msgspec.structs.replace(make_record(1), flag="x" * 5000)))), 413)
        assert here.send(make_record(1)) == 201


def test_lengths_that_lie_add_nothing(open_board):
    """A body shorter than it says is never taken for one; what is too much is not taken for a part of it."""
    data = encode(make_record(1))
    for stated in (len(data) + 50, len(data) - 50):
        raw(open_board.url, head(open_board, f"Content-Length: {stated}") + data, close=True)
    for bad in ("-1", "1e3", "abc", "5, 6"):
        assert b" 400 " in raw(open_board.url, head(open_board, f"Content-Length: {bad}") + data)
    time.sleep(0.1)
    assert files(open_board.root) == []
    assert open_board.send(make_record(1)) == 201


def test_slow_bodies_are_given_up(open_board, monkeypatch):
    """A body that does not arrive in time is 408."""
    monkeypatch.setattr(limits, "BODY_S", 0.2)
    answer = raw(open_board.url, head(open_board, "Content-Length: 100") + b"{")
    assert b" 408 " in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br, gzip"},
    ],
    ids=str,
)
def test_other_encodings_are_refused(open_board, headers):
    """Only JSON in UTF-8 as it is; what is compressed is not unpacked."""
    data = encode(make_record(1))
    refused(open_board.post(gzip.compress(data) if "Content-Encoding" in headers else data, **headers), 415)
    assert open_board.post(data, Content_Type='Application/JSON; charset="UTF-8"').status_code == 201


def with_part(record: Record, part: str, **changes: Any) -> Record:
    """A sealed record with fields of one of its parts replaced."""
    return seal(msgspec.structs.replace(record, **{part: msgspec.structs.replace(getattr(record, part), **changes)}))


TOO_MUCH = {
    "control": (with_part(make_record(1), "implementation", kind="control"), "reference and of its submissions"),
    "foreign key": (with_part(make_record(1), "implementation", key="aa2021"), "reference and of its submissions"),
    "higher word": (make_record(1, word="reproduced"), "reads 'reproduced'"),
    "word without power": (make_record(1, powerless=True), "reads 'supported'"),
    "other version": (with_part(make_record(1), "claim", version=2), "not that of its paper"),
    "other row": (with_part(make_record(1), "claim", row="r"), "not that of its paper"),
    "time to come": (make_record(1, created="2999-01-01T00:00:00Z"), "yet to come"),
    "thirteenth month": (make_record(1, created="2026-13-01T00:00:00Z"), "is no time"),
    "huge count": (with_part(make_record(1), "verdict", n=2**31), "n does not fit"),
    "NUL": (with_part(make_record(1), "verdict", unit="\0"), "unit does not fit"),
    "long key": (make_record(1, paper="a" * 60 + "2020"), "paper does not fit"),
}


def test_a_record_may_read_less_than_its_verdict(open_board):
    """One with fewer seeds than its claim asks for, or with a control that got through, reads inconclusive."""
    assert open_board.send(make_record(1, word="inconclusive")) == 201
    assert open_board.send(make_record(2, word="inconclusive", powerless=True)) == 201


@pytest.mark.parametrize("wrong", TOO_MUCH)
def test_valid_records_that_say_too_much_are_refused(open_board, wrong):
    """A sealed record may not claim a word, a claim, a time or a kind that is not its own, nor break an index."""
    record, says = TOO_MUCH[wrong]
    refused(open_board.post(encode(record)), 422, says)
    assert files(open_board.root) == []


@pytest.mark.parametrize("wrong", ["huge count", "NUL", "long key"])
def test_a_file_that_no_index_can_hold_is_a_problem_and_nothing_more(root, wrong):
    """Such a file on the disk hides no other record, and the store refuses to write it."""
    bad, says = TOO_MUCH[wrong]
    store = Store(root)
    store.add(make_record(1))
    with pytest.raises(ReproError, match=says):
        store.add(bad)
    store.path(bad).parent.mkdir(exist_ok=True)
    store.path(bad).write_bytes(encode(bad))
    store = Store(root)
    assert [says in problem.reason for problem in store.problems()] == [True]
    assert [row.id for row in store.rows()] == [make_record(1).id]


def test_only_todays_claims_are_taken(root):
    """A claim that the board does not know, or knows otherwise, is refused; so are other facts of the paper."""
    record = make_record(1)
    with served(root, known={record.claim.id: terms(record.paper, record.claim)}) as url:
        here = Open(url, root)
        assert here.send(record) == 201
        for changed in ("paper", "claim"):
            fields = {"title": "Other"} if changed == "paper" else {"evidence": "exact"}
            refused(here.post(encode(with_part(make_record(2), changed, **fields))), 422, "otherwise than this board")
        refused(here.post(encode(make_record(2, name="other"))), 422, "unknown here")


def test_a_verification_is_a_record_of_its_own(open_board):
    """Verified comes only with its scope, beside what it supersedes, and only where both say the same."""
    sent = submitted()
    verified = seal(
        msgspec.structs.replace(submitted(created="2026-02-02T00:00:00Z"), runner="verified", supersedes=sent.id)
    )
    refused(open_board.post(encode(verified), open_board.verifier), 409, "supersedes one of this board")
    assert open_board.send(sent) == 201
    refused(open_board.post(encode(verified)), 403, "may not verify")
    other = seal(msgspec.structs.replace(with_part(verified, "implementation", source="e" * 64)))
    refused(open_board.post(encode(other), open_board.verifier), 409, "does not say the same")
    assert [entry["runner"] for entry in entries(open_board)] == ["self-reported"]
    assert open_board.send(verified, open_board.verifier) == 201
    assert [(entry["runner"], entry["quarantined"]) for entry in entries(open_board)] == [("verified", False)]
    assert open_board.get(f"/api/records/{sent.id}").content == encode(sent)


def entries(here: Open) -> list[dict[str, Any]]:
    """The lines of the board."""
    return here.get("/api/claims.json").json()["claims"]


def test_what_is_sent_in_displaces_nothing_that_is_vouched_for(root, tmp_path):
    """A newer record from outside stands in quarantine: it neither replaces a published nor a verified line."""
    published = Store(tmp_path / "board")
    ours = make_record(1)
    published.add(ours)
    with served(root, published=published.root) as url:
        here = Open(url, root)
        theirs = make_record(200, flag="theirs")
        assert theirs.created > ours.created
        assert here.send(theirs) == 201
        assert [(e["record"], e["quarantined"]) for e in entries(here)] == [(ours.id, False)]
        sent = submitted()
        assert here.send(sent) == 201
        assert [e["quarantined"] for e in entries(here) if e["implementation"] == "submission:mine"] == [True]
        verified = seal(msgspec.structs.replace(sent, runner="verified", supersedes=sent.id))
        assert here.send(verified, here.verifier) == 201
        assert here.send(submitted(created="2026-03-03T00:00:00Z", flag="newer")) == 201
        assert here.send(with_part(submitted(created="2026-03-04T00:00:00Z"), "implementation", source="e" * 64)) == 201
        assert [e["record"] for e in entries(here) if e["implementation"] == "submission:mine"] == [verified.id]
        lines = queries.board(MergedStore((Store(published.root, read_only=True), Store(root, read_only=True))))
        assert {one.record for one in lines} == {ours.id, verified.id}


def test_a_store_of_ones_own_is_no_quarantine(tmp_path):
    """Where nobody sends anything in, the newest run is what the board shows, as before."""
    published, own = Store(tmp_path / "a"), Store(tmp_path / "b")
    published.add(make_record(1))
    own.add(make_record(2))
    stores = MergedStore((published, own))
    assert [one.record for one in queries.board(stores)] == [make_record(2).id]
    Tokens(own.root).new("Ann")
    assert [one.record for one in queries.board(stores)] == [make_record(1).id]


def test_another_record_of_the_same_file_name_is_not_overwritten(open_board, monkeypatch):
    """File names hold 16 digits of the hash; whoever finds two records with the same ones gets one of them in."""
    monkeypatch.setattr("repro.record.store.file_name", lambda record: "0" * 16 + ".json")
    assert open_board.send(make_record(1)) == 201
    refused(open_board.post(encode(make_record(2))), 409, "first 16 digits")
    assert [path.read_bytes() for path in files(open_board.root)] == [encode(make_record(1))]


def test_a_crash_between_file_and_index_is_mended_by_sending_again(open_board, monkeypatch):
    """Where the index fails the sender is told to come again, and what lies in the folder is whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Index, "update", lambda *arguments: (_ for _ in ()).throw(OSError(28, "full")))
        answer = open_board.post(encode(make_record(1)))
        refused(answer, 503)
        assert answer.headers["retry-after"]
        assert str(open_board.root) not in answer.text
    assert open_board.send(make_record(1)) == 201
    assert Store(open_board.root).problems() == []
    assert [row.id for row in Store(open_board.root).rows()] == [make_record(1).id]


def test_the_board_is_kept_until_it_changes(open_board):
    """The same version answers 304; a new record gives another version."""
    assert open_board.send(make_record(1)) == 201
    first = open_board.get("/api/claims.json")
    tag = {"If-None-Match": first.headers["etag"]}
    assert open_board.get("/api/claims.json", headers=tag).status_code == 304
    assert open_board.send(make_record(2)) == 201
    second = open_board.get("/api/claims.json", headers=tag)
    assert second.status_code == 200
    assert [entry["record"] for entry in second.json()["claims"]] == [make_record(2).id]


def test_the_board_is_read_once_for_each_version(root, monkeypatch):
    """Whoever asks, the lines are made once until a record is added."""
    calls = []
    monkeypatch.setattr(board, "board", lambda *asked: calls.append(1) or queries.board(*asked))
    kept = board.Board(MergedStore((Store(root),)))
    for number in range(2):
        Store(root).add(make_record(number))
        for _ in range(3):
            assert len(kept.snapshot().entries) == 1
    assert len(calls) == 2


def test_badges_count_verdicts(root):
    """A paper's badge counts its verdicts, a claim's says the word, the colour is of the worst, and absence is said."""
    for record in factory.board():
        Store(root).add(record)
    with served(root) as url:
        here = Open(url, root)
        papers = {record.paper.key for record in factory.board()}
        for paper in papers:
            shown = here.get(f"/badge/{paper}.json").json()
            assert (shown["schemaVersion"], shown["label"]) == (1, paper)
            verdicts = [e["verdict"] for e in entries(here) if e["paper"] == paper]
            for word in set(verdicts):
                assert f"{verdicts.count(word)} {word}" in shown["message"]
        one = next(e for e in entries(here) if e["row"] is None)
        shown = here.get(f"/badge/{one['claim']}.json").json()
        assert shown["message"] == f"{one['verdict']} (self-reported)"
        assert shown["color"] == badges.COLOURS[one["verdict"]]
        absent = here.get(f"/badge/{one['claim']}.json", params={"implementation": "nobody"}).json()
        assert (absent["message"], absent["color"]) == ("no record", badges.NONE)
        picture = here.get(f"/badge/{one['claim']}.svg")
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert one["verdict"] in "".join(ElementTree.fromstring(picture.content).itertext())
        for path in ("/badge/none2020.svg", "/badge/he2015/none.svg", f"/badge/{one['paper']}.png", "/badge/.svg"):
            refused(here.get(path), 404)


def test_colours_can_be_told_from_white_text():
    """White text on every colour has a contrast of at least 4.5."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in (*badges.COLOURS.values(), badges.NONE, "#3b4149"):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, colour


def test_hostile_texts_stay_texts(open_board):
    """Texts of records come out of badges and JSON as text that no browser runs."""
    record = with_part(make_record(1), "implementation", kind="submission", name=HOSTILE)
    record = seal(msgspec.structs.replace(record, flag=HOSTILE))
    refused(open_board.post(encode(record)), 422)
    Store(open_board.root).add(record)  # as one that was not sent
    answer = open_board.get("/badge/toy2020.svg", params={"implementation": HOSTILE})
    picture = ElementTree.fromstring(answer.content)
    names = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert names == {"svg", "title", "clipPath", "rect", "g", "text"}
    assert {a for element in picture.iter() for a in element.attrib if a.startswith("on")} == set()
    assert "script" in "".join(picture.itertext())
    assert not set("\x1b\u202e") & set(answer.text)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for path in ("/api/claims.json", f"/api/records/{record.id}", "/badge/toy2020.json"):
        answer = open_board.get(path)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_makes_a_well_formed_picture(label, message):
    """Whatever stands in a name, the badge is well-formed XML."""
    ElementTree.fromstring(badges.svg(badges.Face(badges._plain(label), badges._plain(message), badges.NONE)))


def test_health_says_whether_the_index_answers(open_board, monkeypatch):
    """200 while it does; 503 when it does not."""
    assert open_board.get("/healthz").json() == {"status": "ok"}

    def fail(*arguments: object) -> None:
        raise ReproError("The index cannot be used", "Mend it.")

    monkeypatch.setattr(Store, "find", fail)
    refused(open_board.get("/healthz"), 503)


def test_other_addresses_and_methods_are_refusals_too(open_board):
    """Nothing answers with a page of HTML."""
    refused(open_board.get("/"), 404)
    refused(requests.put(open_board.url + "/api/records", timeout=PATIENCE_S), 405)
    refused(requests.get(open_board.url + "/api/records", timeout=PATIENCE_S), 405)
