"""Another revision of a repository, checked out beside it for as long as it is needed."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from repro.errors import ReproError


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
        raise ReproError(f"{folder} is in no git repository", "A revision can be compared with only inside one.")
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
            done = _git(top, "worktree", "add", "--detach", "--force", str(tree), commit)
            if done.returncode:
                raise ReproError(f"git cannot check {name} out: {done.stderr.strip().splitlines()[-1]}")
            place = tree / folder.relative_to(top)
            if not place.is_dir():
                raise ReproError(f"{name} has no folder {folder.relative_to(top)}", "Compare with a later revision.")
            yield place
        finally:  # --force twice, since git holds a lock on what it was interrupted in
            _git(top, "worktree", "remove", "--force", "--force", str(tree))


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ReproError("git is not here", "Install it: comparing with a revision needs it.") from error
