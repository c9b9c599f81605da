"""Submissions that mean harm, in jails with small limits; and the proof that nothing of them is left."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.sandbox.broker import Broker
from harness.sandbox.inside.limits import Limits
from harness.sandbox.jail import Jail, Jailed, View, descendants

MIB = 1 << 20
PATIENCE_S = 120  # for what ends in a moment, unless other processes have the machine
LIMITS = Limits(
    wall_s=PATIENCE_S,
    memory_bytes=200 * MIB,
    processes=40,
    scratch_bytes=2 * MIB,
    message_bytes=MIB,
    output_bytes=MIB,
)
BENIGN = "def double(number):\n    return 2 * number\n"
SPACE = str(Path("/proc/self/ns/pid").readlink())
SOCKET = """
import gc
import socket
import sys
import time

def found():
    return next(each for each in gc.get_objects() if isinstance(each, socket.socket))
"""


@dataclass(frozen=True)
class Inside:
    """A submission that has been loaded: its functions, and what speaks for it here."""

    names: Any
    broker: Broker
    jail: Jail


def written(folder: Path, source: str) -> Path:
    """A submission's folder with this source in it."""
    made = folder / "submission"
    made.mkdir(exist_ok=True)
    (made / "implementation.py").write_text(f"CONFIGS = {{}}\n{source}")
    return made


@contextlib.contextmanager
def submitted(folder: Path, source: str, *, trusted: bool = False, **view_or_limits: Any) -> Iterator[Inside]:
    """A submission in a jail with small limits; at the end no process of it is left, and the harness is well.

    A wall clock of its own starts once the submission is loaded: that alone takes seconds where the machine is busy.
    """
    view = {name: view_or_limits.pop(name) for name in ("compiled", "hidden") if name in view_or_limits}
    made, spaces = written(folder, source), set()
    limits = msgspec.structs.replace(LIMITS, **view_or_limits)
    with Jail(msgspec.structs.replace(limits, wall_s=LIMITS.wall_s), View(submission=made, **view), trusted) as jail:
        description = Broker(jail, "submission mine").load(0, "cpu")
        jail.limits = limits
        broker = Broker(jail, "submission mine")
        inside = Inside(broker.names(description), broker, jail)
        spaces = {space(process) for process in descendants(jail.pid)} - {SPACE, ""}
        assert spaces or trusted
        yield inside
    assert gone(spaces, str(made)), "a process of the submission is alive"
    still_well(folder, trusted=trusted)


def still_well(folder: Path, *, trusted: bool = False) -> None:
    """Prove that another submission can be run as if nothing had happened."""
    (folder / "benign").mkdir(exist_ok=True)
    made = written(folder / "benign", BENIGN)
    with Jail(LIMITS, View(submission=made), trusted) as jail:
        broker = Broker(jail, "submission benign")
        assert broker.names(broker.load(0, "cpu")).double(21) == 42


def refused(folder: Path, source: str, says: str, **limits: Any) -> str:
    """Call `strike` in a jail; it must end in a message with these words, which is returned."""
    with submitted(folder, source, **limits) as inside, pytest.raises(Jailed, match=says) as caught:
        inside.names.strike()
    return str(caught.value)


def space(process: int) -> str:
    """The process-id namespace of a process; "" if it has ended."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{process}/ns/pid").readlink())
    return ""


def gone(spaces: set[str], marker: str) -> bool:
    """Whether soon nothing runs in one of the namespaces, or with the marker in its command line."""
    return soon(lambda: not any(runs(p, spaces, marker) for p in Path("/proc").iterdir() if p.name.isdigit()))


def soon(true: Callable[[], bool]) -> bool:
    """Whether something becomes true before patience ends."""
    end = time.monotonic() + PATIENCE_S
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def runs(process: Path, spaces: set[str], marker: str) -> bool:
    """Whether a process, by its folder in /proc, is one of them and has not ended."""
    with contextlib.suppress(OSError):  # it ends while it is looked at
        waits_for_its_parent = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        ours = space(int(process.name)) in spaces or marker.encode() in (process / "cmdline").read_bytes()
        return ours and not waits_for_its_parent
    return False
