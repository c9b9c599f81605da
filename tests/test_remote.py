"""Sending records to a shared board: what the sender does when things go wrong, and the commands around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
import requests
from click.testing import CliRunner

pytest.importorskip("streamlit", reason="the service needs the extra `board`")

from harness.cli import cli
from harness.publish import publishable, verified_records
from repro.errors import ReproError
from repro.record.access_tokens import Tokens, tokens_file
from repro.record.record import encode, seal
from repro.record.store import Store
from repro.record.upload import ASKED_S, TRIES, Remote, checked, read_token
from tests.records import make_record
from tests.service import PATIENCE_S, ROOT, Open, files, free_port, served, wait_until_up
from tests.toy import write_project

Answer = tuple[int, dict[str, str], bytes] | None  # None: the line is cut
TOKEN = "repro_00000000_secret"


@contextmanager
def answering(script: Callable[[str, int], Answer]) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """A server that answers the n-th request of a method as told; yields its address and what was asked."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append((self.command, dict(self.headers)))
            told = script(self.command, sum(method == self.command for method, _ in asked))
            if told is None:
                self.close_connection = True
                return
            status, headers, body = told
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_POST = answer  # noqa: N815 -- http.server's names

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def outcomes(url: str, count: int = 1, waits: list[float] | None = None) -> list[str]:
    """Send records without really waiting; what became of them."""
    remote = Remote(url, TOKEN, sleep=(waits if waits is not None else []).append)
    return [sent.outcome for sent in remote.send([make_record(n) for n in range(count)])]


def told(status: int, detail: str = "", **headers: str) -> Answer:
    """A refusal as the service gives it."""
    body = json.dumps({"detail": detail, "remedy": "Do so."}).encode()
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


def new(method: str, count: int) -> Answer:
    """A board that knows nothing and takes everything."""
    return (404, {}, b"") if method == "HEAD" else (201, {}, b"{}")


def test_records_are_sent_with_the_token_and_as_they_are():
    """The token goes in a header of every request, whatever a netrc file says; a known record is not sent again."""
    with answering(new) as (url, asked):
        assert outcomes(url, 2) == ["added", "added"]
    assert [method for method, _ in asked] == ["HEAD", "POST"] * 2
    assert {headers["Authorization"] for _, headers in asked} == {f"Bearer {TOKEN}"}
    with answering(lambda method, count: (200, {}, b"{}")) as (url, asked):
        assert outcomes(url, 2) == ["known", "known"]
    assert [method for method, _ in asked] == ["HEAD"] * 2


def test_a_netrc_file_does_not_replace_the_token(tmp_path, monkeypatch):
    """Credentials that requests finds for the host elsewhere are not used."""
    (tmp_path / "netrc").write_text("default login someone password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with answering(new) as (url, asked):
        outcomes(url)
    assert {headers["Authorization"] for _, headers in asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("trouble", [429, 502, 503, 504, None])
def test_what_passes_is_waited_for(trouble):
    """A busy board and a line that is cut are tried again, ever more slowly, and then the record goes through."""

    def script(method: str, count: int) -> Answer:
        if method == "POST" and count <= 3:
            return told(trouble, Retry_After="20") if trouble else None
        return new(method, count)

    waits: list[float] = []
    with answering(script) as (url, _):
        assert outcomes(url, waits=waits) == ["added"]
    assert len(waits) == 3
    if trouble:
        assert all(wait == 20 for wait in waits)
    else:
        assert all(2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits))


def test_a_board_cannot_keep_a_sender_waiting_for_ever():
    """What it asks for counts up to a limit, and after some tries the sender says so and stops."""
    waits: list[float] = []
    with (
        answering(lambda method, count: told(503, Retry_After="99999999")) as (url, _),
        pytest.raises(ReproError, match="is busy") as caught,
    ):
        outcomes(url, waits=waits)
    assert waits == [ASKED_S] * (TRIES - 1)
    assert "goes on where it stopped" in caught.value.remedy


def test_nobody_there_is_one_clear_error():
    """A closed port ends in one error that says what to do."""
    with pytest.raises(ReproError, match="cannot be reached"):
        outcomes(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "does not take this token: It is bad. Do so"),
        (403, "does not take this token"),
        (500, "answered with 500"),
    ],
)
def test_refusals_end_it(status, says):
    """A bad token and a broken board are not tried again."""
    script = lambda method, count: told(status, "It is bad") if method == "POST" else (404, {}, b"")  # noqa: E731
    with answering(script) as (url, asked), pytest.raises(ReproError, match=says):
        outcomes(url, 3)
    assert len(asked) == 2


def test_one_refused_record_does_not_hold_up_the_others():
    """A record that the board does not take is reported with its reason, made fit for a terminal."""

    def script(method: str, count: int) -> Answer:
        return told(422, "no\x1b[2Jgood") if (method, count) == ("POST", 2) else new(method, count)

    with answering(script) as (url, _):
        found = list(Remote(url, TOKEN).send([make_record(n) for n in range(3)]))
    assert [sent.outcome for sent in found] == ["added", "refused", "added"]
    assert found[1].reason == "no [2Jgood. Do so"


def test_the_token_does_not_follow_a_redirect():
    """A board that points elsewhere is named; nothing is sent there."""
    with answering(new) as (other, elsewhere):
        script = lambda method, count: (307, {"Location": other + "/x"}, b"")  # noqa: E731
        with answering(script) as (url, _), pytest.raises(ReproError, match="points to " + other):
            outcomes(url)
    assert elsewhere == []


@pytest.mark.parametrize(
    "url",
    [
        "http://board.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "ftp://localhost",
        "board.example.org",
        "https://ann:secret@board.example.org",
        "https://board.example.org/?x=1",
        "https://",
        "https://[::1",
        "https://board.example.org:99999",
    ],
)
def test_addresses_that_would_leak_the_token_are_refused(url):
    """Plain http to another machine, passwords in addresses, and what is no address."""
    with pytest.raises(ReproError) as caught:
        checked(url)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "url", ["https://board.example.org/", "http://localhost:8502", "http://[::1]:80/", "http://127.0.0.1"]
)
def test_addresses_that_may_be_used(url):
    """Https anywhere, http on this machine."""
    assert checked(url) == url.rstrip("/")


def test_where_a_token_comes_from(tmp_path):
    """From a file of one's own, else from the environment; a file that others may read is refused."""
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    assert read_token("other", file) == TOKEN
    assert read_token(f" {TOKEN}\n", None) == TOKEN
    file.chmod(0o640)
    for environment, path, says in (
        ("", None, "needs a token"),
        ("", file, "Others may"),
        ("", tmp_path / "none", "cannot be read"),
    ):
        with pytest.raises(ReproError, match=says):
            read_token(environment, path)
    with pytest.raises(ReproError, match="one line"):
        Remote("https://board.example.org", "two\nlines")


def test_tokens_are_kept_as_hashes_for_their_owner(tmp_path):
    """The file holds neither token nor secret, is for its owner only, and each token has a salt of its own."""
    tokens = Tokens(tmp_path)
    texts = [tokens.new(name, scopes) for name, scopes in (("Ann", ["publish"]), ("Bea", ["admin", "verify"]))]
    kept = tokens_file(tmp_path).read_text()
    assert not any(part in kept for text in texts for part in (text, text.split("_", 2)[2]))
    assert tokens_file(tmp_path).stat().st_mode & 0o777 == 0o600
    first, second = tokens.all()
    assert (first.scopes, second.scopes) == (("publish",), ("verify", "admin"))
    assert first.salt != second.salt
    assert [Tokens(tmp_path).check(text) for text in texts] == [first, second]


def test_what_was_proved_is_forgotten_when_it_is_revoked(tmp_path):
    """A token is remembered once it was checked; revoking by another process counts at once."""
    tokens = Tokens(tmp_path)
    text = tokens.new("Ann")
    assert tokens.proved(text) is None
    assert tokens.check(text) == tokens.proved(text) == tokens.all()[0]
    assert tokens.proved(text[:-1]) is None
    Tokens(tmp_path).revoke(tokens.all()[0].id)
    assert tokens.check(text) is tokens.proved(text) is None
    revoked = tokens.all()
    assert tokens.revoke(revoked[0].id) == revoked[0]
    assert tokens.all() == revoked


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["publish"]), ("x" * 81, ["publish"]), ("\n", ["publish"]), ("x", ["root"]), ("x", [])]
)
def test_tokens_need_a_name_and_a_scope(tmp_path, name, scopes):
    """What cannot be listed, or allows nothing, is not made."""
    with pytest.raises(ReproError):
        Tokens(tmp_path).new(name, scopes)
    assert not tokens_file(tmp_path).exists()


def test_a_damaged_file_of_tokens_lets_nobody_in(tmp_path):
    """It is an error that names the file, not an empty list."""
    text = Tokens(tmp_path).new("Ann")
    tokens_file(tmp_path).write_text("[{}]")
    with pytest.raises(ReproError, match="cannot be read"):
        Tokens(tmp_path).check(text)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A toy project on which the claims have been run once."""
    root = write_project(tmp_path_factory.mktemp("project"))
    result = repro(root, "run", "--controls")
    assert result.returncode == 0, result.stdout + result.stderr
    return root


def repro(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the project."""
    code = "from harness.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=project,
        env=clean(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def clean(**environment: str) -> dict[str, str]:
    """The environment without settings of ours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REPRO_", "PYTEST_"))}
    return kept | {"PYTHONPATH": str(ROOT)} | environment


def test_from_a_run_to_a_shared_board(project, tmp_path):
    """The commands of docs/board.md: a token, a board, records sent, sent again, refused when the token is revoked."""
    port, store = str(free_port()), str(tmp_path / "board")
    url = f"http://localhost:{port}"
    token = repro(project, "token", "new", "Ann", "--store", store).stdout.strip()
    own = token.split("_")[1]
    assert "Ann" in repro(project, "token", "list", "--store", store).stdout
    code = "from harness.cli import main; main()"
    quiet = subprocess.DEVNULL
    serving = [sys.executable, "-c", code, "serve", "--port", port, "--store", store]
    server = subprocess.Popen(serving, cwd=project, env=clean(), stdout=quiet, stderr=quiet)
    try:
        wait_until_up(url, server)
        assert "needs a token" in repro(project, "publish", "--to", url).stderr
        first = repro(project, "publish", "--to", url, REPRO_TOKEN=token)
        assert (first.returncode, first.stderr) == (0, "")
        lines = first.stdout.splitlines()
        assert len(lines) == 4
        assert [line.split()[-1] for line in lines] == ["added"] * 4
        assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
        assert "toy2020/time-is-a-function@1" in {line.split()[1] for line in lines}
        again = repro(project, "publish", "toy2020/slope", "--to", url, REPRO_TOKEN=token)
        assert [line.split()[-1] for line in again.stdout.splitlines()] == ["known"]
        board = requests.get(url + "/api/claims.json", timeout=PATIENCE_S).json()["claims"]
        assert {entry["claim"] for entry in board} == {line.split()[1].split("@")[0] for line in lines}
        assert {(entry["runner"], entry["quarantined"]) for entry in board} == {("self-reported", True)}
        other = Store(tmp_path / "other")
        record = next(Store(project / ".repro" / "store", read_only=True).records(claim="toy2020/drift-carries@1"))
        claim = msgspec.structs.replace(record.claim, says="Something else.")
        other.add(seal(msgspec.structs.replace(record, claim=claim)))
        bad = repro(project, "publish", "--to", url, "--store", str(other.root), REPRO_TOKEN=token)
        assert bad.returncode == 1
        assert "refused: The record states its claim or paper otherwise than this board" in bad.stdout
        assert "refused 1 of 1 records" in bad.stderr
        assert "revoked" in repro(project, "token", "revoke", own, "--store", store).stdout
        bad = repro(project, "publish", "--to", url, "--store", str(other.root), REPRO_TOKEN=token)
        assert (bad.returncode, "does not take this token" in bad.stderr) == (1, True)
    finally:
        server.terminate()
        server.wait()
    assert len(files(tmp_path / "board")) == 4


def test_what_a_verifier_sends(tmp_path):
    """Only published records that are verified are chosen; a sender that is stopped goes on where it was."""
    published = Store(tmp_path / "leaderboard")
    sent = [make_record(n, name=f"claim-{n}", implementation="mine") for n in range(5)]
    verified = [seal(msgspec.structs.replace(r, runner="verified", supersedes=r.id)) for r in sent]
    for record in sent:
        published.add(record)
    assert publishable(published, ["toy2020"], "mine") == sent
    with pytest.raises(ReproError, match="no records of 'other'"):
        publishable(published, [], "other")
    with pytest.raises(ReproError, match="No published record is verified"):
        verified_records(published, [])
    for record in verified:
        published.add(record)
    assert {r.id for r in verified_records(published, [])} == {r.id for r in verified}
    assert [r.id for r in verified_records(published, ["toy2020/claim-2"])] == [verified[2].id]
    with served(tmp_path / "board") as url:
        here = Open(url, tmp_path / "board")
        remote = Remote(url, here.token).send(sent)
        assert [next(remote).outcome for _ in range(2)] == ["added"] * 2
        assert [s.outcome for s in Remote(url, here.token).send(sent)] == ["known"] * 2 + ["added"] * 3
        assert [s.outcome for s in Remote(url, here.verifier).send(verified)] == ["added"] * 5
        assert {path.read_bytes() for path in files(here.root)} == {encode(r) for r in (*sent, *verified)}


@pytest.mark.parametrize("option", ["--verified", "--token-file=x", "--implementation=x"])
def test_options_of_sending_need_an_address(option):
    """Without --to they would silently do nothing."""
    result = CliRunner().invoke(cli, ["publish", option])
    assert result.exit_code == 2
    assert "go with --to" in result.output


@pytest.fixture
def nothing_starts(monkeypatch) -> None:
    """A command that would go on as a server fails instead: it would take this process."""
    monkeypatch.setattr(os, "execve", lambda *arguments: pytest.fail("it was started"))


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("command", ["serve", "leaderboard"])
@pytest.mark.parametrize("port", ["0", "65536"])
def test_ports_are_those_that_there_are(command, port):
    """A number that is no port is said at once, not by a traceback of the server's."""
    result = CliRunner().invoke(cli, [command, "--port", port])
    assert (result.exit_code, "1<=x<=65535" in result.output) == (2, True)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("command", [["leaderboard"], ["export", "site", "out"]])
def test_a_store_that_is_named_and_not_there_is_an_error(command, tmp_path):
    """A slip in its name would show the published records only."""
    (tmp_path / "file").touch()
    for name, says in (("none", "does not exist"), ("file", "is a file")):
        result = CliRunner().invoke(cli, [*command, "--store", str(tmp_path / name)])
        assert (result.exit_code, says in result.output) == (2, True)


def test_a_service_that_cannot_start_says_why(project, tmp_path):
    """An index that is not there is two lines and no traceback."""
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    done = repro(project, "serve", "--store", str(tmp_path), REPRO_INDEX=nowhere)
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Check that the database is there." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--per-minute=0", "--burst=0", "--largest=-1"])
def test_limits_of_the_service_are_above_zero(option):
    """A board that takes nothing in is a mistake."""
    result = CliRunner().invoke(cli, ["serve", option])
    assert "not above zero" in str(result.exception)
