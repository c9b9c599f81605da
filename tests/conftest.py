"""Settings that all tests share."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgresql import server

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of an empty database on a real PostgreSQL server that lives as long as the session."""
    with server() as url:
        yield url
