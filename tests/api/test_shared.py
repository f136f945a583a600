"""One execution tells all who ask the same; each takes what it is told at its own pace."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from callers import Carrier
from graphql import GraphQLError
from redis.asyncio import Redis
from strawberry.types.execution import ExecutionResult
from switches import Calls

from domain import callers
from domain.callers import Kind, Role
from live import bus
from resolvers import feeds
from runtime import clock
from runtime.settings import Settings
from server import app, auth
from server.graphql import operations, shared, trusted

pytestmark = pytest.mark.once

LIVE = "subscription { liveChannels { sequence inUse } }"
ROWS = (
    "subscription Rows ($of: Granularity!)"
    ' { summaryUpdated ( customerId: "none", granularity: $of ) { version } }'
)


def asked(caller: callers.Caller | None, **changes: Any) -> shared.Asked:
    return shared.Asked(
        **{
            "query": LIVE,
            "document": b"live",
            "operation_name": None,
            "variables": "{}",
            "visible_to": None if caller is None else caller.unnamed(),
            "language": "en" if caller is None else caller.language,
            "resume_after": None,
            "is_gauge": True,
            "has_start": False,
        }
        | changes
    )


@pytest.fixture
async def runner(carrier: Carrier, api_redis: Redis) -> AsyncIterator[operations.Runner]:
    heard = bus.Bus(api_redis)
    await heard.start()
    context = app.contexts(api_redis, heard, feeds.Feeds(api_redis, heard), Settings())
    yield operations.Runner(shared.Hub(context), context, trusted.Documents({}))
    await heard.close()


@pytest.fixture
def hub(runner: operations.Runner) -> shared.Hub:
    return runner.hub


async def caller_of(carrier: Carrier) -> callers.Caller:
    return await auth.authenticate(f"Bearer {carrier.owner.token}", clock.now())


class Place(shared.Subscription):
    """A subscriber that takes only when asked to."""

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


def joined(hub: shared.Hub, asked: shared.Asked) -> Place:
    place = Place()
    hub.subscribe(asked, place)
    return place


def placed(share: shared.Share, position: int = 0) -> Place:
    place = Place()
    place.join(share, position)
    return place


def subscribed(
    runner: operations.Runner, asked: operations.Operation, caller: callers.Caller
) -> Place:
    place = Place()
    runner.subscribe(asked, caller, place)
    return place


async def test_a_hundred_subscribers_get_the_one_payload_of_one_execution(
    hub: shared.Hub, carrier: Carrier, api_redis: Redis
) -> None:
    caller = await caller_of(carrier)
    many = [joined(hub, asked(caller)) for _ in range(100)]
    assert len({id(one.share) for one in many}) == 1
    assert len({id(await one.taken()) for one in many}) == 1
    await Calls(api_redis, carrier, await carrier.customer()).start(1)
    payloads = [(await one.taken()).payload for one in many]
    assert len(set(map(id, payloads))) == 1
    assert b'"inUse":1' in payloads[0]


async def test_who_comes_later_gets_the_whole_state_at_once(
    hub: shared.Hub, carrier: Carrier
) -> None:
    caller = await caller_of(carrier)
    first = joined(hub, asked(caller))
    state = await first.taken()
    assert joined(hub, asked(caller)).take() is state


async def test_the_execution_ends_with_its_last_subscriber(
    hub: shared.Hub, carrier: Carrier
) -> None:
    one, other = [joined(hub, asked(await caller_of(carrier))) for _ in range(2)]
    await one.taken()
    task = one.share.task
    assert task is not None
    hub.leave(one)
    await asyncio.sleep(0)
    assert not task.done()
    hub.leave(other)
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()
    again = joined(hub, asked(await caller_of(carrier)))
    assert again.share is not one.share


async def test_whatever_decides_what_is_shown_keeps_executions_apart(
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
    places = [joined(hub, asked(one)) for one in different]
    places += [joined(hub, asked(None))]
    changes: list[dict[str, Any]] = [
        {"document": b"another"},
        {"operation_name": "A"},
        {"variables": '{"a": 1}'},
        {"variables": '{"a": 1.0}'},
        {"resume_after": 1},
        {"language": "de"},
    ]
    places += [joined(hub, asked(caller, **change)) for change in changes]
    assert len({id(place.share) for place in places}) == len(places)
    same = callers.Caller(carrier.account_id, Kind.STAFF, 2, role=Role.OWNER, session_id=9)
    places.append(joined(hub, asked(same)))
    assert places[-1].share is places[0].share
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
async def test_what_changes_nothing_keeps_nobody_apart(
    runner: operations.Runner, carrier: Carrier, same: dict[str, Any]
) -> None:
    caller = await caller_of(carrier)
    plain = {"query": ROWS, "variables": {"of": "LIVE"}}

    def of(changes: dict[str, Any]) -> Place:
        return subscribed(runner, runner.read(plain | changes, caller, "en"), caller)

    place, other = of({}), of(same)
    assert other.share is place.share
    assert len(place.share.asked.variables) < 100
    apart = [
        of(changes)
        for changes in (
            {"variables": {"of": "DAILY"}},
            {"variables": {}},
            {"query": ROWS.replace("version", "attempts")},
        )
    ]
    assert len({id(one.share) for one in [place, *apart]}) == 4
    for one in (place, other, *apart):
        runner.hub.leave(one)


def test_nobody_in_particular_has_no_identity_to_depend_on() -> None:
    caller = callers.Caller(1, Kind.CONTACT, 7, customer_id=3, session_id=5)
    assert (caller.unnamed().id, caller.unnamed().session_id) == (None, None)
    with pytest.raises(Exception, match="person to person"):
        _ = caller.unnamed().person


def _share(is_gauge: bool, has_start: bool = False) -> shared.Share:
    return shared.Share(asked(None, is_gauge=is_gauge, has_start=has_start))


def _event(number: int, size: int = 1) -> shared.Event:
    return shared.Event(str(number).encode().ljust(size), number)


def _all(place: shared.Subscription) -> list[int | None]:
    events = iter(place.take, None)
    return [event.mark for event in events]


def test_of_a_gauge_a_slow_subscriber_gets_the_latest_state_only() -> None:
    share = _share(is_gauge=True)
    place = placed(share)
    for number in range(5):
        share.add(_event(number))
    assert _all(place) == [4]
    assert _all(place) == []


def test_of_facts_every_subscriber_gets_every_one_in_order() -> None:
    share = _share(is_gauge=False)
    place = placed(share)
    for number in range(shared.FURTHEST_BEHIND):
        share.add(_event(number))
    assert _all(place) == list(range(shared.FURTHEST_BEHIND))


@pytest.mark.parametrize(("events", "size"), [(shared.FURTHEST_BEHIND + 1, 1), (12, 100_000)])
def test_who_is_too_far_behind_is_told_so_and_from_where_to_go_on(events: int, size: int) -> None:
    share = _share(is_gauge=False)
    place = placed(share)
    share.add(_event(0))
    place.take()
    for number in range(1, events + 1):
        share.add(_event(number, size))
    with pytest.raises(shared.FellBehindError):
        place.take()
    assert place.mark == 0


def test_who_came_in_later_and_is_too_far_behind_goes_on_from_where_it_came_in() -> None:
    share = _share(is_gauge=False)
    share.add(_event(7))
    position = share.first_position()
    assert position is not None
    place = placed(share, position)
    for number in range(8, 9 + shared.FURTHEST_BEHIND):
        share.add(_event(number))
    with pytest.raises(shared.FellBehindError):
        place.take()
    assert operations.fell_behind(place)["extensions"] == {"code": "RESYNC", "after": 7}


async def test_who_is_too_far_behind_is_told_from_where_to_go_on_as_it_is_asked_for(
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
        asked = runner.read({"query": query}, caller, "en")
        place = subscribed(runner, asked, caller)
        async with asyncio.timeout(10):
            while place.mark is None:  # noqa: ASYNC110 - it tells nobody when it has begun
                await asyncio.sleep(0.005)
        told = operations.fell_behind(place)
        assert told["extensions"] == {"code": "RESYNC"} | from_where
        assert f"`{next(iter(from_where))}: " in told["message"]
        runner.hub.leave(place)


@pytest.mark.parametrize("size", [1, 10_000])
async def test_a_long_past_is_told_as_fast_as_it_is_read(size: int) -> None:
    share = _share(is_gauge=False, has_start=True)
    place = placed(share)
    told: list[int | None] = []

    async def read() -> None:
        while len(told) < 5_000:
            told.extend(_all(place))
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    for number in range(5_000):
        share.add(_event(number, size))
        await share.room()
    await reading
    assert told == list(range(5_000))


def test_facts_from_a_point_on_are_shared_only_while_none_is_missing() -> None:
    share = _share(is_gauge=False, has_start=True)
    for number in range(shared.FURTHEST_BEHIND):
        share.add(_event(number))
    assert share.first_position() == 0
    share.add(_event(0))
    assert share.first_position() is None
    fresh = _share(is_gauge=False)
    fresh.add(_event(1))
    assert fresh.first_position() == 1


@pytest.mark.parametrize("text", ["Größe 5 €", "\ud800", '"\n\u2028'])
def test_what_is_told_is_json_whatever_stands_in_it(text: str) -> None:
    result = ExecutionResult(data={"a": text, "b": [1, 0.1, None]}, errors=[GraphQLError(text)])
    told = json.loads(shared.encoded(result))
    assert told == {"data": {"a": text, "b": [1, 0.1, None]}, "errors": [{"message": text}]}
