"""The table of permissions, checked against a running server."""

from typing import Any

import graphql
import pytest

from schema import root
from tests.support.api.callers import Caller, Carrier

OWN = """query Q($id: ID!) { customer(id: $id) { %s } }"""
TIMES = 'from: "2026-11-22T03:00:00Z", to: "2026-11-22T05:00:00Z"'
FIELDS = {
    "name": "name",
    "balance": "balance { amount }",
    "channels": "channels { inUse }",
    "checklist": "checklist { outstanding }",
    "stats": f"stats({TIMES}, interval: HOUR) {{ timeZone }}",
    "summary": "summary(granularity: DAILY) { billable }",
}
STAFF = set(FIELDS)
SEES = {
    "owner": STAFF,
    "support": STAFF,
    "finance": STAFF,
    "contact": STAFF,
    "LIVE_READ": {"name", "channels", "checklist", "stats"},
    "STATS_READ": {"name", "checklist", "stats", "summary"},
    "BILLING_READ": {"name", "balance", "checklist", "stats", "summary"},
    "BILLING_WRITE": {"name", "balance", "checklist", "stats", "summary"},
    "INGEST": set(),
}
MAKES = {
    "owner": {"createCustomer", "createCarrier", "createApiKey", "configureSwitch"},
    "support": {"createCustomer", "createCarrier", "configureSwitch"},
}
INPUTS: dict[str, dict[str, Any]] = {
    "createCustomer": {"name": "Acme", "reference": "x", "currency": "EUR"},
    "createCarrier": {"name": "Carrier A", "reference": "x", "currency": "EUR"},
    "createApiKey": {"name": "a program", "scopes": ["LIVE_READ"]},
    "configureSwitch": {"reference": "edge-1"},
}
TYPES = {
    "createCustomer": "Customer",
    "createCarrier": "Carrier",
    "createApiKey": "CreatedApiKey",
    "configureSwitch": "Switch",
}


async def _caller(carrier: Carrier, who: str, customer_id: str) -> Caller:
    if who == "owner":
        return carrier.owner
    if who in ("support", "finance"):
        return await carrier.staff(who.upper())
    if who == "contact":
        return await carrier.contact(customer_id)
    return await carrier.key(who)


@pytest.mark.parametrize("who", SEES)
async def test_each_caller_sees_only_its_own_data(carrier: Carrier, who: str) -> None:
    mine = await carrier.customer()
    caller = await _caller(carrier, who, mine)
    for name, field in FIELDS.items():
        answer = await caller.send(OWN % field, id=mine)
        if name in SEES[who]:
            assert "errors" not in answer, (name, answer)
            assert answer["data"]["customer"]
        else:
            assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", (name, answer)


@pytest.mark.parametrize("who", SEES)
async def test_a_caller_that_cannot_see_balances_cannot_see_invoices(
    carrier: Carrier, who: str
) -> None:
    mine = await carrier.customer()
    caller = await _caller(carrier, who, mine)
    proof = f"query Q($id: ID!) {{ reconciliation(customerId: $id, {TIMES}) {{ balanced }} }}"
    for query in ("{ invoices { edges { cursor } } }", proof):
        answer = await caller.send(query, id=mine)
        if "balance" in SEES[who]:
            assert "errors" not in answer, answer
        else:
            assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", answer


@pytest.mark.parametrize("who", SEES)
async def test_each_caller_can_create_only_what_its_role_allows(carrier: Carrier, who: str) -> None:
    caller = await _caller(carrier, who, await carrier.customer())
    for mutation, input in INPUTS.items():
        answer = await caller.do(mutation, TYPES[mutation], "__typename", **input)
        if mutation in MAKES.get(who, set()):
            assert answer["__typename"] == TYPES[mutation]
        else:
            assert (answer["__typename"], answer["code"]) == ("NotPermitted", "FORBIDDEN")


@pytest.mark.parametrize("who", ["contact", "key"])
async def test_a_caller_of_one_customer_cannot_see_another_customer(
    carrier: Carrier, who: str
) -> None:
    mine, others = await carrier.customer(), await carrier.customer()
    caller = (
        await carrier.contact(mine)
        if who == "contact"
        else await carrier.key("LIVE_READ", "BILLING_READ", customer_id=mine)
    )
    assert await caller.ask(OWN % "id", id=others) == {"customer": None}
    proof = f"query Q($id: ID!) {{ reconciliation(customerId: $id, {TIMES}) {{ balanced }} }}"
    assert await caller.code(proof, id=others) == "NOT_FOUND"
    assert await caller.ask("query Q($id: ID!) { node(id: $id) { id } }", id=others) == {
        "node": None
    }
    answer = await caller.ask("{ customers { edges { node { id } } } }")
    assert answer == {"customers": {"edges": [{"node": {"id": mine}}]}}
    assert await caller.code("{ carriers { edges { cursor } } }") == "FORBIDDEN"


MUTATION = root.api._schema.type_map["Mutation"]
assert isinstance(MUTATION, graphql.GraphQLObjectType)
# A proof of identity needs no sign-in: a password, a link.
PROVEN = {"login", "requestPasswordReset", "resetPassword", "acceptInvitation", "verifyEmail"}
FIELDS_OF_MUTATION = {name: field for name, field in MUTATION.fields.items() if name not in PROVEN}


@pytest.mark.parametrize("mutation", sorted(FIELDS_OF_MUTATION))
async def test_no_mutation_works_without_signing_in(carrier: Carrier, mutation: str) -> None:
    """With inputs from the schema: the right types, arbitrary values."""
    field = FIELDS_OF_MUTATION[mutation]
    arguments = ", ".join(f"{name}: {_made_up(arg.type)}" for name, arg in field.args.items())
    query = f"mutation {{ {mutation}{f'({arguments})' if arguments else ''} {{ __typename"
    query += " ... on Refusal { code } } }"
    answer = await Caller(carrier.url).ask(query)
    assert answer[mutation] == {"__typename": "NotPermitted", "code": "UNAUTHENTICATED"}


def _made_up(type: object) -> str:
    if isinstance(type, graphql.GraphQLNonNull):
        return _made_up(type.of_type)
    if isinstance(type, graphql.GraphQLList):
        return f"[{_made_up(type.of_type)}]"
    if isinstance(type, graphql.GraphQLInputObjectType):
        fields = (f"{name}: {_made_up(field.type)}" for name, field in type.fields.items())
        return "{" + ", ".join(fields) + "}"
    if isinstance(type, graphql.GraphQLEnumType):
        return str(next(iter(type.values)))
    made_up = {"Long": "1", "Int": "1", "Boolean": "true", "DateTime": '"2026-11-22T03:00:00Z"'}
    return made_up.get(str(type), '"1"')
