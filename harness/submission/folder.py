"""A submission's folder: what may be in it, checked without running any of it, and kept under its digest."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.sandbox.code_store import digest
from harness.submission import manifest
from harness.submission.manifest import Manifest
from repro.claim.catalogue import Catalogue, is_named, matches
from repro.claim.claim import Claim
from repro.claim.contract import Contract
from repro.code_digest import functions
from repro.errors import ReproError, unknown

SUFFIXES = {".py", ".toml", ".md", ".txt"}
FILES, BYTES = 50, 1 << 20
IGNORED = {
    *("__pycache__", ".git", ".gitignore", ".gitattributes", ".DS_Store", ".ipynb_checkpoints", ".editorconfig"),
    *(".ruff_cache", ".pytest_cache", ".mypy_cache", ".venv", ".idea", ".vscode", ".hypothesis", "Thumbs.db"),
    *("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS", "CITATION.cff"),
}
"""Files and folders that people's tools and habits leave beside code; no part of the submission."""
ABOUT = {"submission.toml", "README.md"}
OURS = {"reference", "claims", "harness", "leaderboard", "tests"}


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A submission that passed the static checks.

    Attributes:
        files: contents by path relative to the folder, sorted.
        code: those that are shown in the jail: all but the manifest and the README, which may change without a rerun.
        digest: sha256 of the code.
        contract: what its paper asks for.
        claims: the claims that it answers.
        shared: how many of its functions are also the reference's own or another paper's, and how many it defines.
    """

    manifest: Manifest
    files: dict[str, bytes]
    code: dict[str, bytes]
    digest: str
    contract: Contract
    claims: tuple[Claim, ...]
    shared: tuple[int, int]


def read(path: Path, root: Path | None = None) -> Folder:
    """Check a folder against the claims of the project at `root`, without running anything in it.

    Raises:
        ReproError: for the first thing that is wrong, with what to do.
    """
    if not path.is_dir():
        remedy = "Make one with `repro submission new PAPER NAME`."
        raise ReproError(f"There is no submission folder {path}", remedy)
    files = dict(_files(path))
    for name, remedy in (
        ("submission.toml", "It says what the submission is: copy one from `repro submission new PAPER NAME`."),
        ("implementation.py", "It holds the code, with the names that the paper's contract asks for."),
    ):
        if name not in files:
            raise ReproError(f"{path.name} has no {name}", remedy)
    stated = manifest.read(path / "submission.toml")
    catalogue = Catalogue(root)
    contract = contract_of(stated.paper, catalogue)
    claims = _answered(stated, catalogue)
    tree = _parsed(files)
    _names(tree, contract, stated.paper)
    code = {name: data for name, data in files.items() if name not in ABOUT}
    return Folder(
        manifest=stated,
        files=files,
        code=code,
        digest=digest(code),
        contract=contract,
        claims=claims,
        shared=_shared(files, catalogue.root / "reference"),
    )


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the folder with its content, all of them small texts."""
    total = count = 0
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        for name in [*folders, *sorted(names)]:
            file = Path(folder) / name
            relative = file.relative_to(path).as_posix()
            if file.is_symlink():
                raise ReproError(f"{relative} is a symbolic link", "Put the file itself there.")
            if file.is_dir() or _ignored(name):
                continue
            count, total = count + 1, total + file.stat().st_size
            if not file.is_file() or file.suffix not in SUFFIXES:
                raise ReproError(
                    f"{relative} is not a text file of a known kind ({', '.join(sorted(SUFFIXES))})",
                    "A submission is source code: weights are learnt in the trial, data are given.",
                )
            if count > FILES or total > BYTES:
                raise ReproError(
                    f"{path.name} has more than {FILES} files or {BYTES >> 20} MiB",
                    "A submission is source code: remove what the implementation does not import.",
                )
            yield relative, _text(file, relative)


def _ignored(name: str) -> bool:
    """Whether a file or folder is no part of the submission; macOS keeps attributes in files named "._"."""
    return name in IGNORED or name.startswith("._")


def _text(file: Path, relative: str) -> bytes:
    """The text as every system would have it: without a byte-order mark, its lines ended by line feeds."""
    data = file.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    try:
        if "\0" in data.decode():
            raise ValueError
    except ValueError as error:
        raise ReproError(f"{relative} is not text in UTF-8", "Binary files are not taken.") from error
    return data


def contract_of(paper: str, catalogue: Catalogue) -> Contract:
    """What a paper asks of submissions.

    Raises:
        ReproError: for an unknown paper, or one that takes no submissions.
    """
    if paper not in catalogue.modules:
        raise unknown("paper", paper, catalogue.papers)
    contract = getattr(catalogue.modules[paper], "CONTRACT", None)
    if contract is None:
        raise ReproError(f"{paper} takes no submissions: claims/test_{paper}.py states no CONTRACT")
    return contract


def _answered(stated: Manifest, catalogue: Catalogue) -> tuple[Claim, ...]:
    """The claims that a submission answers."""
    claims = catalogue.select([stated.paper])
    wanted = {name: f"{stated.paper}/{name}" for name in stated.claims}
    for name, full in wanted.items():
        if not any(matches(claim.id, full) for claim in claims):
            raise unknown(f"claim of {stated.paper}", name, {claim.name for claim in claims})
    return tuple(claim for claim in claims if is_named(claim.id, [*wanted.values()]))


def _parsed(files: dict[str, bytes]) -> ast.Module:
    """The syntax tree of implementation.py; all files are parsed and their imports looked at."""
    for name, data in files.items():
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(data)
            functions(data.decode())
        except SyntaxError as error:
            raise ReproError(f"{name} is not valid Python: line {error.lineno}: {error.msg}") from error
        except (ValueError, RecursionError, MemoryError) as error:  # the parser has three ways to say so
            raise ReproError(f"{name} is nested too deeply, or not in the encoding that it declares") from error
        for module, line in _imports(tree):
            if module.split(".")[0] in OURS or (module.split(".")[0] == "repro" and module != "repro.task"):
                raise ReproError(
                    f"{name}, line {line}, imports {module}, which is not in the jail",
                    "A submission stands on its own: of Repro it sees repro.task only. Copy what you build on; "
                    "functions shared with the reference are counted and shown.",
                )
    return ast.parse(files["implementation.py"])


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            submodules = node.module == "repro"
            yield from ((f"repro.{a.name}" if submodules else node.module, node.lineno) for a in node.names)


def _names(tree: ast.Module, contract: Contract, paper: str) -> None:
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {alias.asname or alias.name for alias in node.names}
        else:
            defined |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    missing = [name for name in contract.names if name not in defined]
    if missing:
        raise ReproError(
            f"implementation.py does not define {', '.join(missing)}",
            f"The contract of {paper} asks for {', '.join(contract.names)}: see repro/task.py and the paper's claims.",
        )


def _shared(files: dict[str, bytes], references: Path) -> tuple[int, int]:
    known = {text for file in references.rglob("*.py") for text in functions(file.read_text())}
    own = [text for name, data in files.items() if name.endswith(".py") for text in functions(data.decode())]
    return sum(text in known for text in own), len(own)
