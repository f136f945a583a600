"""The switch continues while Callboard is unavailable, and Callboard while the switch is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from runtime import clock
from tests.support.programs import Program
from tests.support.switch.callboard import CARRIERS, Callboard, until
from tests.support.switch.comparison import (
    check_nothing_is_doubted,
    check_samples,
    compare,
    sampled,
)
from tests.support.switch.traffic import ANSWERED, BUSY, HUNG_UP_THERE, Load, Outcome, site

pytestmark = pytest.mark.switch

AWAY_SECONDS = 5
FELT_SECONDS = 2.0  # a call that waits this long for its 180 has felt something
LOADS = [
    Load("talk", "talk", ANSWERED, 90, 8),
    Load("hung up there", "listen", HUNG_UP_THERE, 33, 3, carriers=2),
    Load("busy", "refused", BUSY, 22, 2),
    Load("digits", "digits", ANSWERED, 33, 3),
    Load("failed over", "talk", ANSWERED, 33, 3, carriers=3),
]


@contextmanager
def killed(web: Program) -> Iterator[None]:
    web.kill()
    yield
    web.start()


@contextmanager
def hung(web: Program) -> Iterator[None]:
    web.pause()
    yield
    web.resume()


@pytest.mark.parametrize("away", [killed, hung])
async def test_an_outage_of_callboard_loses_no_event_and_delays_no_call(
    web: Program,
    worker: Program,
    tmp_path: Path,
    away: Callable[[Program], AbstractContextManager[None]],
) -> None:
    board = await Callboard.open(web.url, {"acme": None}, CARRIERS)
    with site(tmp_path, web.url, board.token, LOADS) as place:
        for load in LOADS:
            place.call(load)
        await asyncio.sleep(3)
        since = clock.now()
        with away(web):
            await asyncio.sleep(AWAY_SECONDS)
        back = clock.now()
        place.wait(30)
        place.check_callers()
        await until(board.in_use, 0, 30)
        outcome = place.outcome()
        await until(board.attempts, len(outcome.reported()), 30)
    check_it_was_busy(outcome, since, back)
    assert outcome.delays()[-1] < FELT_SECONDS
    await compare(board, outcome, tmp_path / "comparison.txt")
    await check_nothing_is_doubted(board)


def check_it_was_busy(outcome: Outcome, since: datetime, until: datetime) -> None:
    ends = [call.end_at for call in outcome.reported().values() if call.end_at is not None]
    assert sum(since < at < until for at in ends) > 40


BEFORE = Load("before", "talk", ANSWERED, 10, 10)
THROUGH = Load("through", "hold", ANSWERED, 20, 40, options=("-d", "9000"))
AFTER = Load("after", "talk", ANSWERED, 20, 10)


async def test_a_killed_switch_restarts_without_false_numbers(
    web: Program, worker: Program, tmp_path: Path
) -> None:
    board = await Callboard.open(web.url, {"acme": None}, CARRIERS)
    with site(tmp_path, web.url, board.token, [BEFORE, THROUGH, AFTER]) as place:
        place.call(BEFORE)
        place.wait(30)
        place.call(THROUGH)
        await until(board.in_use, THROUGH.count, 8)
        place.switch.kill()
        place.switch.start()
        await until(board.in_use, 0, 30)
        place.call(AFTER)
        samples = await sampled(board, lambda: place.callers["after"].process.poll() is None)
        place.wait(30)
        place.check_callers()  # also those whose call lived on through the new switch
        await until(board.in_use, 0, 30)
        everything = place.outcome()
        comparison = everything.without("through")
        await until(board.attempts, len(comparison.reported()), 30)
    check_samples(comparison, samples)
    unknown_ends = await board.rows(
        "SELECT call_id, reason FROM unknown_ends WHERE account_id = $1"
    )
    assert {row["call_id"] for row in unknown_ends} == everything.of("through").keys()
    assert {row["reason"] for row in unknown_ends} == {"SNAPSHOT"}
    await compare(board, comparison, tmp_path / "comparison.txt")
    assert await board.count("quarantine") == await board.count("record_revisions") == 0


STAYING = Load("staying", "hold", ANSWERED, 12, 40, carriers=3, options=("-d", "25000"))


async def test_a_count_that_redis_lost_equals_that_of_the_switch_again(
    web: Program, worker: Program, redis: Redis, tmp_path: Path
) -> None:
    board = await Callboard.open(web.url, {"acme": None}, CARRIERS)
    with site(tmp_path, web.url, board.token, [STAYING]) as place:
        place.call(STAYING)
        await until(board.in_use, STAYING.count, 5)
        await redis.flushdb()
        await until(board.in_use, STAYING.count, 30)
        place.wait(60)
        place.check_callers()
        await until(board.in_use, 0, 30)
        outcome = place.outcome()
        await until(board.attempts, STAYING.count, 30)
    await compare(board, outcome, tmp_path / "comparison.txt")
    await check_nothing_is_doubted(board)
