"""The client packages of npm, installed once."""

import pytest

from tests.support.api.fixtures import (  # noqa: F401
    _own_tries,
    api,
    api_database,
    api_redis,
    carrier,
    case_counts,
    customer,
    environment,
    everything,
    http,
    other,
    reference,
    server,
    switch,
)
from tests.support.clients import node


@pytest.fixture(scope="session")
def packages() -> None:
    node.install()
