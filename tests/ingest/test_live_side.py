"""What ingest tells the live picture, and how little it needs Redis."""

import asyncio
import json
import socket
import time

import made
import pytest
from posting import Switch
from redis.asyncio import Redis
from starlette.applications import Starlette

from ingest import pipeline
from live import channels, wake
from models import switches


async def up(redis: Redis, switch: Switch) -> int:
    return (await channels.read(redis, switch.account_id, switch.customer_id)).in_use


async def reasons() -> list[tuple[str, str]]:
    found = await made.rows(
        "SELECT reference, snapshot_reason FROM switches"
        " WHERE snapshot_wanted_since IS NOT NULL ORDER BY 1"
    )
    return [(name, reason) for name, reason in found]


async def test_calls_come_up_and_go_down_with_their_events(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.start("a"), switch.start("b"))
    assert await up(redis, switch) == 2
    await switch.send(switch.end("a"))
    await switch.send(switch.end("a"), switch.end("never started"))
    assert await up(redis, switch) == 1


async def test_an_end_held_or_refused_as_second_final_takes_its_call_down_too(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.end("a"))
    await switch.send(switch.end("a", end_at=switch.at(-1)), switch.end("a", leg=1))
    assert await up(redis, switch) == 0


async def test_an_unknown_switch_is_asked_for_a_snapshot_until_one_is_applied(
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


async def test_a_bad_call_of_a_snapshot_is_refused_alone(switch: Switch, redis: Redis) -> None:
    good = {"call_id": "a", "customer": "acme"}
    bad = [{"call_id": "b", "customer": "nobody"}, {"call_id": 7, "customer": "acme"}, "call"]
    answer = await switch.snapshot(calls=[*bad, good])
    assert answer["accepted"] == 1
    codes = [one["code"] for one in answer["refused"]]
    assert codes == ["UNKNOWN_CUSTOMER", "WRONG_TYPE", "WRONG_TYPE"]
    assert await up(redis, switch) == 1


@pytest.mark.parametrize("calls", [[0] * 100_001, [0] * 5_000_000])
async def test_a_snapshot_beyond_100_000_calls_is_refused_as_a_whole(
    switch: Switch, calls: list[int]
) -> None:
    content = json.dumps({"switch": "edge-1", "at": switch.at(0), "calls": calls})
    answer = await switch.post(content.encode(), "/ingest/snapshot")
    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_MANY_CALLS")


async def test_what_is_no_snapshot_is_refused_as_a_whole(switch: Switch) -> None:
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


async def test_a_call_that_a_snapshot_misses_is_kept_for_staff_until_its_end_comes(
    switch: Switch, redis: Redis
) -> None:
    await switch.send(switch.start("lost", at=switch.at(-30), boot=1, seq=1))
    await switch.snapshot(boot=2, seq=1)
    assert await up(redis, switch) == 0
    assert await made.rows("SELECT call_id, reason FROM unknown_ends") == [("lost", "SNAPSHOT")]
    await switch.send(switch.end("lost"))
    assert await made.rows("SELECT call_id FROM unknown_ends") == []


async def test_a_loss_that_is_noticed_after_the_end_is_not_listed(switch: Switch) -> None:
    await switch.send(switch.end("a"))
    late = channels.LostCall("edge-1", "a", switch.customer_id, None, "LEASE")
    await switches.note_lost(switch.account_id, [late], switch.now)
    assert await made.rows("SELECT call_id FROM unknown_ends") == []


async def test_without_redis_everything_is_stored_and_the_switch_flagged(
    app: Starlette, switch: Switch
) -> None:
    with socket.socket() as silent:  # listens and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = Redis(port=silent.getsockname()[1])
        app.state.ingest = pipeline.Pipeline(hanging, records_days=400)
        started = time.monotonic()
        for name in "abcdef":
            answer = await switch.send(switch.end(name))
            assert (answer["accepted"], answer["snapshotWanted"]) == (1, ["edge-1"])
        assert time.monotonic() - started < 4  # one time-out, not one a batch
        await hanging.aclose()
    assert await reasons() == [("edge-1", "REDIS_AWAY")]


async def test_a_redis_that_came_back_empty_is_filled_by_a_snapshot(
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


async def test_a_stored_record_wakes_a_worker(switch: Switch, redis: Redis) -> None:
    await switch.send(switch.end("a"))
    await switch.send(switch.end("b"))
    assert await wake.woken(redis, 1)
    assert not await redis.exists("cb:wake:marks")


async def test_ten_thousand_events_leave_the_loop_to_others_meanwhile(switch: Switch) -> None:
    content = json.dumps([switch.end(f"call-{n}") for n in range(10_000)]).encode()
    posting = asyncio.create_task(switch.post(content))
    worst, last = 0.0, time.monotonic()
    while not posting.done():
        await asyncio.sleep(0.001)
        worst, last = max(worst, time.monotonic() - last), time.monotonic()
    assert posting.result().json()["accepted"] == 10_000
    assert worst < 1  # seconds, with other work on the machine
