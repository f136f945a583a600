"""The sliding window: which attempts count, in which seconds, and only once."""

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from domain.summaries import ratios
from live import channels, sliding_window
from tests.support.live.channel_state import ACCOUNT, count, show, tell
from tests.support.live.switch_events import LEASE, NOW, Switch, after, answered, failed, up
from tests.support.live.windows import ended_in, fill, window


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
async def redis(redis: Redis) -> Redis:
    """One whose window has been filled: nothing was there to fill it with."""
    await fill(redis)
    return redis


def sums(
    attempts: int, answer_count: int, talk_us: int, pdd_us: int, pdd_count: int
) -> ratios.Sums:
    return ratios.Sums(attempts, answer_count, talk_us, pdd_us=pdd_us, pdd_count=pdd_count)


# What counts --------------------------------------------------------------------------------------


async def test_a_window_without_calls_has_no_ratios(redis: Redis) -> None:
    figures = await window(redis, 0)
    assert figures.sums == ratios.Sums()
    assert (figures.cps, figures.seconds, figures.as_of) == (0.0, 900, NOW)


async def test_attempts_answers_talk_time_and_pdd_are_summed_by_customer_and_account(
    redis: Redis, switch: Switch
) -> None:
    await tell(
        redis,
        switch.end("a", 1, outcome=answered(talk=60, pdd=2)),
        switch.end("b", 1, outcome=answered(talk=30.000001, pdd=None)),
        switch.end("c", 1, outcome=failed(pdd=1)),
        switch.end("d", 2, outcome=failed()),
    )

    assert (await window(redis, 1, 2)).sums == ratios.Sums(1)
    assert (await window(redis, 1, None)).sums.attempts == 4
    assert await ended_in(redis, 1, 3) == 0


async def test_only_final_legs_and_ends_that_the_records_count_are_counted(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.end("a", final=False))
    await tell(redis, switch.end("held for review"))
    assert await ended_in(redis, 1) == 0
    await tell(redis, switch.end("a", leg=1, outcome=failed()))
    assert await ended_in(redis, 1) == 1


async def test_cps_equals_that_of_the_channels(redis: Redis, switch: Switch) -> None:
    await tell(redis, *[switch.start(f"c{i}") for i in range(20)])
    assert (await window(redis, 0.9)).cps == 0
    assert (await window(redis, 1)).cps == 2.0
    assert (await channels.read(redis, ACCOUNT, 1, after(1))).cps == 2.0


# When ---------------------------------------------------------------------------------------------


async def test_an_attempt_counts_in_the_full_seconds_after_the_one_it_ended_in(
    redis: Redis, switch: Switch
) -> None:
    switch.at = 0.999_999
    await tell(redis, switch.end("a", outcome=failed()))
    for seconds in (10, 59, 60, 61, 119, 300, 899, 900):
        figures = [
            await ended_in(redis, at, 1, seconds) for at in (0.9, 1, seconds + 0.9, seconds + 1)
        ]
        assert figures == [0, 1, 1, 0]


async def test_windows_of_any_length_and_position_sum_seconds_and_minutes(
    redis: Redis, switch: Switch
) -> None:
    """An attempt every 7 seconds, for half an hour."""
    ends = range(0, 1_800, 7)
    for n in ends:
        switch.at = float(n)
        await tell(redis, switch.end(f"c{n}", outcome=failed()), at=n)
        at, seconds = n + 13, 10 + n % 891
        expected = sum(at - seconds <= end < at for end in ends if end <= n)
        assert await ended_in(redis, at, 1, seconds) == expected


async def test_a_late_end_counts_in_the_second_it_ended_in(redis: Redis, switch: Switch) -> None:
    event = switch.end("a", outcome=failed())
    await tell(redis, event, at=850)
    assert await ended_in(redis, 851, seconds=840) == 0
    assert await ended_in(redis, 851) == 1
    assert await ended_in(redis, 900) == 1
    assert await ended_in(redis, 901) == 0


async def test_an_end_of_long_ago_does_not_count(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.end("a", outcome=failed()), at=1_320)
    assert [await ended_in(redis, at) for at in (0.5, 1, 901, 1_320, 1_321)] == [0] * 5


async def test_an_end_ahead_of_the_clock_counts_once_its_second_is_over(
    redis: Redis, switch: Switch
) -> None:
    switch.at = 299.5
    event = switch.end("a", outcome=failed())
    await tell(redis, event)
    assert [await ended_in(redis, at) for at in (1, 299, 300, 1_199, 1_200)] == [0, 0, 1, 1, 0]
    await channels.sweep(redis, ACCOUNT, after(1_199))
    await tell(redis, event, at=1_199)
    assert await ended_in(redis, 1_199) == 1


async def test_a_short_lease_does_not_shorten_the_window(redis: Redis, switch: Switch) -> None:
    event = replace(switch.end("a", outcome=failed()), lease_seconds=60)
    await tell(redis, event, at=500)
    await tell(redis, event, at=899)
    assert await ended_in(redis, 899) == 1


# Once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [7, None])
async def test_events_repeated_in_any_order_count_once(redis: Redis, boot: int | None) -> None:
    switch = Switch(boot=boot)
    start, ended = switch.start("a"), switch.end("a", outcome=answered())
    await tell(redis, ended, start, ended)
    await tell(redis, start)
    await tell(redis, ended, at=800)
    await tell(redis, ended, at=899.9)
    await channels.sweep(redis, ACCOUNT, after(899.9))
    await tell(redis, ended, at=900.9)
    assert (await window(redis, 900.9)).sums == ratios.Sums(
        1, 1, 60_000_000, pdd_us=2_000_000, pdd_count=1
    )


async def test_a_call_restored_by_a_snapshot_does_not_end_twice(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    await tell(redis, switch.end("a", outcome=failed()))
    await show(redis, switch.snapshot(up("a")))
    assert await count(redis) == {1: 1}
    await tell(redis, switch.end("a", outcome=failed()))
    assert await count(redis) == {}
    assert await ended_in(redis, 1) == 1


async def test_a_call_removed_from_the_count_counts_when_its_end_arrives(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    await show(redis, switch.snapshot(up("b")))
    await channels.sweep(redis, ACCOUNT, after(LEASE))
    assert await ended_in(redis, 1) == 0
    switch.at = LEASE
    await tell(
        redis, switch.end("a", outcome=failed()), switch.end("b", outcome=failed()), at=LEASE
    )
    assert await ended_in(redis, LEASE + 1) == 2


async def test_a_correction_replaces_the_record_it_corrects(redis: Redis, switch: Switch) -> None:
    first = switch.end("a", customer=1, outcome=answered(talk=60, pdd=2))
    await tell(redis, first, switch.end("b", customer=1, outcome=failed()))
    switch.at = 30
    corrected = replace(answered(talk=90, pdd=None), corrects=True)
    second = switch.end("a", customer=2, outcome=corrected)
    for event in (second, first):
        await tell(redis, event, at=31)
    assert (await window(redis, 31, 1)).sums == ratios.Sums(1)
    assert (await window(redis, 31, 2)).sums == ratios.Sums(1, 1, 90_000_000)
    assert (await window(redis, 31, None, 20)).sums == ratios.Sums(1, 1, 90_000_000)
    assert (await window(redis, 31, None)).sums == ratios.Sums(2, 1, 90_000_000)


async def test_a_correction_of_long_ago_subtracts_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.end("a", outcome=failed()))
    await show(redis, switch.snapshot(up("a")))
    switch.at = 1_320  # the second that has the same place
    corrected = replace(failed(), corrects=True)
    await tell(redis, switch.end("b", outcome=failed()), at=1_320)
    await tell(redis, switch.end("a", outcome=corrected), at=1_320)
    assert await ended_in(redis, 1_321) == 2


# The sequence -------------------------------------------------------------------------------------


async def test_the_sequence_increases_exactly_when_the_figures_change(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.end("a", outcome=failed()))
    windows = [await window(redis, at, seconds=10) for at in (0, 1, 2, 10, 11, 20)]
    assert [figures.sums.attempts for figures in windows] == [0, 1, 1, 1, 0, 0]
    first, second, third, fourth, fifth, sixth = [figures.sequence for figures in windows]
    assert first < second == third == fourth < fifth == sixth


async def test_two_readers_see_one_state_for_one_sequence(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.end("a", outcome=answered()))
    first = await window(redis, 5)
    assert await window(redis, 5.9) == first
    assert (await window(redis, 5, seconds=60)).sums == first.sums


async def test_a_sequence_is_never_below_one_that_a_reader_has_shown(
    redis: Redis, switch: Switch
) -> None:
    """As after a loss of Redis, which then runs on a host whose clock is an hour behind."""
    seconds, _ = await redis.time()
    ahead = (seconds + 3_600) * 1_000_000
    assert (await window(redis, 0)).sequence < ahead
    figures = await sliding_window.read(redis, ACCOUNT, 1, 900, after(0), floor=ahead)
    assert figures is not None
    assert figures.sequence == ahead + 1
    await tell(redis, switch.end("a", outcome=failed()))
    assert (await window(redis, 1)).sequence == ahead + 2


# Size ---------------------------------------------------------------------------------------------


async def test_the_memory_of_a_window_does_not_grow_with_time(redis: Redis, switch: Switch) -> None:
    for n in range(0, 4_000, 2):
        switch.at = float(n)
        await tell(redis, switch.end(f"c{n}", outcome=failed()), at=n)
    assert await redis.hlen("live:{a1}:ended:1") <= 1_320 + 22  # type: ignore[misc]
    assert 0 < await redis.ttl("live:{a1}:ended:1") <= 1_400
