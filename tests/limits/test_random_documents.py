"""Random documents cause no internal error, and none above the limits is executed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import graphql
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.identity import callers
from schema.engine.documents import limits
from tests.support.api.callers import Caller, Carrier
from tests.support.engine import random_documents
from tests.support.engine.random_documents import Request

pytestmark = pytest.mark.once

RESPONSE_JSON = "application/graphql-response+json"


@dataclass
class World:
    client: httpx2.AsyncClient
    schema: graphql.GraphQLSchema
    ids: list[str]
    senders: list[Caller]

    async def send(self, sender: Caller, request: Request) -> httpx2.Response:
        return await self.client.post(
            "/graphql",
            content=request.body(),
            headers={"Content-Type": "application/json", "Accept": RESPONSE_JSON} | sender.headers,
        )


@pytest.fixture
async def world(carrier: Carrier) -> AsyncIterator[World]:
    """An account with objects of most kinds, and its callers."""
    owner = carrier.owner
    schema = graphql.build_client_schema(await owner.ask(graphql.get_introspection_query()))  # type: ignore[arg-type]
    customer, other = await carrier.customer(), await carrier.customer(channelLimit=None)
    carrier_node = await owner.do(
        "createCarrier", "Carrier", "id", name="A", reference=carrier.unique("c"), currency="EUR"
    )
    card = await owner.do("createRateCard", "RateCard", "id", name="Card", currency="EUR")
    viewer = await owner.ask("{ viewer { ... on Staff { id account { id } } } }")
    ids = [customer, other, carrier_node["id"], card["id"], viewer["viewer"]["id"]]
    senders = [
        owner,
        Caller(carrier.url),
        await carrier.contact(customer),
        await carrier.staff("FINANCE"),
        await carrier.key("LIVE_READ", "BILLING_READ", "BILLING_WRITE"),
        await carrier.key("LIVE_READ", customer_id=customer),
    ]
    async with httpx2.AsyncClient(base_url=carrier.url, verify=False, timeout=20) as client:
        ids += [viewer["viewer"]["account"]["id"], *random_documents.odd_ids(carrier.account_id)]
        yield World(client, schema, ids, senders)


@given(data=st.data())
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_random_document_causes_an_internal_error_or_exceeds_the_limits(
    world: World, data: st.DataObject
) -> None:
    sender = data.draw(st.sampled_from(world.senders))
    request = data.draw(random_documents.requests(world.schema, world.ids))
    answer = await world.send(sender, request)
    body = answer.json()
    assert answer.status_code in (200, 400), body
    assert ("data" in body) == (answer.status_code == 200)
    codes = [error["extensions"]["code"] for error in body.get("errors", ())]
    assert "INTERNAL" not in codes, body
    if "data" in body:
        kind = None if sender.token is None else callers.Kind.STAFF
        _require_within(request.query, body["extensions"]["cost"], limits.LIMITS[kind])
    if sender.token is None:
        assert "Did you mean" not in json.dumps(body)
        assert "__schema" not in (body.get("data") or {})


def _require_within(query: str, cost: dict[str, Any], allowed: limits.Limits) -> None:
    assert cost["requested"] <= cost["limit"] == allowed.cost
    assert len(query) <= allowed.length
    document = graphql.parse(query)
    fields, aliases, depth = _Spread(document).operation()
    assert (fields <= allowed.fields, aliases <= allowed.aliases, depth <= allowed.depth) == (
        (True,) * 3
    )


class _Spread:
    """Fields, aliases and depth of a document, with each fragment wherever it is spread."""

    def __init__(self, document: graphql.DocumentNode) -> None:
        self.document = document
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, graphql.FragmentDefinitionNode)
        }

    def operation(self) -> tuple[int, int, int]:
        [operation] = [
            definition
            for definition in self.document.definitions
            if isinstance(definition, graphql.OperationDefinitionNode)
        ]
        return self.within(operation.selection_set)

    def within(self, selections: graphql.SelectionSetNode | None) -> tuple[int, int, int]:
        if selections is None:
            return 0, 0, 0
        parts = [self.one(selection) for selection in selections.selections]
        return (
            sum(f for f, _, _ in parts),
            sum(a for _, a, _ in parts),
            max((d for _, _, d in parts), default=0),
        )

    def one(self, node: graphql.SelectionNode) -> tuple[int, int, int]:
        if isinstance(node, graphql.FieldNode):
            fields, aliases, depth = self.within(node.selection_set)
            return fields + 1, aliases + (node.alias is not None), depth + 1
        if isinstance(node, graphql.FragmentSpreadNode):
            return self.within(self.fragments[node.name.value].selection_set)
        assert isinstance(node, graphql.InlineFragmentNode)
        return self.within(node.selection_set)
