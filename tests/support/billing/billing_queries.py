"""Queries the GraphQL schema as a signed-in caller."""

from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from domain.identity import callers
from schema import root
from schema.engine import base, services
from tests.support.billing.books import NOW, Books

_AWAY: Redis = Redis(unix_socket_path="/nowhere")  # invoices are issued all the same


def owner(books: Books) -> callers.Caller:
    return callers.Caller(books.account_id, callers.Kind.STAFF, 1, callers.Role.OWNER)


def contact(books: Books, customer_id: int) -> callers.Caller:
    return callers.Caller(books.account_id, callers.Kind.CONTACT, 1, customer_id=customer_id)


def key(books: Books, *scopes: callers.Scope, customer_id: int | None = None) -> callers.Caller:
    return callers.Caller(
        books.account_id,
        callers.Kind.KEY,
        1,
        scopes=frozenset(scopes),
        customer_id=customer_id,
    )


async def ask(
    caller: callers.Caller | None,
    query: str,
    *,
    now: datetime = NOW,
    redis: Redis = _AWAY,
    **variables: Any,
) -> dict[str, Any]:
    """The answer's data; errors are in `ask(…)["errors"]`."""
    nothing: Any = None  # no query of these tests reads the live state
    context = base.Context(
        caller, lambda: now, services.Services(redis, bus=nothing, live_feeds=nothing)
    )
    answer = await root.api.execute(query, variable_values=variables, context_value=context)
    data = dict(answer.data or {})
    if answer.errors:
        data["errors"] = [error.formatted for error in answer.errors]
    return data
