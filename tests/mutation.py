"""One-line mutations of a reference, made mechanically, and whether the exact claims of its paper notice them.

    python -m tests.mutation he2015           # every mutant and what became of it
    python -m tests.mutation he2015 --write   # the same, into leaderboard/trust/he2015.json

Mutants stand only on lines that run while the exact claims do; what these never reach (loaders of ImageNet, training
loops for GPUs) is not theirs to judge. A mutant is caught if a claim is not as it should be, or raises. A survivor that
computes the same may say so: type its reason after "equivalent" into the file, where the next `--write` keeps it.
"""

from __future__ import annotations

import ast
import copy
import importlib
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import msgspec
import psutil

from leaderboard.board.mutants import Alternative, MutationReport, TriedMutant, file_of, read
from repro.claim.catalogue import Catalogue, load_file
from repro.claim.claim import Claim, leaves
from repro.code_digest import digest, file_closure
from repro.errors import ReproError, Unavailable
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation
from repro.trial.judge import Suite

ROOT = Path(__file__).parents[1]
COUNT = 30
PATIENCE_S = 60.0  # of a processor, for one mutant
DROPPED = {"relu", "relu_", "tanh", "sigmoid", "sqrt", "exp", "log", "detach", "abs", "flip", "dropout", "contiguous_"}
OPPOSITE: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


@dataclass(frozen=True)
class Mutant:
    """A reference with one line changed.

    Attributes:
        line: of the original file.
        change: the line before and after, as Python prints them.
        text: the whole source.
    """

    line: int
    change: str
    text: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutation of every function and method, in the order of lines."""
    tree = ast.parse(source)
    parts = [ast.unparse(statement) for statement in tree.body]
    for place, top in enumerate(tree.body):
        bodies = [node for node in ast.walk(top) if isinstance(node, ast.FunctionDef)]
        inside = {id(node) for body in bodies for statement in body.body for node in ast.walk(statement)}
        slots = [slot for slot in _slots(top) if id(slot.node) in inside]
        for slot in sorted(slots, key=lambda s: (getattr(s.node, "lineno", 0), getattr(s.node, "col_offset", 0))):
            for what, changed in _changes(slot.node):
                slot.put(changed)
                text = ast.unparse(top)
                slot.put(slot.node)
                if text != parts[place]:
                    whole = "\n".join([*parts[:place], text, *parts[place + 1 :]])
                    difference = f"{what}: {_difference(parts[place], text)}"
                    yield Mutant(slot.node.lineno, difference, whole)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Slot:
    """Where a node stands in its parent: a field, or a place in a field's list."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None = None

    def put(self, node: ast.AST) -> None:
        """Let another node stand there."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _slots(tree: ast.AST) -> Iterator[_Slot]:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield _Slot(value, parent, field)
            elif isinstance(value, list):
                yield from (_Slot(n, parent, field, i) for i, n in enumerate(value) if isinstance(n, ast.AST))


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Add | ast.Sub):
            yield "drop a term", node.left
        if type(node.op) in OPPOSITE:
            other = copy.deepcopy(node)
            other.op = OPPOSITE[type(node.op)]()
            yield "another operation", other
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value not in (-1,):
        yield "another constant", ast.Constant(node.value + 1 if type(node.value) is int else 1.5 * node.value + 0.1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "the other way", ast.Constant(not node.value)
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in DROPPED:
            inside = node.args[0] if node.args and not _method(node.func) else getattr(node.func, "value", None)
            if inside is not None:
                yield "leave out a function", inside
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Lt | ast.GtE):
        other = copy.deepcopy(node)
        other.ops = [ast.LtE() if isinstance(node.ops[0], ast.Lt) else ast.Gt()]
        yield "one further", other
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "skip a statement", ast.Pass()


def _difference(before: str, after: str) -> str:
    """The first line that differs, before and after."""
    old, new = next((a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=False) if a != b)
    return f"{old.strip()} -> {new.strip()}"


def _method(function: ast.expr) -> bool:
    """Whether a call is of a method of a value, not of a function of a module such as F.relu or np.exp."""
    owner = getattr(function, "value", None)
    return owner is not None and not (isinstance(owner, ast.Name) and owner.id in ("F", "np", "torch", "math", "nn"))


def exact_claims(paper: str) -> list[Claim]:
    """The exact claims of the default tier, without those that are known not to hold, or that go by the clock."""
    catalogue = Catalogue(ROOT)
    clocked = catalogue.modules[paper].CONTRACT.clocked
    return [
        claim
        for claim in catalogue.select([paper])
        if claim.tier == "cpu" and not claim.statistical and not claim.known_refutation
        if not any(ref.measurement.partition(" ")[0] in clocked for ref in leaves(claim.measurements()))
    ]


def caught_by(paper: str, module: ModuleType, source: str, claims: list[Claim]) -> str:
    """The first claim that notices, or "" if none does."""
    mutant = LoadedImplementation(kind="control", paper=paper, name="mutant", names=module, source=digest(source))
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(Cache(Path(folder)))
        for claim in claims:
            try:
                if suite.judge_control(claim, mutant).rejected:
                    return claim.name
            except Unavailable:
                continue
            except (ReproError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
                return f"{claim.name} ({type(error).__name__})"
    return ""


def lines_reached(paper: str) -> set[int]:
    """The lines of the reference that run while its exact claims do, also in processes that it starts.

    Of functions that numba compiles these are all lines.

    Raises:
        SystemExit: if a claim does not hold of the reference as it is, so that it would notice anything.
    """
    source = (ROOT / "reference" / f"{paper}.py").read_text()
    with tempfile.NamedTemporaryFile("r") as file:
        following = f"\nfrom tests.mutation import follow\nfollow(__file__, {file.name!r})\n"
        notices = _in_a_fork(_judge_text, paper, source + following, patience_s=20 * PATIENCE_S)
        if notices:
            raise SystemExit(f"the exact claims of {paper} did not hold while lines were traced: {notices}")
        reached = {int(line) for line in file}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(d) for d in node.decorator_list):
            reached.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return reached


def follow(path: str, into: str) -> None:
    """From now on, write to a file which lines of another one run in this process, each once."""
    reached: set[int] = set()
    numbers = Path(into).open("a", buffering=1)  # noqa: SIM115 -- as long as the process, which may be killed

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != path:
            return None
        if frame.f_lineno not in reached:
            reached.add(frame.f_lineno)
            numbers.write(f"{frame.f_lineno}\n")
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


def chosen(paper: str, count: int) -> list[Mutant]:
    """Mutants on lines that run, at most one a line, drawn the same way each time."""
    source = (ROOT / "reference" / f"{paper}.py").read_text()
    reached = lines_reached(paper)
    by_line: dict[int, list[Mutant]] = {}
    for mutant in mutants(source):
        if mutant.line in reached:
            by_line.setdefault(mutant.line, []).append(mutant)
    draw = random.Random(paper)
    one_each = [draw.choice(found) for found in by_line.values()]
    return sorted(draw.sample(one_each, min(count, len(one_each))), key=lambda mutant: mutant.line)


def fate(paper: str, mutant: Mutant) -> str:
    """What notices a mutant; "" if it survives."""
    return _in_a_fork(_judge_text, paper, mutant.text)


def _in_a_fork(function: Callable[..., Any], *args: Any, patience_s: float = PATIENCE_S) -> Any:
    """What a function returns in a process of its own, whose imports and servers of processes end with it.

    Where it does not return within its processor time (or ten times as long on the clock), a sentence that says so.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def answer() -> None:
        forkserver._forkserver.__init__()  # not the server of this process, which has imported the reference
        theirs.send(function(*args))

    process = context.Process(target=answer)
    process.start()
    theirs.close()
    child, end = psutil.Process(process.pid), time.monotonic() + 10 * patience_s
    try:
        while not ours.poll(1.0):
            if sum(child.cpu_times()[:2]) > patience_s or time.monotonic() > end:
                return f"still running after {patience_s:.0f} s"
        return ours.recv()
    except (EOFError, psutil.Error):
        return "the process died"
    finally:
        process.kill()
        process.join()


def _project_with(paper: str, text: str) -> Path:
    """A folder that looks like the project, with another text of one reference."""
    folder = Path(tempfile.mkdtemp())
    (folder / "reference").mkdir()
    for path in (ROOT / "reference").iterdir():
        if path.suffix == ".py" or path.is_dir():
            (folder / "reference" / path.name).symlink_to(path)
    (folder / "reference" / f"{paper}.py").unlink()
    (folder / "reference" / f"{paper}.py").write_text(text)
    return folder


def _judge_text(paper: str, text: str) -> str:
    name = f"reference.{paper}"
    module = ModuleType(name)
    path = _project_with(paper, text) / "reference" / f"{paper}.py"
    sys.path.insert(0, str(path.parents[1]))  # which the processes that a reference starts are given
    module.__file__ = str(path)
    sys.modules[name] = module
    setattr(importlib.import_module("reference"), paper, module)
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except Exception as error:
        return f"import ({type(error).__name__})"
    return caught_by(paper, module, text, exact_claims(paper))


def alternatives(paper: str) -> tuple[Alternative, ...]:
    """What the exact claims make of correct implementations of another make."""
    path = ROOT / "tests" / "alternatives" / f"{paper}.py"
    module = load_file(path, f"tests.alternatives.{paper}")
    other = LoadedImplementation(
        kind="control", paper=paper, name="alternative", names=module, source=file_closure(path, ROOT)
    )
    claims = exact_claims(paper)
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(Cache(Path(folder)))
        accepted = sum(suite.judge(claim, other).verdict.status == "holds" for claim in claims)
    return (Alternative(path.stem, accepted, len(claims)),)


def main(paper: str, *options: str) -> None:
    """Print each mutant with what noticed it, and the share that was; `--write` keeps them, a number says how many."""
    count = next((int(option) for option in options if option.isdigit()), COUNT)
    before = read(paper, ROOT)
    known = {mutant.change: mutant.equivalent for mutant in before.mutants} if before else {}
    tried = list[TriedMutant]()
    for mutant in chosen(paper, count):
        by = fate(paper, mutant)
        tried.append(TriedMutant(mutant.change, by, "" if by else known.get(mutant.change, "")))
        print(f"{'caught' if by else 'SURVIVED':9}{paper}:{mutant.line} {mutant.change}  [{by}]", flush=True)
    own = digest((ROOT / "reference" / f"{paper}.py").read_text())
    report = MutationReport(own, tuple(tried), alternatives(paper))
    print(f"{report.caught} of {len(tried)} caught; {report.differing} compute something else")
    print(*(f"{other.accepted} of {other.of} exact claims accept the alternative" for other in report.alternatives))
    if "--write" in options:
        file_of(paper, ROOT).parent.mkdir(exist_ok=True)
        file_of(paper, ROOT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
