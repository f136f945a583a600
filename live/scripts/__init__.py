"""Lua scripts, which Redis runs atomically. A script is its shared files, then its own file."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from live import keys

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    sha: str

    async def run(self, redis: Redis, account_id: int, *arguments: str | bytes | int) -> bytes:
        """The last argument that the script receives is the database. Raises
        `redis.exceptions.RedisError` if Redis is unavailable."""
        execute = cast(Callable[..., Awaitable[bytes]], redis.execute_command)
        rest = (1, keys.prefix(account_id), *arguments, database(redis))
        try:
            return await execute("EVALSHA", self.sha, *rest)
        except NoScriptError:
            return await execute("EVAL", self.text, *rest)


def database(redis: Redis) -> int:
    """The number of the client's database on its Redis server."""
    return int(redis.connection_pool.connection_kwargs.get("db") or 0)


def _script(*names: str) -> Script:
    text = keys.lua() + "\n".join((_FOLDER / f"{name}.lua").read_text() for name in names)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


_CALLS = ("common", "window", "calls")
APPLY = _script(*_CALLS, "apply")
SNAPSHOT = _script(*_CALLS, "snapshot")
SWEEP = _script(*_CALLS, "sweep")
READ = _script("common", "read")
SAMPLE = _script("common", "sample")
IS_LOST = _script("common", "is_lost")
SEED = _script("common", "seed")
BUCKET = _script("bucket")
STATS = _script("common", "window", "fill", "stats")
BEGIN_FILL = _script("common", "window", "fill", "begin_fill")
FILL_SOME = _script(*_CALLS, "fill", "fill_some")
END_FILL = _script("common", "window", "fill", "end_fill")
