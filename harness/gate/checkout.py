"""Another revision of a repository, checked out beside it for as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from repro.errors import ReproError

PLAIN = tuple(
    word
    for setting in ("core.hooksPath=/dev/null", "core.autocrlf=false", "filter.lfs.process=", "filter.lfs.smudge=cat",
                    "filter.lfs.required=false")
    for word in ("-c", setting)
)  # fmt: skip
"""A tree that only lasts a while needs no hooks and no filters, whose programs may be missing or fail."""


def is_revision(name: str, folder: Path) -> bool:
    """Whether the repository that holds `folder` knows a commit by this name."""
    with contextlib.suppress(ReproError):
        return bool(commit_of(name, folder))
    return False


def commit_of(name: str, folder: Path) -> str:
    """The full hash of the commit that a revision names.

    Raises:
        ReproError: if `folder` is in no git repository, or that has no such commit.
    """
    top = top_of(folder)
    if name.endswith("/"):
        raise ReproError(
            f"The revision {name!r} has nothing behind its slash",
            "In a merge queue github.base_ref is empty: give github.event.merge_group.base_sha there.",
        )
    done = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if done.returncode:
        raise ReproError(
            f"There is no revision {name!r} in {top.name}",
            "Give a branch, tag or commit that is here; a shallow clone in CI needs its history (fetch-depth: 0).",
        )
    return done.stdout.strip()


def top_of(folder: Path) -> Path:
    """The top of the working tree that holds a folder.

    Raises:
        ReproError: if it is in none.
    """
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        said = done.stderr.strip() or "git says nothing"
        raise ReproError(f"{folder} is in no git repository that can be used: {said}")
    return Path(done.stdout.strip())


@contextlib.contextmanager
def checkout(name: str, folder: Path) -> Iterator[Path]:
    """A folder of a repository as it is at another revision, in a working tree that lasts as long as the context.

    Raises:
        ReproError: for an unknown revision, one without this folder, or if git refuses.
    """
    folder = folder.resolve()
    commit, top = commit_of(name, folder), top_of(folder).resolve()
    with tempfile.TemporaryDirectory(prefix="repro-gate-", ignore_cleanup_errors=True) as temporary:
        tree = Path(temporary).resolve() / "tree"
        try:
            done = _git(top, *PLAIN, "worktree", "add", "--detach", "--force", str(tree), commit)
            if done.returncode:
                raise ReproError(f"git cannot check {name} out: {' '.join(done.stderr.split())}")
            place = tree / folder.relative_to(top)
            if not place.is_dir():
                raise ReproError(f"{name} has no folder {folder.relative_to(top)}", "Compare with a later revision.")
            yield place
        finally:  # --force twice, since git holds a lock on what it was interrupted in
            _git(top, "worktree", "remove", "--force", "--force", str(tree))
            _git(top, "worktree", "prune")  # of those too whose folder a killed gate has left or lost


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"GIT_LFS_SKIP_SMUDGE": "1"}  # large files stay pointers
    words = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(words, env=environment, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise ReproError("git is not here", "Install it: comparing with a revision needs it.") from error
