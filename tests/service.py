"""The service on a free local port: in a thread of this process, or in a process that can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn

from leaderboard.api.app import create
from leaderboard.api.connections import settings
from repro.record.access_tokens import Tokens
from repro.record.record import Record, encode
from repro.record.store import Store

ROOT = Path(__file__).parent.parent
MANY = {"per_minute": 1e6, "burst": 10**6}
PATIENCE_S = 300  # for an answer: a test is not to fail because the machine is busy


@contextmanager
def served(
    root: Path,
    url: str | None = None,
    *,
    published: Path | None = None,
    known: Mapping[str, str] | None = None,
    limits: Mapping[str, Any] = MANY,
) -> Iterator[str]:
    """Serve the store in a folder from a thread; yields the address."""
    app = create(Store(root, url), Store(published or root / "published", read_only=True), known, **limits)
    server = uvicorn.Server(settings(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server has not started"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def process(root: Path, port: int) -> subprocess.Popen[bytes]:
    """Serve the store in a folder from a process of its own."""
    command = [sys.executable, "-m", "leaderboard.api", "--address", "127.0.0.1", "--port", str(port)]
    command += ["--per-minute", "1e6", "--burst", "1000000", "--largest", "1000000"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPRO_")}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=kept | {"REPRO_STORE": str(root)}, stdout=quiet, stderr=quiet)


def wait_until_up(url: str, running: subprocess.Popen[bytes]) -> None:
    """Wait until a service answers, for as long as its process lives."""
    while running.poll() is None:
        try:
            assert requests.get(url + "/healthz", timeout=PATIENCE_S).status_code == 200
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} is not up: its process ended with {running.returncode}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Open:
    """A service that is up, and a token for each purpose."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root, self.tokens = url, root, Tokens(root)
        self.token, self.verifier = self.tokens.new("Ann"), self.tokens.new("Bea", ["verify"])

    def post(self, data: bytes, token: str | None = None, **headers: str) -> requests.Response:
        """Send bytes as a record."""
        own = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(self.url + "/api/records", data, headers=own, timeout=PATIENCE_S)

    def send(self, record: Record, token: str | None = None) -> int:
        """Send a record; the status."""
        return self.post(encode(record), token).status_code

    def get(self, path: str, **options: Any) -> requests.Response:
        """Read something."""
        return requests.get(self.url + path, timeout=PATIENCE_S, **options)


def refused(answer: requests.Response, status: int, says: str = "") -> None:
    """An answer is a refusal that says what is wrong and what to do."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    told = answer.json()
    assert told["status"] == status
    assert told["remedy"]
    assert says in told["detail"], told


def files(root: Path) -> list[Path]:
    """The record files of a store, and whatever else lies among them."""
    return sorted(path for path in (root / "records").rglob("*") if path.is_file())
