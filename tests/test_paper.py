"""`repro paper`: a skeleton that fails and says why, and a stranger's paper that touches its own files only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paper import skeleton
from harness.paper.checks import missing
from repro.errors import ReproError
from tests.stranger import FILES, KEY

ROOT = Path(__file__).parent.parent
ELSEWHERE = shutil.ignore_patterns(".git", ".venv", ".repro", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info")


def run(root: Path, *command: str, code: int = 0) -> str:
    """What a command on a copy of the repository prints; it must end with this exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "PYTEST_"))}
    environment = kept | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    line = [
        sys.executable,
        *(("-c", "from harness.cli import main; main()") if command[0] == "repro" else ("-m", command[0])),
    ]
    result = subprocess.run([*line, *command[1:]], cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a copy by its path, save what git ignores."""
    paths = (path for path in root.rglob("*") if path.is_file())
    found = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith((".repro/", "."))}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository; tests of this module go through it one after another."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("stranger") / "repository", ignore=ELSEWHERE)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the stranger's paper, as far as it can be written by hand; what imports it is forgotten again."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    forget(monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.xdist_group("stranger")
@pytest.mark.slow
def test_a_strangers_paper_touches_its_own_files_only(copy):
    """The skeleton fails without a traceback; filled in, it passes house, battery, gate, board and its own claims."""
    before = contents(copy)
    pytest_ = ("pytest", "-q", "-p", "no:cacheprovider", "-n", "0")
    assert run(copy, "repro", "paper", "new", KEY).splitlines()[:-1] == list(skeleton.files(KEY))
    said = run(copy, *pytest_, f"claims/test_{KEY}.py", "--controls", code=1)
    assert f"claims/oracles/{KEY}.py has no equations yet" in said
    assert "Traceback" not in said
    assert f"reference/{KEY}.py:1 is still the skeleton's" in run(copy, "repro", "paper", "check", KEY, code=1)

    for name, text in FILES.items():
        (copy / name).write_text(text)
    run(copy, "ruff", "check", *FILES)
    run(copy, "repro", "run", KEY, "--controls")
    run(copy, "repro", "calibrate", KEY, "--repeats", "20", "--write")
    run(copy, "repro", "publish", KEY)
    run(copy, "repro", "readme", KEY)
    run(copy, "repro", "baseline", "update", "leaderboard/baseline", KEY, "--from", "leaderboard")
    assert run(copy, "repro", "paper", "check", KEY) == f"{KEY} is complete.\n"

    after = contents(copy)
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after.keys() - before.keys() if KEY not in name] == []

    own = (f"tests/test_{KEY}.py", "tests/test_house.py", "tests/test_battery.py", "tests/test_alternatives.py")
    rules = "readme or every_file or name_of_its_own or listing"
    assert "failed" not in run(copy, *pytest_, *own, "-k", f"{KEY} or {rules}")
    assert "2 claims" in run(copy, "repro", "gate", KEY, "--baseline", "leaderboard/baseline")
    run(copy, "repro", "export", "site", str(copy / ".repro" / "board"))
    shown = (copy / ".repro" / "board" / "paper" / f"{KEY}.html").read_text()
    assert "Walks that forget" in shown
    assert shown.count("forgets-sooner") > 0


def test_the_skeleton_is_written_once(tmp_path):
    """An existing file is never overwritten, and what is no key is refused before anything is written."""
    with pytest.raises(ReproError, match="no key of a paper"):
        skeleton.write("He et al.", tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert sorted(skeleton.write(KEY, tmp_path)) == sorted(FILES)
    with pytest.raises(ReproError, match="is already there"):
        skeleton.write(KEY, tmp_path)


def test_a_course_is_written_by_its_number():
    """The skeleton of notes has the files of their key, and the course's number is not taken for a year."""
    text = skeleton.files("cs231n")["claims/test_cs231n.py"]
    assert 'key="cs231n"' in text
    assert "year=0," in text
    assert "year=2026," in skeleton.files(KEY)["claims/test_stranger2026.py"]


def test_every_file_of_the_skeleton_says_where_to_write():
    """The mark stands in each, so that `repro paper check` names a file that was forgotten."""
    assert [name for name, text in skeleton.files(KEY).items() if skeleton.MARK not in text] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "rule", "says"),
    [
        ("reference", "Units", "Measures", "reference", "lacks 'Units'"),
        ("reference", "import numpy as np", "import time\n\nimport numpy as np", "reference", "imports time"),
        ("reference", "    states =", "    print(states)\n    states =", "reference", "more than compute: print"),
        ("reference", "frozen=True, ", "", "reference", "Config is no frozen"),
        ("reference", "CONFIGS =", "PRESETS =", "reference", "has no CONFIGS"),
        ("reference", "from dataclasses", "from repro.paths import home\nfrom dataclasses", "reference", "repro.paths"),
        ("controls", '"""What is kept in a step is not multiplied, and the walk forgets nothing."""', '"""Bad."""',
         "controls", "does not say in its docstring"),
        ("controls", "def keeps_everything", "def keeps_all", "controls", "keeps_everything cannot be built"),
        ("controls", "PLANTED", "NULLS = {'ask': None}\nPLANTED", "nulls", "has ask, for which the contract"),
        ("controls", "PLANTED", "BUGS", "planted", "needs PLANTED"),
        ("controls", '"follows-the-equations"', '"follows"', "planted", "no claim of the default tier"),
        ("controls", '"config.keeps * states', '"config.kept * states', "planted", "stands 0 times"),
        ("claims", "CONTRACT = ", "\n" * 150 + "CONTRACT = ", "groups", "the first claim stands on line"),
        ("claims", "holds(tolerance=1e-9), ", "holds(tolerance=1e-9), evidence='original', ", "groups", "stands below"),
        ("claims", "protocol=Simulator", "protocol=object", "nulls", "needs NULLS: object derives from no known"),
        ("claims", "CONTRACT", "ASKED", "nulls", "has no CONTRACT"),
        ("claims", 'key="stranger2026"', 'key="other2026"', "files", "is of other2026"),
        ("tests", '"""Half', '\n' * 500 + '    """Half', "length", "lines, and 500 are allowed"),
    ],
)  # fmt: skip
def test_a_breach_is_named(toy, monkeypatch, name, old, new, rule, says):
    """Each rule of a paper has a line for what breaks it, and none for a paper that keeps it."""
    files = {"reference": f"reference/{KEY}.py", "controls": f"claims/controls/{KEY}.py"}
    path = toy / (files | {"claims": f"claims/test_{KEY}.py", "tests": f"tests/test_{KEY}.py"})[name]
    assert [line for line in breaches(toy) if line[0] not in ("calibration", "records", "lists")] == []
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    forget(monkeypatch)
    assert any(says in line for found, line in breaches(toy) if found == rule)


def breaches(root: Path) -> list[tuple[str, str]]:
    """All breaches of the stranger's paper in a project."""
    return list(missing(KEY, root))


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of the paper are loaded anew."""
    folders = ("claims", "claims.experiments", "claims.oracles")
    for name in [name for name in sys.modules if KEY in name or name in folders]:
        monkeypatch.delitem(sys.modules, name)


def test_what_was_not_run_is_missing(toy):
    """Calibration, records and catalogue each have a line with the command that makes them."""
    found = dict(breaches(toy))
    assert found.keys() == {"calibration", "records", "lists"}
    assert "repro calibrate 'stranger2026/forgets-sooner@1' --repeats 20 --write" in found["calibration"]
    assert "repro publish stranger2026" in found["records"]
    assert "repro readme stranger2026" in found["lists"]


def test_a_paper_that_is_not_there_lacks_every_file(tmp_path):
    """One line for each, no traceback, and no line twice."""
    found = breaches(tmp_path)
    assert [line for rule, line in found if rule == "files"][:-1] == [
        f"{name} is missing" for name in skeleton.files(KEY)
    ]
    assert len({line for _, line in found}) == len(found)
