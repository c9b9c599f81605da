"""A submission to start from: the reference's own code, which passes as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from harness.sandbox import code_store
from harness.submission.folder import contract_of
from harness.submission.manifest import check_name
from repro.claim.catalogue import Catalogue
from repro.errors import ReproError

TOML = """schema = 1
paper = "{paper}"
name = "{name}"
summary = "The reference, unchanged"  # what is different about yours, in one line
authors = ["Your Name"]
license = "Apache-2.0"
division = "closed"  # "closed": the reference's presets; "open": anything but the data and the measure
claims = []  # names of the claims it answers, such as ["{claim}"]; empty: all

[limits]  # of one trial; leave out what you do not need to change
wall_s = 1800
memory_bytes = 4_294_967_296

# One table for each difference from the paper:
# [[deviation]]
# paper = "Section 3.1: what the paper does"
# here = "what this does"
# why = "the reason"
"""

README = """# {name}

A submission for `{paper}`: {title}.

    repro submission check {name}   # static checks and audits, in seconds
    repro submission run {name}     # the claims, in a jail, and what it costs beside the reference

`implementation.py` starts as a copy of the reference, so everything passes. Change what you came to change; keep the
names: {names}. It may import numpy, scipy, numba, torch, the standard library and `repro.task`.
"""

_OTHERS = re.compile(r"^from reference(?: import (\w+)$|\.([\w.]+)(?= import ))", re.MULTILINE)
"""How a reference imports another one, by its name or names of it; or a part of `reference.common`."""


def new(paper: str, target: Path, root: Path | None = None) -> Path:
    """Write a submission that passes into a new folder; its name is the folder's.

    Raises:
        ReproError: for an unknown paper, one that takes no submissions, a folder that exists, or a name that will not
            do.
    """
    catalogue = Catalogue(root)
    contract = contract_of(paper, catalogue)
    check_name(target.name)
    if target.exists():
        raise ReproError(f"There is something at {target} already", "Choose another name.")
    claim = catalogue.select([paper])[0].name
    facts = {"paper": paper, "name": target.name, "claim": claim, "title": catalogue.papers[paper].title}
    facts["names"] = ", ".join(f"`{name}`" for name in contract.names)
    files = {
        "submission.toml": TOML.format(**facts).encode(),
        "README.md": README.format(**facts).encode(),
        **_copied(catalogue.root / "reference", paper),
    }
    code_store.write(target, files)
    return target


def _copied(references: Path, paper: str) -> dict[str, bytes]:
    """The reference as implementation.py, and beside it what it builds on: other papers' references, shared parts."""
    files: dict[str, bytes] = {}
    todo, done = {paper}, set[str]()
    while todo:
        key = todo.pop()
        done.add(key)
        path = f"{key.replace('.', '/')}.py"
        source = (references / path).read_text()
        todo |= {name for pair in _OTHERS.findall(source) for name in pair if name}
        todo -= done
        beside = _OTHERS.sub(lambda found: f"from {found[2]}" if found[2] else f"import {found[1]}", source)
        files["implementation.py" if key == paper else path] = beside.encode()
    return files
