"""The cost of statements: the buffers that PostgreSQL touches."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from models import db

Statement = tuple[str, tuple[Any, ...]]


async def statements_of(work: Callable[[], Awaitable[Any]]) -> list[Statement]:
    """The statements, with their arguments, that the work sends."""
    statements: list[Statement] = []

    def log(record: Any) -> None:
        statements.append((record.query, tuple(record.args or ())))

    async with db.transaction() as conn:  # so that all is sent on its connection
        conn.add_query_logger(log)
        try:
            await work()
        finally:
            conn.remove_query_logger(log)
    return statements


async def buffers(work: Callable[[], Awaitable[Any]]) -> int:
    """How many the statements of the work touch, run again with the same arguments."""
    return sum([await _touched(*statement) for statement in await statements_of(work)])


async def _touched(statement: str, arguments: tuple[Any, ...]) -> int:
    """The second time, because the first also reads the catalog."""
    buffers = 0
    async with db.connection() as conn:
        for _ in range(2):
            answer = await conn.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *arguments
            )
            [explained] = json.loads(answer)
            buffers = (
                explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]
            )
    return buffers
