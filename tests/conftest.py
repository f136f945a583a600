"""Real services for every test: embedded ones, or those of CALLBOARD_DATABASE_URL / _REDIS_URL."""

import os
import random
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count, groupby
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, Phase, settings
from redis.asyncio import Redis

from models import db
from runtime import embedded
from tests.support import databases, own_redis, redises
from tests.support.programs import Program
from tests.support.service_urls import TestServices

pytest_plugins = [
    "tests.support.affected_tests",
    "tests.support.durations",
    "tests.support.hangs",
    "tests.support.parallel",
    "tests.support.live.redis_connections",
    "tests.support.scale_out.plugin",
]

# Deadlines fail on a busy machine, and the search for a smaller failing example takes minutes if
# each example uses real services. `--hypothesis-profile default` enables the search.
settings.register_profile(
    "callboard",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
settings.load_profile("callboard")

_SERVICE_FIXTURES = {"services", "database", "redis", "web", "worker"}
_OWN_REDIS_NUMBER = 14  # on a Redis given by URL: this database is flushed, no other is used
_numbers = count(1)


class Folder(pytest.Package):
    """Ends the fixtures of a folder with the folder, because a process has one open database and
    one Redis. For pytest, a folder without `__init__.py` is not a package. Its fixtures of that
    scope would last to the end of the run, and a later test would use the database of other
    tests."""

    def setup(self) -> None:
        """There is no `__init__.py` to run."""


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector:
    return Folder.from_parent(parent, path=path)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run the tests of each folder in another order"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--shuffle")
    if seed is not None:
        items[:] = _shuffled(items, random.Random(seed))
    for item in items:
        if _SERVICE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


def _shuffled(items: list[pytest.Item], order: random.Random) -> list[pytest.Item]:
    """Within each folder, because the fixtures of a folder end with it."""
    folder_items: list[pytest.Item] = []
    for _, group in groupby(items, lambda item: item.path.parent):
        folder = list(group)
        order.shuffle(folder)
        folder_items += folder
    return folder_items


@pytest.fixture(scope="session")
async def services() -> AsyncIterator[TestServices]:
    """Servers of this process, or those of the settings."""
    database_url = os.environ.get("CALLBOARD_DATABASE_URL")
    redis_url = os.environ.get("CALLBOARD_REDIS_URL")
    async with AsyncExitStack() as stack:
        if redis_url and "PYTEST_XDIST_WORKER" in os.environ:
            # Published messages reach all databases of a server: each process needs its own.
            program = await own_redis.program_of(redis_url)
            redis_url = (await stack.enter_async_context(own_redis.own_redis(program))).url
        elif redis_url:
            redis_url = _with_number(redis_url)
        if not database_url or not redis_url:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cb-test-"))
            urls = stack.enter_context(embedded.servers(Path(folder), durable=False))
            database_url = database_url or urls.database_url
            redis_url = redis_url or urls.redis_url
        yield TestServices(database_url, redis_url)


@pytest.fixture(scope="session")
async def template(services: TestServices) -> AsyncIterator[str]:
    """The name of a migrated, closed database that the others are copied from."""
    name = f"callboard_test_{os.getpid()}"
    async with databases.create(services.database_url, name) as url:
        await db.open_database(url)
        try:
            await db.migrate()
        finally:
            await db.close_database()
        yield name


@pytest.fixture
async def database(services: TestServices, template: str) -> AsyncIterator[str]:
    """A fresh migrated database, opened through `models.db`; yields its URL."""
    name = f"{template}_{next(_numbers)}"
    async with databases.open_copy(services.database_url, name, template) as url:
        yield url


@pytest.fixture
async def redis(services: TestServices) -> AsyncIterator[Redis]:
    """A client of a Redis that is empty before and after the test."""
    async with redises.empty_redis(services.redis_url) as client:
        yield client


@pytest.fixture
def web(services: TestServices, database: str, redis: Redis) -> Iterator[Program]:
    """The real web process on the test's database: `.url`, `.pid`, `.kill()`, `.start()`."""
    with Program.web(_environment(services, database)) as program:
        yield program


@pytest.fixture
def worker(services: TestServices, database: str, redis: Redis) -> Iterator[Program]:
    """The real worker process on the test's database."""
    with Program.worker(_environment(services, database)) as program:
        yield program


def _environment(services: TestServices, database: str) -> dict[str, str]:
    return {
        "CALLBOARD_DATABASE_URL": database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
    }


def _with_number(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{_OWN_REDIS_NUMBER}"))
