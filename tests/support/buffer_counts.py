"""The buffers that the product's statements touch, counted by PostgreSQL in one transaction."""

from collections.abc import Awaitable, Callable
from typing import Literal

from models import db

_TOUCHED = """
SELECT coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint FROM pg_class
WHERE relkind IN ('r', 'i', 'p', 'I') AND relnamespace = 'public'::regnamespace
"""

Plans = Literal["force_custom_plan", "force_generic_plan"]


async def buffers(work: Callable[[], Awaitable[object]], plans: Plans) -> int:
    """Of tables and indexes, those found in memory included; of plans made for the values, or of
    those that PostgreSQL may settle on for all values."""
    async with db.transaction() as conn:
        await conn.execute(f"SET LOCAL plan_cache_mode = {plans}")
        await work()  # what is read once for all, such as the planner's own look into an index
        before = await conn.fetchval(_TOUCHED)
        await work()
        return int(await conn.fetchval(_TOUCHED) - before)
