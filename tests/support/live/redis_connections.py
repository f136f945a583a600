"""A pytest plugin: a test fails if it leaves a connection to Redis open.

Otherwise Python closes the connection at some later time. The warning about it then fails another
test or, at the end of the run, the run without naming a test.
"""

import os
from collections.abc import Collection, Iterator
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

import pytest
from redis.asyncio.connection import AbstractConnection, ConnectionPool

# With the test that ran when it was created.
_Connections: TypeAlias = WeakKeyDictionary[AbstractConnection, str]

_connections: WeakKeyDictionary[ConnectionPool, _Connections] = WeakKeyDictionary()
_create_pool, _make_connection = ConnectionPool.__init__, ConnectionPool.make_connection


def _register_pool(pool: ConnectionPool, *args: Any, **options: Any) -> None:
    _create_pool(pool, *args, **options)
    _connections[pool] = WeakKeyDictionary()


def _register_connection(pool: ConnectionPool) -> AbstractConnection:
    connection: AbstractConnection = _make_connection(pool)  # type: ignore[no-untyped-call]
    _connections[pool][connection] = os.environ.get("PYTEST_CURRENT_TEST", "no test")
    return connection


def pytest_configure() -> None:
    ConnectionPool.__init__ = _register_pool  # type: ignore[method-assign, assignment]
    ConnectionPool.make_connection = _register_connection  # type: ignore[method-assign]


def pytest_unconfigure() -> None:
    ConnectionPool.__init__ = _create_pool  # type: ignore[method-assign]
    ConnectionPool.make_connection = _make_connection  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _clients_of_a_test_are_closed() -> Iterator[None]:
    """Ends after the other fixtures of the test. Clients of a folder exist before it begins."""
    pools_before = WeakSet(_connections)
    yield
    _require_closed([pool for pool in _connections if pool not in pools_before])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After the last test of a folder, its clients are closed too."""
    yield
    if nextitem is None or _folder(nextitem) != _folder(item):
        _require_closed(list(_connections))


def _folder(item: pytest.Item) -> list[str]:
    """For folders such as `tests/live`, whose subfolders share its fixtures."""
    return item.nodeid.split("/")[:2]


def _require_closed(pools: Collection[ConnectionPool]) -> None:
    still_open = [
        f"{connection} of {test}"
        for pool in pools
        for connection, test in _connections[pool].items()
        if connection.is_connected
    ]
    if still_open:
        pytest.fail("Redis connections are left open:\n" + "\n".join(still_open), pytrace=False)
