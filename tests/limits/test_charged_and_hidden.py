"""Limits, cost and hidden parts of the schema, over the API."""

import json
from typing import Any

import graphql
import httpx2
import pytest
from redis.asyncio import Redis

from domain import budgets
from live import keys
from schema.engine.documents import limits
from tests.support.api.callers import Caller, Carrier
from tests.support.programs import Program

RESPONSE_JSON = "application/graphql-response+json"
INTROSPECTION = graphql.get_introspection_query()


async def _post(caller: Caller, query: str) -> httpx2.Response:
    headers = {"Content-Type": "application/json", "Accept": RESPONSE_JSON} | caller.headers
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        body = json.dumps({"query": query})
        return await client.post(f"{caller.url}/graphql", content=body, headers=headers)


async def test_a_response_includes_its_cost_the_limit_and_the_remaining_budget(
    carrier: Carrier,
) -> None:
    first = (await carrier.owner.send("{ viewer { __typename } }"))["extensions"]["cost"]
    assert first["limit"] == budgets.MAX_COST
    assert 0 < first["remaining"] <= 8_000_000 - first["requested"]
    second = await carrier.owner.send("{ customers(first: 100) { edges { cursor } } }")
    assert second["extensions"]["cost"]["requested"] >= first["requested"] + 100


async def test_an_unauthenticated_caller_has_no_bucket(api: Program) -> None:
    answer = await Caller(api.url).send("{ __typename }")
    requested = answer["extensions"]["cost"]["requested"]
    cost = {"requested": requested, "limit": limits.of(None).cost, "remaining": None}
    assert answer["extensions"]["cost"] == cost


async def test_an_account_without_budget_receives_the_time_of_the_next_try(
    carrier: Carrier, api_redis: Redis
) -> None:
    seconds, microseconds = await api_redis.time()
    level = {"level": 8_000_000 + 400_000, "at": seconds * 1_000_000 + microseconds}
    name = keys.prefix(carrier.account_id) + keys.PATTERNS["bucket"] % budgets.ACCOUNT
    await api_redis.hset(name, mapping=level)
    answer = await _post(carrier.owner, "{ viewer { __typename } }")
    assert answer.status_code == 429
    assert "data" not in answer.json()
    [error] = answer.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["budget"]) == (
        "RATE_LIMITED",
        "ACCOUNT",
    )
    assert 1 <= error["extensions"]["retryAfterSeconds"] <= 6
    assert f"{error['extensions']['retryAfterSeconds']} s" in error["message"]


async def test_a_mutation_above_a_limit_is_not_executed(carrier: Carrier) -> None:
    fragments = "".join(
        f"fragment {name} on Mutation {{ {' '.join(_logouts(name, 33))} }}" for name in "AB"
    )
    answer = await _post(carrier.owner, "mutation { ...A ...B }" + fragments)
    [error] = answer.json()["errors"]
    assert answer.status_code == 400
    assert error["extensions"] == {"code": "TOO_MANY_ALIASES", "limit": 60, "requested": 66}
    assert await carrier.owner.ask("{ viewer { __typename } }")


def _logouts(name: str, count: int) -> list[str]:
    return [f"{name}{number}: logout {{ __typename }}" for number in range(count)]


async def test_unauthenticated_callers_can_query_typename_but_not_the_schema(
    carrier: Carrier,
) -> None:
    stranger = Caller(carrier.url)
    for query in (
        INTROSPECTION,
        '{ __type(name: "Money") { name } }',
        "{ ...F } fragment F on Query { __schema { __typename } }",
    ):
        answer = await stranger.send(query)
        [error] = answer["errors"]
        assert error["extensions"] == {"code": "INTROSPECTION_OFF"}
        assert "Sign in" in error["message"]
        assert "data" in await carrier.owner.send(query)
    assert await stranger.ask("{ __typename }") == {"__typename": "Query"}


_FILTERED = "query Q($f: InvoiceFilter) { invoices(filter: $f) { pageInfo { endCursor } } }"
_MISSPELT: list[tuple[str, dict[str, Any]]] = [
    ("{ customer(id: 1) { nam } }", {}),
    ("{ customers { edge { cursor } } }", {}),
    ("{ customers(frist: 1) { edges { cursor } } }", {}),
    ("{ viewer { ... on Stuff { id } } }", {}),
    ("{ viewer { id } }", {}),
    ("{ invoices(filter: { statuses: [ISUED] }) { edges { cursor } } }", {}),
    ("{ invoices(filter: { status: [ISSUED] }) { edges { cursor } } }", {}),
    (_FILTERED, {"f": {"statuses": ["ISUED"]}}),
    (_FILTERED, {"f": {"status": []}}),
]


@pytest.mark.parametrize(("query", "variables"), _MISSPELT)
async def test_only_signed_in_callers_receive_suggestions(
    carrier: Carrier, query: str, variables: dict[str, Any]
) -> None:
    text = json.dumps(await carrier.owner.send(query, **variables))
    assert "Did you mean" in text
    hidden = await Caller(carrier.url).send(query, **variables)
    assert hidden["errors"]
    assert "Did you mean" not in json.dumps(hidden)


async def test_in_development_every_caller_sees_the_schema(
    services: Any, api_database: str
) -> None:
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        "CALLBOARD_DEVELOPMENT": "true",
    }
    with Program.web(environment) as program:
        stranger = Caller(program.url)
        assert (await stranger.ask(INTROSPECTION))["__schema"]["types"]
        assert "Did you mean" in json.dumps(await stranger.send("{ custmer(id: 1) { id } }"))
