"""GraphQL over server-sent events; each operation is a separate stream."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from domain.facts import Kind
from models import db, fact_log
from runtime import clock
from schema.engine import base
from tests.support.api.callers import Caller, Carrier

LIVE = "subscription { liveChannels { inUse } }"


@asynccontextmanager
async def _lines(
    caller: Caller, method: str = "POST", headers: dict[str, str] | None = None, **request: Any
) -> AsyncIterator[AsyncIterator[str]]:
    """The stream of one operation, a line at a time."""
    headers = caller.headers | {"Accept": "text/event-stream"} | (headers or {})
    url = f"{caller.url}/graphql"
    async with (
        httpx2.AsyncClient(verify=False, timeout=30) as client,
        client.stream(method, url, headers=headers, **request) as answer,
    ):
        yield answer.aiter_lines()


@asynccontextmanager
async def _stream(caller: Caller, method: str = "POST", **request: Any) -> AsyncIterator[Any]:
    """What the events of one operation hold, until the server ends it."""
    async with _lines(caller, method, **request) as lines:

        async def told() -> AsyncIterator[Any]:
            async for line in lines:
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data:"))

        yield told()


async def test_server_sent_events_push_the_same_as_the_socket(carrier: Carrier) -> None:
    async with _stream(carrier.owner, json={"query": LIVE}) as stream:
        assert await anext(stream) == {"data": {"liveChannels": {"inUse": 0}}}


async def test_a_stream_whose_key_is_revoked_ends_within_a_second(carrier: Carrier) -> None:
    key = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    async with _stream(Caller(carrier.url, key["secret"]), json={"query": LIVE}) as stream:
        await anext(stream)
        await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=key["id"])
        began = time.monotonic()
        last = await anext(stream)
        assert last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert [more async for more in stream] == []
        assert time.monotonic() - began < 2  # 1, and the delay of a busy machine


async def test_facts_have_ids_from_which_a_client_resumes(carrier: Carrier) -> None:
    customer = await carrier.customer()
    for outstanding in range(3):
        await _checklist_fact(carrier, customer, outstanding)
    query = "subscription { checklistChanged(after: 0) { number } }"
    for last, expected in [(None, [1, 2, 3]), ("1", [2, 3]), ("2", [3])]:
        headers = {} if last is None else {"Last-Event-ID": last}
        async with _lines(carrier.owner, json={"query": query}, headers=headers) as lines:
            ids = []
            while len(ids) < len(expected):
                line = await anext(lines)
                if line.startswith("id: "):
                    ids.append(int(line.removeprefix("id: ")))
                    assert json.loads((await anext(lines)).removeprefix("data: ")) == {
                        "data": {"checklistChanged": {"number": ids[-1]}}
                    }
            assert ids == expected


@pytest.mark.parametrize("odd", ["x", "-1", "1.5", "9" * 17, "4"])
async def test_an_id_that_was_never_sent_is_refused(carrier: Carrier, odd: str) -> None:
    query = "subscription { checklistChanged { number } }"
    headers = {"Last-Event-ID": odd}
    async with _stream(carrier.owner, json={"query": query}, headers=headers) as stream:
        assert (await anext(stream))["errors"][0]["extensions"]["code"] == "BAD_AFTER"
        assert [more async for more in stream] == []


async def test_refused_streams_do_not_count_as_open(carrier: Carrier) -> None:
    query = "subscription { checklistChanged { number } }"
    key = await carrier.key("LIVE_READ")
    headers = key.headers | {"Accept": "text/event-stream", "Last-Event-ID": "x"}
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        for _ in range(1_005):  # more than a key may hold
            answer = await client.post(f"{key.url}/graphql", headers=headers, json={"query": query})
            assert "BAD_AFTER" in answer.text


async def test_a_stream_sends_its_reconnection_delay_and_keep_alive_comments(
    carrier: Carrier,
) -> None:
    async with _lines(carrier.owner, json={"query": LIVE}) as lines:
        retry = await anext(lines)
        assert 1_000 <= int(retry.removeprefix("retry: ")) <= 5_000
        async with asyncio.timeout(20):
            while await anext(lines) != ":":
                pass


async def test_a_cookie_counts_only_with_a_header_that_other_sites_cannot_send(
    carrier: Carrier,
) -> None:
    query = "{ viewer { __typename } }"
    cookie = {"Cookie": f"callboard_session={carrier.owner.token}"}
    anonymous = Caller(carrier.url)
    for headers, expected in [(cookie, None), (cookie | {"X-Callboard-CSRF": "1"}, "Staff")]:
        async with _stream(anonymous, json={"query": query}, headers=headers) as stream:
            data = (await anext(stream))["data"]
            assert (data and data["viewer"]["__typename"]) == expected


async def _checklist_fact(carrier: Carrier, customer: str, outstanding: int) -> None:
    split = base.split_id(customer)
    assert split is not None
    async with db.transaction() as connection:
        await fact_log.insert(
            connection,
            carrier.account_id,
            fact_log.NewFact(
                kind=Kind.CHECKLIST_CHANGED,
                customer_id=int(split[2][0]),
                detail={"open": {str(outstanding): ""}},
            ),
            clock.now(),
        )


@pytest.mark.parametrize(
    ("method", "request_", "text"),
    [
        (
            "GET",
            {"params": {"query": "mutation { logout { __typename } }"}},
            "Send mutations with POST",
        ),
        ("GET", {}, "query"),
        ("POST", {"json": {"query": "fragment F on Query { __typename }"}}, "operation"),
        ("POST", {"json": {"query": "query A { __typename }", "operationName": "B"}}, "B"),
    ],
)
async def test_an_invalid_request_is_answered_with_its_error(
    carrier: Carrier, method: str, request_: dict[str, Any], text: str
) -> None:
    async with _stream(carrier.owner, method, **request_) as stream:
        [error] = (await anext(stream))["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST"}
    assert text in error["message"]
