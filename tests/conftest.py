"""Settings and fixtures that tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from repro.record.store import Store
from tests import factory
from tests.gate_repository import write_repository
from tests.postgresql import server

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of an empty database on a real PostgreSQL server that lives as long as the session."""
    with server() as url:
        yield url


@pytest.fixture
def empty_url(postgresql_url) -> Iterator[str]:
    """PostgreSQL without any tables of ours."""
    engine = sa.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists records, texts, problems, facts"))
    yield postgresql_url
    engine.dispose()


@pytest.fixture(scope="session")
def gate_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy project with a baseline, committed. Not to be changed."""
    return write_repository(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, with no published records and an empty store."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """The folder of a store with one record of every kind that the board can show."""
    folder = tmp_path_factory.mktemp("filled")
    for record in factory.board():
        Store(folder).add(record)
    return folder


@pytest.fixture
def submitted(store):
    """The same with a submission that was judged by two claims of a paper, and refuted in one."""
    store.add(factory.degrades(submission="mine"))
    store.add(factory.table_row("ResNet-20", 8.75, [12.9, 13.2, 13.0], submission="mine"))
    return store


@pytest.fixture
def store(project, filled):
    """A store of one's own with one record of every kind."""
    shutil.copytree(filled, project / "store")
    return Store(project / "store")
