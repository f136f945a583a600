"""Is the process alive; is all that it needs there?"""

import asyncio

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models import db
from workers import main

_WITHIN = 3.0  # seconds for each


async def live(request: Request) -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 with database, Redis and a worker's heartbeat; else 503, naming what is missing."""
    database, (redis, worker) = await asyncio.gather(_database(), _redis(request))
    parts = {"database": database, "redis": redis, "worker": worker}
    good = all(parts.values())
    return JSONResponse(
        {"status": "ok" if good else "unavailable", **parts}, status_code=200 if good else 503
    )


async def _database() -> bool:
    try:
        async with asyncio.timeout(_WITHIN), db.connection() as conn:
            return bool(await conn.fetchval("SELECT 1") == 1)
    except Exception:
        return False


async def _redis(request: Request) -> tuple[bool, bool]:
    """Whether Redis answers, and whether it has the heartbeat of a worker."""
    try:
        async with asyncio.timeout(_WITHIN):
            beating = await request.app.state.services.redis.exists(main.HEARTBEAT)
    except (RedisError, OSError, TimeoutError):
        return False, False
    return True, bool(beating)
