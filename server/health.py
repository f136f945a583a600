"""Is the process alive; is all that it needs there?"""

import asyncio

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models import db

_WITHIN = 3.0  # seconds for each


async def live(request: Request) -> Response:
    """200 while the process answers at all."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 with database, Redis and a worker's heartbeat; else 503, naming what is missing."""
    database, redis = await asyncio.gather(_database(), _redis(request))
    parts = {"database": database, "redis": redis}
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


async def _redis(request: Request) -> bool:
    try:
        async with asyncio.timeout(_WITHIN):
            return bool(await request.app.state.services.redis.ping())
    except (RedisError, OSError, TimeoutError):
        return False
