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
from repro.data import cifar10, ptb
from repro.data._download import RETRIES, download
from repro.errors import ReproError

BODY = bytes(range(256)) * 1000
HASH = "sha256:" + hashlib.sha256(BODY).hexdigest()


PAGE = b"<!DOCTYPE html><html>Please sign in</html>".ljust(len(BODY))


class Server(ThreadingHTTPServer):
    """Answers as its script says, a list that gets shorter.

    A status, or "cut" for half of what is asked for, "other" for another body, "page" for a web page, "ranges" for what
    is asked for from some byte on, "ranges cut" for half of that, or "to ADDRESS" for a redirect.
    """

    daemon_threads = True
    script: list[int | str]
    asked: int
    starts: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.starts.append(self.headers.get("Range"))
        answer = self.server.script.pop(0) if self.server.script else 200
        if isinstance(answer, int) and answer != 200:
            self.send_error(answer)
            return
        kind = str(answer)
        if kind.startswith("to "):
            self.send_response(301)
            self.send_header("Location", kind.removeprefix("to "))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if kind.startswith("ranges"):
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
            self.send_header("Content-Length", str(len(BODY) - start))
            self.end_headers()
            self.wfile.write(BODY[start : start + (len(BODY) - start) // (2 if "cut" in kind else 1)])
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write({"cut": BODY[: len(BODY) // 2], "other": BODY[::-1], "page": PAGE}.get(str(answer), BODY))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def served() -> Iterator[Server]:
    """A server on a free port."""
    found = Server(("127.0.0.1", 0), Handler)
    found.script, found.asked, found.starts = [], 0, []
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """A server on a free port; waiting between retries takes no time."""
    monkeypatch.setattr("repro.data._download.time.sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield from served()


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
    files = replace(cifar10.FILES, archive_urls=(url(server),), archive_hash=HASH)
    monkeypatch.setattr(cifar10, "fetch", files.fetch)
    assert data.fetch("digits") is None
    path = data.fetch("cifar10")
    assert path == Path(tmp_path / "cache" / "data" / "cifar10" / cifar10.FILES.archive)
    assert path.read_bytes() == BODY
    assert data.available("cifar10")
    assert data.fetch("cifar10") is None
    assert server.asked == 1


@pytest.fixture
def mirror(server) -> Iterator[Server]:
    """A second server."""
    yield from served()


def test_a_download_goes_on_where_it_was_cut(server, tmp_path):
    """A later attempt asks for the bytes that are missing, in this call and in the next one."""
    target = tmp_path / "file.bin"
    server.script = ["ranges cut"] * (RETRIES + 1)
    with pytest.raises(ReproError, match=r"bytes that arrived are kept"):
        download(url(server), target, known_hash=HASH)
    assert not target.exists()
    arrived = target.with_name("file.bin.part").stat().st_size
    server.script, server.starts = ["ranges"], []
    seen: list[tuple[int, int]] = []
    download(url(server), target, known_hash=HASH, progress=lambda *at: seen.append(at))
    assert server.starts == [f"bytes={arrived}-"]
    assert (seen[0][0] > arrived, seen[-1]) == (True, (len(BODY), len(BODY)))
    assert target.read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin"]


def test_attempts_that_get_on_are_free(server, tmp_path, monkeypatch):
    """A host that cuts every answer is asked on while each brings something."""
    monkeypatch.setattr("repro.data._download.STEP", 1)
    monkeypatch.setattr("repro.data._download.CHUNK", 100)
    server.script = ["ranges cut"] * (3 * RETRIES) + ["ranges"]
    download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("answers", [["ranges"], [416, "ranges"], [200]], ids=str)
def test_an_earlier_part_of_another_file_does_no_harm(server, tmp_path, answers):
    """Whether the server goes on after it, refuses or ignores the range, the file is right in the end."""
    (tmp_path / "file.bin.part").write_bytes(b"another file")
    server.script = list(answers)
    download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY


@pytest.mark.parametrize("trouble", [500, "cut", "other", "page"])
def test_the_second_address_helps_where_the_first_fails(server, mirror, tmp_path, trouble):
    """Only after the first has failed as often as it may."""
    server.script = [trouble] * (RETRIES + 1)
    download([url(server), url(mirror)], tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert (server.asked, mirror.asked) == (RETRIES + 1, 1)


def test_a_slow_address_is_left_for_the_next_one(server, mirror, tmp_path, monkeypatch):
    """What it gave is kept; the last address may be as slow as it is."""
    monkeypatch.setattr("repro.data._download.PATIENCE_S", 0)
    monkeypatch.setattr("repro.data._download.SLOW", 1e15)
    server.script, mirror.script = ["ranges"], ["ranges"]
    download([url(server), url(mirror)], tmp_path / "file.bin", known_hash=HASH)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert (server.asked, mirror.starts) == (1, ["bytes=65536-"])


def test_every_address_that_failed_is_named(server, mirror, tmp_path):
    """A redirect to a dead host is an error that names it; a web page in place of the file is an error too."""
    dead = "http://127.0.0.1:9/file.bin"
    server.script, mirror.script = [f"to {dead}"], ["page"] * (RETRIES + 1)
    with pytest.raises(ReproError, match=r"a web page was sent") as caught:
        download([url(server), url(mirror)], tmp_path / "file.bin", known_hash=HASH)
    assert f"{dead} cannot be reached, where {url(server)} leads" in caught.value.problem
    assert "Sign in to the network" in caught.value.remedy
    assert (server.asked, mirror.asked) == (1, RETRIES + 1)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_do_not_write_one_download(server, tmp_path):
    """The second is told so, and leaves what the first has."""
    import fcntl

    with (tmp_path / "file.bin.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ReproError, match=r"Another process is downloading file\.bin"):
            download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert (server.asked, (tmp_path / "file.bin.part").exists()) == (0, True)


def test_a_download_of_another_size_or_onto_a_folder_is_refused(server, tmp_path, monkeypatch):
    """No disk is filled by an answer that does not end, and nothing is put into a folder of the file's name."""
    monkeypatch.setattr("repro.data._download.MOST", 1000)
    with pytest.raises(ReproError, match="sends more than 1,000 bytes"):
        download(url(server), tmp_path / "file.bin", known_hash=HASH)
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(ReproError, match="is a folder, where a file is due"):
        download(url(server), tmp_path / "file.bin", known_hash=HASH)
    assert server.asked == 1


def test_what_is_large_or_often_fetched_has_a_second_address():
    """CIFAR-10's and PTB's archives are known by a published checksum, whoever sends them."""
    for files in (cifar10.FILES, ptb.FILES):
        assert len(set(files.archive_urls)) == 2
        assert files.archive_hash.startswith("md5:")
