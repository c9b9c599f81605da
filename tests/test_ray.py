"""`repro run --engine ray` on a real cluster of two nodes with one core each, started here."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.test_plugin import edit, records_in
from tests.toy import PATIENCE_S, started, trials_run, wait_for, write_submission, write_waiting_project

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(4 * PATIENCE_S)]
STARTS, LATE_S = 5, "180"  # Ray gives a node half a minute to start, which is not always enough where much else runs
CODE = "from harness.cli import main; main()"
ROOT = Path(__file__).parents[1]
NODES = """
import sys, tempfile, warnings
warnings.simplefilter("ignore")
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 80_000_000}
cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
# Ray deletes and unpacks again the project where nodes share a folder, under the feet of the other's workers.
with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own:
    cluster.add_node(**node, temp_dir=own)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()
"""
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[ray]'")


@pytest.fixture(scope="session")
def access() -> dict[str, str]:
    """What nodes and drivers share, and no other cluster does; nothing is written into the home folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REPRO_", "PYTEST_", "RAY_"))}
    data = {"REPRO_DATA": os.environ["REPRO_DATA"]} if "REPRO_DATA" in os.environ else {}
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "RAY_USAGE_STATS_ENABLED": "0"}
    # Where other tests fill the memory or keep the processors busy, no worker is killed or given up for it.
    calm = {"RAY_memory_monitor_refresh_ms": "0", "RAY_worker_register_timeout_seconds": LATE_S}
    calm |= {"RAY_gcs_server_port_wait_time_s": LATE_S, "RAY_health_check_failure_threshold": "100"}
    return kept | data | own | calm | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def cluster(access: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of two nodes."""
    errors = tmp_path_factory.mktemp("cluster") / "stderr"
    nodes = [sys.executable, "-c", NODES]
    for _ in range(STARTS):
        with (
            errors.open("w") as said,
            subprocess.Popen(
                nodes, env=access, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
            ) as process,
        ):
            assert process.stdout is not None
            if address := process.stdout.readline().strip():
                yield address  # the nodes go when their input ends, as this block does
                return
    pytest.fail(errors.read_text())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A toy project of its own, whose log names the process of each trial."""
    return write_waiting_project(tmp_path, "False")


def command(*arguments: str) -> list[str]:
    """The command line of a run on the CPU."""
    return [sys.executable, "-c", CODE, "run", *arguments, "--device", "cpu"]


def run(project: Path, access: dict[str, str], *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run claims of a project."""
    return subprocess.run(
        command(*arguments), cwd=project, env=access | environment, capture_output=True, text=True, timeout=PATIENCE_S
    )


def begin(project: Path, access: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Begin to run claims of a project."""
    return started(command(*arguments), project, access)


def runs(project: Path) -> Counter[tuple[str, str]]:
    """How often each trial of the log was computed, by drift and seed."""
    return Counter(tuple(line.split()[:2]) for line in trials_run(project))  # type: ignore[misc]


def entries(project: Path, cache: str = ".repro/cache") -> dict[str, dict[str, object]]:
    """What the cache holds of each trial: its measurements and facts, not what it cost."""
    found = {}
    for path in (project / cache / "trials").rglob("*.json"):
        payload = json.loads(path.read_text())["payload"]
        found[path.stem] = {name: payload[name] for name in ("measurements", "facts")}
    return found


@needs_ray
def test_results_are_those_of_this_process(project, access, cluster):
    """The cache is filled to the last bit as in-process, and the verdicts are the same."""
    far = run(project, access, "--controls", "--engine", "ray", "--address", cluster)
    assert far.returncode == 0, far.stdout + far.stderr
    assert "23 trials computed, 0 found, 0 failed" in far.stdout
    assert len(trials_run(project)) == 14
    near = run(project, access, "--controls", "--store", "store", REPRO_CACHE=str(project / "near"))
    assert entries(project) == entries(project, "near")
    verdicts = [re.findall(r"^toy2020/\S+ .*", output, re.MULTILINE) for output in (far.stdout, near.stdout)]
    assert [[line.rsplit(maxsplit=2)[0] for line in lines] for lines in verdicts[:1]] == [
        [line.rsplit(maxsplit=2)[0] for line in lines] for lines in verdicts[1:]
    ]
    assert len(records_in(project)) == 4


@needs_ray
def test_a_real_claim_is_the_same_to_the_last_bit(access, cluster, tmp_path):
    """A claim that trains networks with torch gives on a worker what it gives in this process."""
    claims = ["krizhevsky2012/dropout-slows-training"]
    for cache, engine in (("far", ["--engine", "ray", "--address", cluster]), ("near", [])):
        folders = {"REPRO_CACHE": str(tmp_path / cache), "REPRO_STORE": str(tmp_path / "store")}
        result = run(ROOT, access, *claims, "--seeds", "1", *engine, **folders)
        assert "inconclusive" in result.stdout, result.stdout + result.stderr
    assert entries(tmp_path, "far") == entries(tmp_path, "near")
    assert len(entries(tmp_path, "far")) == 2


@needs_ray
def test_a_killed_worker_repeats_only_its_trial(access, cluster, tmp_path):
    """Both nodes work at once; SIGKILL in the middle of a trial costs one more run of it, and nothing else."""
    project = write_waiting_project(tmp_path, "True")
    driver = begin(project, access, "toy2020/drift-carries", "--engine", "ray", "--address", cluster)
    wait_for(lambda: len(trials_run(project)) == 2, driver)
    (drift, seed, worker), (*_, other) = (line.split() for line in trials_run(project))
    assert worker != other
    psutil.Process(int(worker)).kill()
    wait_for(lambda: len(trials_run(project)) == 3, driver)
    (project / "go").touch()
    output = driver.communicate(timeout=PATIENCE_S)[0]
    assert driver.returncode == 0, output
    assert runs(project) == Counter({key: 1 + (key == (drift, seed)) for key in runs(project)})
    assert len(runs(project)) == 8


@needs_ray
def test_two_drivers_at_once_repeat_no_trial(access, cluster, project):
    """Drivers that share a cache leave to each other what the other has locked, and both judge everything."""
    drivers = [begin(project, access, "--engine", "ray", "--address", cluster) for _ in range(2)]
    outputs = [driver.communicate(timeout=PATIENCE_S)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], outputs
    assert set(runs(project).values()) == {1}
    assert len(runs(project)) == 8


@needs_ray
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 2), (signal.SIGKILL, -9)])
def test_a_driver_that_is_stopped_resumes(access, cluster, tmp_path, stop, code):
    """Ctrl-C or SIGKILL keeps every finished trial; the same command computes only the others."""
    project = write_waiting_project(tmp_path, "setting.config.drift == 0.0")
    arguments = ["toy2020/drift-carries", "--engine", "ray", "--address", cluster]
    driver = begin(project, access, *arguments)
    wait_for(lambda: len(entries(project)) == 4 and ("0.0", "0") in runs(project), driver)
    driver.send_signal(stop)
    output = driver.communicate(timeout=PATIENCE_S)[0]
    assert driver.returncode == code, output
    if stop == signal.SIGINT:
        assert "stopped: 4 of 8 trials are done and kept; the same command resumes" in output
        assert "Traceback" not in output
    assert len(entries(project)) == 4
    (project / "go").touch()
    result = run(project, access, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 trials computed" in result.stdout
    assert {count for (drift, _), count in runs(project).items() if drift == "1.0"} == {1}


@needs_ray
def test_another_environment_is_refused(access, cluster, project):
    """Where the driver has another version of a library the workers refuse, and nothing enters the cache."""
    folder = project / "other" / "scipy-0.0.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 0.0.1\n")
    path = os.pathsep.join([str(folder.parent), str(ROOT)])
    result = run(project, access, "--engine", "ray", "--address", cluster, PYTHONPATH=path)
    assert result.returncode == 1
    assert re.search(r'another environment.*: software scipy is "[1-9].*" there and "0.0.1" here', result.stderr)
    assert "Traceback" not in result.stderr
    assert trials_run(project) == []
    assert entries(project) == {}


@needs_ray
def test_a_failing_trial_is_reported_and_the_rest_finish(access, cluster, project):
    """A trial that raises fails its claims in the verdict table; all others are computed and judged."""
    edit(project / "reference" / "toy2020.py", "rng = np", "assert seed != 3, 'no luck'\n    rng = np")
    result = run(project, access, "--engine", "ray", "--address", cluster)
    assert result.returncode == 1
    assert "10 trials computed, 0 found, 3 failed" in result.stdout
    assert "error in toy2020/drift-carries@1 reference" in result.stdout
    assert "seed 3 raised AssertionError: no luck" in result.stdout
    assert re.search(r"toy2020/goes-far@1 .* finding", result.stdout)


@needs_ray
def test_an_address_without_a_cluster_is_one_clear_error(access, project):
    """A port that nobody listens at, one where something else does, and a word are told apart from a cluster."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 10)  # an answer to what was not read could be lost
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        other = run(project, access, "--engine", "ray", "--address", f"{host}:{port}")
    with socket.socket() as silent:  # taken, so that nobody else listens there meanwhile
        silent.bind(("127.0.0.1", 0))
        closed = run(project, access, "--engine", "ray", "--address", "{}:{}".format(*silent.getsockname()))
    word = run(project, access, "--engine", "ray", "--address", "the-cluster")
    for result, says in ((other, "is not a Ray cluster"), (closed, "no Ray cluster at"), (word, "HOST:PORT, or auto")):
        assert result.returncode == 1
        assert says in result.stderr
        assert "Traceback" not in result.stderr
    assert trials_run(project) == []


def test_without_ray_there_is_one_clear_error(access, project):
    """--engine ray without Ray says what to install."""
    blocked = "import sys; sys.modules['ray'] = None; " + CODE
    arguments = [sys.executable, "-c", blocked, "run", "--engine", "ray", "--device", "cpu"]
    result = subprocess.run(arguments, cwd=project, env=access, capture_output=True, text=True)
    assert result.returncode == 1
    assert "pip install -e '.[ray]'" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--implementation", "mine"], "a submission runs in a jail on one machine"),
        (["--no-cache"], "hands its results on in the cache"),
        (["-n", "2", "--address", "localhost:1"], "Give a number, no --address"),
        (["-n", "auto"], "Give a number"),
    ],
)
def test_options_that_do_not_go_together_are_refused(access, project, arguments, says):
    """What an engine cannot do is said before anything runs."""
    write_submission(project)
    result = run(project, access, "--engine", "ray", *arguments)
    assert result.returncode == 1
    assert says in result.stderr
    assert trials_run(project) == []
