"""A field that fails independently is null with an error; the rest of the response is complete."""

import json
from typing import Any

import graphql
import httpx2
import pytest

from models import db
from models.directory import carriers
from runtime import clock
from schema.engine import base
from tests.support.api import rights, sdl_documents
from tests.support.api.callers import Carrier
from tests.support.api.world import Who, World
from tests.support.engine import failing_fields
from tests.support.engine.failing_fields import Field
from tests.support.own_redis import own_redis
from tests.support.programs import Program

FAILING = [field for field in failing_fields.fields() if failing_fields.can_fail(field)]
# How an object with such fields is reached without `node`.
REACHED_BY = {
    "Query": "{field}",
    "RateCard": "it: rateCard(id: {RateCard}) {{ beside: __typename {field} }}",
}


def test_a_field_that_can_fail_independently_is_nullable() -> None:
    cannot_be_null = [
        str(field) for field in FAILING if isinstance(field.definition.type, graphql.GraphQLNonNull)
    ]
    assert cannot_be_null == []
    assert len(FAILING) > 40


def document(world: World, field: Field, arguments: dict[str, str]) -> str:
    """Queries the field beside another of its object and beside another object."""
    reading = sdl_documents.Reading(world.ids, parts=False)
    arguments_by_name = (
        dict(reading._arguments(field.name, field.definition.args, None)) | arguments
    )
    passed = ", ".join(f"{name}: {value}" for name, value in arguments_by_name.items())
    inner = reading.whole(graphql.get_named_type(field.definition.type))
    text = f"failing: {field.name}{f'({passed})' if passed else ''}{inner}"
    ids = {kind: json.dumps(its.own) for kind, its in world.ids.items()}
    if field.type in REACHED_BY:
        reached = REACHED_BY[field.type].format(field=text, **ids)
    else:
        reached = (
            f"it: node(id: {ids[field.type]}) {{"
            f" ... on {field.type} {{ beside: __typename {text} }} }}"
        )
    return f"{{ languages {{ code }} {reached} }}"


async def ask(http: httpx2.AsyncClient, who: Who, query: str) -> dict[str, Any]:
    answer = await http.post(
        f"{who.asks.url}/graphql", json={"query": query}, headers=who.asks.headers
    )
    body: dict[str, Any] = answer.json()
    return body


def require_partial(field: Field, answer: dict[str, Any]) -> None:
    """Null with one error that points to it, and all else is there."""
    data = answer["data"]
    assert data is not None, (str(field), answer)
    assert data["languages"], str(field)
    place = data if field.type == "Query" else data["it"]
    assert place is not None, (str(field), answer)
    assert place["failing"] is None, (str(field), answer)
    assert "beside" in place or field.type == "Query"
    [error] = answer["errors"]
    assert error["path"] == (["failing"] if field.type == "Query" else ["it", "failing"])
    assert error["extensions"]["code"] not in ("INTERNAL", "GRAPHQL_VALIDATION_FAILED"), answer


REFUSED = [
    (field, arguments)
    for field in FAILING
    if (arguments := failing_fields.refused_arguments(field)) is not None
    and field.type in {*rights.OBJECTS, "Query", "RateCard"}
]


@pytest.mark.parametrize(("field", "arguments"), REFUSED, ids=[str(field) for field, _ in REFUSED])
async def test_refused_arguments_do_not_affect_the_rest_of_the_response(
    everything: World, http: httpx2.AsyncClient, field: Field, arguments: dict[str, str]
) -> None:
    [owner] = [who for who in everything.everybody if who.name == "owner"]
    require_partial(field, await ask(http, owner, document(everything, field, arguments)))


def without_permission(world: World, field: Field) -> list[Who]:
    """The callers that see the object but not the field."""
    if field.type == "Query":
        return [
            who
            for who in world.everybody
            if who.may and not rights.allows("Query", field.name, who.may)
        ]
    needs = rights.required(field.type, field.name)
    return [
        who
        for who in world.everybody
        if rights.shows(field.type, who.may) and not needs.allows(who.may)
    ]


def is_refused(field: Field) -> bool:
    """Not if it is null without an error for callers without permission: that is an answer."""
    needs = failing_fields.needs_permission(field)
    return needs and not rights.required(field.type, field.name).hidden


PERMITTED = [field for field in FAILING if is_refused(field)]


@pytest.mark.parametrize("field", PERMITTED, ids=str)
async def test_a_forbidden_field_does_not_affect_the_rest_of_the_response(
    everything: World, http: httpx2.AsyncClient, field: Field
) -> None:
    for who in without_permission(everything, field):
        require_partial(field, await ask(http, who, document(everything, field, {})))


CARRIERS = 36
_CALLS = """
INSERT INTO rollups (account_id, customer_id, slot, carrier_id, attempts, answered, talk_us,
    billed_seconds, charge, unrated, dtmf_answered, pdd_us, pdd_count, legs, legs_answered,
    legs_talk_us, legs_pdd_us, legs_pdd_count, cost, uncosted)
SELECT $1, $2, '2026-01-01T00:00:00Z', c.id, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
FROM unnest($3::bigint[]) AS c (id)
"""


async def test_too_many_points_by_carrier_do_not_affect_the_total(carrier: Carrier) -> None:
    customer = await carrier.customer()
    split = base.split_id(customer)
    assert split is not None
    ids = [
        (
            await carriers.insert(
                carrier.account_id,
                reference=carrier.unique("carrier"),
                name="A",
                currency="EUR",
                sip_uri=None,
                now=clock.now(),
            )
        ).id
        for _ in range(CARRIERS)
    ]
    async with db.connection() as conn:
        await conn.execute(_CALLS, carrier.account_id, int(split[2][0]), ids)
    answer = await carrier.owner.send(
        """query Q($c: ID!) { customer(id: $c) { name
        stats(from: "2026-01-01T00:00:00Z", to: "2026-02-28T00:00:00Z", interval: HOUR) {
          total { attempts } byCarrier { carrier { id } } } } }""",
        c=customer,
    )
    stats = answer["data"]["customer"]["stats"]
    assert len(stats["total"]) == 58 * 24
    assert stats["total"][0]["attempts"] == CARRIERS
    assert stats["byCarrier"] is None
    [error] = answer["errors"]
    assert error["path"] == ["customer", "stats", "byCarrier"]
    assert error["extensions"]["code"] == "TOO_MANY_POINTS"


async def test_without_redis_only_live_fields_fail(
    environment: dict[str, str], carrier: Carrier
) -> None:
    customer = await carrier.customer(name="Acme")
    query = """query Q($c: ID!) { customer(id: $c) { name channels { inUse }
      liveStats { attempts } balance { amount } summary(granularity: LIVE) { billable } } }"""
    async with own_redis() as redis:
        with Program.web(environment | {"CALLBOARD_REDIS_URL": redis.url}) as web:
            redis.kill()
            carrier.owner.url = web.url
            answer = await carrier.owner.send(query, c=customer)
    assert answer["data"]["customer"] == {
        "name": "Acme",
        "channels": None,
        "liveStats": None,
        "balance": {"amount": "0"},
        "summary": {"billable": False},
    }
    errors = {error["path"][-1]: error["extensions"]["code"] for error in answer["errors"]}
    assert errors == dict.fromkeys(("channels", "liveStats"), "LIVE_UNAVAILABLE")
