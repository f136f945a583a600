"""Opens and closes the services of a process: the database and Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from models import db
from runtime import embedded
from runtime.settings import Settings, settings

# For an answer; a command that blocks on purpose (`wake.wait_for`) takes less.
_REDIS_TIMEOUT_SECONDS = 5.0
_REDIS_CONNECT_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Services:
    """The open services. The database is global to the process, in `models.db`."""

    redis: Redis


@asynccontextmanager
async def open_services(
    database_url: str,
    redis_url: str,
    *,
    pool: int = 10,
    statement_timeout: float | None = db.STATEMENT_TIMEOUT_SECONDS,
) -> AsyncIterator[Services]:
    """`statement_timeout`: seconds a statement of PostgreSQL may take; None: no limit."""
    await db.open_database(database_url, pool=pool, statement_timeout=statement_timeout)
    redis: Redis = Redis.from_url(
        redis_url,
        socket_timeout=_REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=_REDIS_CONNECT_TIMEOUT_SECONDS,
    )
    try:
        yield Services(redis)
    finally:
        await redis.aclose()
        await db.close_database()


@contextmanager
def complete_settings(data_dir: Path, *, durable: bool = True) -> Iterator[Settings]:
    """The settings, completed with both URLs and the secret key.

    Missing ones come from the data folder, whose embedded servers then run until the end of the
    context. Raises `embedded_processes.ServerError` if they do not start.
    """
    configured = settings()
    with ExitStack() as stack:
        missing: dict[str, str] = {}
        if configured.secret_key is None:
            missing["secret_key"] = embedded.secret_key(data_dir)
        if configured.database_url is None or configured.redis_url is None:
            urls = stack.enter_context(embedded.servers(data_dir, durable=durable))
            missing["database_url"] = configured.database_url or urls.database_url
            missing["redis_url"] = configured.redis_url or urls.redis_url
        yield configured.model_copy(update=missing)
