"""Manifests, records, baselines, frames and command lines, by the thousand: a result or one clear error."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import sys
from pathlib import Path

import click
import pytest
from hypothesis import strategies as st

from harness.cli import cli, main
from harness.gate import baseline
from harness.sandbox.broker import codec
from harness.sandbox.inside.wire import HEAD, SIZE, Channel, Closed, WireError
from harness.submission import folder, manifest
from repro.record.record import decode, encode, seal
from tests.fuzzing import damaged, fuzz
from tests.records import make_record
from tests.strategies import record_drafts
from tests.toy import write_project

MANIFEST = b"""schema = 1
paper = "he2015"
name = "mine"
summary = "A summary"
authors = ["Ada Lovelace"]
license = "Apache-2.0"
division = "open"
claims = ["plain-degrades"]
[[deviation]]
paper = "Section 3"
here = "other"
why = "shorter"
[limits]
wall_s = 60
"""
ROOT = Path(__file__).parent.parent
BASELINE = min((ROOT / "leaderboard" / "baseline").glob("*.json"), key=lambda path: path.stat().st_size).read_bytes()
TOKENS = st.sampled_from(
    [
        "toy2020", "toy2020/drift-carries", "toy2020/*", "he2015", "-", "--", "", " ", ".", "/", "/dev/null", "../..",
        "é", "\udcff", "x" * 300, "-1", "0", "1e9", "9" * 30, "nan", "all", "cpu", "cpu,gpu", "{", "sha256:0",
        "--help", "--json", "--store", "--tier", "--seeds", "-n", "[", "*", "a\nb", "%s", "{0}", "record.json",
        "submission", "baseline.json", "sqlite://", "http://", "file:///etc/passwd", "imagenet", "ptb", "check", "new",
        "folder",
    ]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)  # fmt: skip
QUIET = (
    "claims",
    "plan",
    "show",
    "verify",
    "data list",
    "data verify",
    "baseline show",
    "paper check",
    "submission check",
)
"""What ends soon and writes nothing; of the other commands only options are read."""


def test_manifests(tmp_path):
    """Any submission.toml."""
    path = tmp_path / "submission.toml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        manifest.read(path)

    fuzz(damaged(MANIFEST, b"schema = " + b"[" * 5000, b"schema = " + b"{a=" * 5000, b"schema = " + b"9" * 5000), read)


def test_code_of_submissions(tmp_path):
    """Any implementation.py, whose names and imports are looked at without running it."""
    code = b"from repro import task\nimport numpy as np\nCONFIGS = {}\ndef simulate(config, *, seed):\n    return 1\n"

    def read(content: bytes) -> None:
        (tmp_path / "implementation.py").write_bytes(content)
        folder._parsed(dict(folder._files(tmp_path)))

    fuzz(damaged(code, b"a = 1" + b"+1" * 3000, b"-" * 5000 + b"1", b"# coding: utf-7\n" + code), read)


def test_records():
    """Any record, and sealed records of any content, which come out as they went in."""
    whole = encode(make_record(1))

    def read(content: bytes) -> None:
        assert encode(decode(content)) == content

    fuzz(damaged(whole, gzip.compress(whole, mtime=0)) | record_drafts().map(seal).map(encode), read)


def test_baselines(tmp_path):
    """Any baseline file of the gate."""
    path = tmp_path / "baseline.json"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        baseline.read(path)

    fuzz(damaged(BASELINE, b'{"schema":1,"implementation":"reference","claims":{}}'), read)


def frame(text: bytes, buffers: list[bytes]) -> bytes:
    """A frame as the wire has it."""
    return (
        HEAD.pack(len(text), len(buffers)) + b"".join(SIZE.pack(len(one)) for one in buffers) + text + b"".join(buffers)
    )


def test_frames():
    """Whatever a jail writes is a value, a frame that is none, or an end."""
    texts = [
        b'{"array":[0,"float32",[2,1]]}', b'{"dict":[["a",{"tuple":[1,{"float":"nan"}]}]]}', b'[{"bytes":0},null]',
        b'{"struct":["Layer",{"name":"a","kind":"conv","weights":{"tuple":[]},"output":{"tuple":[1]}}]}',
        b'{"config":["Config",{"a":1}]}',
    ]  # fmt: skip

    def read(content: bytes) -> None:
        here, there = socket.socketpair()
        with here, there, contextlib.suppress(WireError, Closed):
            there.settimeout(1)
            there.sendall(content[: 1 << 16])
            there.shutdown(socket.SHUT_WR)
            codec().unpack(*Channel(here, 1 << 20).receive())

    written = st.builds(lambda text: frame(text, [b"\0" * 8]), damaged(*texts))
    fuzz(damaged(*(frame(text, [b"\0" * 8]) for text in texts)) | written, read)


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """The toy project, with files of each kind to name."""
    root = write_project(tmp_path / "toy")
    (root / "record.json").write_bytes(encode(make_record(1)))
    (root / "folder").mkdir()
    (root / "submission").mkdir()
    (root / "submission" / "submission.toml").write_bytes(MANIFEST)
    (root / "baseline.json").write_bytes(BASELINE)
    monkeypatch.chdir(root)
    for name, value in {"PROJECT": root, "STORE": root / "store", "CACHE": root / "cache", "DATA": root}.items():
        monkeypatch.setenv(f"REPRO_{name}", str(value))
    return root


def test_command_lines(toy, monkeypatch):
    """Any arguments end with a status of 0, 1 or 2, and what fails says why in a few lines."""

    def read(line: tuple[str, list[str]]) -> None:
        command, arguments = line
        monkeypatch.setattr(sys, "argv", ["repro", *command.split(), *arguments])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
        said = out.getvalue() + err.getvalue()
        assert ended.value.code in (0, 1, 2)
        assert ended.value.code == 0 or said.strip()
        assert "Traceback" not in said

    fuzz(st.tuples(st.sampled_from(QUIET), st.lists(TOKENS, max_size=4)), read)


def commands(group: click.Group) -> list[click.Command]:
    """All commands that do something, with those of groups."""
    own = group.commands.values()
    return [found for one in own for found in (commands(one) if isinstance(one, click.Group) else [one])]


def test_options_of_every_command():
    """Those that would run for long have their arguments read only."""
    known = commands(cli)
    options = st.sampled_from([name for one in known for option in one.params for name in option.opts])

    def read(line: tuple[click.Command, list[str]]) -> None:
        command, arguments = line
        with contextlib.suppress(click.UsageError, click.exceptions.Exit), contextlib.redirect_stdout(io.StringIO()):
            command.make_context("repro", list(arguments))

    fuzz(st.tuples(st.sampled_from(known), st.lists(TOKENS | options, max_size=6)), read)
