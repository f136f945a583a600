"""Measures assigning number blocks and picking usernames while an account fills up.

It assigns a block with 100 and with 100,000 existing blocks, and picks a page of usernames from
an empty range of 1,000,000 numbers and from one with 999,990 numbers in use. Each pair
alternates in one run; the ratio is that of the medians.

Run: `./callboard bench numbers [BLOCKS] [USERS]`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from bench.support import scratch
from domain.identity import callers
from domain.numbering import number_ranges
from models import db
from models.numbering import number_gaps
from models.numbering.number_gaps import Kind
from resolvers.numbering import block_assignment, sip_users

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEW = 100
ROUNDS = 50
FEW_BLOCKS, MANY_BLOCKS, EMPTY, FULL, SPREAD = range(1, 6)  # accounts; customer 1 of each

_CUSTOMER = """
INSERT INTO customers (account_id, id, reference, name, currency, created_at)
SELECT $1, n, 'bench-' || n, 'Bench', 'EUR', $2 FROM generate_series(1, 2) AS n
"""
_BLOCKS = """
INSERT INTO number_blocks (account_id, customer_id, first_number, last_number, assigned_at)
SELECT $1, 1 + n % 2, 1000 + n * 10, 1000 + n * 10 + 9, $3
FROM generate_series(0, $2::bigint - 1) AS n
"""
_USERS = """
INSERT INTO sip_users
    (account_id, customer_id, number, realm, ha1, ha1b, ha1_sha256, created_at)
SELECT $1, 1, n * $4::bigint, 'sip.voice.example', repeat('0', 32), repeat('0', 32),
       repeat('0', 64), $3
FROM generate_series(0, $2::bigint - 1) AS n
"""
_GAPS = """
INSERT INTO number_gaps (account_id, kind, first_number, last_number)
SELECT $1, 'USER', n * $3::bigint + 1, n * $3::bigint + $3 - 1
FROM generate_series(0, $2::bigint - 1) AS n
"""


def staff(account_id: int) -> callers.Caller:
    return callers.Caller(account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


async def assign(account_id: int) -> None:
    await block_assignment.assign(staff(account_id), 1, None, None, NOW)


async def pick(account_id: int) -> int:
    return len(await sip_users.available(staff(account_id), 1, None, None, 21))


async def prepare(many: int, users: int) -> None:
    await db.migrate()
    for account_id in range(1, 6):
        async with db.transaction() as conn:
            await conn.execute(_CUSTOMER, account_id, NOW)
        whole = account_id in (FEW_BLOCKS, MANY_BLOCKS)
        end = 2_000_000 if whole else users - 1
        await block_assignment.set_range(staff(account_id), 1000 if whole else 0, end, 10, NOW)
    for account_id, count in ((FEW_BLOCKS, FEW), (MANY_BLOCKS, many)):
        async with db.transaction() as conn:
            await conn.execute(_BLOCKS, account_id, count, NOW)
            span = number_ranges.Span(1000, 1000 + count * 10 - 1)
            await number_gaps.take(conn, account_id, Kind.BLOCK, span)
    async with db.transaction() as conn:
        await conn.execute(_USERS, FULL, users - 10, NOW, 1)
        await number_gaps.take(conn, FULL, Kind.USER, number_ranges.Span(0, users - 11))
        await conn.execute(_USERS, SPREAD, users // 2, NOW, 2)
        await number_gaps.take(conn, SPREAD, Kind.USER, number_ranges.ALL_NUMBERS)
        await conn.execute(_GAPS, SPREAD, users // 2, 2)
    async with db.connection() as conn:
        await conn.execute("VACUUM ANALYZE number_blocks, sip_users, number_gaps")


async def timed(work: Callable[[int], Awaitable[object]], account_id: int) -> float:
    start = time.perf_counter()
    await work(account_id)
    return (time.perf_counter() - start) * 1000


async def compare(
    name: str, work: Callable[[int], Awaitable[object]], base: int, other: int
) -> None:
    times: dict[int, list[float]] = {base: [], other: []}
    for _ in range(ROUNDS):
        for account_id, seconds in times.items():
            seconds.append(await timed(work, account_id))
    low, high = (statistics.median(seconds) for seconds in times.values())
    print(f"{name}: {low:.2f} ms and {high:.2f} ms, ratio {high / low:.2f}", flush=True)


async def measure(many: int, users: int) -> None:
    await prepare(many, users)
    await compare(f"a block, with {FEW} and with {many:,} blocks", assign, FEW_BLOCKS, MANY_BLOCKS)
    of = f"20 usernames of {users:,}, empty"
    await compare(f"{of} and all but the last 10 used", pick, EMPTY, FULL)
    await compare(f"{of} and every second one used", pick, EMPTY, SPREAD)

    async def count(account_id: int) -> None:
        await block_assignment.range_of(staff(account_id))

    await compare(f"counts of {users:,}, empty and every second one used", count, EMPTY, SPREAD)


async def run(many: int, users: int) -> None:
    async with scratch.database():
        await measure(many, users)


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(run(*(counts + [100_000, 1_000_000][len(counts) :])))
