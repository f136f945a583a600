"""Health checks: whether the process responds, and whether its services are available."""

import asyncio
from collections.abc import Iterator

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models import db
from models.faults import Condition
from workers import main

_TIMEOUT_SECONDS = 3.0

_PROBLEMS = {
    Condition.READ_ONLY: "The database is read-only: it is a standby, or set so.",
    Condition.DISK_FAILED: "The database cannot write to its disk: it is full or failing.",
    Condition.UNREACHABLE: "The database cannot be reached, or has no free connection.",
}


async def live(request: Request) -> Response:
    """200 while the process responds."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 if the database can be written to, Redis answers and a worker runs; else 503 with the
    problems."""
    condition, (redis, worker) = await asyncio.gather(db.condition(), _redis(request))
    schema = request.app.state.schema
    problems = [*_problems(condition, redis=redis, worker=worker)]
    if schema.problem is not None:
        problems.append(schema.problem)
    return JSONResponse(
        {
            "status": "unavailable" if problems else "ok",
            "database": condition is Condition.AVAILABLE,
            "redis": redis,
            "worker": worker,
            "problems": problems,
        },
        status_code=503 if problems else 200,
    )


def _problems(condition: Condition, *, redis: bool, worker: bool) -> Iterator[str]:
    if condition is not Condition.AVAILABLE:
        yield _PROBLEMS[condition]
    if not redis:
        yield "Redis does not answer."
    elif not worker:
        yield "No worker is running."


async def _redis(request: Request) -> tuple[bool, bool]:
    """Whether Redis answers, and whether it has the heartbeat of a worker."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            is_beating = await request.app.state.services.redis.exists(main.HEARTBEAT)
    except (RedisError, OSError, TimeoutError):
        return False, False
    return True, bool(is_beating)
