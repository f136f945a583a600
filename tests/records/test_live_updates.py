"""How ingest updates the live state, also without Redis."""

import asyncio
import json
import signal
import socket
import time
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from domain.records.calls import LostCall
from ingest import pipeline
from live import channels, sliding_window, wake
from models.directory import switch_reports
from runtime import clock
from tests.support.own_redis import own_redis
from tests.support.records import sample_records
from tests.support.records.posting import Switch


async def up(redis: Redis, switch: Switch) -> int:
    return (await channels.read(redis, switch.account_id, switch.customer_id)).in_use


async def reasons() -> list[tuple[str, str]]:
    rows = await sample_records.rows(
        "SELECT reference, snapshot_reason FROM switches"
        " WHERE snapshot_wanted_since IS NOT NULL ORDER BY 1"
    )
    return [(name, reason) for name, reason in rows]


async def test_calls_start_and_end_with_their_events(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.start("a"), switch.start("b"))
    assert await up(redis, switch) == 2
    await switch.send(switch.end("a"))
    await switch.send(switch.end("a"), switch.end("never started"))
    assert await up(redis, switch) == 1


async def test_an_end_that_is_held_or_refused_as_a_second_final_leg_also_ends_its_call(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.end("a"))
    await switch.send(switch.end("a", end_at=switch.at(-1)), switch.end("a", leg=1))
    assert await up(redis, switch) == 0


async def test_a_snapshot_is_requested_from_an_unknown_switch_until_it_is_applied(
    switch: Switch, redis: Redis
) -> None:
    beat = switch.beat(1, boot=7, seq=4)
    assert (await switch.send(beat))["snapshotWanted"] == ["edge-1"]
    assert (await switch.send(switch.end(switch="edge-2")))["snapshotWanted"] == [
        "edge-1",
        "edge-2",
    ]
    call = {"call_id": "a", "leg": 0, "customer": "acme", "setup_at": switch.at(-5)}
    answer = await switch.snapshot(boot=7, seq=4, calls=[call])
    assert (answer["accepted"], answer["snapshotWanted"]) == (1, ["edge-2"])
    assert await up(redis, switch) == 1
    assert [name for name, _ in await reasons()] == ["edge-2"]


async def test_an_invalid_call_of_a_snapshot_is_refused_separately(
    switch: Switch, redis: Redis
) -> None:
    good = {"call_id": "a", "customer": "acme"}
    bad = [{"call_id": "b", "customer": "nobody"}, {"call_id": 7, "customer": "acme"}, "call"]
    answer = await switch.snapshot(calls=[*bad, good])
    assert answer["accepted"] == 1
    codes = [error["code"] for error in answer["refused"]]
    assert codes == ["UNKNOWN_CUSTOMER", "WRONG_TYPE", "WRONG_TYPE"]
    assert await up(redis, switch) == 1


@pytest.mark.parametrize("calls", [[0] * 100_001, [0] * 5_000_000])
async def test_a_snapshot_of_more_than_100000_calls_is_refused_completely(
    switch: Switch, calls: list[int]
) -> None:
    content = json.dumps({"switch": "edge-1", "at": switch.at(0), "calls": calls})
    answer = await switch.post(content.encode(), "/ingest/snapshot")
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_MANY_CALLS")


async def test_an_invalid_snapshot_is_refused_completely(switch: Switch) -> None:
    for content in (
        b"[]",
        b"",
        b'{"switch": "edge-1"}',
        b'{"switch":"","at":1,"calls":[]}',
        b"\xff",
    ):
        answer = await switch.post(content, "/ingest/snapshot")
        assert answer.status_code == 400
        assert answer.json()["message"]


async def test_a_call_missing_from_a_snapshot_is_listed_for_staff_until_its_end_arrives(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.start("lost", at=switch.at(-30), boot=1, seq=1))
    await switch.snapshot(boot=2, seq=1)
    assert await up(redis, switch) == 0
    assert await sample_records.rows("SELECT call_id, reason FROM unknown_ends") == [
        ("lost", "SNAPSHOT")
    ]
    await switch.send(switch.end("lost"))
    assert await sample_records.rows("SELECT call_id FROM unknown_ends") == []


async def test_a_loss_noticed_after_the_end_of_the_call_is_not_listed(switch: Switch) -> None:
    await switch.send(switch.end("a"))
    late = LostCall("edge-1", "a", switch.customer_id, None, "LEASE")
    await switch_reports.record_lost_calls(switch.account_id, [late], switch.now)
    assert await sample_records.rows("SELECT call_id FROM unknown_ends") == []


async def test_without_redis_every_event_is_stored_and_the_switch_is_flagged(
    app: Starlette, switch: Switch
) -> None:
    with socket.socket() as silent:  # listens and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = Redis(port=silent.getsockname()[1])
        app.state.ingest_pipeline = pipeline.Pipeline(hanging, records_days=400)
        start = time.monotonic()
        for name in "abcdef":
            answer = await switch.send(switch.end(name))
            assert (answer["accepted"], answer["snapshotWanted"]) == (1, ["edge-1"])
        assert time.monotonic() - start < 4  # one time-out, not one a batch
        await hanging.aclose()
    assert await reasons() == [("edge-1", "REDIS_AWAY")]


async def test_a_snapshot_does_not_cover_events_lost_after_it(
    database: str, switch: Switch
) -> None:
    """Of two web processes, one cannot reach Redis while the other applies the snapshot."""

    def at(seconds: float) -> datetime:
        return switch.now + timedelta(seconds=seconds)

    async def lose(call_id: str, seconds: float) -> None:
        start = json.dumps(switch.start(call_id)).encode()
        await without.ingest_calls(switch.account_id, [start], at(seconds))

    calls = [{"call_id": "a", "customer": "acme"}]
    message = json.dumps({"switch": "edge-1", "at": switch.at(31), "calls": calls}).encode()
    async with own_redis() as own, Redis.from_url(own.url) as redis:
        with_redis = pipeline.Pipeline(redis, records_days=400)
        async with Redis(port=1) as nowhere:
            without = pipeline.Pipeline(nowhere, records_days=400)
            await lose("a", 0)
            assert own.process is not None
            own.process.send_signal(signal.SIGSTOP)
            try:
                snapshot = asyncio.create_task(
                    with_redis.ingest_snapshot(switch.account_id, message, at(31))
                )
                async with asyncio.timeout(4):
                    while not await sample_records.rows(  # noqa: ASYNC110 - it tells nobody when
                        "SELECT 1 FROM switches WHERE last_active_at >= $1", at(31)
                    ):
                        await asyncio.sleep(0.01)
                await lose("b", 32)
            finally:
                own.process.send_signal(signal.SIGCONT)
            await snapshot
        assert await reasons() == [("edge-1", "REDIS_AWAY")]
        beat = json.dumps(switch.beat(1)).encode()
        await with_redis.ingest_calls(switch.account_id, [beat], at(33))
        assert await redis.zscore(f"live:{{a{switch.account_id}}}:owing", "edge-1")
        await with_redis.ingest_snapshot(switch.account_id, message, at(34))
        assert await reasons() == []


async def test_a_stopped_redis_is_notified_of_missed_events_as_soon_as_it_responds(
    switch: Switch,
) -> None:
    async def is_complete(redis: Redis) -> bool:
        return (await channels.read(redis, switch.account_id, switch.customer_id)).complete

    calls = [{"call_id": "a", "customer": "acme"}]
    async with own_redis() as own, Redis.from_url(own.url) as redis:
        process = pipeline.Pipeline(redis, records_days=400)
        snapshot = json.dumps({"switch": "edge-1", "at": switch.at(0), "calls": calls}).encode()
        await process.ingest_calls(
            switch.account_id, [json.dumps(switch.start("a")).encode()], clock.now()
        )
        await process.ingest_snapshot(switch.account_id, snapshot, clock.now())
        assert await is_complete(redis)
        assert own.process is not None
        own.process.send_signal(signal.SIGSTOP)
        try:
            start = json.dumps(switch.start("b", at=clock.now().isoformat())).encode()
            await process.ingest_calls(switch.account_id, [start], clock.now())
            assert await reasons() == [("edge-1", "REDIS_AWAY")]
        finally:
            own.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            while await is_complete(redis):  # noqa: ASYNC110 - it tells nobody when
                await asyncio.sleep(0.01)
        await process.close()


async def test_ends_that_one_process_could_not_count_hide_the_window_in_all_processes(
    switch: Switch, redis: Redis
) -> None:
    """A switch that reports only ended calls sends no snapshot that would show missing calls."""
    counting = pipeline.Pipeline(redis, records_days=400)
    account_id = switch.account_id
    fill_token = await sliding_window.begin_fill(redis, account_id)
    assert fill_token is not None
    assert await sliding_window.end_fill(redis, account_id, fill_token)
    async with Redis(port=1) as nowhere:
        without = pipeline.Pipeline(nowhere, records_days=400)
        for seconds in (1, 2):
            end = json.dumps(switch.end(f"lost-{seconds}")).encode()
            await without.ingest_calls(account_id, [end], switch.now + timedelta(seconds=seconds))
            later = json.dumps(switch.end(f"counted-{seconds}")).encode()
            now = switch.now + timedelta(seconds=seconds + 0.5)
            await counting.ingest_calls(account_id, [later], now)
            assert await sliding_window.read(redis, account_id, None, 900) is None
            fill_token = await sliding_window.begin_fill(redis, account_id)
            assert fill_token is not None
            assert await sliding_window.end_fill(redis, account_id, fill_token)
            await counting.ingest_calls(account_id, [later], now)
            assert await sliding_window.read(redis, account_id, None, 900) is not None


async def test_a_redis_that_returns_empty_is_filled_by_a_snapshot(
    switch: Switch, redis: Redis
) -> None:
    await switch.snapshot(boot=1, seq=1, calls=[{"call_id": "a", "customer": "acme"}])
    await redis.flushdb()
    answer = await switch.send(switch.start("b", boot=1, seq=2))
    assert answer["snapshotWanted"] == ["edge-1"]
    await switch.snapshot(
        boot=1, seq=2, calls=[{"call_id": name, "customer": "acme"} for name in "ab"]
    )
    assert (await switch.send(switch.beat(2, boot=1, seq=3)))["snapshotWanted"] == []
    assert await up(redis, switch) == 2


@pytest.mark.parametrize("snapshot", [False, True])
async def test_events_and_snapshots_after_a_loss_start_the_recovery(
    switch: Switch, redis: Redis, snapshot: bool
) -> None:
    """Without a reader of the live state"""
    await switch.send(switch.start("a"))
    await switch.send(switch.start("a", switch="edge-2"))
    await redis.flushdb()
    if snapshot:
        await switch.snapshot()
    else:
        await switch.send(switch.start("b"))
    assert not await channels.is_lost(redis, switch.account_id)
    assert await redis.zscore(f"live:{{a{switch.account_id}}}:owing", "edge-2")


async def test_a_stored_record_wakes_a_worker(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.end("a"))
    await switch.send(switch.end("b"))
    assert await wake.wait_for(redis, 1)
    assert not await redis.exists("cb:wake:marks")


async def test_ten_thousand_events_do_not_block_the_event_loop(switch: Switch) -> None:
    content = json.dumps([switch.end(f"call-{n}") for n in range(10_000)]).encode()
    posting = asyncio.create_task(switch.post(content))
    worst, last = 0.0, time.monotonic()
    while not posting.done():
        await asyncio.sleep(0.001)
        worst, last = max(worst, time.monotonic() - last), time.monotonic()
    assert posting.result().json()["accepted"] == 10_000
    assert worst < 1  # seconds, with other work on the machine
