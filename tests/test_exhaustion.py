"""Hostile submissions that take all they can get of memory, processes, disk or time: each is ended without a trace."""

from __future__ import annotations

import pytest

from harness.sandbox.jail import Jailed, descendants
from tests.hostile import LIMITS, MIB, SOCKET, refused, soon, submitted

HOARD = "import numpy as np\ndef strike():\n    kept = []\n    while True:\n        kept.append(np.ones(1 << 19))\n"
CHILDREN = """
import os
import time

def strike():
    for _ in range(20):
        if not os.fork():
            kept = bytearray(30 << 20)
            time.sleep(60)
    time.sleep(60)
"""
HUGE = "import numpy as np\ndef strike():\n    np.zeros(1 << 40)\n"
UNCOUNTED = "import mmap\ndef strike():\n    mmap.mmap(-1, 1 << 30)\n"
ZERO = """
import mmap

def strike():
    mmap.mmap(open("/dev/zero", "r+b").fileno(), 1 << 30)
"""
FILE_IN_MEMORY = "import os\ndef strike():\n    os.memfd_create('x')\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (HOARD, "was stopped: it used more than 200 MiB of memory"),
        (CHILDREN, "was stopped: it used more than 200 MiB of memory"),
        (HUGE, "raised .*MemoryError: Unable to allocate"),
        (UNCOUNTED, "raised PermissionError"),
        (ZERO, "raised PermissionError: .*/dev/zero"),
        (FILE_IN_MEMORY, "raised PermissionError"),
    ],
    ids=["growing arrays", "children", "one array", "anonymous shared", "/dev/zero", "memfd"],
)
def test_memory_bombs(tmp_path, source, says):
    """Memory is counted over all processes; kinds of memory that no count shows cannot be had."""
    refused(tmp_path, source, says)


FORKS = "import os\ndef strike():\n    while True:\n        os.fork()\n"
THREADS = """
import threading

def strike():
    while True:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
"""


@pytest.mark.parametrize("source", [FORKS, THREADS], ids=["processes", "threads"])
def test_fork_bombs(tmp_path, source):
    """Beyond its number of tasks it is stopped, or, where the kernel counts them too, it gets no more."""
    says = "it started more than 40 processes and threads|raised BlockingIOError|raised RuntimeError: can't start"
    refused(tmp_path, source, says, memory_bytes=4096 * MIB)


FILL = """
import errno
from os.path import samefile as same

def fill(folder):
    count = 0
    try:
        for number in range(64):
            with open(f"{folder}/{number}", "wb", buffering=0) as file:
                for _ in range(16):
                    count += file.write(bytes(1 << 16))
    except OSError as error:
        return count, errno.errorcode[error.errno]

def strike():
    with open("/tmp/more", "wb") as file:
        file.write(bytes(1 << 16))
"""


def test_disk_bombs(tmp_path):
    """/tmp and /dev/shm are one folder, in memory of a fixed size that is not the machine's; it is full soon."""
    with submitted(tmp_path, FILL) as inside:
        count, why = inside.names.fill("/tmp")
        assert why == "ENOSPC"
        assert MIB <= count <= LIMITS.scratch_bytes
        assert inside.names.same("/tmp", "/dev/shm")
        with pytest.raises(Jailed, match=r"raised OSError: \[Errno 28\] No space left on device"):
            inside.names.strike()


SOCKETS = """
import socket
import time

def strike():
    kept = []
    for _ in range(400):
        near, far = socket.socketpair()
        near.setblocking(False)
        while True:
            try:
                near.send(bytes(1 << 16))
            except BlockingIOError:
                break
        near.close()
        kept.append(far)
    time.sleep(600)

def enlarge(option):
    socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, option, 1 << 24)
"""


def test_bytes_in_sockets_are_counted(tmp_path):
    """What waits in sockets counts as memory, also of those that are closed; no socket may hold more than usual."""
    with submitted(tmp_path, SOCKETS) as inside:
        for option in (7, 8, 32, 33):
            with pytest.raises(Jailed, match="raised PermissionError"):
                inside.names.enlarge(option)
        with pytest.raises(Jailed, match="was stopped: it used more than 200 MiB of memory"):
            inside.names.strike()


PIPES = """
import os
import time

def strike():
    for _ in range(30):
        if not os.fork():
            kept = [os.pipe() for _ in range(480)]
            time.sleep(600)
    time.sleep(600)
"""
TABLES = """
import mmap
import os
import time

def strike():
    for _ in range(30):
        if not os.fork():
            kept = mmap.mmap(-1, 8 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
            for place in range(0, 8 << 30, 1 << 21):
                kept[place]
            time.sleep(600)
    time.sleep(600)
"""


@pytest.mark.parametrize("source", [PIPES, TABLES], ids=["pipes", "page tables"])
def test_what_the_kernel_holds_is_counted(tmp_path, source):
    """Pipes and page tables of many processes count as memory."""
    refused(tmp_path, source, "was stopped: it used more than 200 MiB of memory")


LOOP = "def strike():\n    while True:\n        pass\n"
DEAF = """
import signal

def strike():
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        pass
"""
STOPPED = "import os\ndef strike():\n    os.kill(os.getpid(), 19)\n"
IN_C = "import re\ndef strike():\n    re.match('(a+)+$', 'a' * 50 + 'b')\n"
TRICKLE = f"""{SOCKET}
def strike():
    for byte in b"\\x20" + bytes(99):
        found().send(bytes([byte]))
        time.sleep(0.5)
"""


@pytest.mark.parametrize("source", [DEAF, STOPPED, IN_C, TRICKLE], ids=["deaf loop", "stopped", "in C", "byte by byte"])
def test_time_runs_out(tmp_path, source):
    """Neither loops, nor ignored signals, nor stopping, nor answering slowly outlast the wall clock."""
    refused(tmp_path, source, "was stopped: it took longer than 3 s", wall_s=3)


SURVIVOR = """
import os
import signal
import time

def strike():
    if not os.fork():
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for _ in range(3):
            if os.fork():
                os._exit(0)
        os.closerange(0, 64)
        while True:
            time.sleep(1)
    os.wait()
"""


def test_nothing_outlives_its_jail(tmp_path):
    """A daemon in a session of its own, without parent or open files, ends with the jail."""
    with submitted(tmp_path, SURVIVOR) as inside:
        before = len(list(descendants(inside.jail.pid)))
        inside.names.strike()
        assert soon(lambda: len(list(descendants(inside.jail.pid))) == before + 1)  # its parents have ended


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_floods_of_output(tmp_path, stream):
    """Output is read so that it blocks nobody, kept only at its end, and too much of it ends the trial."""
    source = (
        f"import sys\ndef strike():\n    while True:\n        sys.{stream}.write('\\x1b[2J' + 'x' * 4096 + '\\n')\n"
    )
    text = refused(tmp_path, source, "was stopped: it printed more than 1 MiB")
    assert "\x1b" not in text
    assert len(text) < 50_000


LATER = "import os, time\ndef strike():\n    os.closerange(3, 64)\n    time.sleep(4)\n    os._exit(5)\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import os\ndef strike():\n    os._exit(3)\n", "its process ended with exit code 3 without an answer"),
        ("import os\ndef strike():\n    os.kill(os.getpid(), 11)\n", "its process ended with exit code 139"),
        ("import os\ndef strike():\n    os.closerange(3, 64)\n", "its process ended with exit code 1"),
        ("import sys\ndef strike():\n    sys.exit(0)\n", "its process ended with exit code 0"),
        (LATER, "its process ended with exit code 5 without an answer"),
    ],
    ids=["exit", "crash", "closed socket", "sys.exit", "later"],
)
def test_a_worker_that_dies(tmp_path, source, says):
    """Its end is told from an answer, with how it ended."""
    refused(tmp_path, source, says)


def test_limits_cannot_be_raised(tmp_path):
    """What the worker lowered for itself stays: asking for more is refused by the kernel."""
    source = """
import resource

def strike(name):
    hard = resource.getrlimit(getattr(resource, name))[1]
    resource.setrlimit(getattr(resource, name), (hard + 1, hard + 1))
"""
    with submitted(tmp_path, source) as inside:
        for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_MEMLOCK"):
            with pytest.raises(Jailed, match=r"raised .*not allowed to raise maximum limit"):
                inside.names.strike(name)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (LOOP, "it took longer than 3 s"),
        (HOARD, "it used more than 200 MiB of memory"),
        (THREADS, "it started more than 40 processes and threads|raised RuntimeError: can't start"),
        ("def strike():\n    while True:\n        print('x' * 4096)\n", "it printed more than 1 MiB"),
    ],
    ids=["time", "memory", "threads", "output"],
)
def test_trusted_code_has_limits_too(tmp_path, monkeypatch, source, says):
    """Without bubblewrap, one's own code runs under the same ceilings."""
    monkeypatch.setenv("PATH", str(tmp_path))
    refused(tmp_path, source, says, trusted=True, wall_s=3 if source is LOOP else LIMITS.wall_s)
