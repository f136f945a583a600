"""A change to a caller applies to every later request, in each of two web processes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.api.browsers import allow, new_contact, signed_in_as
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.api.sockets import hear, say, signed_in, subscribe
from tests.support.programs import Program

VIEWER = "{ viewer { __typename } }"
ZONE = """{ viewer { ... on Contact { customer { stats(from: "2026-11-22T00:00:00Z",
    to: "2026-11-23T00:00:00Z", interval: DAY) { timeZone } } } } }"""
BAD_CURSOR = '{ sessions(after: "none of ours") { edges { node { id } } } }'


@pytest.fixture(scope="module")
def webs(api: Program) -> Iterator[list[str]]:
    with Program.web(api.environment) as another:
        yield [api.url, another.url]


@dataclass
class Case:
    """`caller` sends `question`; the answer changes when `change` has been answered."""

    caller: Caller
    question: str
    change: Callable[[], Awaitable[Any]]


Make = Callable[[Carrier], Awaitable[Case]]


async def time_zone(carrier: Carrier) -> Case:
    person, _, _ = await new_contact(carrier)
    return Case(
        person,
        ZONE,
        lambda: person.do("setTimeZone", "Profile", "__typename", timeZone="Asia/Kathmandu"),
    )


async def language(carrier: Carrier) -> Case:
    person, _, _ = await new_contact(carrier)
    return Case(
        person,
        BAD_CURSOR,
        lambda: person.do("setLanguage", "Profile", "__typename", language="de"),
    )


async def logout(carrier: Carrier) -> Case:
    person, _, _ = await new_contact(carrier)
    return Case(person, VIEWER, lambda: person.ask("mutation { logout { __typename } }"))


async def logout_everywhere(carrier: Carrier) -> Case:
    person, _, email = await new_contact(carrier)
    other = await sign_in(person.url, email)
    return Case(other, VIEWER, lambda: person.ask("mutation { logoutEverywhere { __typename } }"))


async def end_session(carrier: Carrier) -> Case:
    person, _, email = await new_contact(carrier)
    other = await sign_in(person.url, email)
    answer = await other.ask("{ sessions { edges { node { id current } } } }")
    [id] = [edge["node"]["id"] for edge in answer["sessions"]["edges"] if edge["node"]["current"]]
    return Case(other, VIEWER, lambda: person.do("endSession", "LoggedOut", "__typename", id=id))


async def password(carrier: Carrier) -> Case:
    person, _, email = await new_contact(carrier)
    other = await sign_in(person.url, email)
    new = "a new and quite different password"
    return Case(
        other,
        VIEWER,
        lambda: person.do(
            "changePassword", "PasswordChanged", "__typename", current=PASSWORD, new=new
        ),
    )


async def disabled_contact(carrier: Carrier) -> Case:
    person, id, _ = await new_contact(carrier)
    return Case(
        person,
        VIEWER,
        lambda: carrier.owner.do("disableContact", "Contact", "id", contactId=id),
    )


async def networks(carrier: Carrier) -> Case:
    person, id, _ = await new_contact(carrier)
    return Case(person, VIEWER, lambda: allow(carrier.owner, id, "192.0.2.0/24"))


async def disabled_staff(carrier: Carrier) -> Case:
    staff = await carrier.staff("SUPPORT")
    id = await id_of(staff)
    return Case(staff, VIEWER, lambda: carrier.owner.do("disableStaff", "Staff", "id", staffId=id))


async def role(carrier: Carrier) -> Case:
    staff = await carrier.staff("SUPPORT")
    id = await id_of(staff)
    return Case(
        staff,
        "mutation { discardQuarantined(input: { ids: [] }) { ... on Refusal { code } } }",
        lambda: carrier.owner.do("updateStaff", "Staff", "id", staffId=id, role="FINANCE"),
    )


async def key(carrier: Carrier) -> Case:
    answer = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    return Case(
        Caller(carrier.url, answer["secret"]),
        VIEWER,
        lambda: carrier.owner.do("revokeApiKey", "ApiKey", "id", id=answer["id"]),
    )


async def acting(carrier: Carrier) -> Case:
    staff = await carrier.staff("SUPPORT")
    _, contact, _ = await new_contact(carrier)
    id = await id_of(staff)
    return Case(
        await signed_in_as(staff, contact),
        VIEWER,
        lambda: carrier.owner.do("updateStaff", "Staff", "id", staffId=id, role="FINANCE"),
    )


CASES: list[Make] = [
    time_zone,
    language,
    logout,
    logout_everywhere,
    end_session,
    password,
    disabled_contact,
    networks,
    disabled_staff,
    role,
    key,
    acting,
]


async def id_of(caller: Caller) -> str:
    id: str = (await caller.ask("{ viewer { ... on Node { id } } }"))["viewer"]["id"]
    return id


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
async def test_a_change_applies_to_each_request_after_its_response_in_every_process(
    carrier: Carrier, webs: list[str], make: Make
) -> None:
    case = await make(carrier)
    callers = [replace(case.caller, url=url) for url in webs]
    before = [await answer(caller, case.question) for caller in callers]
    await case.change()
    after = [await answer(caller, case.question) for caller in callers]
    assert before[0] == before[1]
    assert after[0] == after[1]
    assert before[0] != after[0]


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
async def test_an_open_socket_starts_no_operation_with_outdated_permissions(
    carrier: Carrier, webs: list[str], make: Make
) -> None:
    case = await make(carrier)
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                signed_in(url, case.caller.token, additional_headers=forwarded(case.caller))
            )
            for url in webs
        ]
        for socket in sockets:
            await say(socket, subscribe("1", VIEWER))
            assert (await hear(socket))["type"] == "next"
            assert (await hear(socket))["type"] == "complete"
        await case.change()
        for socket in sockets:
            with suppress(ConnectionClosed):  # the connection monitor may have closed it before
                await say(socket, subscribe("2", VIEWER))
            assert await messages(socket) == []
            assert socket.close_code == 4403


async def answer(caller: Caller, question: str) -> dict[str, Any]:
    """Without its `extensions`: the remaining budget differs from request to request."""
    body = await caller.send(question)
    body.pop("extensions", None)
    return body


async def messages(socket: ClientConnection) -> list[str | bytes]:
    """What arrives until it is closed."""
    messages_of_socket: list[str | bytes] = []
    with suppress(ConnectionClosed):
        async with asyncio.timeout(15):
            while True:
                messages_of_socket.append(await socket.recv())
    return messages_of_socket


def forwarded(caller: Caller) -> dict[str, str]:
    address = caller.headers.get("X-Forwarded-For")
    return {} if address is None else {"X-Forwarded-For": address}
