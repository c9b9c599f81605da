"""A process that can read what it needs to compute, write to memory that vanishes, and do nothing else.

bubblewrap makes the namespaces, seccomp (see `seccomp`) closes system calls, the worker lowers its own resource
limits before it imports anything, and a watchdog here counts processes and resident memory and kills all of them
at once when they pass a ceiling. See docs/threats.md for what this does and does not stop.
"""

from __future__ import annotations

import contextlib
import os
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

import msgspec

from harness.sandbox import bubblewrap, seccomp
from harness.sandbox.inside.limits import Limits
from repro.errors import ReproError

HERE = Path(__file__).resolve().parents[2]  # what holds harness and repro
INSIDE = "/harness"  # where our own few files lie in the jail
SUBMISSION = "/submission"
TICK_S, LINGER_S, TAIL = 0.05, 1.0, 1 << 16
PROBE_S = 60  # for bubblewrap to start a program that does nothing, also where the machine is busy
OURS = (
    "harness/__init__.py",
    "harness/sandbox/inside/limits.py",
    "harness/sandbox/inside/wire.py",
    "harness/sandbox/inside/worker.py",
)
SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/sys/devices/system/cpu")
CONTRACT = ("repro/task.py", "repro/machine/determinism.py", "repro/errors.py")
PAGE = os.sysconf("SC_PAGE_SIZE")
SCRATCH = "/dev/shm"  # the one place to write; /tmp leads there
PIPE_BYTES = 2 * PAGE  # of a pipe, once its user's pipes hold 64 MiB
SENT = Path("/proc/sys/net/core/wmem_default")  # bytes that the kernel holds for a socket before sending waits
FIRST = ["/bin/sh", "-c", 'echo 1000 2>/dev/null >/proc/self/oom_score_adj; exec "$@"', "sh"]
"""Starts a program as the first one that the kernel ends when memory runs out, and all that it starts with it."""
SELF_TEST = (
    'fail() { echo "$1" >&2; exit 1; }; '
    "[ $$ -le 2 ] || fail 'the jail shows other processes'; "
    "[ \"$(tail -n +3 /proc/net/dev | grep -vc ' lo:')\" = 0 ] || fail 'the jail has a network'; "
    "! touch /tmp/repro-self-test 2>/dev/null || fail 'the jail can write'"
)
"""Run by a shell in a jail before anything else is: namespaces, no network, a root that is read-only."""
REMEDY = (
    "Install bubblewrap (apt-get install bubblewrap, or pip install 'repro[jail]') and allow user namespaces (on "
    "Ubuntu: sysctl -w "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker: --security-opt seccomp=unconfined). To run code "
    "that is your own without isolation, pass --trusted; the record will say so."
)


class Jailed(ReproError):
    """The submission did what it may not, or died; the harness is well."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What a jail shows besides the system and the installed packages.

    Attributes:
        submission: the folder with implementation.py, shown read-only.
        compiled: a folder with code compiled earlier from the same source, or None.
        shared: folders of training data that are too large for the pipe, shown read-only at their own paths.
        hidden: files and folders of datasets, which are covered wherever they would show.
    """

    submission: Path
    compiled: Path | None = None
    shared: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()


@lru_cache(maxsize=1)
def probe() -> str:
    """What isolates here, such as "bubblewrap 0.8.0 of the system, sha256 1f2e…, seccomp".

    Raises:
        ReproError: if this machine cannot isolate, with how to make it.
    """
    program = bubblewrap.find()
    if program is None:
        raise ReproError("Submissions cannot be isolated here: bubblewrap is not installed", REMEDY)
    try:
        seccomp.program()
    except KeyError as error:
        raise ReproError(
            f"Submissions cannot be isolated here: no seccomp filter for {error}", "Use x86-64 or ARM64, or --trusted."
        ) from error
    with _filter() as descriptor:
        mounts = ["--ro-bind", "/", "/", "--proc", "/proc"]
        command = [str(program.path), *_namespaces(), *mounts, "--seccomp", str(descriptor), "/bin/sh", "-c", SELF_TEST]
        try:
            tried = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, pass_fds=(descriptor,))
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReproError(f"Submissions cannot be isolated here: {error}", REMEDY) from error
    if tried.returncode:
        why = tried.stderr.strip().splitlines()[-1] if tried.stderr.strip() else f"exit code {tried.returncode}"
        raise ReproError(f"Submissions cannot be isolated here: {why}", REMEDY)
    return f"{program}, seccomp"


def arguments(limits: Limits, view: View, filter_descriptor: int) -> list[str]:
    """What bubblewrap is to do, without the program to run."""
    words = [*_namespaces(), "--seccomp", str(filter_descriptor), "--proc", "/proc", "--dev", "/dev"]
    words += _empty("/dev/pts")  # a terminal's buffers are memory that nothing counts
    words += ["--size", str(limits.scratch_bytes), "--tmpfs", SCRATCH, "--symlink", SCRATCH.removeprefix("/"), "/tmp"]
    if not limits.gpus:
        words += ["--ro-bind", "/dev/null", "/dev/zero"]  # a shared mapping of it is memory that nothing counts
    system = [path for name in SYSTEM if (path := Path(name)).exists()]
    shown = [*system, *_python(), *([Path("/sys")] if limits.gpus else [])]  # CUDA finds its devices there
    for path in shown:
        words += (
            ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else ["--ro-bind", *[str(path)] * 2]
        )
    for path in view.shared:
        words += ["--ro-bind", str(path), str(path)]
    for device in _gpu_devices() if limits.gpus else ():
        words += ["--dev-bind", str(device), str(device)]
    for path in view.hidden:
        if any(path.is_relative_to(folder) for folder in (*shown, *view.shared)):
            words += _empty(str(path)) if path.is_dir() else ["--ro-bind", "/dev/null", str(path)]
    words += ["--ro-bind", str(view.submission), SUBMISSION]
    for name in (*OURS, *CONTRACT):
        words += ["--ro-bind", str(HERE / name), f"{INSIDE}/{name}"]
    words += ["--ro-bind", str(HERE / "harness" / "__init__.py"), f"{INSIDE}/repro/__init__.py"]  # not an installed one
    if view.compiled is not None and view.compiled.is_dir():
        words += ["--ro-bind", str(view.compiled), "/compiled"]
    for name, value in environment(limits).items():
        words += ["--setenv", name, value]
    read_only = [word for path in ("/proc", "/dev", "/") for word in ("--remount-ro", path)]
    return [*words, *read_only, "--chdir", "/tmp"]  # root's user may write to /proc/sys, without any capability


def environment(limits: Limits, scratch: str = "/tmp", earlier: str = "/compiled") -> dict[str, str]:
    """Variables of the worker: nothing of the caller's but which GPUs are visible."""
    found = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "REPRO_COMPILED": f"{scratch}/compiled",
        "REPRO_EARLIER": earlier, "NUMBA_CACHE_DIR": f"{scratch}/compiled/numba",
        "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/compiled/inductor", "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    if limits.gpus:
        del found["OMP_NUM_THREADS"]
        found |= {k: os.environ[k] for k in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH") if k in os.environ}
    return found


@dataclass
class Jail:
    """A running worker, in a jail or, trusted, in a process of its own without one.

    Attributes:
        connection: the socket to the worker.
        fault: why it was killed; "" while it was not.
        peak_bytes: the most resident memory seen of all its processes together.
    """

    limits: Limits
    view: View
    trusted: bool = False
    connection: socket.socket = field(init=False)
    fault: str = field(init=False, default="")
    peak_bytes: int = field(init=False, default=0)
    printed: bytes = field(init=False, default=b"")

    def __enter__(self) -> Jail:
        if not self.trusted:
            probe()
        self._over = threading.Event()
        self._scratch = tempfile.TemporaryDirectory(prefix="repro-trusted-") if self.trusted else None
        self.connection, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as open_only_here:
            if self._scratch is None:
                descriptor = open_only_here.enter_context(_filter(gpu=bool(self.limits.gpus)))
                listed = open_only_here.enter_context(
                    _readable("\0".join(arguments(self.limits, self.view, descriptor)).encode() + b"\0")
                )
                program = bubblewrap.find()
                words = [str(program.path) if program else "bwrap", "--args", str(listed)]
                passed = (descriptor, listed, theirs.fileno())
                python, folder, root, variables = sys.executable, SUBMISSION, INSIDE, {}
            else:
                words, passed = [], (theirs.fileno(),)
                python, folder, root = sys.executable, str(self.view.submission), str(HERE)
                compiled = str(self.view.compiled or Path(self._scratch.name) / "none")
                variables = {**os.environ, **environment(self.limits, self._scratch.name, compiled)}
            worker = f"{root}/harness/sandbox/inside/worker.py"
            limits = msgspec.json.encode(self.limits).decode()
            self.process = subprocess.Popen(
                [*FIRST, *words, python, "-I", "-B", worker, str(theirs.fileno()), limits, folder, root],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=passed,
                env=variables,
                start_new_session=True,
            )
        self._threads = [threading.Thread(target=f, daemon=True) for f in (self._drain, self._watch)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.kill("")
        self.process.wait()
        self._over.set()
        for thread in self._threads:
            thread.join(LINGER_S if self.trusted else None)  # what left a trusted group may hold its output open
        if self._scratch is not None:
            self._scratch.cleanup()

    def kill(self, why: str) -> None:
        """End every process in the jail at once."""
        self.fault = self.fault or why
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)

    @property
    def pid(self) -> int:
        """The process that the worker, and whatever it starts, descends from."""
        return self.process.pid

    def _drain(self) -> None:
        """Read what it prints; keep the end."""
        pipe, count = self.process.stdout, 0
        assert pipe is not None
        while data := os.read(pipe.fileno(), 1 << 16):
            count += len(data)
            self.printed = (self.printed + data)[-TAIL:]
            if count > self.limits.output_bytes:
                self.kill(f"it printed more than {_size(self.limits.output_bytes)}")
        pipe.close()

    def _watch(self) -> None:
        """Kill when processes or memory pass their ceilings."""
        while not self._over.wait(TICK_S):
            count, memory = usage(self.pid, self.limits.processes, jailed=not self.trusted)
            self.peak_bytes = max(self.peak_bytes, memory)
            if memory > self.limits.memory_bytes:
                self.kill(f"it used more than {_size(self.limits.memory_bytes)} of memory")
            if count > self.limits.processes:
                self.kill(f"it started more than {self.limits.processes} processes and threads")


def usage(pid: int, most: int, *, jailed: bool = False) -> tuple[int, int]:
    """Processes and threads of `pid` and below it, and their memory in bytes, shared pages counted once.

    Memory is what is resident, page tables, and what the kernel may hold for open files: for pipes what it does at
    most, and, with `jailed`, for each socket of their network as much as its buffer can hold, also where no process
    has it open any more. Counting ends beyond `most` tasks: they may multiply faster than they can be counted.
    """
    tasks, private, shared, sockets = 0, 0, 0, 0
    for process in chain((pid,), descendants(pid)):
        if tasks > most:
            break
        with contextlib.suppress(OSError, ValueError, KeyError):
            folder = Path(f"/proc/{process}")
            lines = (line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            found = {name: text.split() for name, text in lines}
            tasks += int(found["Threads"][0])
            anonymous, file, common, tables = (
                int(found[name][0]) << 10 for name in ("RssAnon", "RssFile", "RssShmem", "VmPTE")
            )
            private += anonymous + tables + PIPE_BYTES * sum(1 for _ in (folder / "fd").iterdir())
            shared = max(shared, file + common)
            sockets = max(sockets, _sockets(folder) if jailed else 0)
    return tasks, private + shared + sockets * _socket_bytes()


@lru_cache(maxsize=1)
def _socket_bytes() -> int:
    """What the kernel holds for a socket at most: its buffer, which nobody in a jail may enlarge, and one message."""
    return 2 * int(SENT.read_text())


def _sockets(process: Path) -> int:
    """How many sockets there are in the network of a process, unless it is this process's own network."""
    own, used = Path("/proc/self/ns/net").readlink(), (process / "net" / "sockstat").read_text().split()[2]
    return 0 if (process / "ns" / "net").readlink() == own else int(used)


def descendants(pid: int) -> Iterator[int]:
    """The processes below `pid`, itself left out."""
    todo = [pid]
    while todo:
        process = todo.pop()
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{process}/task").iterdir():
                children = (thread / "children").read_text().split()
                todo += (found := [int(child) for child in children])
                yield from found


def _size(count: int) -> str:
    unit, name = (1 << 30, "GiB") if count >= 1 << 30 else (1 << 20, "MiB")
    return f"{count / unit:.3g} {name}"


def _empty(folder: str) -> list[str]:
    """Covers a folder with one that is empty and stays so."""
    return ["--size", str(PAGE), "--tmpfs", folder, "--remount-ro", folder]


def _namespaces() -> list[str]:
    user = ["--uid", "65534", "--gid", "65534", "--hostname", "jail"]
    return ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", *user]


@contextlib.contextmanager
def _filter(*, gpu: bool = False) -> Iterator[int]:
    """A descriptor from which bubblewrap reads the seccomp program."""
    with _readable(seccomp.program(gpu=gpu)) as descriptor:
        yield descriptor


@contextlib.contextmanager
def _readable(data: bytes) -> Iterator[int]:
    """A descriptor that gives these bytes, from memory that no process of a jail keeps open."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _python() -> list[Path]:
    """The interpreter and the installed packages, as far as they do not lie in /usr."""
    places: Sequence[str] = (sys.base_prefix, sys.prefix, sysconfig.get_path("purelib"), *site.getsitepackages())
    found: list[Path] = []
    for place in dict.fromkeys(Path(p) for p in places):
        if place.is_dir() and not any(place.is_relative_to(known) for known in (Path("/usr"), *found)):
            found.append(place)
    return found


def _gpu_devices() -> list[Path]:
    return [*sorted(Path("/dev").glob("nvidia*")), *sorted(Path("/dev/nvidia-caps").glob("*"))]
