"""A large batch is stored in small steps that yield to others, and is still one batch."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.billing import rating
from ingest import batches
from models import db
from models.billing import rate_cards
from tests.support import outside_connection
from tests.support.records import sample_records
from tests.support.records.posting import Switch

MARKS = "LOCK TABLE hour_marks IN SHARE MODE"


@pytest.fixture
async def outside(database: str) -> AsyncIterator[Any]:
    async with outside_connection.connection(database) as connection:
        yield connection


def ends(switch: Switch, count: int) -> list[dict[str, Any]]:
    return [switch.end(f"call-{n}") for n in range(count)]


async def transactions() -> dict[str, set[str]]:
    """The calls by the transactions that stored their keys."""
    functions: dict[str, set[str]] = {}
    for xmin, call_id in await sample_records.rows("SELECT xmin::text, call_id FROM call_records"):
        functions.setdefault(xmin, set()).add(call_id)
    return functions


async def test_a_batch_of_1200_records_is_stored_in_transactions_of_at_most_500(
    switch: Switch,
) -> None:
    answer = await switch.send(*ends(switch, 1_200))
    assert answer["accepted"] == 1_200
    assert sorted(map(len, (await transactions()).values())) == [200, 500, 500]


async def test_a_correction_late_in_the_batch_still_frees_the_place_of_a_final_leg(
    switch: Switch,
) -> None:
    await switch.send(switch.end("a", leg=0))
    answer = await switch.send(
        switch.end("a", leg=1),
        *ends(switch, 1_100),
        switch.end("a", leg=0, final=False, correction=True),
    )
    assert (answer["accepted"], answer["corrected"], answer["refused"]) == (1_101, 1, [])


async def test_the_result_of_an_event_has_its_position_in_the_batch(switch: Switch) -> None:
    first = ends(switch, 1_200)
    await switch.send(first[100], first[1_100])
    first[1_100]["sip_reason"] = "another content"
    first[1_150]["customer"] = "nobody"
    answer = await switch.send(*first)
    assert (answer["accepted"], answer["duplicates"]) == (1_197, 1)
    assert [item["index"] for item in answer["held"]] == [1_100]
    assert [item["index"] for item in answer["refused"]] == [1_150]


async def test_a_price_change_during_a_batch_refuses_no_record(
    switch: Switch, outside: Any
) -> None:
    account, since = switch.account_id, switch.now - timedelta(days=1)
    card = await rate_cards.create(account, name="A", currency="EUR", now=since)
    await rate_cards.assign(account, switch.customer_id, card, since, since)

    async def price(per_minute: str) -> None:
        added = [rating.Rate("1", Decimal(per_minute))]
        await rate_cards.add_rates(account, card, added, now=since)

    await price("0.60")
    sending = switch.send(*ends(switch, 1_500))
    answer, _ = await outside_connection.held_up(outside, MARKS, sending, price("6.00"))
    assert (answer["accepted"], answer["duplicates"]) == (1_500, 0)
    rows = await sample_records.rows("SELECT charge, rate_revision FROM call_records")
    assert Counter(rows) == {(Decimal("0.5"), 2): 1_500}


async def test_other_tasks_run_after_every_250_copied_rows(database: str) -> None:
    turns, counts = 0, Counter[int]()

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def rows() -> Iterator[tuple[int]]:
        for n in range(1_000):
            counts[turns] += 1
            yield (n,)

    async with db.transaction() as conn:
        await conn.execute("CREATE TEMP TABLE copied (n bigint) ON COMMIT DROP")
        counting = asyncio.create_task(others())
        await db.copy(conn, "copied", ["n"], rows())
        counting.cancel()
        assert await conn.fetchval("SELECT count(*) FROM copied") == 1_000
    assert max(counts.values()) == 250


def test_a_refused_event_keeps_no_stack_frames_in_memory() -> None:
    batch = batches.Batch([b'{"type": "end"}', b"{"])
    for index in range(2):
        batch.parse(index)
    refusals = batch.event_refusals.values()
    assert [(refusal.__traceback__, refusal.__context__) for refusal in refusals] == [
        (None, None)
    ] * 2
