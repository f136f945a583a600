"""A record is stored once, the highest revision counts, and the hours it touches are marked."""

import asyncio
import random
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.billing import rating
from domain.records.verdicts import Verdict
from models import db
from models.records import call_records, partitions, unrated_calls
from models.summaries import hours
from tests.support.records.sample_records import (
    NOW,
    SETUP,
    account,
    marked_hours,
    record,
    rows,
    stored_records,
)

pytestmark = pytest.mark.usefixtures("database")
HOUR = SETUP.replace(minute=0)


async def test_a_new_record_is_stored_and_its_hour_marked() -> None:
    mine = await account()
    inserted = await call_records.insert(mine, [record("a"), record("b")], NOW)
    assert inserted.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert len(await stored_records(mine)) == 2
    assert await marked_hours(mine) == [(1, HOUR)]


async def test_a_repeated_batch_changes_nothing() -> None:
    mine = await account()
    batch = [record(name) for name in "abc"]
    await call_records.insert(mine, batch, NOW)
    inserted = await call_records.insert(mine, batch, NOW)
    assert inserted.count(Verdict.DUPLICATE) == 3
    assert await marked_hours(mine) == [(1, HOUR)]


async def test_the_same_key_twice_in_a_batch_is_processed_in_order() -> None:
    mine = await account()
    batch = [record(), record(), record(talk=31), record(talk=32, revision=1)]
    inserted = await call_records.insert(mine, batch, NOW)
    assert inserted.verdicts == [
        *(Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.HELD, Verdict.CORRECTED)
    ]
    ((_, _, revision, _, talk_us, _),) = (await stored_records(mine)).values()
    assert (revision, talk_us) == (1, 32_000_000)


async def test_different_content_with_the_same_revision_is_held_and_not_counted() -> None:
    mine = await account()
    await call_records.insert(mine, [record(talk=30)], NOW)
    other = record(talk=99)
    assert (await call_records.insert(mine, [other], NOW)).indexes(Verdict.HELD) == [0]
    assert (await call_records.insert(mine, [other], NOW)).verdicts == [Verdict.DUPLICATE]
    assert [row[4] for row in (await stored_records(mine)).values()] == [30_000_000]
    assert await rows("SELECT state FROM record_revisions") == [("HELD",)]


async def test_a_correction_moves_a_call_and_marks_both_hours() -> None:
    mine = await account()
    await call_records.insert(mine, [record()], NOW)
    moved = record(
        talk=5, revision=1, customer_id=2, carrier_id=2, setup_at=SETUP - timedelta(days=1)
    )
    assert (await call_records.insert(mine, [moved], NOW)).verdicts == [Verdict.CORRECTED]
    assert len(await stored_records(mine)) == 1
    after = (await marked_hours(mine))[1:]
    assert sorted(after) == [(1, HOUR), (2, HOUR - timedelta(days=1))]
    ((state, content),) = await rows("SELECT state, content FROM record_revisions")
    assert state == "SUPERSEDED"
    assert '"talk_us": 30000000' in content


async def test_an_earlier_revision_that_arrives_late_is_stored_and_not_counted() -> None:
    mine = await account()
    await call_records.insert(mine, [record(talk=5, revision=2)], NOW)
    late = await call_records.insert(mine, [record(), record(talk=4, revision=1)], NOW)
    assert late.verdicts == [Verdict.STALE, Verdict.STALE]
    assert [row[4] for row in (await stored_records(mine)).values()] == [5_000_000]


async def test_an_unnumbered_correction_is_the_next_revision_and_its_repeat_a_duplicate() -> None:
    mine = await account()
    first, correction = record(), record(talk=31, revision=None)
    await call_records.insert(mine, [first], NOW)
    assert (await call_records.insert(mine, [correction], NOW)).verdicts == [Verdict.CORRECTED]
    again = await call_records.insert(mine, [correction, first], NOW)
    assert again.verdicts == [Verdict.DUPLICATE, Verdict.DUPLICATE]
    assert [row[2] for row in (await stored_records(mine)).values()] == [1]


async def test_a_correction_that_arrives_before_its_record_wins() -> None:
    mine = await account()
    batch = [record(talk=31, revision=None), record()]
    assert (await call_records.insert(mine, batch, NOW)).verdicts == [
        Verdict.ACCEPTED,
        Verdict.STALE,
    ]
    assert [row[4] for row in (await stored_records(mine)).values()] == [31_000_000]


async def test_a_second_final_leg_is_refused_until_the_first_is_corrected() -> None:
    mine = await account()
    await call_records.insert(mine, [record(leg=0)], NOW)
    second = record(leg=1)
    assert (await call_records.insert(mine, [second], NOW)).verdicts == [Verdict.SECOND_FINAL_LEG]
    batch = [record(leg=0, final=False, revision=1), second]
    assert (await call_records.insert(mine, batch, NOW)).verdicts == [
        Verdict.CORRECTED,
        Verdict.ACCEPTED,
    ]
    records = await stored_records(mine)
    assert {key[2]: row[3] for key, row in records.items()} == {0: False, 1: True}


@pytest.mark.parametrize("legs", [(0, 1), (1, 0)])
@pytest.mark.parametrize("last_leg_is_new", [True, False])
async def test_the_final_leg_moves_with_corrections_in_any_order(
    legs: tuple[int, int], last_leg_is_new: bool
) -> None:
    mine = await account()
    first = [record(leg=0)] if last_leg_is_new else [record(leg=0), record(leg=1, final=False)]
    await call_records.insert(mine, first, NOW)
    batch = [record(leg=leg, final=leg == 1, revision=1) for leg in legs]
    inserted = await call_records.insert(mine, batch, NOW)
    assert Verdict.SECOND_FINAL_LEG not in inserted.verdicts
    assert [row[3] for _, row in sorted((await stored_records(mine)).items())] == [False, True]


async def test_accounts_do_not_see_the_keys_of_others() -> None:
    mine, theirs = await account(), await account()
    for account_id in (mine, theirs):
        assert (await call_records.insert(account_id, [record()], NOW)).verdicts == [
            Verdict.ACCEPTED
        ]


async def test_an_end_removes_its_call_from_the_list_of_unknown_ends() -> None:
    mine = await account()
    await rows(
        "INSERT INTO unknown_ends (account_id, switch, call_id, customer_id, reason, noticed_at)"
        " VALUES ($1, 'edge-1', 'a', 1, 'LEASE', $2), ($1, 'edge-1', 'b', 1, 'LEASE', $2)",
        mine,
        NOW,
    )
    await call_records.insert(mine, [record("a")], NOW)
    assert await rows("SELECT call_id FROM unknown_ends") == [("b",)]


async def test_clients_with_overlapping_batches_store_each_record_once() -> None:
    mine = await account()
    shared = [record(f"call-{n}", revision=n % 2, talk=n) for n in range(200)]
    shared += [record(f"call-{n}", revision=2, talk=500 + n) for n in range(0, 200, 3)]

    async def client(seed: int) -> None:
        order = random.Random(seed)
        batch = order.sample(shared, len(shared))
        for start in range(0, len(batch), 50):
            await call_records.insert(mine, batch[start : start + 50], NOW)

    await asyncio.gather(*map(client, range(6)))
    records = await stored_records(mine)
    assert len(records) == 200
    assert sum(row[2] == 2 for row in records.values()) == 67


async def test_concurrent_requests_create_a_missing_partition_once() -> None:
    first = SETUP.date() - timedelta(days=9)
    made_days = await asyncio.gather(
        *(partitions.ensure_period(first + timedelta(days=n), SETUP.date()) for n in range(5))
    )
    assert len([day for days in made_days for day in days]) == 10
    assert await partitions.existing_days() == [first + timedelta(days=n) for n in range(10)]


async def test_a_partition_is_created_while_others_read_and_write(database: str) -> None:
    mine = await account()
    await call_records.insert(mine, [record()], NOW)
    other = await asyncpg.connect(database)
    try:
        async with other.transaction(), asyncio.timeout(5):
            await other.execute("UPDATE call_records SET sip_code = 200")
            await partitions.create_missing([SETUP.date() - timedelta(days=1)])
    finally:
        await other.close()
    yesterdays = record("b", setup_at=SETUP - timedelta(days=1))
    assert (await call_records.insert(mine, [yesterdays], NOW)).verdicts == [Verdict.ACCEPTED]


async def test_dropping_a_day_neither_disturbs_readers_nor_blocks_others(
    database: str,
) -> None:
    mine = await account()
    await call_records.insert(
        mine, [record(), record("b", setup_at=SETUP - timedelta(days=1))], NOW
    )
    await rows("DELETE FROM hour_marks")
    reader = await asyncpg.connect(database)
    count = "SELECT count(*) FROM call_records WHERE setup_at >= $1 AND setup_at < $2"
    midnight = SETUP.replace(hour=0, minute=0)
    try:
        async with reader.transaction(), asyncio.timeout(10):
            await reader.fetchval(count, midnight, NOW)
            dropping = asyncio.create_task(partitions.drop_before(SETUP.date()))
            waiting = (
                "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND NOT l.granted)"
            )
            for _ in range(200):
                if await reader.fetchval(waiting):
                    break
                await asyncio.sleep(0.01)
            assert await reader.fetchval(count, midnight - timedelta(days=1), midnight) == 1
            assert await dropping == []
    finally:
        await reader.close()
    assert await partitions.drop_before(SETUP.date()) == [SETUP.date() - timedelta(days=1)]


async def test_a_day_is_dropped_with_frozen_hours_once_none_of_them_is_marked() -> None:
    mine = await account()
    await call_records.insert(mine, [record()], NOW)
    assert await partitions.drop_before(NOW.date() + timedelta(days=1)) == []
    await rows("DELETE FROM hour_marks")
    assert await partitions.drop_before(NOW.date()) == []
    assert await partitions.drop_before(NOW.date() + timedelta(days=1)) == [SETUP.date()]
    again = await call_records.insert(mine, [record(), record(talk=5, revision=1)], NOW)
    assert again.verdicts == [Verdict.DUPLICATE, Verdict.RECORD_ARCHIVED]


contents = st.tuples(
    st.integers(0, 2),  # call
    st.integers(0, 3),  # revision
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), versions=st.sets(contents, min_size=1))
async def test_any_order_and_repetition_of_batches_gives_the_same_records(
    data: st.DataObject, versions: set[tuple[int, int]]
) -> None:
    batch = [
        record(
            f"call-{call}",
            talk=10 * call + revision,
            revision=revision,
            customer_id=1 + (call + revision) % 2,
            setup_at=SETUP - timedelta(hours=13 * revision),
        )
        for call, revision in sorted(versions)
    ]
    results = []
    for _ in range(2):
        mine = await account()
        shuffled = data.draw(st.permutations(batch + data.draw(st.lists(st.sampled_from(batch)))))
        cut = data.draw(st.integers(0, len(shuffled)))
        for part in (shuffled[:cut], shuffled[cut:]):
            await call_records.insert(mine, part, NOW)
        results.append(await stored_records(mine))
    assert results[0] == results[1]
    latest = {call: max(r for c, r in versions if c == call) for call, _ in versions}
    assert {key[1]: row[2] for key, row in results[0].items()} == {
        f"call-{call}": revision for call, revision in latest.items()
    }


async def test_a_day_with_unrated_calls_is_not_removed_until_they_are_rated_or_waived() -> None:
    mine, after = await account(), NOW.date() + timedelta(days=1)
    await call_records.insert(mine, [record(charge=None, rated_by=None)], NOW)
    await _rebuilt()
    assert await partitions.drop_before(after) == []
    async with db.transaction():
        [call] = await unrated_calls.lock_earliest(mine, unrated_calls.Filter(1), 2)
        await unrated_calls.store_rates(
            mine, 1, [(call, rating.charge_by_switch(0, Decimal(1), None))], NOW
        )
    assert await partitions.drop_before(after) == []
    await _rebuilt()
    assert await partitions.drop_before(after) == [SETUP.date()]


async def _rebuilt() -> None:
    for hour in await hours.marked_hours(10):
        await hours.rebuild(*hour, NOW)
