"""Sessions: their lifetime, their origin and their end."""

import asyncio
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

from domain.identity import tokens
from models import db
from models.identity import session_list
from resolvers.identity import refused_sign_ins
from runtime import clock
from server import auth, connection_monitor, token_usage
from tests.support.api.browsers import (
    SESSIONS,
    VIEWER,
    WITHIN,
    At,
    new_contact,
    session_id,
    sessions_of,
    until_refused,
)
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import LIVE, closed, hear, say, signed_in, subscribe


async def _row(caller: Caller) -> Any:
    async with db.connection() as conn:
        return await conn.fetchrow("SELECT * FROM sessions WHERE id = $1", session_id(caller))


async def _was_used(caller: Caller) -> bool:
    """Whether the database has a use within the last seconds."""
    used_at: datetime = (await _row(caller))["last_used_at"]
    return used_at > clock.now() - timedelta(minutes=1)


OLD = {"last_used_at": timedelta(minutes=-6), "expires_at": timedelta(days=1)}


async def _days_left(caller: Caller) -> float:
    expires_at: datetime = (await _row(caller))["expires_at"]
    return round((expires_at - clock.now()) / timedelta(days=1), 2)


async def _grow_old(caller: Caller, **ages: timedelta) -> None:
    """Sets instants of the session: so long from now."""
    async with db.connection() as conn:
        for column, age in ages.items():
            await conn.execute(
                f"UPDATE sessions SET {column} = $2 WHERE id = $1",
                session_id(caller),
                clock.now() + age,
            )


def _days(session: dict[str, Any], field: str) -> float:
    return (datetime.fromisoformat(session[field]) - clock.now()) / timedelta(days=1)


async def test_a_contact_stays_signed_in_for_14_days_without_use_and_90_days_at_most(
    carrier: Carrier,
) -> None:
    _, _, email = await new_contact(carrier)
    session = await At(carrier.url).login(email)
    assert round(_days(session, "expiresAt"), 2) == 14
    assert round(_days(session, "endsAt"), 2) == 90


async def test_staff_stay_signed_in_for_14_days_at_most(carrier: Carrier) -> None:
    session = await At(carrier.url).login(carrier.email)
    assert round(_days(session, "endsAt"), 2) == 14


async def test_use_extends_a_session_up_to_its_maximum_lifetime(carrier: Carrier) -> None:
    """Of three sessions: used, used near its end, and unused."""
    people = [(await new_contact(carrier))[0] for _ in range(3)]
    asking, ending, _ = people
    for person in people:
        await _grow_old(person, **OLD)
    await _grow_old(ending, ends_at=timedelta(days=2))
    await asking.ask(VIEWER)
    await ending.ask(VIEWER)
    async with asyncio.timeout(15):
        for person in (asking, ending):
            while not await _was_used(person):  # noqa: ASYNC110 - it tells nobody when
                await asyncio.sleep(0.1)
    assert [await _days_left(person) for person in people] == [14, 2, 1]


async def test_an_open_connection_counts_as_use_until_it_closes(carrier: Carrier) -> None:
    person, _, _ = await new_contact(carrier)
    token = tokens.parse(person.token or "")
    assert token is not None
    caller = await auth.authenticate(f"Bearer {person.token}", clock.now(), person.address)
    connections = connection_monitor.ConnectionMonitor(clock.now, 10)
    open_connection = ExitStack()
    open_connection.enter_context(connections.hold(token, caller, lambda _: None))
    await token_usage.TokenUsage(
        clock.now, connections.held_tokens, timedelta(days=14), refused_sign_ins.RefusedSignIns()
    ).close()
    for is_open, minutes in [(True, 14), (False, 1)]:
        await _grow_old(person, **OLD)
        if not is_open:
            open_connection.close()
        await token_usage.TokenUsage(
            clock.now,
            connections.held_tokens,
            timedelta(days=14),
            refused_sign_ins.RefusedSignIns(),
        ).close()
        assert await _days_left(person) == minutes


async def test_many_uses_within_five_minutes_make_one_write(carrier: Carrier) -> None:
    person, _, _ = await new_contact(carrier)
    token = tokens.parse(person.token or "")
    assert token is not None
    before, idle = await _row(person), timedelta(days=14)
    for seconds, is_written in [(299, False), (301, True), (302, False)]:
        at = before["last_used_at"] + timedelta(seconds=seconds)
        await session_list.extend({token: at}, idle)
        assert ((await _row(person))["last_used_at"] == at) == is_written


async def test_use_does_not_extend_an_ended_session(carrier: Carrier) -> None:
    person, _, _ = await new_contact(carrier)
    token = tokens.parse(person.token or "")
    assert token is not None
    await _grow_old(person, expires_at=timedelta(seconds=-1), last_used_at=timedelta(days=-1))
    before = await _row(person)
    await session_list.extend({token: clock.now()}, timedelta(days=14))
    assert await _row(person) == before
    assert await person.code(VIEWER) == "UNAUTHENTICATED"


async def test_a_person_sees_where_it_is_signed_in(carrier: Carrier) -> None:
    first, _, email = await new_contact(carrier)
    second = At(carrier.url)
    await second.login(email)
    sessions = await sessions_of(first)
    agents = [session["userAgent"].partition("/")[0] for session in sessions]
    assert agents == ["python-httpx2", "a browser"]
    assert [
        (session["address"], session["current"], session["startedBy"]) for session in sessions
    ] == [
        (second.address, False, None),
        (first.address, True, None),
    ]
    page = "query Q($a: String) { sessions(first: 1, after: $a) { edges { node { address } } %s } }"
    more = "pageInfo { hasNextPage endCursor }"
    first_page = (await first.ask(page % more))["sessions"]
    assert first_page["pageInfo"]["hasNextPage"]
    rest = await first.ask(page % "", a=first_page["pageInfo"]["endCursor"])
    assert rest["sessions"]["edges"] == [{"node": {"address": first.address}}]


async def test_an_ipv6_address_and_an_unusual_user_agent_are_stored(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    person = At(carrier.url, address="2001:db8::7")
    await person.login(email)
    assert (await sessions_of(person))[0]["address"] == "2001:db8::7"
    anonymous = At(carrier.url, address="not an address")
    await anonymous.login(email)
    assert (await sessions_of(anonymous))[0]["address"] is None


async def _listening(caller: Caller) -> str:
    customer = "{ viewer { ... on Contact { customer { id } } } }"
    id = (await caller.ask(customer))["viewer"]["customer"]["id"]
    return LIVE.replace("Channels", f'Channels(customerId: "{id}")')


async def test_a_session_ended_from_another_session_loses_its_socket_within_a_second(
    carrier: Carrier,
) -> None:
    lost_device, _, email = await new_contact(carrier)
    browser = At(carrier.url)
    await browser.login(email)
    async with (
        signed_in(carrier.url, lost_device.token) as socket,
        signed_in(carrier.url, browser.token) as mine,
    ):
        query = await _listening(lost_device)
        for connection in (socket, mine):
            await say(connection, subscribe("1", query))
            assert (await hear(connection))["type"] == "next"
        began = time.monotonic()
        other = next(
            connection for connection in await sessions_of(browser) if not connection["current"]
        )
        ended = await browser.do("endSession", "LoggedOut", "at", id=other["id"])
        assert await closed(socket) == 4403
        assert time.monotonic() - began < WITHIN
        await until_refused(lost_device)
        again = await browser.do("endSession", "LoggedOut", "at", id=other["id"])
        assert again["at"] == ended["at"]
        await say(mine, {"type": "ping"})
        assert (await hear(mine))["type"] == "pong"


async def test_no_caller_can_end_the_session_of_another(carrier: Carrier) -> None:
    customer = await carrier.customer()
    mine, _, _ = await new_contact(carrier, customer)
    other, _, _ = await new_contact(carrier, customer)
    [session] = await sessions_of(other)
    for id in (session["id"], "garbage"):
        assert (await mine.do("endSession", "LoggedOut", "at", id=id))["code"] == "NOT_FOUND"
    assert await other.ask(VIEWER)


async def test_logging_out_everywhere_ends_all_sessions_of_the_person_and_no_others(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    first, _, email = await new_contact(carrier, customer)
    colleague, _, _ = await new_contact(carrier, customer)
    second = At(carrier.url)
    await second.login(email)
    async with signed_in(carrier.url, second.token) as socket:
        await first.ask("mutation { logoutEverywhere { __typename } }")
        assert await closed(socket) == 4403
    await until_refused(first)
    await until_refused(second)
    assert await colleague.ask(VIEWER)


async def test_a_disabled_login_loses_its_sockets_and_cannot_sign_in(
    carrier: Carrier,
) -> None:
    person, _, email = await new_contact(carrier)
    async with signed_in(carrier.url, person.token) as socket:
        async with db.connection() as conn:
            await conn.execute("UPDATE logins SET disabled_at = now() WHERE email = $1", email)
        assert await closed(socket) == 4403
    assert (await At(carrier.url).login(email))["code"] == "WRONG_CREDENTIALS"


async def test_an_api_key_has_no_sessions(carrier: Carrier) -> None:
    key = await carrier.key("LIVE_READ")
    assert await key.code(SESSIONS) == "NO_SESSION"
    assert await key.code("{ twoFactor { enabledAt } }") == "NO_SESSION"
    answer = await key.ask("mutation { logoutEverywhere { ... on Refusal { code } } }")
    assert answer == {"logoutEverywhere": {"code": "NO_SESSION"}}
