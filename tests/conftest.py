"""Settings that all tests share."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import settings

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
