"""The service of a shared board under many publishers at once, and killed in the middle of it: nothing is lost."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the service needs the extra `board`")

from leaderboard.api import board
from leaderboard.api.ingest import arrivals_file
from repro.errors import ReproError
from repro.record import upload
from repro.record.access_tokens import Tokens
from repro.record.record import Record
from repro.record.store import Store
from repro.record.upload import Remote
from tests.records import make_record
from tests.service import PATIENCE_S, files, free_port, process, served, wait_until_up

PUBLISHERS = 50
EACH = 2


@pytest.fixture
def root(tmp_path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store"


@pytest.fixture
def usually_fresh(monkeypatch) -> None:
    """The board looks at its stores once a second, as it does by default, and publishers wait for its answers.

    One that gave up and sent a record again would be told that it is known, though it had brought it.
    """
    monkeypatch.setattr(board, "FRESH_S", 1.0)
    monkeypatch.setattr(upload, "TIMEOUT_S", PATIENCE_S)


def publish_many(url: str, root: Path) -> list[str]:
    """Fifty publishers at once, each with records of its own and one that all have; what became of each record."""
    tokens = [Tokens(root).new(f"publisher {n}") for n in range(PUBLISHERS)]

    def one(number: int) -> list[str]:
        records = [make_record(100 * number + k) for k in range(EACH)]
        records.insert(number % (EACH + 1), make_record(99_999))
        return [sent.outcome for sent in Remote(url, tokens[number]).send(records)]

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        return [outcome for outcomes in pool.map(one, range(PUBLISHERS)) for outcome in outcomes]


def all_there(root: Path, url: str | None, outcomes: list[str]) -> None:
    """Every record is in files, index and arrivals exactly once, and was called new to exactly one sender."""
    expected = {make_record(100 * n + k).id for n in range(PUBLISHERS) for k in range(EACH)} | {make_record(99_999).id}
    assert (outcomes.count("added"), len(outcomes)) == (len(expected), PUBLISHERS * (EACH + 1))
    store = Store(root, url)
    assert sorted(row.id for row in store.rows()) == sorted(expected)
    assert sorted("sha256:" + sha256_of(path) for path in files(root)) == sorted(expected)
    arrived = [json.loads(line)["record"] for line in arrivals_file(root).read_text().splitlines()]
    assert sorted(arrived) == sorted(expected)
    assert store.problems() == []


def sha256_of(path: Path) -> str:
    """The hash of a record's content, computed as anybody can."""
    plain = json.loads(path.read_bytes())
    del plain["id"]
    return sha256(json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


@pytest.mark.usefixtures("usually_fresh")
def test_fifty_publishers_at_once_lose_and_double_nothing(root):
    """On an index in SQLite."""
    with served(root) as url:
        all_there(root, None, publish_many(url, root))


@pytest.mark.postgresql
@pytest.mark.usefixtures("usually_fresh")
def test_fifty_publishers_at_once_lose_and_double_nothing_on_postgresql(root, empty_url):
    """On an index in PostgreSQL."""
    with served(root, empty_url) as url:
        all_there(root, empty_url, publish_many(url, root))


def test_a_killed_service_leaves_a_valid_store_and_publishing_goes_on(root):
    """Killed twice in the middle of it, the store holds all that was acknowledged, and the same senders finish."""
    port = free_port()
    url, token = f"http://127.0.0.1:{port}", Tokens(root).new("Ann")
    records = [make_record(n) for n in range(120)]
    acknowledged: list[str] = []

    def send(part: list[Record]) -> None:
        while not {record.id for record in part} <= set(acknowledged):
            with suppress(ReproError):  # where the service was away for long: the same command once more
                for sent in Remote(url, token, sleep=lambda seconds: time.sleep(0.1 * seconds)).send(part):
                    assert sent.outcome != "refused"
                    acknowledged.append(sent.record.id)

    running = process(root, port)
    try:
        wait_until_up(url, running)
        with ThreadPoolExecutor(4) as pool:
            senders = [pool.submit(send, records[k::4]) for k in range(4)]
            for already in (20, 60):
                while len(acknowledged) < already:
                    assert running.poll() is None, "the service has ended by itself"
                    time.sleep(0.002)
                running.kill()
                running.wait()
                known = set(acknowledged)
                store = Store(root)
                assert store.problems() == []
                assert known <= {row.id for row in store.rows()}
                running = process(root, port)
            for sender in senders:
                sender.result()
    finally:
        running.kill()
        running.wait()
    assert sorted(row.id for row in Store(root).rows()) == sorted(record.id for record in records)
    assert len([path for path in files(root) if path.suffix == ".json"]) == len(records)
