"""What is recorded about the machine, the software and the commit, and where things lie."""

from __future__ import annotations

import getpass
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from repro import paths
from repro.machine import environment as machines
from repro.machine.environment import device_class, machine, software, source
from tests.toy import write_project

ROOT = Path(__file__).parent.parent

CPUINFO = "processor : 0\nmodel name : A CPU\nflags : sse {flags}\n\nprocessor : 1\nmodel name : Another\nflags : sse\n"


@pytest.mark.parametrize(
    ("flags", "isa"),
    [("avx avx2 avx512f", "AVX512"), ("avx avx2", "AVX2"), ("avx", "AVX"), ("asimd", "NEON"), ("", "")],
)
def test_the_widest_vector_unit_is_named(tmp_path, flags, isa):
    """The instruction set is read from the processor's flags, and its name from the first entry."""
    (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags=flags))
    found, model = machines.processor(tmp_path / "cpuinfo")
    assert machines._isa(found, "x86_64") == isa
    assert model == "A CPU"


def test_a_system_without_cpuinfo_still_has_a_machine(tmp_path):
    """Where the kernel lists no flags, there is a name all the same, and ARM is known to have NEON."""
    found, model = machines.processor(tmp_path / "absent")
    assert not found
    assert model
    assert machines._isa(found, "arm64") == "NEON"


def test_nothing_personal_is_recorded():
    """Neither host name, user name nor any path is in the machine, the software or the source."""
    facts = msgspec.json.encode([machine(), software(threads=1), source(Path.cwd())]).decode()
    assert "/home" not in facts
    assert str(Path.cwd()) not in facts
    for name in (socket.gethostname(), getpass.getuser()):
        assert f'"{name}"' not in facts


def test_the_device_class_tells_processors_and_gpus_apart(monkeypatch):
    """Results on a CPU depend on its architecture and vector unit; on a GPU, on its name."""
    assert device_class("cpu") == f"cpu {platform.machine()} {machine().isa}".rstrip()
    with_gpu = msgspec.structs.replace(machine(), gpu="NVIDIA H200")
    monkeypatch.setattr(machines, "machine", lambda: with_gpu)
    assert device_class("cuda") == "NVIDIA H200"


def test_versions_are_read_without_importing():
    """Installed libraries have their version, absent ones None."""
    found = software(threads=3)
    assert found.threads == 3
    assert found.numpy is not None
    assert found.numpy.split(".")[0].isdigit()
    assert machines._version("no-such-package") is None


def test_what_steers_arithmetic_is_part_of_key_and_record(tmp_path):
    """With narrower instructions by a variable, a trial has another key, and torch's own answer is what is kept."""
    code = (
        "from tests.test_implementation import plain; from tests.toy import write_project; from pathlib import Path;"
        "from repro.claim.claim import name_arm; from repro.trial.implementation import reference;"
        "from repro.trial.trial import Trial; import json, sys;"
        "trial = Trial(name_arm(plain, 'walk'), reference('toy2020', Path(sys.argv[1])), 0, 'cpu');"
        "print(json.dumps([trial.key, trial.key_inputs['software']]))"
    )
    root, said = write_project(tmp_path / "toy"), []
    for more in ({}, {"ATEN_CPU_CAPABILITY": "default"}, {"ATEN_CPU_CAPABILITY": "default"}):
        environment = os.environ | {"REPRO_CACHE": str(tmp_path / "cache")} | more
        words = [sys.executable, "-c", code, str(root)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
        said.append(json.loads(done.stdout))
    assert said[0][0] != said[1][0] == said[2][0]
    assert said[1][1]["capability"] == "DEFAULT"
    assert said[1][1]["steered_by"] == {"ATEN_CPU_CAPABILITY": "default"}
    assert "steered_by" not in said[0][1]


def test_git_that_distrusts_the_owner_is_quoted(tmp_path, monkeypatch):
    """A checkout of another user has no commit in its records, and the record says why in git's own words."""
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = source(tmp_path)
    assert found.commit is None
    assert "dubious ownership" in found.why
    assert str(tmp_path) not in found.why


def git(root: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    subprocess.run(["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True)


def test_the_commit_is_recorded_and_whether_files_differ(tmp_path):
    """Outside git nothing is known but why; inside, the commit is, and a changed tracked file makes it dirty."""
    outside = source(tmp_path)
    assert (outside.commit, outside.dirty) == (None, None)
    assert "not a git repository" in outside.why
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = source(tmp_path)
    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert clean.dirty is False
    (tmp_path / "untracked").write_text("b")
    assert source(tmp_path) == clean
    (tmp_path / "file").write_text("b")
    assert source(tmp_path).dirty is True


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project, with no variable set."""
    for name in ("REPRO_CACHE", "REPRO_STORE", "REPRO_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "claims").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "below")
    return tmp_path


def test_folders_lie_in_the_nearest_project(project):
    """From anywhere below a project, cache, store and published records are the project's."""
    assert paths.project_root() == project
    assert paths.cache_dir() == project / ".repro" / "cache"
    assert paths.store_dir() == project / ".repro" / "store"
    assert paths.published_dir() == project / "leaderboard" / "records"
    assert paths.data_dirs() == (project / ".repro" / "cache" / "data",)


def test_variables_move_the_folders(project, monkeypatch):
    """REPRO_CACHE, REPRO_STORE and REPRO_DATA are honoured, and relative ones made absolute."""
    monkeypatch.setenv("REPRO_CACHE", "here")
    monkeypatch.setenv("REPRO_STORE", "/there")
    monkeypatch.setenv("REPRO_DATA", "~/sets")
    assert paths.cache_dir() == project / "deep" / "below" / "here"
    assert paths.store_dir() == Path("/there")
    assert paths.data_dirs() == (Path.home() / "sets", paths.cache_dir() / "data")


def test_a_store_may_be_the_url_of_a_database(project, monkeypatch):
    """Files stay in the project then; REPRO_INDEX goes first; another process is told the same."""
    monkeypatch.setenv("REPRO_STORE", "postgresql+psycopg://host/board")
    assert paths.store_dir() == project / ".repro" / "store"
    assert paths.index_url() == "postgresql+psycopg://host/board"
    told = paths.store_environment(None)
    assert told["REPRO_STORE"] == str(project / ".repro" / "store")
    assert told["REPRO_INDEX"] == "postgresql+psycopg://host/board"
    monkeypatch.setenv("REPRO_INDEX", "postgresql+psycopg://other/board")
    assert paths.index_url() == "postgresql+psycopg://other/board"
    monkeypatch.setenv("REPRO_STORE", "/there")
    monkeypatch.delenv("REPRO_INDEX")
    assert paths.index_url() is None
    assert paths.store_environment(project)["REPRO_STORE"] == str(project)


def test_without_a_project_nothing_is_written_beside_the_package(tmp_path, monkeypatch):
    """An installed package that is used outside a clone keeps its files in the user's own data folder."""
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "repro")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPRO_CACHE", raising=False)
    assert paths.project_root() == tmp_path / "site-packages"
    assert tmp_path not in paths.cache_dir().parents
