"""Data-parallel trials under torchrun, with two real processes on the CPU."""

from __future__ import annotations

import subprocess
import sys

from repro.record import decode
from tests.test_plugin import clean, edit, records_in
from tests.toy import trials_run, write_project


def test_two_processes_work_on_one_trial(tmp_path):
    """Each trial runs once on each of two processes that know of each other; one record is written for each claim."""
    project = write_project(tmp_path)
    edit(
        project / "reference" / "toy2020.py",
        "    rng = np.random",
        "    import torch.distributed as dist\n\n    assert dist.get_world_size() == 2\n    rng = np.random",
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "pytest", "claims", "-p", "no:cacheprovider", "--claim", "toy2020/drift-carries"]
    for _ in range(2):  # the second time from the cache
        result = subprocess.run(command, cwd=project, env=clean({}), capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    assert len(trials_run(project)) == 16
    (path,) = records_in(project)
    assert decode(path.read_bytes()).word == "supported"
