"""`repro doctor`: what this machine can run, what is missing and how to get it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import click

from repro import data
from repro.claim.catalogue import Catalogue
from repro.claim.claim import TIERS
from repro.errors import ReproError
from repro.machine.environment import machine
from repro.paths import cache_dir, store_dir


class DoctorCheck(NamedTuple):
    """One thing a part of the suite needs."""

    name: str
    found: str  # empty where it is missing
    needed_for: str
    remedy: str


@click.command()
def doctor() -> None:
    """Say what this machine can run. The exit code is 1 only if the default claims cannot run."""
    here = machine()
    click.echo(f"machine   {here.cpu}, {here.cores} cores, {here.isa}, {here.memory_bytes / 2**30:.0f} GiB")
    click.echo(f"gpu       {here.gpu or 'none seen'}")
    folders = [_folder("cache", cache_dir(), "REPRO_CACHE"), _folder("store", store_dir(), "REPRO_STORE")]
    datasets = [
        DoctorCheck(name, "here" if data.available(name) else "", f"claims on {name}", data.how_to_get(name))
        for name in data.names()
    ]
    checks = [*_packages(), *_programs(), *folders, *datasets]
    for check in checks:
        mark, text = ("ok", check.found) if check.found else ("--", f"missing: {check.remedy}")
        click.echo(f"{mark}  {check.name:<14} {text}  ({check.needed_for})")
    claims = Catalogue().claims
    for tier in TIERS:
        able = tier in ("cpu", "long") or here.gpu is not None
        count = sum(claim.tier == tier for claim in claims)
        click.echo(f"{count:>3} claims of tier {tier}: {'can run here' if able else 'need a GPU'}")
    if any(not check.found and check.needed_for == "the default claims" for check in checks):
        raise SystemExit(1)


def _packages() -> list[DoctorCheck]:
    wanted = [
        ("torch", "the default claims", "pip install -c constraints.txt torch"),
        ("numba", "the default claims", "pip install numba"),
        ("xdist", "running claims in parallel", "pip install pytest-xdist"),
        ("streamlit", "the leaderboard", "pip install -e '.[board]'"),
        ("psycopg", "a store indexed by PostgreSQL", "pip install -e '.[board]'"),
        ("ray", "more than one machine", "pip install -e '.[ray]'"),
        ("pynvml", "GPU telemetry and energy", "pip install -e '.[gpu]'"),
    ]
    return [
        DoctorCheck(name, "installed" if importlib.util.find_spec(name) else "", purpose, remedy)
        for name, purpose, remedy in wanted
    ]


def _programs() -> list[DoctorCheck]:
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return [
        DoctorCheck("chromium", shutil.which("chromium") or "", "the browser tests", "apt-get install chromium"),
        _isolation(),
        DoctorCheck(
            "postgres", str(servers[-1]) if servers else "", "the PostgreSQL tests", "apt-get install postgresql"
        ),
    ]


def _isolation() -> DoctorCheck:
    """Whether submissions can be jailed, tried out."""
    from harness.sandbox.jail import probe

    try:
        return DoctorCheck("isolation", probe(), "judging submissions", "")
    except ReproError as error:
        return DoctorCheck("isolation", "", "judging submissions", f"{error.problem}. {error.remedy}")


def _folder(name: str, path: Path, variable: str) -> DoctorCheck:
    nearest = next(parent for parent in (path, *path.parents) if parent.exists())
    remedy = f"{path} is read-only; set {variable}"
    return DoctorCheck(name, str(path) if os.access(nearest, os.W_OK) else "", "the default claims", remedy)
