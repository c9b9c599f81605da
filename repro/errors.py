"""Errors a user can act on: one line that says what is wrong, one that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReproError(Exception):
    """Something the user can mend.

    Args:
        problem: what is wrong, as one sentence without a full stop.
        remedy: what to do about it; empty when nothing but reading `problem` helps.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}. {remedy}".rstrip(". ") + ("." if remedy else ""))
        self.problem = problem
        self.remedy = remedy


class Unavailable(ReproError):
    """This machine lacks what a claim needs (a GPU, a dataset, memory); the claim is skipped, not failed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ReproError:
    """The error for a name that is not in `known`, with the nearest names suggested."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    near += [n for n in names if name in n and n not in near][: 3 - len(near)]
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names[:12]) or 'none'}"
    return ReproError(f"Unknown {kind} {name!r}", hint)
