"""Throughput of 200 sleeping trials over 1, 2 and 4 workers: `PYTHONPATH=. python benchmarks/bench_ray.py`.

Exits with 1 if 4 workers are below 0.85 of four times one. Workers are started, and have computed a trial, before the
clock is. The sleeping needs no core; what the engine itself does needs one to be free.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from harness.cli.plan import asked, planned
from harness.cluster.plan import Planned
from harness.cluster.ray_pool import connected
from harness.cluster.scheduler import Engine
from repro.claim.catalogue import Catalogue
from repro.trial.cache import Cache
from tests.toy import write_project

TRIALS = 200
SLEEP_S = 0.2
LEAST = 0.85  # of linear


def trials_of(catalogue: Catalogue, claim: str, seeds: int) -> list[Planned]:
    """The trials of a claim of the toy project; nothing of it is in the cache."""
    given = {"tier": None, "device": "cpu", "seeds": seeds, "store": catalogue.root / "no"}
    return planned(catalogue, asked(catalogue.select([claim]), (claim,), **given)).missing


def seconds(catalogue: Catalogue, workers: int) -> float:
    """Wall time of the trials over so many workers, with a cache of its own."""
    root = catalogue.root
    cache = Cache(root / f"trials-{workers}")
    with connected(None, "cpu", root, workers) as pool:
        Engine(pool, cache, root, lambda progress: None).map(trials_of(catalogue, "toy2020/goes-far", 10 * workers))
        todo = [t for t in trials_of(catalogue, "toy2020/on-time", TRIALS // 2) if not cache.path(t.key).is_file()]
        start = time.perf_counter()
        report = Engine(pool, cache, root, lambda progress: None).map(todo)
        wall = time.perf_counter() - start
    assert len(report.computed) == TRIALS
    return wall


def main() -> int:
    """Print a line for each number of workers."""
    with tempfile.TemporaryDirectory(prefix="repro-bench-") as folder:
        root = write_project(Path(folder), sleep=SLEEP_S)
        claims = root / "claims" / "test_toy2020.py"
        text = claims.read_text().replace('"drift-carries"', '"on-time"').replace("test_drift_carries", "test_on_time")
        claims.write_text(
            text.replace('run(end, "still")', 'run(end, "still", steps=49)').replace(
                'return run(end, "walk")["end"], ', 'return run(end, "walk", steps=49)["end"], '
            )
        )
        os.chdir(root)
        os.environ["REPRO_CACHE"] = str(root / "cache")
        catalogue = Catalogue(root)
        walls = {workers: seconds(catalogue, workers) for workers in (1, 2, 4)}
    print(f"{'workers':>7} {'seconds':>8} {'trials/s':>9} {'of linear':>10} {'overhead a trial':>17}")
    for workers, wall in walls.items():
        overhead = 1000 * (wall * workers / TRIALS - SLEEP_S)
        print(
            f"{workers:>7} {wall:>8.1f} {TRIALS / wall:>9.1f} {walls[1] / wall / workers:>10.2f} {overhead:>14.1f} ms"
        )
    ratio = walls[1] / walls[4] / 4
    print(f"4 workers: {ratio:.2f} of linear, at least {LEAST}")
    return int(ratio < LEAST)


if __name__ == "__main__":
    sys.exit(main())
