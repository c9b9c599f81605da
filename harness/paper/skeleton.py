"""The skeleton of a paper: files of its own key that fail until they are filled in."""

from __future__ import annotations

import re
from pathlib import Path

from repro.errors import ReproError
from repro.paper import KEY
from repro.paths import atomic_write

TEMPLATES = Path(__file__).parent / "templates"
MARK = "SKELETON"
"""Stands in every file of the skeleton where something is to be written."""


def files(key: str) -> dict[str, str]:
    """The text of each file by its path from the project, with "/" as separator."""
    digits = re.sub(r"\D", "", key)
    year = digits if len(digits) == 4 else "0"  # a course's number is no year
    return {
        path.relative_to(TEMPLATES).as_posix().removesuffix(".txt").replace("KEY", key): re.sub(
            r"\bYEAR\b", year, path.read_text().replace("KEY", key)
        )
        for path in sorted(TEMPLATES.rglob("*.txt"))
    }


def write(key: str, root: Path) -> list[str]:
    """Write the skeleton of a paper below a project's root; the paths that were written.

    Raises:
        ReproError: for a key that is none, or where a file of the paper is already there; nothing is written then.
        OSError: if the disk refuses.
    """
    if not re.fullmatch(KEY, key):
        raise ReproError(
            f"{key!r} is no key of a paper",
            "Take the first author's surname and the year, as in he2015, or a course's number, as in cs231n.",
        )
    found = files(key)
    if there := [path for path in found if (root / path).exists()]:
        raise ReproError(f"{there[0]} is already there", f"`repro paper check {key}` says what is missing.")
    for path, text in found.items():
        atomic_write(root / path, text.encode())
    return list(found)
