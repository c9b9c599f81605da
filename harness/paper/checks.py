"""What a paper's own files lack before they can be merged: the house rules of a paper, one line for each breach."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from harness.audits.contracts import AUDITS
from harness.gate import baseline
from harness.paper import skeleton
from repro.claim.catalogue import claims_in, load_file
from repro.claim.claim import Claim
from repro.claim.contract import Contract
from repro.claim.figure import THEMES, showcase
from repro.code_digest import header
from repro.errors import ReproError
from repro.record import claim_list
from repro.record.figure_data import by_claim, figure_data
from repro.record.record import Record, decode
from repro.trial.calibration import calibration_of
from repro.trial.implementation import control, controls_of

GROUPS = ("mechanism", "direction", "number")
FIRST_CLAIM = 150  # the line before which a claims file comes to the point
LONGEST, LONG = 400, 500  # lines of a file; of implementations and tests
FUNCTION = 80  # lines
WHOLE = 1400  # lines of all files of a paper
REPEATS = 20  # of a calibration
CALLS = {"print", "open", "input", "os.getenv", "torch.load", "np.random.seed", "np.load"}
IMPORTS = {"time", "argparse", "logging", "random", "pathlib", "subprocess", "datetime"}
ROOTS = {"torch", "numpy", "scipy", "numba", "reference", "repro", *sys.stdlib_module_names}


class PaperFiles:
    """The files of one paper in a project, by the paper's key and the project's root."""

    def __init__(self, key: str, root: Path) -> None:
        self.key, self.root = key, root
        self.paths = {name: root / name for name in skeleton.files(key)}
        self.reference = root / "reference" / f"{key}.py"

    @property
    def there(self) -> dict[str, Path]:
        """Those that exist, and those beside them that continue one, such as `<key>_exact.py`."""
        own = [path for path in self.paths.values() if path.is_file()]
        more = [path for one in self.paths.values() for path in sorted(one.parent.glob(f"{one.stem}_*.py"))]
        return {path.relative_to(self.root).as_posix(): path for path in [*own, *more]}

    @cached_property
    def module(self) -> ModuleType:
        """The claims file.

        Raises:
            ReproError: if it is missing or cannot be imported.
        """
        path = self.root / "claims" / f"test_{self.key}.py"
        if not path.is_file():
            raise ReproError(f"{self.key} has no claims", f"`repro paper new {self.key}` writes a skeleton.")
        return load_file(path, f"claims.{path.stem}")

    @cached_property
    def claims(self) -> list[Claim]:
        """The claims in the order of the file."""
        return claims_in(self.module)

    @property
    def contract(self) -> Contract:
        """What an implementation must offer.

        Raises:
            ReproError: if the claims file has none.
        """
        found = getattr(self.module, "CONTRACT", None)
        if not isinstance(found, Contract):
            raise ReproError(f"claims/test_{self.key}.py has no CONTRACT", "State what an implementation must offer.")
        return found

    @cached_property
    def newest(self) -> dict[str, Record]:
        """The newest published record of each claim on the reference."""
        folder = self.root / "leaderboard" / "records" / self.key
        records = sorted((decode(path.read_bytes()) for path in folder.glob("*.json")), key=lambda one: one.created)
        return {one.claim.id: one for one in records if one.implementation.kind == "reference"}


Check = Callable[[PaperFiles], Iterator[str]]
"""Yields a line for each breach of one rule."""


def files(paper: PaperFiles) -> Iterator[str]:
    """Every file is there, and the claims file is of this paper."""
    yield from (f"{name} is missing" for name in paper.paths if name not in paper.there)
    if paper.module.PAPER.key != paper.key:
        yield f"claims/test_{paper.key}.py is of {paper.module.PAPER.key}"
    if not paper.claims:
        yield f"claims/test_{paper.key}.py states no claim"


def filled(paper: PaperFiles) -> Iterator[str]:
    """Nothing of the skeleton is left."""
    for name, path in paper.there.items():
        for place, line in enumerate(path.read_text().splitlines(), 1):
            if skeleton.MARK in line:
                yield f"{name}:{place} is still the skeleton's: {' '.join(line.split())[:80]}"


def reference(paper: PaperFiles) -> Iterator[str]:
    """The reference has a header and presets, and computes and does nothing else."""
    if not paper.reference.is_file():
        return
    yield from impure(paper.reference, paper.root)
    name, text = f"reference/{paper.key}.py", paper.reference.read_text()
    lacks = [
        part for part in ("arXiv:", "Shapes", "Units", "Deviations", "  1. ") if part not in header(paper.reference)
    ]
    if lacks:
        yield f"{name}: its header lacks {', '.join(map(repr, lacks))}"
    if "@dataclass(frozen=True, kw_only=True)\nclass Config" not in text:
        yield f"{name}: Config is no frozen keyword-only dataclass"
    if not re.search(r"^CONFIGS\b", text, re.MULTILINE):
        yield f"{name} has no CONFIGS"


def impure(path: Path, root: Path) -> Iterator[str]:
    """What a reference, or what references share, does beside computing, and imports beside what it may."""
    name, text = path.relative_to(root).as_posix(), path.read_text()
    tree = ast.parse(text)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)} & CALLS
    if calls or "os.environ" in text:
        yield f"{name} does more than compute: {', '.join(sorted(calls)) or 'os.environ'}"
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    strange = {one for one in imports if one.split(".")[0] not in ROOTS or (one + ".").startswith("repro.")}
    if wrong := sorted(imports & IMPORTS | strange - {"repro.task"}):
        yield f"{name} imports {', '.join(wrong)}"


def length(paper: PaperFiles) -> Iterator[str]:
    """Each file and function is short enough, and so are all files together."""
    for path in paper.there.values():
        yield from unreadable(path, paper.root)
    lines = sum(path.read_text().count("\n") for path in paper.there.values())
    if lines > WHOLE:
        yield f"the files have {lines:,} lines together, and {WHOLE:,} are allowed"


def unreadable(path: Path, root: Path) -> Iterator[str]:
    """What is too long in a file of the project."""
    name, text = path.relative_to(root).as_posix(), path.read_text()
    most = LONG if name.startswith(("reference/", "tests/", "harness/submissions/")) else LONGEST
    if text.count("\n") > most:
        yield f"{name} has {text.count(chr(10))} lines, and {most} are allowed"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > FUNCTION:
            yield f"{name}:{node.lineno} {node.name} has more than {FUNCTION} lines"


def groups(paper: PaperFiles) -> Iterator[str]:
    """Mechanism, Direction, Number in this order, and the first claim comes early."""
    for before, after in pairwise(paper.claims):
        if GROUPS.index(after.group) < GROUPS.index(before.group):
            yield f"{after.id}, of group {after.group}, stands below {before.id}, of group {before.group}"
    first = min((claim.body.__code__.co_firstlineno for claim in paper.claims), default=0)
    if first >= FIRST_CLAIM:
        yield f"the first claim stands on line {first} of claims/test_{paper.key}.py, and must before {FIRST_CLAIM}"


def controls(paper: PaperFiles) -> Iterator[str]:
    """Every control that a claim names can be built, and says what is wrong with it."""
    for name in dict.fromkeys(name for claim in paper.claims for name in claim.controls):
        try:
            if len(control(paper.key, name, paper.root).says) <= 15:
                yield f"the control {name} does not say in its docstring what it does wrong"
        except ReproError as error:
            yield f"the control {name} cannot be built: {error.problem}"


def nulls(paper: PaperFiles) -> Iterator[str]:
    """Something can stand in for an implementation that knows nothing."""
    contract, own = paper.contract, getattr(controls_of(paper.key, paper.root), "NULLS", {})
    if not own and not any(kind in AUDITS for kind in contract.protocol.__mro__):
        yield f"claims/controls/{paper.key}.py needs NULLS: {contract.protocol.__name__} derives from no known protocol"
    for name in sorted(own.keys() - set(contract.names)):
        yield f"NULLS of claims/controls/{paper.key}.py has {name}, for which the contract does not ask"


def planted(paper: PaperFiles) -> Iterator[str]:
    """A bug can be planted in the reference, for a claim that the gate judges."""
    found: Mapping[str, tuple[str, str]] = getattr(controls_of(paper.key, paper.root), "PLANTED", {})
    if not found:
        yield f"claims/controls/{paper.key}.py needs PLANTED: a claim, what stands in the reference, and a bug instead"
    names = {claim.name for claim in paper.claims if claim.tier == "cpu"}
    for name, (old, new) in found.items():
        if name not in names:
            yield f"PLANTED names {name}, which is no claim of the default tier"
        if (times := paper.reference.read_text().count(old)) != 1 or old == new:
            yield f"what PLANTED replaces for {name} stands {times} times in reference/{paper.key}.py"


def findings(paper: PaperFiles) -> Iterator[str]:
    """A claim that is known not to hold quotes the paper, compares the settings, and shows a calculation."""
    for claim in (claim for claim in paper.claims if claim.expected):
        why = claim.expected.explanation if claim.expected else None
        if why is None or not (why.quotes and why.steps and why.paper_setting and why.our_setting):
            yield f"{claim.id} is a finding without the paper's words, both settings, or a calculation: see refuted()"


def calibration(paper: PaperFiles) -> Iterator[str]:
    """Statistical claims of the default tier are calibrated as they stand today, and right 99 times in 100."""
    for claim in (one for one in paper.claims if one.statistical and one.tier == "cpu"):
        kept = calibration_of(claim, paper.root)
        if kept is None or not kept.current or kept.passed.of < REPEATS or set(kept.rejected) != set(claim.controls):
            yield f"{claim.id} has no current calibration: repro calibrate '{claim.id}' --repeats {REPEATS} --write"
        elif not kept.passes:
            yield f"{claim.id} is right less than 99 times in 100"


def records(paper: PaperFiles) -> Iterator[str]:
    """No record is of an older form of its claim; of the default tier each claim has one, with controls and seeds."""
    run = f"repro run {paper.key} --controls && repro publish {paper.key}"
    for claim in paper.claims:
        record = paper.newest.get(claim.id)
        if record is None:
            if claim.tier == "cpu":
                yield f"{claim.id} has no published record: {run}"
        elif record.claim.digest != claim.digest():
            yield f"{claim.id} has changed since its record; raise its version: {run}"
        elif claim.tier == "cpu" and {one.name for one in record.controls if one.rejected} != set(claim.controls):
            yield f"{claim.id} was published without a control, or with one that it does not reject: {run}"
        elif claim.tier == "cpu" and {len(one.seeds) for one in record.samples} != {claim.seeds}:
            yield f"{claim.id} was published at other seeds than its own: {run}"


def lists(paper: PaperFiles) -> Iterator[str]:
    """The catalogue lists today's claims, and the baseline holds the published records."""
    listed = claim_list.folder_of(paper.root) / f"{paper.key}.json"
    shown = showcase(paper.key, paper.root)
    wanted = claim_list.encode(claim_list.listing(paper.module.PAPER, paper.claims, shown))
    if not listed.is_file() or listed.read_bytes() != wanted:
        yield f"leaderboard/catalogue/{paper.key}.json is not current: repro readme {paper.key}"
    path = paper.root / "leaderboard" / "baseline" / f"{paper.key}.json"
    kept = baseline.read(path).claims if path.is_file() else {}
    cpu = {claim.id for claim in paper.claims if claim.tier == "cpu"}
    if kept != {name: baseline.entry_of(record) for name, record in paper.newest.items() if name in cpu}:
        update = f"repro baseline update leaderboard/baseline {paper.key} --from leaderboard"
        yield f"leaderboard/baseline/{paper.key}.json is not of the published records: {update}"


def figure(paper: PaperFiles) -> Iterator[str]:
    """What stands on top of the paper's page is drawn from its published records; it has a theme and a headline."""
    records, shown = by_claim(paper.newest.values()), showcase(paper.key, paper.root)
    if shown.figures and not shown.theme:
        yield f"claims/figures/{paper.key}.py has no THEME: one of {'; '.join(THEMES)}"
    names = {f"{claim.name}[{claim.row}]" if claim.row else claim.name for claim in paper.claims}
    if shown.figures and shown.headline not in names:
        yield f"claims/figures/{paper.key}.py has no HEADLINE, the claim that the paper is known for"
    for one in shown.figures:
        try:
            figure_data(one, records)
        except ReproError as error:
            yield str(error)


RULES = (
    files,
    filled,
    reference,
    length,
    groups,
    controls,
    nulls,
    planted,
    findings,
    calibration,
    records,
    lists,
    figure,
)
CHECKS: Mapping[str, Check] = {check.__name__: check for check in RULES}
"""Every rule, in the order in which one mends them."""


def missing(key: str, root: Path) -> Iterator[tuple[str, str]]:
    """What a paper lacks: the rule and a line for each breach.

    Where a file is missing or cannot be imported, the first rule that needs it says so.
    """
    paper, reported = PaperFiles(key, root), set[str]()
    for name, check in CHECKS.items():
        try:
            yield from ((name, line) for line in check(paper))
        except ReproError as error:
            if str(error) not in reported:
                yield name, str(error)
            reported.add(str(error))
