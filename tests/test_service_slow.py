"""Connections that say nothing, little or too slowly: they are dropped, and others are answered meanwhile."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
import requests

pytest.importorskip("streamlit", reason="the service needs the extra `board`")

from leaderboard.api import connections
from repro.record.access_tokens import Tokens
from tests.service import PATIENCE_S, served

MANY = 300
SHORT_S = 0.5


@pytest.fixture
def url(tmp_path) -> Iterator[str]:
    """A service that is up."""
    with served(tmp_path / "store") as found:
        yield found


def opened(url: str, data: bytes) -> socket.socket:
    """A connection on which something was sent."""
    parts = urlsplit(url)
    made = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=PATIENCE_S)
    made.sendall(data)
    return made


def dropped(one: socket.socket) -> bytes:
    """What the service says until it ends the connection, which it must."""
    found = b""
    with suppress(ConnectionError):
        while data := one.recv(1 << 16):
            found += data
    return found


def dripping(one: socket.socket, data: Callable[[], bytes]) -> None:
    """Send little by little until the service ends the connection, which it must."""
    deadline = time.monotonic() + PATIENCE_S
    with suppress(ConnectionError):
        while time.monotonic() < deadline:
            one.sendall(data())
            time.sleep(0.02)
        raise AssertionError("the service still listens")


@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A"], ids=["silent", "half a head"])
def test_half_open_connections_keep_nobody_out(tmp_path, monkeypatch, start):
    """With hundreds of them everybody else is answered; and they are closed when their time is over."""
    monkeypatch.setattr(connections, "HEAD_S", 3.0)
    with served(tmp_path / "store") as url, ExitStack() as stack:
        slow = [stack.enter_context(opened(url, start)) for _ in range(MANY)]
        for _ in range(20):
            assert requests.get(url + "/healthz", timeout=PATIENCE_S).status_code == 200
        assert [dropped(one) for one in slow] == [b""] * MANY
        assert requests.get(url + "/healthz", timeout=PATIENCE_S).status_code == 200


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
PHASES = {
    "head": (b"", "HEAD_S", lambda: b"X: y\r\n"),
    "head of a second request": (REQUEST + b"\r\n", "HEAD_S", lambda: b"X: y\r\n"),
    "body that nobody reads": (REQUEST + b"Content-Length: 1000000\r\n\r\n", "BODY_S", lambda: b"x"),
    "chunked body that nobody reads": (
        REQUEST + b"Transfer-Encoding: chunked\r\n\r\n",
        "BODY_S",
        lambda: b"1\r\nx\r\n",
    ),
}


@pytest.mark.parametrize("phase", PHASES)
def test_whoever_sends_little_by_little_is_dropped(tmp_path, monkeypatch, phase):
    """A byte now and then moves no deadline, in whatever part of a request it comes."""
    start, deadline, drop = PHASES[phase]
    monkeypatch.setattr(connections, deadline, SHORT_S)
    with served(tmp_path / "store") as url:
        head = REQUEST if phase == "head" else start
        with opened(url, head) as one:
            if start:
                assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
            if phase.startswith("head of"):
                one.sendall(REQUEST)
            dripping(one, drop)


def test_a_slow_body_is_dropped_at_last(tmp_path, monkeypatch):
    """Where the service itself still waited for the body of a record, the connection would not."""
    monkeypatch.setattr(connections, "BODY_S", SHORT_S)
    token = Tokens(tmp_path / "store").new("Ann")
    head = f"POST /api/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    with served(tmp_path / "store") as url, opened(url, head.encode()) as one:
        dripping(one, lambda: b" ")
        assert requests.get(url + "/healthz", timeout=PATIENCE_S).status_code == 200


def test_idle_connections_are_ended(tmp_path, monkeypatch):
    """One that was answered and asks nothing more, too."""
    monkeypatch.setattr(connections, "IDLE_S", SHORT_S)
    with served(tmp_path / "store") as url, opened(url, REQUEST + b"\r\n") as one:
        assert dropped(one).startswith(b"HTTP/1.1 200")


def test_whoever_takes_no_answer_away_is_dropped(tmp_path, monkeypatch):
    """An answer that fills the buffers of a connection, and is not read, does not stay for ever."""
    monkeypatch.setattr(connections, "TAKE_S", SHORT_S)
    monkeypatch.setattr(connections, "IDLE_S", 1e6)
    asked = b"GET /api/claims.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with served(tmp_path / "store") as url, opened(url, asked) as one:
        dripping(one, lambda: asked * 100)


def test_connections_that_are_used_are_kept(url):
    """Requests one after the other on one connection, with bodies and without, are no slow ones."""
    with requests.Session() as session:
        for _ in range(50):
            assert session.get(url + "/healthz", timeout=PATIENCE_S).status_code == 200
            assert session.post(url + "/api/records", b"{}", timeout=PATIENCE_S).status_code == 401
