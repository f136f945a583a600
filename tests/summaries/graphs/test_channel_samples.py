"""The stored history of active calls equals its samples, at every level and before and after
minutes are folded and removed."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import epoch
from domain.periods import Period
from domain.summaries import channel_history
from domain.summaries.channel_history import ALL_CARRIERS, Calls, Channels, Scope
from models import db
from models.summaries import channel_queries, channel_samples

ACCOUNT, OTHER = 1, 2
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE, SLOT = channel_history.MINUTE, channel_history.SAMPLE_INTERVAL
HOURS = 3
END = START + timedelta(hours=HOURS + 1)
CUSTOMERS, CARRIERS = (7, 8), (0, 1, 2)

pytestmark = pytest.mark.usefixtures("database")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def sample(**calls: int) -> dict[Scope, int]:
    """By names such as c7_1: customer 7, carrier 1."""
    counts: dict[int, dict[int, int]] = {0: {}}
    for name, count in calls.items():
        customer, carrier = (int(part) for part in name[1:].split("_"))
        counts.setdefault(customer, {})[carrier] = count
        counts[0][carrier] = counts[0].get(carrier, 0) + count
    return channel_history.calls_by_scope([(id, list(by.items())) for id, by in counts.items()])


@dataclass
class Model:
    """Every sample by its instant."""

    samples: dict[datetime, dict[Scope, int]] = field(default_factory=dict)

    def of(self, period: Period, scope: Scope) -> Channels | None:
        calls = [
            sample.get(scope, 0)
            for taken, sample in self.samples.items()
            if period.start <= taken < period.end
        ]
        return Channels(max(calls), sum(calls), len(calls)) if calls else None


async def empty() -> None:
    async with db.connection() as conn:
        for table in channel_samples.TABLES.values():
            await conn.execute(f"DELETE FROM {table}")


async def require_equal(model: Model, edges: list[datetime]) -> None:
    for customer in (None, *CUSTOMERS):
        history = await channel_queries.read(ACCOUNT, customer, edges, END)
        for number in range(len(edges) - 1):
            period = Period(edges[number], edges[number + 1])
            scopes = (Scope(customer or 0, carrier) for carrier in (ALL_CARRIERS, *CARRIERS))
            for scope in scopes:
                stored = history.of_carriers(number, [scope.carrier_id])
                assert stored == model.of(period, scope), (period, scope)


SLOTS = HOURS * 360
SAMPLES = st.dictionaries(
    st.integers(0, SLOTS - 1),
    st.dictionaries(
        st.sampled_from([f"c{c}_{k}" for c in CUSTOMERS for k in CARRIERS]), st.integers(1, 900)
    ),
    max_size=30,
)
EDGES = st.lists(st.integers(0, HOURS * 60), min_size=2, max_size=6, unique=True).map(sorted)
FOLDS = st.lists(st.integers(0, HOURS * 60 + 2), max_size=3).map(sorted)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SAMPLES, FOLDS, EDGES)
async def test_every_bucket_equals_the_samples_in_it_whatever_was_folded(
    samples: dict[int, dict[str, int]], folds: list[int], edges: list[int]
) -> None:
    await empty()
    model, waiting = Model(), list(folds)
    for slot, calls in sorted(samples.items()):
        taken = at(10 * slot + 6)
        while waiting and at(60 * waiting[0]) <= taken:
            await channel_samples.fold(ACCOUNT, at(60 * waiting.pop(0)))
        model.samples[taken] = sample(**calls)
        assert await channel_samples.store(ACCOUNT, taken, model.samples[taken])
        await channel_samples.store(OTHER, taken, sample(c7_1=5_000))
    for minute in waiting:
        await channel_samples.fold(ACCOUNT, at(60 * minute))
    starts = [at(60 * minute) for minute in edges]
    await require_equal(model, starts)
    await channel_samples.fold(ACCOUNT, at(HOURS * 3600 + 60))
    await require_equal(model, starts)
    while await channel_samples.remove_minutes(ACCOUNT, at(HOURS * 3600), 7) == 7:
        pass
    aligned = [epoch.floor(start, timedelta(minutes=5)) for start in starts]
    last_five = max(model.samples, default=START) - timedelta(minutes=5)
    if len(set(aligned)) == len(aligned) and aligned[-1] <= last_five:
        await require_equal(model, aligned)


async def test_two_workers_store_one_sample_of_a_slot() -> None:
    taken = at(6)
    stored = await asyncio.gather(
        *(channel_samples.store(ACCOUNT, taken, sample(c7_1=n + 1)) for n in range(5))
    )
    assert sorted(stored) == [False] * 4 + [True]
    history = await channel_queries.read(ACCOUNT, None, [START, at(60)], END)
    channels = history.of_all(0)
    assert channels is not None
    assert (channels.samples, channels.maximum) == (1, channels.total)
    assert history.of_carriers(0, [1]) == channels


async def test_a_sample_that_fails_halfway_leaves_nothing() -> None:
    with pytest.raises(Exception, match="out of int64 range"):
        await channel_samples.store(ACCOUNT, at(6), {Scope(7): 2**63, Scope(): 1})
    assert await channel_samples.store(ACCOUNT, at(6), sample(c7_1=1))


async def test_the_last_value_of_a_minute_is_that_of_its_latest_sample() -> None:
    await channel_samples.store(ACCOUNT, at(6), sample(c7_1=3, c8_1=2))
    await channel_samples.store(ACCOUNT, at(26), sample(c8_1=5))
    await channel_samples.store(ACCOUNT, at(16), sample(c7_1=4, c8_1=1))
    period = Period(START, at(120))
    first, second = await channel_queries.minutes(ACCOUNT, None, period)
    assert (first.samples, first.calls[ALL_CARRIERS]) == (3, Calls(5, 15, 5))
    assert (second.samples, second.calls) == (0, {})
    [first, _] = await channel_queries.minutes(ACCOUNT, 7, period)
    assert first.calls[ALL_CARRIERS] == Calls(4, 7, 0)
    [first, _] = await channel_queries.minutes(ACCOUNT, 8, period)
    assert first.calls == dict.fromkeys((ALL_CARRIERS, 1), Calls(5, 8, 5))


async def test_a_customer_without_calls_had_none_in_a_sampled_minute() -> None:
    await channel_samples.store(ACCOUNT, at(6), {})
    history = await channel_queries.read(ACCOUNT, 7, [START, at(60), at(120)], END)
    assert (history.of_all(0), history.of_all(1)) == (Channels(0, 0, 1), None)


async def test_storage_grows_with_the_scopes_that_have_calls() -> None:
    for slot in range(6):
        await channel_samples.store(ACCOUNT, at(10 * slot), sample(c7_1=1) if slot == 3 else {})
    async with db.connection() as conn:
        rows = await conn.fetchval("SELECT count(*) FROM channel_minutes")
    assert rows == 4  # the account, its carrier, the customer, the customer's carrier


async def test_a_sample_stored_late_still_counts_in_its_5_minutes() -> None:
    await channel_samples.store(ACCOUNT, at(6), sample(c7_1=1))
    await channel_samples.fold(ACCOUNT, at(360))
    await channel_samples.store(ACCOUNT, at(16), sample(c7_1=9))
    await channel_samples.store(ACCOUNT, at(306), sample(c7_1=2))
    await channel_samples.fold(ACCOUNT, at(660))
    history = await channel_queries.read(ACCOUNT, 7, [START, at(300), at(600)], END)
    assert (history.of_all(0), history.of_all(1)) == (Channels(9, 10, 2), Channels(2, 2, 1))


async def test_folding_goes_on_after_days_without_a_sample() -> None:
    days = timedelta(days=3)
    for start in (START, START + days):
        await channel_samples.store(ACCOUNT, start, sample(c7_1=1))
        await channel_samples.fold(ACCOUNT, start + timedelta(hours=2))
    async with db.connection() as conn:
        hours = await conn.fetch("SELECT DISTINCT start FROM channel_hours ORDER BY start")
    assert [row["start"] for row in hours] == [START, START + days]


async def test_samples_of_a_clock_that_was_ahead_do_not_hide_those_of_now() -> None:
    ahead = START + timedelta(hours=5)
    await channel_samples.store(ACCOUNT, ahead, sample(c7_1=1))
    await channel_samples.fold(ACCOUNT, ahead + timedelta(hours=2))
    await channel_samples.store(ACCOUNT, at(6), sample(c7_1=2))

    async def first_5_minutes(now: datetime) -> Channels | None:
        history = await channel_queries.read(ACCOUNT, 7, [START, at(300)], now)
        return history.of_all(0)

    assert await first_5_minutes(at(60)) == Channels(2, 2, 1)
    await channel_samples.fold(ACCOUNT, at(3660))
    async with db.connection() as conn:
        await conn.execute("DELETE FROM channel_minutes")
    assert await first_5_minutes(at(3660)) == Channels(2, 2, 1)
    history = await channel_queries.read(ACCOUNT, 7, [START, at(3600)], at(3660))
    assert history.of_all(0) == Channels(2, 2, 1)


@pytest.mark.parametrize("rows", range(1, 7))
async def test_a_minute_has_no_data_while_its_rows_are_being_removed(rows: int) -> None:
    await channel_samples.store(ACCOUNT, at(6), sample(c7_1=1, c8_2=3))
    await channel_samples.store(ACCOUNT, at(3606), {})
    await channel_samples.fold(ACCOUNT, at(7260))
    assert await channel_samples.remove_minutes(ACCOUNT, at(60), rows) == rows
    for customer in (None, 7, 8):
        [minute] = await channel_queries.minutes(ACCOUNT, customer, Period(START, at(60)))
        assert (minute.samples, minute.calls) == (0, {})


async def test_minutes_stay_until_their_5_minutes_and_hours_are_computed() -> None:
    for minute in (*range(12), 60):
        await channel_samples.store(ACCOUNT, at(60 * minute), sample(c7_1=1))
    for now in (at(660), at(3660)):  # the newest hour may be computed again
        assert await channel_samples.remove_minutes(ACCOUNT, at(7200), 1_000) == 0
        await channel_samples.fold(ACCOUNT, now)
    assert await channel_samples.remove_minutes(ACCOUNT, at(7200), 1_000) == 0
    await channel_samples.fold(ACCOUNT, at(7260))
    assert await channel_samples.remove_minutes(ACCOUNT, at(7200), 3) == 3
    assert await channel_samples.remove_minutes(ACCOUNT, at(120), 1_000) == 4 * 2 - 3
    assert await channel_samples.remove_minutes(ACCOUNT, at(7200), 1_000) == 4 * 10
    assert await _first_minutes() == [at(3600)]


async def _first_minutes() -> list[datetime]:
    async with db.connection() as conn:
        return [await conn.fetchval("SELECT min(start) FROM channel_minutes")]
