"""One execution serves all subscribers of the same data; each reads at its own pace."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from graphql import GraphQLError
from redis.asyncio import Redis
from strawberry.types.execution import ExecutionResult

from domain.identity import callers
from domain.identity.callers import Kind, Role
from live import bus as live_bus
from live import keys
from resolvers import loop_share
from resolvers.live import feeds
from runtime import clock
from runtime.settings import Settings
from server import app, auth
from server.graphql import operations, shared, trusted
from tests.support.api.callers import Carrier
from tests.support.api.switches import Calls

pytestmark = pytest.mark.once

LIVE = "subscription { liveChannels { sequence inUse } }"
ROWS = (
    "subscription Rows ($of: Granularity!)"
    ' { summaryUpdated ( customerId: "none", granularity: $of ) { version } }'
)


def key_of(caller: callers.Caller | None, **changes: Any) -> shared.SubscriptionKey:
    return shared.SubscriptionKey(
        **{
            "query": LIVE,
            "document": b"live",
            "operation_name": None,
            "variables": "{}",
            "visible_to": None if caller is None else caller.without_identity(),
            "language": "en" if caller is None else caller.language,
            "resume_after": None,
            "is_gauge": True,
            "has_start": False,
        }
        | changes
    )


@pytest.fixture
async def runner(carrier: Carrier, api_redis: Redis) -> AsyncIterator[operations.Runner]:
    bus = live_bus.Bus(api_redis)
    await bus.start()
    settings = Settings(token_cost_per_second=1)  # so that the spending can be seen for long
    context = app.contexts(api_redis, bus, feeds.Feeds(api_redis, bus), settings)
    yield operations.Runner(
        shared.Hub(context), context, trusted.Documents({}), loop_share.LoopShare()
    )
    await bus.close()


@pytest.fixture
def hub(runner: operations.Runner) -> shared.Hub:
    return runner.hub


async def caller_of(carrier: Carrier) -> callers.Caller:
    return await auth.authenticate(f"Bearer {carrier.owner.token}", clock.now())


class Place(shared.Subscription):
    """A subscriber that reads only on request."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self.woken.set()

    async def taken(self) -> shared.Event:
        async with asyncio.timeout(10):
            while (event := self.take()) is None:
                await self.woken.wait()
                self.woken.clear()
        return event


def join(hub: shared.Hub, key: shared.SubscriptionKey) -> Place:
    place = Place()
    hub.subscribe(key, place)
    return place


def join_at(execution: shared.SharedExecution, position: int = 0) -> Place:
    place = Place()
    place.join(execution, position)
    return place


def subscribe(
    runner: operations.Runner, operation: operations.Operation, caller: callers.Caller
) -> Place:
    place = Place()
    runner.subscribe(operation, caller, place)
    return place


async def test_a_hundred_subscribers_receive_the_one_payload_of_one_execution(
    hub: shared.Hub, carrier: Carrier, api_redis: Redis
) -> None:
    caller = await caller_of(carrier)
    many = [join(hub, key_of(caller)) for _ in range(100)]
    assert len({id(place.execution) for place in many}) == 1
    assert len({id(await place.taken()) for place in many}) == 1
    await Calls(api_redis, carrier, await carrier.customer()).start(1)
    payloads = [(await place.taken()).payload for place in many]
    assert len(set(map(id, payloads))) == 1
    assert b'"inUse":1' in payloads[0]


async def test_a_later_subscriber_receives_the_complete_state_immediately(
    hub: shared.Hub, carrier: Carrier
) -> None:
    caller = await caller_of(carrier)
    first = join(hub, key_of(caller))
    state = await first.taken()
    assert join(hub, key_of(caller)).take() is state


async def test_the_execution_ends_with_its_last_subscriber(
    hub: shared.Hub, carrier: Carrier
) -> None:
    first, other = [join(hub, key_of(await caller_of(carrier))) for _ in range(2)]
    await first.taken()
    task = first.execution.task
    assert task is not None
    hub.leave(first)
    await asyncio.sleep(0)
    assert not task.done()
    hub.leave(other)
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    again = join(hub, key_of(await caller_of(carrier)))
    assert again.execution is not first.execution


async def test_executions_with_different_visible_data_are_separate(
    hub: shared.Hub, carrier: Carrier
) -> None:
    caller = callers.Caller(carrier.account_id, Kind.STAFF, 1, role=Role.OWNER, session_id=1)
    different = [
        caller,
        callers.Caller(carrier.account_id + 1, Kind.STAFF, 1, role=Role.OWNER),
        callers.Caller(carrier.account_id, Kind.STAFF, 1, role=Role.SUPPORT),
        callers.Caller(carrier.account_id, Kind.CONTACT, 1, customer_id=1),
        callers.Caller(carrier.account_id, Kind.CONTACT, 1, customer_id=2),
        callers.Caller(carrier.account_id, Kind.CONTACT, 1, customer_id=2, zone="Asia/Kolkata"),
        callers.Caller(carrier.account_id, Kind.CONTACT, 1, customer_id=2, sees_carriers=False),
        callers.Caller(carrier.account_id, Kind.CONTACT, 1, customer_id=2, language="de"),
        callers.Caller(carrier.account_id, Kind.KEY, 1),
        callers.Caller(carrier.account_id, Kind.KEY, 1, scopes=frozenset(callers.Scope)),
    ]
    places = [join(hub, key_of(operation_key)) for operation_key in different]
    places += [join(hub, key_of(None))]
    changes: list[dict[str, Any]] = [
        {"document": b"another"},
        {"operation_name": "A"},
        {"variables": '{"a": 1}'},
        {"variables": '{"a": 1.0}'},
        {"resume_after": 1},
        {"language": "de"},
    ]
    places += [join(hub, key_of(caller, **change)) for change in changes]
    assert len({id(place.execution) for place in places}) == len(places)
    same = callers.Caller(carrier.account_id, Kind.STAFF, 2, role=Role.OWNER, session_id=9)
    places.append(join(hub, key_of(same)))
    assert places[-1].execution is places[0].execution
    for place in places:
        hub.leave(place)


@pytest.mark.parametrize(
    "same",
    [
        {"query": f"# of one of a thousand\n{ROWS}"},
        {"query": ROWS.replace(" ", "\n  ,  ")},
        {"variables": {"of": "LIVE", "unheard of": ["x" * 100_000]}},
        {"operationName": "Rows"},
    ],
)
async def test_differences_without_effect_on_the_data_share_an_execution(
    runner: operations.Runner, carrier: Carrier, same: dict[str, Any]
) -> None:
    caller = await caller_of(carrier)
    plain = {"query": ROWS, "variables": {"of": "LIVE"}}

    async def of(changes: dict[str, Any]) -> Place:
        return subscribe(runner, await runner.read(plain | changes, caller, "en"), caller)

    place, other = await of({}), await of(same)
    assert other.execution is place.execution
    assert len(place.execution.key.variables) < 100
    apart = [
        await of(changes)
        for changes in (
            {"variables": {"of": "DAILY"}},
            {"variables": {}},
            {"query": ROWS.replace("version", "attempts")},
        )
    ]
    assert len({id(other_place.execution) for other_place in [place, *apart]}) == 4
    for other_place in (place, other, *apart):
        runner.hub.leave(other_place)


async def test_every_new_subscriber_is_charged(
    runner: operations.Runner, carrier: Carrier, api_redis: Redis
) -> None:
    caller = await caller_of(carrier)
    request = {"query": "subscription { alertEvents(after: 0) { number } }"}
    place = subscribe(runner, await runner.read(request, caller, "en"), caller)
    bucket = keys.PATTERNS["bucket"] % f"staff:{caller.id}"
    async with asyncio.timeout(20):
        while not await api_redis.exists(keys.prefix(caller.account_id) + bucket):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    runner.hub.leave(place)


def test_an_unauthenticated_caller_has_no_identity_to_depend_on() -> None:
    caller = callers.Caller(1, Kind.CONTACT, 7, customer_id=3, session_id=5)
    assert (caller.without_identity().id, caller.without_identity().session_id) == (None, None)
    with pytest.raises(Exception, match="depends on the caller"):
        _ = caller.without_identity().person_id


def _execution(is_gauge: bool, has_start: bool = False) -> shared.SharedExecution:
    return shared.SharedExecution(key_of(None, is_gauge=is_gauge, has_start=has_start))


def _event(number: int, size: int = 1) -> shared.Event:
    return shared.Event(str(number).encode().ljust(size), number)


def _all(place: shared.Subscription) -> list[int | None]:
    events = iter(place.take, None)
    return [event.mark for event in events]


async def test_every_subscriber_of_minutes_first_receives_the_latest_one(
    runner: operations.Runner, carrier: Carrier
) -> None:
    caller = await caller_of(carrier)
    operation = await runner.read({"query": "subscription { channelMinutes { at } }"}, caller, "en")
    first = subscribe(runner, operation, caller)
    await first.taken()
    second = subscribe(runner, operation, caller)
    assert second.execution is first.execution
    assert second.take() is not None
    assert second.take() is None
    for place in (first, second):
        runner.hub.leave(place)


def test_a_slow_subscriber_of_a_gauge_receives_only_the_latest_state() -> None:
    execution = _execution(is_gauge=True)
    place = join_at(execution)
    for number in range(5):
        execution.add(_event(number))
    assert _all(place) == [4]
    assert _all(place) == []


def test_subscribers_of_facts_receive_every_fact_in_order() -> None:
    execution = _execution(is_gauge=False)
    place = join_at(execution)
    for number in range(shared.MAX_EVENTS_BEHIND):
        execution.add(_event(number))
    assert _all(place) == list(range(shared.MAX_EVENTS_BEHIND))


@pytest.mark.parametrize(("events", "size"), [(shared.MAX_EVENTS_BEHIND + 1, 1), (12, 100_000)])
def test_a_subscriber_that_is_too_far_behind_receives_where_to_resume(
    events: int, size: int
) -> None:
    execution = _execution(is_gauge=False)
    place = join_at(execution)
    execution.add(_event(0))
    place.take()
    for number in range(1, events + 1):
        execution.add(_event(number, size))
    with pytest.raises(shared.FellBehindError):
        place.take()
    assert place.mark == 0


def test_a_later_subscriber_that_is_too_far_behind_resumes_where_it_joined() -> None:
    execution = _execution(is_gauge=False)
    execution.add(_event(7))
    position = execution.first_position()
    assert position is not None
    place = join_at(execution, position)
    for number in range(8, 9 + shared.MAX_EVENTS_BEHIND):
        execution.add(_event(number))
    with pytest.raises(shared.FellBehindError):
        place.take()
    assert operations.fell_behind(place)["extensions"] == {"code": "RESYNC", "after": 7}


async def test_the_resume_point_is_named_like_the_argument_of_the_subscription(
    runner: operations.Runner, carrier: Carrier
) -> None:
    caller = await caller_of(carrier)
    customer = await carrier.customer()
    at = (clock.now() - timedelta(hours=3)).isoformat(timespec="microseconds")
    since = at.replace("+00:00", "Z")
    rows = f'summaryUpdated(customerId: "{customer}", granularity: DAILY, since: "{since}")'
    for query, from_where in [
        (f"subscription {{ {rows} {{ version }} }}", {"since": since}),
        ("subscription { checklistChanged(after: 0) { number } }", {"after": 0}),
        ("subscription { alertEvents(after: 0) { number } }", {"after": 0}),
    ]:
        operation = await runner.read({"query": query}, caller, "en")
        place = subscribe(runner, operation, caller)
        async with asyncio.timeout(10):
            while place.mark is None:  # noqa: ASYNC110 - it tells nobody when it has begun
                await asyncio.sleep(0.005)
        error = operations.fell_behind(place)
        assert error["extensions"] == {"code": "RESYNC"} | from_where
        assert f"`{next(iter(from_where))}: " in error["message"]
        runner.hub.leave(place)


@pytest.mark.parametrize("size", [1, 10_000])
async def test_past_facts_are_sent_as_fast_as_they_are_read(size: int) -> None:
    execution = _execution(is_gauge=False, has_start=True)
    place = join_at(execution)
    numbers: list[int | None] = []

    async def read() -> None:
        while len(numbers) < 5_000:
            numbers.extend(_all(place))
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    for number in range(5_000):
        execution.add(_event(number, size))
        await execution.wait_for_readers()
    await reading
    assert numbers == list(range(5_000))


def test_executions_from_a_resume_point_are_shared_only_while_no_fact_is_missing() -> None:
    execution = _execution(is_gauge=False, has_start=True)
    for number in range(shared.MAX_EVENTS_BEHIND):
        execution.add(_event(number))
    assert execution.first_position() == 0
    execution.add(_event(0))
    assert execution.first_position() is None
    fresh = _execution(is_gauge=False)
    fresh.add(_event(1))
    assert fresh.first_position() == 1


@pytest.mark.parametrize("text", ["Größe 5 €", "\ud800", '"\n\u2028'])
def test_every_payload_is_valid_json_with_any_content(text: str) -> None:
    result = ExecutionResult(data={"a": text, "b": [1, 0.1, None]}, errors=[GraphQLError(text)])
    content = json.loads(shared.encode(result))
    assert content == {"data": {"a": text, "b": [1, 0.1, None]}, "errors": [{"message": text}]}
