"""Data-parallel trials under torchrun, with two real processes on the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repro.record.record import decode
from tests.test_plugin import clean, edit, records_in
from tests.toy import trials_run, write_project

ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
LEAVING = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
import torch
from repro.machine import process_group
process_group.init_process_group("cpu")
from torch.nn.parallel import DistributedDataParallel
def threads():
    return [path.read_text() for path in Path("/proc/self/task").glob("*/comm") if "gloo" in path.read_text()]
net = DistributedDataParallel(torch.nn.Linear(2, 1))
net(torch.ones(3, 2)).sum().backward()
assert threads()
del net
process_group.destroy_process_group()
assert not threads(), threads()
"""


def test_two_processes_work_on_one_trial(tmp_path):
    """Each trial runs once on each of two processes that know of each other; one record is written for each claim."""
    project = write_project(tmp_path)
    edit(
        project / "reference" / "toy2020.py",
        "    rng = np.random",
        "    import torch.distributed as dist\n\n    assert dist.get_world_size() == 2\n    rng = np.random",
    )
    command = [*TORCHRUN, "-m", "pytest", "claims", "-p", "no:cacheprovider", "--claim", "toy2020/drift-carries"]
    for _ in range(2):  # the second time from the cache
        result = subprocess.run(command, cwd=project, env=clean({}), capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    assert len(trials_run(project)) == 16
    (path,) = records_in(project)
    assert decode(path.read_bytes()).word == "supported"


@pytest.mark.skipif(sys.platform != "linux", reason="names of threads are read from /proc")
def test_leaving_ends_the_threads_of_the_group(tmp_path):
    """None is left that would ask for an interpreter which shuts down, and abort the process."""
    (tmp_path / "train.py").write_text(LEAVING.format(root=str(ROOT)))
    command = [*TORCHRUN, str(tmp_path / "train.py")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
