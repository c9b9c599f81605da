"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import repro
from repro.calibration import calibration_of
from repro.catalogue import Catalogue
from repro.cli import cli
from repro.cli.readme import table, with_table
from repro.implementation import control
from repro.record import decode

ROOT = Path(__file__).parent.parent
CATALOGUE = Catalogue(ROOT)
REFERENCES = sorted((ROOT / "reference").glob("[a-z]*.py"))
SOURCES = [p for d in ("repro", "claims", "reference", "leaderboard", "tests") for p in (ROOT / d).rglob("*.py")]
RECORDS = sorted((ROOT / "leaderboard" / "records").rglob("*.json"))
DIRECTIONS = [c for c in CATALOGUE.claims if c.statistical and c.tier == "cpu"]


def test_every_reference_has_claims_and_controls():
    """Claims, references and controls come in threes, by file name."""
    claims = {p.stem.removeprefix("test_") for p in (ROOT / "claims").glob("test_*.py")}
    controls = {p.stem for p in (ROOT / "claims" / "controls").glob("[a-z]*.py")}
    assert claims == controls == {p.stem for p in REFERENCES}
    assert all(module.PAPER.key == key for key, module in CATALOGUE.modules.items())


@pytest.mark.parametrize("path", REFERENCES, ids=lambda p: p.stem)
def test_references_compute_and_do_nothing_else(path):
    """A reference opens no file, prints nothing, parses no arguments, and reads neither clock nor environment."""
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    imports = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    imports |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not calls & {"print", "open", "input", "os.getenv", "torch.load", "np.random.seed", "np.load"}
    assert not imports & {"time", "argparse", "logging", "random", "pathlib", "subprocess", "datetime"}
    assert "os.environ" not in path.read_text()
    allowed = {"torch", "numpy", "scipy", "numba", "reference", *sys.stdlib_module_names}
    roots = {(name or "").split(".")[0] for name in imports}
    assert roots - allowed <= {"repro"}
    assert {name for name in imports if name and name.startswith("repro")} <= {"repro.task"}


@pytest.mark.parametrize("path", REFERENCES, ids=lambda p: p.stem)
def test_references_have_a_header_and_presets(path):
    """The header names paper, shapes, units and numbered deviations; presets are frozen dataclasses."""
    text = path.read_text()
    for part in ("arXiv:", "Shapes", "Units", "Deviations", "  1. "):
        assert part in (ast.get_docstring(ast.parse(text), clean=False) or "")
    assert "@dataclass(frozen=True, kw_only=True)\nclass Config" in text
    assert re.search(r"^CONFIGS\b", text, re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path):
    """No file over 700 lines, no function over 80."""
    text = path.read_text()
    assert text.count("\n") <= 700
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 80, node.name


def test_public_names_are_what_they_say():
    """`repro.__all__` is sorted, and everything in it is there."""
    assert list(repro.__all__) == sorted(repro.__all__)
    assert all(hasattr(repro, name) for name in repro.__all__)


@pytest.mark.parametrize("found", CATALOGUE.claims, ids=lambda c: c.id)
def test_controls_exist_and_state_their_difference(found):
    """Every control that a claim names can be built and says in its docstring what is wrong with it."""
    for name in found.controls:
        assert len(control(found.paper.key, name, ROOT).says) > 15


@pytest.mark.parametrize("found", DIRECTIONS, ids=lambda c: c.id)
def test_directions_are_calibrated(found):
    """A kept calibration of today's claim has at least 20 repeats; reference and controls are right 99 times in 100."""
    calibration = calibration_of(found, ROOT)
    assert calibration is not None, f"run: repro calibrate '{found.id}' --write"
    assert calibration.current, f"the claim has changed; run: repro calibrate '{found.id}' --write"
    assert calibration.passed.of >= 20
    assert calibration.sound
    assert set(calibration.rejected) == set(found.controls)


@pytest.mark.parametrize("path", RECORDS, ids=lambda p: p.stem)
def test_published_records_are_sound(path):
    """Each published record decodes, and is named by its hash."""
    record = decode(path.read_bytes())
    assert record.id.removeprefix("sha256:").startswith(path.stem)
    assert path.parent.name == record.paper.key


def test_newest_published_records_belong_to_todays_claims():
    """Changing a claim without a new version fails here: its newest record has another digest."""
    newest = {}
    for record in sorted((decode(p.read_bytes()) for p in RECORDS), key=lambda r: r.created):
        newest[record.claim.id] = record.claim.digest
    today = {c.id: c.digest() for c in CATALOGUE.claims}
    assert newest, "no records are published"
    assert {i: d for i, d in newest.items() if i in today} == {i: today[i] for i in newest if i in today}


def test_every_default_claim_has_a_published_record():
    """A newcomer's board shows every claim of the default tier, with all its controls, and at all its seeds."""
    records = sorted((decode(p.read_bytes()) for p in RECORDS), key=lambda r: r.created)
    newest = {r.claim.id: r for r in records if r.implementation.kind == "reference"}
    for found in (c for c in CATALOGUE.claims if c.tier == "cpu"):
        record = newest[found.id]
        assert {control.name for control in record.controls if control.rejected} == set(found.controls)
        assert {len(sample.seeds) for sample in record.samples} == {found.seeds}


def test_readme_is_current_and_names_every_command():
    """The generated table matches claims and records, and every command is in README or CONTRIBUTING."""
    text = (ROOT / "README.md").read_text()
    assert with_table(text, table(ROOT)) == text, "run: repro readme"
    documents = text + (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    assert [name for name in cli.commands if name not in documents] == []


def test_facts_need_no_torch():
    """Reading claims, records and the board's queries imports neither torch nor a reference."""
    code = (
        "import sys, repro.catalogue, repro.store, repro.record, leaderboard.queries\n"
        "repro.catalogue.Catalogue().claims\n"
        "print([m for m in sys.modules if m == 'torch' or m.startswith('reference')])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
