"""A PostgreSQL server of one's own, for a test session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ACCOUNT = "postgres"  # the server refuses to run as root


@contextmanager
def server() -> Iterator[str]:
    """Start a server on a free local port; yields the URL of an empty database. Skips where that cannot be done."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb") or (str(binaries[-1]) if binaries else None)
    if found is None:
        pytest.skip("no PostgreSQL server binary on this machine")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("running as root, and no runuser to start PostgreSQL as another account")
    folder = Path(tempfile.mkdtemp(prefix="repro-pg-", dir="/tmp"))  # short: it holds a socket
    try:
        yield from _serve(Path(found).parent, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(binaries: Path, folder: Path) -> Iterator[str]:
    if os.geteuid() == 0:
        shutil.chown(folder, ACCOUNT)
    port = _free_port()
    data = str(folder / "data")
    _run(binaries / "initdb", "-D", data, "-A", "trust", "-U", "tester", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = (binaries / "pg_ctl", "-D", data, "-w", "-t", "300")
    _run(*control, "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        _run(*control, "-m", "immediate", "stop")


def _run(program: Path, *arguments: str) -> None:
    prefix = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, str(program), *arguments], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        pytest.skip(
            f"{program.name} failed: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
