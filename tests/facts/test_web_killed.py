"""A client of a web process that is killed again and again, which begins anew where it was."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport
from programs import Program
from redis.asyncio import Redis

from domain import tokens
from domain.callers import Scope
from domain.facts import Kind
from live import news
from models import accounts, credentials, db, facts
from resolvers import sign_in

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
FOLLOW = "subscription ($after: Long) { checklistChanged(after: $after) { number } }"


async def key_of_a_new_account() -> tuple[int, str]:
    account_id = (await accounts.insert("A carrier", NOW)).id
    secret = sign_in.new_secret()
    key = await credentials.insert_key(
        account_id,
        name="a program",
        scopes=[Scope.LIVE_READ],
        customer_id=None,
        secret_hash=tokens.digest(secret),
        now=NOW,
    )
    return account_id, str(tokens.Token(account_id, tokens.Of.KEY, key.id, secret))


async def happen(redis: Redis, account_id: int, until: asyncio.Event) -> int:
    """Facts one after another until it is told to stop; how many there were."""
    number = 0
    while not until.is_set():
        async with db.transaction() as conn:
            kind = Kind.CHECKLIST_CHANGED
            number = await facts.insert(conn, account_id, 1, kind, NOW, detail={"open": {}})
        await news.tell(redis, account_id, 1, kind, number)
        await asyncio.sleep(0.03)
    return number


async def take(web: Program, key: str, after: int, count: int) -> list[int]:
    """The numbers of so many facts after one, over a connection of its own."""
    transport = WebsocketsTransport(
        url=web.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {key}"},
        connect_args={"max_queue": None},  # else what it leaves unread holds up its close
    )
    async with asyncio.timeout(20), Client(transport=transport) as session:
        results: Any = session.subscribe(GraphQLRequest(FOLLOW, variable_values={"after": after}))
        numbers = [(await anext(results))["checklistChanged"]["number"] for _ in range(count)]
        await results.aclose()
    return numbers


async def test_a_client_misses_and_repeats_nothing_though_the_server_is_killed_each_time(
    web: Program, redis: Redis
) -> None:
    account_id, key = await key_of_a_new_account()
    stop = asyncio.Event()
    happening = asyncio.create_task(happen(redis, account_id, stop))
    seen: list[int] = []
    for _ in range(2):
        seen += await take(web, key, len(seen), 20)
        web.kill()
        await asyncio.to_thread(web.start)
    stop.set()
    many = await happening
    seen += await take(web, key, len(seen), many - len(seen))
    assert seen == list(range(1, many + 1))
