"""A client resumes its subscription while the web process is repeatedly killed."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport
from redis.asyncio import Redis

from domain.facts import Kind
from domain.identity import tokens
from domain.identity.callers import Scope
from live import fact_signals
from models import db, fact_log
from models.identity import accounts, credentials
from resolvers.identity import sign_in
from tests.support.programs import Program

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
FOLLOW = "subscription ($after: Long) { checklistChanged(after: $after) { number } }"


async def key_of_a_new_account() -> tuple[int, str]:
    account_id = (await accounts.insert("A carrier", NOW)).id
    secret = sign_in.new_secret()
    key = await credentials.insert_key(
        account_id,
        credentials.NewKey(
            name="a program",
            scopes=[Scope.LIVE_READ],
            customer_id=None,
            secret_hash=tokens.digest(secret),
        ),
        NOW,
    )
    return account_id, str(tokens.Token(account_id, tokens.TokenKind.KEY, key.id, secret))


async def happen(redis: Redis, account_id: int, until: asyncio.Event) -> int:
    """Inserts facts one after another until it is stopped; their number."""
    number = 0
    while not until.is_set():
        async with db.transaction() as conn:
            kind = Kind.CHECKLIST_CHANGED
            number = await fact_log.insert(
                conn,
                account_id,
                fact_log.NewFact(kind=kind, customer_id=1, detail={"open": {}}),
                NOW,
            )
        await fact_signals.publish(redis, account_id, 1, kind, number)
        await asyncio.sleep(0.03)
    return number


async def take(web: Program, key: str, after: int, count: int) -> list[int]:
    """The numbers of `count` facts after that one, over a connection of its own."""
    transport = WebsocketsTransport(
        url=web.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {key}"},
        connect_args={"max_queue": None},  # otherwise its unread messages delay its close
    )
    async with asyncio.timeout(20), Client(transport=transport) as session:
        results: Any = session.subscribe(GraphQLRequest(FOLLOW, variable_values={"after": after}))
        numbers = [(await anext(results))["checklistChanged"]["number"] for _ in range(count)]
        await results.aclose()
    return numbers


async def test_a_client_misses_and_repeats_nothing_although_the_server_is_repeatedly_killed(
    web: Program, redis: Redis
) -> None:
    account_id, key = await key_of_a_new_account()
    stop = asyncio.Event()
    happening = asyncio.create_task(happen(redis, account_id, stop))
    numbers: list[int] = []
    for _ in range(2):
        numbers += await take(web, key, len(numbers), 20)
        web.kill()
        await asyncio.to_thread(web.start)
    stop.set()
    many = await happening
    numbers += await take(web, key, len(numbers), many - len(numbers))
    assert numbers == list(range(1, many + 1))
