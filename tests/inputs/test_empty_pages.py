"""Every connection of the schema: the page after the last returns the cursor of the request, so
that a client that stores `endCursor` resumes from there.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import graphql
import httpx2
import pytest

from tests.support.api import rights
from tests.support.api.callers import Carrier
from tests.support.api.past_calls import days_ago, ended, post
from tests.support.api.world import World

# How an object with connections is reached.
REACHED_BY: Mapping[str, str] = {
    "Query": "{field}",
    "Account": "viewer {{ ... on Staff {{ account {{ {field} }} }} }}",
    "Carrier": "node(id: {Carrier}) {{ ... on Carrier {{ {field} }} }}",
    "Customer": "customer(id: {Customer}) {{ {field} }}",
    "RateCard": "rateCard(id: {RateCard}) {{ {field} }}",
}


def connections() -> Iterator[tuple[str, str]]:
    for type in rights.SCHEMA.type_map.values():
        if isinstance(type, graphql.GraphQLObjectType):
            for name, field in type.fields.items():
                if graphql.get_named_type(field.type).name.endswith("Connection"):
                    yield type.name, name


def document(world: World, type: str, name: str, after: str | None) -> str:
    arguments = f"first: 100, after: {json.dumps(after)}"
    if "granularity" in rights.type_of(type).fields[name].args:
        arguments += ", granularity: DAILY"
    field = f"it: {name}({arguments}) {{ edges {{ cursor }} pageInfo {{ hasNextPage endCursor }} }}"
    ids = {kind: json.dumps(its.own) for kind, its in world.ids.items()}
    return "{ " + REACHED_BY[type].format(field=field, **ids) + " }"


def connection_of(answer: Any) -> dict[str, Any]:
    while "it" not in answer:
        [answer] = answer.values()
    page: dict[str, Any] = answer["it"]
    return page


@pytest.fixture(scope="module")
async def rated(everything: World) -> World:
    """With a rate and with a call that no rate matches."""
    await everything.account.owner.do(
        "addRates",
        "RateCard",
        "id",
        rateCardId=everything.ids["RateCard"].own,
        rates=[{"prefix": "44", "perMinute": "0.01"}],
    )
    await unrated(everything.account)
    return everything


async def unrated(carrier: Carrier) -> None:
    reference = carrier.unique("unrated")
    await carrier.customer(reference=reference)
    call = ended(reference, reference, days_ago(2), "0.10")
    del call["charge"]
    await post(await carrier.key("INGEST"), call)


@pytest.mark.parametrize(("type", "name"), list(connections()))
async def test_the_page_after_the_last_returns_the_cursor_of_the_request(
    rated: World, http: httpx2.AsyncClient, type: str, name: str
) -> None:
    owner, cursor, pages = rated.account.owner, None, 0
    while True:
        answer = await http.post(
            f"{owner.url}/graphql",
            json={"query": document(rated, type, name, cursor)},
            headers=owner.headers,
        )
        assert "errors" not in answer.json(), answer.json()
        page = connection_of(answer.json()["data"])
        if not page["edges"]:
            break
        pages += 1
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        cursor = page["pageInfo"]["endCursor"]
    assert pages, "the world of tests/support/api/world.py has none of these"
    assert page["pageInfo"] == {"hasNextPage": False, "endCursor": cursor}


async def test_a_list_without_items_has_no_cursor(carrier: Carrier) -> None:
    answer = await carrier.owner.ask("{ customers { pageInfo { hasNextPage endCursor } } }")
    assert answer["customers"]["pageInfo"] == {"hasNextPage": False, "endCursor": None}
