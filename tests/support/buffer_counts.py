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
    """Buffers of tables and indexes, including those in memory; of custom plans, and of the
    generic plan that PostgreSQL may choose."""
    async with db.transaction() as conn:
        await conn.execute(f"SET LOCAL plan_cache_mode = {plans}")
        await work()  # buffers that are read once, such as those that the planner reads in an index
        before = await conn.fetchval(_TOUCHED)
        await work()
        return int(await conn.fetchval(_TOUCHED) - before)
