"""Opens and closes what a process needs: the database and Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from models import db
from runtime import embedded
from runtime.settings import Settings, settings

# Seconds for an answer; what blocks on purpose (`wake.woken`) does so for less.
_REDIS_WITHIN = 5.0
_REDIS_CONNECT_WITHIN = 3.0


@dataclass(frozen=True, slots=True)
class Services:
    """What a process talks to. The database is process-wide behind `models.db`."""

    redis: Redis


@asynccontextmanager
async def open_services(
    database_url: str,
    redis_url: str,
    *,
    pool: int = 10,
    answer_within: float | None = db.ANSWER_WITHIN,
) -> AsyncIterator[Services]:
    """`answer_within`: seconds a statement of PostgreSQL may take; None: any time."""
    await db.open_database(database_url, pool=pool, answer_within=answer_within)
    redis: Redis = Redis.from_url(
        redis_url, socket_timeout=_REDIS_WITHIN, socket_connect_timeout=_REDIS_CONNECT_WITHIN
    )
    try:
        yield Services(redis)
    finally:
        await redis.aclose()
        await db.close_database()


@contextmanager
def configured(data_dir: Path, *, durable: bool = True) -> Iterator[Settings]:
    """The settings with nothing left open: both URLs and the secret key.

    What is not configured comes from the data folder, whose embedded servers run meanwhile.
    Raises `embedded_processes.ServerError` where they do not start.
    """
    found = settings()
    with ExitStack() as stack:
        missing: dict[str, str] = {}
        if found.secret_key is None:
            missing["secret_key"] = embedded.secret_key(data_dir)
        if found.database_url is None or found.redis_url is None:
            urls = stack.enter_context(embedded.servers(data_dir, durable=durable))
            missing["database_url"] = found.database_url or urls.database_url
            missing["redis_url"] = found.redis_url or urls.redis_url
        yield found.model_copy(update=missing)
