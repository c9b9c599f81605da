"""The command line: every command works, and every mistake is two lines and a non-zero exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import cli
from tests.toy import trials_run, write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy project on which the claims have been run once."""
    root = write_project(tmp_path_factory.mktemp("project"))
    result = repro(root, "run", "--controls")
    assert result.returncode == 0, result.stdout + result.stderr
    return root


def repro(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the project."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REPRO_", "PYTEST_"))}
    code = "from harness.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=project, env=kept | environment, capture_output=True, text=True
    )


def record_files(project: Path) -> list[Path]:
    """The records of the project's store."""
    return sorted((project / ".repro" / "store" / "records").rglob("*.json"))


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help(name):
    """Each command explains itself in a sentence."""
    command = cli.commands[name]
    assert command.help
    assert command.help[0].isupper()


def test_claims_lists_and_filters(project):
    """The list has every claim; filters narrow it; one claim is shown whole."""
    everything = repro(project, "claims").stdout
    assert "5 claims" in everything
    assert "1 claims" in repro(project, "claims", "--tier", "gpu").stdout
    assert "goes-far" in repro(project, "claims", "--findings").stdout
    sheet = repro(project, "claims", "toy2020/drift-carries").stdout
    for part in ("Table 1", "criterion", "no_drift: The drift is left out.", "walk", "calibration", "repro run"):
        assert part in sheet


def test_claims_as_json(project):
    """The same as data, with digest and controls."""
    found = json.loads(repro(project, "claims", "--json").stdout)
    assert {c["id"] for c in found} >= {"toy2020/drift-carries@1", "toy2020/slope@1[walk]"}
    assert all(c["digest"].startswith("sha256:") and c["controls"] for c in found)


def test_run_selects_by_name_and_tier(project):
    """Naming a claim runs it and nothing else; a GPU claim is skipped with its cost unless a CPU is named with it."""
    assert "1 passed" in repro(project, "run", "toy2020/slope").stdout
    skipped = repro(project, "run", "toy2020/on-a-gpu", "--tier", "all", "--device", "cpu").stdout
    assert "3 minutes on one GPU" in skipped
    slowly = repro(project, "run", "toy2020/on-a-gpu", "--device", "cpu", "--controls", "--store", "slow").stdout
    assert "9 trials" in slowly.splitlines()[0]
    assert "2 passed" in slowly


def test_show_and_verify_a_record(project):
    """A record is shown by id prefix or path, and verifies."""
    path = record_files(project)[0]
    by_path, by_id = repro(project, "show", str(path)), repro(project, "show", path.stem)
    assert by_path.stdout == by_id.stdout
    assert "verdict" in by_path.stdout
    result = repro(project, "verify", str(path))
    assert result.returncode == 0
    assert "valid" in result.stdout


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: f.replace('"word"', '"wort"'), "unknown field"),
        (lambda f: f.replace('"seeds":[0,1', '"seeds":[1,0', 1), "hash"),
        (lambda f: f.replace('"estimate":', '"estimate":NaN,"x":', 1), "record"),
        (lambda f: f[: len(f) // 2], "record"),
    ],
    ids=["unknown key", "edited", "NaN", "truncated"],
)
def test_verify_refuses_damage(project, tmp_path, damage, says):
    """Each kind of damage is one clear error, and the file stays as it is."""
    source = next(p for p in record_files(project) if "drift-carries" in p.read_text())
    path = tmp_path / source.name
    path.write_text(damage(source.read_text()))
    before = path.read_bytes()
    result = repro(project, "verify", str(path))
    assert result.returncode == 1
    assert says in (result.stdout + result.stderr).lower()
    assert "Traceback" not in result.stderr
    assert path.read_bytes() == before


def test_verify_notices_a_claim_that_changed(project, tmp_path):
    """A record of a claim whose criterion has changed since does not verify against today's claim."""
    root = write_project(tmp_path)
    path = root / "claims" / "test_toy2020.py"
    path.write_text(path.read_text().replace("higher(by=10.0), seeds=4", "higher(by=9.0), seeds=4"))
    source = next(p for p in record_files(project) if "drift-carries" in p.read_text())
    result = repro(root, "verify", str(source))
    assert result.returncode == 1
    assert "claim has changed" in result.stdout


def test_publish_copies_records_unedited(project):
    """Publishing puts the newest record of each claim into leaderboard/records, byte for byte."""
    result = repro(project, "publish")
    assert result.returncode == 0, result.stderr
    published = sorted((project / "leaderboard" / "records").rglob("*.json"))
    assert len(published) == 4
    kept = {path.name: path.read_bytes() for path in record_files(project)}
    assert all(kept[path.name] == path.read_bytes() for path in published)


def test_publish_refuses_what_has_no_controls(tmp_path):
    """A record without controls, or with fewer seeds, is nothing to publish."""
    root = write_project(tmp_path)
    repro(root, "run")
    result = repro(root, "publish")
    assert result.returncode == 1
    assert "a record needs its controls and all its seeds" in result.stderr
    assert not (root / "leaderboard").exists()


def test_an_older_version_is_still_sound(project, tmp_path):
    """A record of a claim that has a newer version verifies, with a note."""
    root = write_project(tmp_path)
    path = root / "claims" / "test_toy2020.py"
    path.write_text(path.read_text().replace("seeds=4, controls", "seeds=4, version=2, controls"))
    source = next(p for p in record_files(project) if "drift-carries" in p.read_text())
    result = repro(root, "verify", str(source))
    assert result.returncode == 0
    assert "retired, or of another version" in result.stdout


def test_calibrate_counts_on_fresh_seeds(tmp_path):
    """Calibration uses seeds no claim uses, counts passes and rejections, and keeps the result for the claim."""
    root = write_project(tmp_path)
    result = repro(root, "calibrate", "toy2020/drift-carries", "--repeats", "3", "--write")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "as expected in 3 of 3" in result.stdout
    assert "no_drift rejected in 3 of 3" in result.stdout
    seeds = [int(line.split()[1]) for line in trials_run(root)]
    assert min(seeds) >= 1_000_000
    kept = json.loads((root / "claims" / "calibration" / "toy2020.json").read_text())
    assert kept["toy2020/drift-carries@1"]["passed"]["hits"] == 3
    assert "3 of 3" in repro(root, "claims", "toy2020/drift-carries").stdout


def test_a_calibration_is_confirmed_where_code_changed_and_numbers_did_not(tmp_path):
    """Renamed code makes a calibration stale; its first repeat, computed again, confirms it. Other numbers do not."""
    root = write_project(tmp_path)
    source = root / "reference" / "toy2020.py"
    assert repro(root, "calibrate", "toy2020/drift-carries", "--repeats", "2", "--write").returncode == 0
    source.write_text(source.read_text().replace("rng =", "noise =").replace("rng.", "noise."))
    assert "earlier form" in repro(root, "claims", "toy2020/drift-carries").stdout
    result = repro(root, "calibrate", "toy2020/drift-carries", "--confirm", "--write")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the same numbers" in result.stdout
    assert "earlier form" not in repro(root, "claims", "toy2020/drift-carries").stdout
    source.write_text(source.read_text().replace("cumsum(config", "cumsum(1.5 * config"))
    result = repro(root, "calibrate", "toy2020/drift-carries", "--confirm", "--write")
    assert (result.returncode, "other numbers" in result.stdout) == (1, True)
    assert "earlier form" in repro(root, "claims", "toy2020/drift-carries").stdout


def test_calibrate_fails_on_a_claim_without_power(tmp_path):
    """A control that slips through makes calibration fail."""
    root = write_project(tmp_path)
    path = root / "claims" / "test_toy2020.py"
    path.write_text(path.read_text().replace("higher(by=10.0), seeds=4", "higher(by=-1.0), seeds=4"))
    result = repro(root, "calibrate", "toy2020/drift-carries", "--repeats", "2")
    assert result.returncode == 1
    assert "no_drift rejected in 0 of 2" in result.stdout


def test_doctor_says_what_is_there(project):
    """Doctor names machine, packages, programs, datasets and what each tier needs."""
    result = repro(project, "doctor")
    assert result.returncode == 0
    for part in ("machine", "torch", "chromium", "digits", "cifar10", "claims of tier gpu"):
        assert part in result.stdout


def test_data_list_and_verify(project):
    """Datasets are listed with their origin, and the bundled one verifies."""
    assert "cs.toronto.edu" in repro(project, "data", "list").stdout
    assert "1400 + 397 items" in repro(project, "data", "verify", "digits").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "toy2021"], "Did you mean toy2020"),
        (["run", "toy2020/drift"], "toy2020/drift-carries@1"),
        (["claims", "nothing"], "Unknown paper 'nothing'"),
        (["show", "ffff"], "no record"),
        (["verify", "nowhere.json"], "nowhere.json"),
        (["data", "get", "mnist"], "Unknown dataset 'mnist'"),
        (["calibrate", "toy2020/time-is-a-function"], "exact claims need none"),
    ],
)
def test_mistakes_are_two_lines(project, arguments, says):
    """A wrong name gives one error that says what to do, no traceback, and a non-zero exit."""
    result = repro(project, *arguments)
    assert result.returncode == 1
    assert says.lower() in result.stderr.lower()
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) <= 2


def test_help_is_quick():
    """`repro --help` imports neither torch nor scipy nor pandas."""
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom harness.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "print([m for m in ('torch', 'scipy', 'pandas', 'numba', 'sklearn', 'sqlalchemy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
