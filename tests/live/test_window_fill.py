"""The sliding window is filled again from the records after a loss of Redis."""

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from domain.summaries import ratios
from live import channels, keys, sliding_window
from tests.support.live.channel_state import ACCOUNT, count, tell
from tests.support.live.switch_events import NOW, Switch, after, answered, failed
from tests.support.live.windows import ended_in, fill, record, window


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
async def redis(redis: Redis) -> Redis:
    """One whose window has been filled: nothing was there to fill it with."""
    await fill(redis)
    return redis


async def test_an_emptied_redis_has_no_window_until_it_is_filled(
    redis: Redis, switch: Switch
) -> None:
    events = [switch.end(f"c{i}", 1 + i % 2, outcome=answered()) for i in range(7)]
    await tell(redis, *events)
    await redis.flushdb()
    await tell(redis, events[0])
    assert await sliding_window.read(redis, ACCOUNT, 1, 900, after(1)) is None
    await fill(redis, *map(record, events))
    assert await ended_in(redis, 1) == 4
    await tell(redis, *events)
    assert await ended_in(redis, 1, None) == 7


async def test_a_redis_that_restarted_with_its_state_is_filled_again(redis: Redis) -> None:
    """Its state may be an old one. A Redis names each start of itself."""
    name = keys.prefix(ACCOUNT) + keys.PATTERNS["window"]
    await redis.hset(name, "run", "the one before")  # type: ignore[misc]
    assert await sliding_window.read(redis, ACCOUNT, 1, 900) is None
    await fill(redis)
    assert await sliding_window.read(redis, ACCOUNT, 1, 900) is not None


async def test_filling_counts_no_attempt_twice_and_corrects_differences(
    redis: Redis, switch: Switch
) -> None:
    present, mended, missed = [switch.end(name, outcome=failed()) for name in "abc"]
    await tell(redis, present, mended)
    await sliding_window.invalidate(redis, ACCOUNT)
    mended = replace(mended, outcome=answered(talk=5, pdd=None))
    await fill(redis, *map(record, (present, mended, missed)))
    assert (await window(redis, 1)).sums == ratios.Sums(3, 1, 5_000_000)


async def test_a_record_read_before_its_correction_does_not_undo_it(
    redis: Redis, switch: Switch
) -> None:
    old, other = switch.end("a", 1, outcome=failed()), switch.end("b", 1, outcome=failed())
    await redis.flushdb()
    fill_token = await sliding_window.begin_fill(redis, ACCOUNT)
    assert fill_token is not None
    corrected = replace(
        old, customer_id=2, outcome=replace(answered(talk=5, pdd=None), corrects=True)
    )
    await tell(redis, corrected)
    read_before = [record(old), record(other)]
    assert await sliding_window.fill(redis, ACCOUNT, fill_token, read_before, after(0))
    assert await sliding_window.end_fill(redis, ACCOUNT, fill_token)
    assert (await window(redis, 1, 2)).sums == ratios.Sums(1, 1, 5_000_000)
    assert await ended_in(redis, 1, 1) == 1
    await sliding_window.invalidate(redis, ACCOUNT)
    await fill(redis, record(replace(corrected, outcome=answered(talk=7, pdd=None))))
    assert (await window(redis, 1, 2)).sums == ratios.Sums(1, 1, 7_000_000)


async def test_filling_is_no_report_of_a_switch_and_changes_no_channel(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    before = await channels.read(redis, ACCOUNT, 1, NOW)
    report = await redis.get("live:{a1}:switch:edge-1")
    event = switch.end("a", outcome=failed())
    await sliding_window.invalidate(redis, ACCOUNT)
    await fill(redis, record(event), at=10)
    assert await channels.read(redis, ACCOUNT, 1, NOW) == before
    assert await redis.get("live:{a1}:switch:edge-1") == report
    await tell(redis, event, at=11)
    assert await count(redis) == {1: 1}
    assert await ended_in(redis, 11) == 1


async def test_a_switch_known_only_from_records_stays_unknown_and_its_calls_expire(
    redis: Redis, switch: Switch
) -> None:
    await sliding_window.invalidate(redis, ACCOUNT)
    await fill(redis, *[record(switch.end(f"c{i}", outcome=failed())) for i in range(3)])
    late = switch.start("c0")
    assert await tell(redis, late) == {"edge-1": "UNKNOWN"}
    assert await count(redis) == {}
    assert await channels.sweep(redis, ACCOUNT, after(959)) == ()
    assert await redis.hlen("live:{a1}:calls:edge-1") == 3  # type: ignore[misc]
    await channels.sweep(redis, ACCOUNT, after(960))
    assert await redis.hlen("live:{a1}:calls:edge-1") == 0  # type: ignore[misc]


async def test_one_reader_fills_and_others_wait_for_it(redis: Redis) -> None:
    await redis.flushdb()
    fill_token = await sliding_window.begin_fill(redis, ACCOUNT)
    assert fill_token is not None
    assert await sliding_window.begin_fill(redis, ACCOUNT) is None
    assert await sliding_window.read(redis, ACCOUNT, None, 900) is None
    assert await sliding_window.end_fill(redis, ACCOUNT, fill_token)
    assert await sliding_window.begin_fill(redis, ACCOUNT) is None  # it is filled


async def test_another_reader_takes_over_a_fill_and_the_first_one_does_no_harm(
    redis: Redis, switch: Switch
) -> None:
    records = [record(switch.end(name, outcome=failed())) for name in "ab"]
    await redis.flushdb()
    first = await sliding_window.begin_fill(redis, ACCOUNT)
    await redis.hdel("live:{a1}:window", "busy")  # type: ignore[misc]  # as 5 s later
    other = await sliding_window.begin_fill(redis, ACCOUNT)
    assert first is not None
    assert other is not None
    for reader in (first, other):
        assert await sliding_window.fill(redis, ACCOUNT, reader, records, NOW)
    assert await sliding_window.end_fill(redis, ACCOUNT, first)
    assert await sliding_window.end_fill(redis, ACCOUNT, other)
    assert await ended_in(redis, 1) == 2


@pytest.mark.parametrize("way_of_loss", ["everything", "trust"])
async def test_a_fill_during_which_redis_was_emptied_does_not_count_as_complete(
    redis: Redis, switch: Switch, way_of_loss: str
) -> None:
    first, second = [record(switch.end(name, outcome=failed())) for name in "ab"]
    await redis.flushdb()
    fill_token = await sliding_window.begin_fill(redis, ACCOUNT)
    assert fill_token is not None
    assert await sliding_window.fill(redis, ACCOUNT, fill_token, [first], NOW)
    await (
        redis.flushdb()
        if way_of_loss == "everything"
        else sliding_window.invalidate(redis, ACCOUNT)
    )
    again = await sliding_window.begin_fill(redis, ACCOUNT)
    assert again is not None
    assert not await sliding_window.fill(redis, ACCOUNT, fill_token, [second], NOW)
    assert not await sliding_window.end_fill(redis, ACCOUNT, fill_token)
    assert await sliding_window.read(redis, ACCOUNT, 1, 900) is None
    assert await sliding_window.fill(redis, ACCOUNT, again, [first, second], NOW)
    assert await sliding_window.end_fill(redis, ACCOUNT, again)
    assert await ended_in(redis, 1) == 2
