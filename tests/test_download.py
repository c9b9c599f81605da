"""Downloads, from a server of our own that misbehaves."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from repro import data
from repro.data import cifar10
from repro.data._download import RETRIES, download
from repro.errors import ReproError

BODY = bytes(range(256)) * 1000
HASH = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers as its script says: a status, or "cut" for half a body, or "other" for another body."""

    daemon_threads = True
    script: list[int | str]
    asked: int


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        answer = self.server.script.pop(0) if self.server.script else 200
        if isinstance(answer, int) and answer != 200:
            self.send_error(answer)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"cut": BODY[: len(BODY) // 2], "other": BODY[::-1]}.get(str(answer), BODY))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """A server on a free port; waiting between retries takes no time."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    found = Server(("127.0.0.1", 0), Handler)
    found.script, found.asked = [], 0
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def url(server: Server) -> str:
    """The address of the one file."""
    return f"http://127.0.0.1:{server.server_address[1]}/file.bin"


def test_a_download_arrives_whole_and_is_not_repeated(server, tmp_path):
    """The file is there with its content, progress ends at its size, and a second call asks nobody."""
    seen: list[tuple[int, int]] = []
    target = tmp_path / "set" / "file.bin"
    for _ in range(2):
        assert download(url(server), target, known_hash=HASH, progress=lambda *at: seen.append(at)) == target
    assert target.read_bytes() == BODY
    assert server.asked == 1
    assert seen[-1] == (len(BODY), len(BODY))
    assert all(done <= total for done, total in seen)
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("script", [[500, 503], ["cut"], ["other", "cut", 500]], ids=str)
def test_passing_trouble_is_retried(server, tmp_path, script):
    """Server errors, cut connections and wrong content are tried again until it works."""
    server.script = list(script)
    download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == len(script) + 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (500, r"500 .*Try again later"),
        (404, "404"),
        ("cut", "cut short"),
        ("other", rf"wrong checksum: expected sha256 {HASH[7:]}, got {hashlib.sha256(BODY[::-1]).hexdigest()}"),
    ],
)
def test_lasting_trouble_is_one_clear_error(server, tmp_path, answer, says):
    """After the retries the error says what was wrong and what to do, and nothing is left on the disk."""
    server.script = [answer] * (RETRIES + 1)
    with pytest.raises(ReproError, match=says) as caught:
        download(url(server), tmp_path / "set" / "file.bin", known_hash=HASH)
    assert "REPRO_DATA" in caught.value.remedy
    assert server.asked == RETRIES + 1
    assert list((tmp_path / "set").iterdir()) == []


def test_a_file_that_is_there_but_wrong_is_fetched_again(server, tmp_path):
    """A damaged earlier download does not pass for the file."""
    (tmp_path / "file.bin").write_bytes(BODY[:-1])
    download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_no_network_is_said(server, tmp_path):
    """A host that does not answer is not a traceback."""
    server.server_close()
    with pytest.raises(ReproError, match=r"cannot be reached\. Check the network"):
        download(url(server), tmp_path / "file.bin", known_hash=HASH)


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "is full"), (errno.EROFS, "cannot be written")])
def test_a_disk_that_refuses_is_said(server, tmp_path, monkeypatch, code, says):
    """A full or read-only disk names the variable that moves the cache."""

    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(shutil, "move", fail)
    with pytest.raises(ReproError, match=says) as caught:
        download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert "REPRO_CACHE" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_gets_cifar10_into_the_cache(server, tmp_path, monkeypatch):
    """Fetching by name downloads to where loading looks, once."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REPRO_DATA", raising=False)
    files = replace(cifar10.FILES, archive_url=url(server), archive_hash=HASH)
    monkeypatch.setattr(cifar10, "fetch", files.fetch)
    assert data.fetch("digits") is None
    path = data.fetch("cifar10")
    assert path == Path(tmp_path / "cache" / "data" / "cifar10" / cifar10.FILES.archive)
    assert path.read_bytes() == BODY
    assert data.available("cifar10")
    assert data.fetch("cifar10") is None
    assert server.asked == 1
