"""A mutation acts on the object that `id` names, or its deprecated name."""

from typing import Any

import graphql
import pytest

from schema import root
from schema.engine import ids
from tests.support.api.callers import Carrier

OTHERS: dict[str, dict[str, Any]] = {
    "addRates": {"rates": [{"prefix": "49", "perMinute": "0.01"}]},
    "assignRateCard": {"customerId": "unknown"},
    "issueInvoice": {"idempotencyKey": "a"},
    "setAllowedNetworks": {"networks": []},
}


def _old_names() -> list[tuple[str, str]]:
    """The mutations whose input has a deprecated name of `id`, and that name."""
    assert root.api._schema.mutation_type is not None
    return [
        (mutation, name)
        for mutation, field in root.api._schema.mutation_type.fields.items()
        for argument in field.args.values()
        for name, each in getattr(graphql.get_named_type(argument.type), "fields", {}).items()
        if each.deprecation_reason
    ]


async def refusal(carrier: Carrier, mutation: str, **names: str | None) -> dict[str, Any]:
    input = {name: value for name, value in names.items() if value is not None}
    return await carrier.owner.do(mutation, "Refusal", "code", **(OTHERS.get(mutation, {}) | input))


@pytest.mark.parametrize(("mutation", "old"), _old_names())
async def test_both_names_select_the_same_object_and_one_of_them_is_required(
    carrier: Carrier, mutation: str, old: str
) -> None:
    unknown = ids.encode_id("Contact", carrier.account_id, 2**40)
    by_id = await refusal(carrier, mutation, id=unknown)
    assert by_id["code"] == "NOT_FOUND"
    assert by_id == await refusal(carrier, mutation, **{old: unknown})
    assert by_id == await refusal(carrier, mutation, **{"id": unknown, old: unknown})
    for names in ({}, {"id": unknown, old: "another"}):
        answer = await refusal(carrier, mutation, **names)
        assert (answer["__typename"], answer["code"]) == ("InvalidInput", "INVALID")
        assert answer["field"] == "id"


async def test_an_update_by_id_changes_the_object(carrier: Carrier) -> None:
    customer = await carrier.customer()
    updated = await carrier.owner.do(
        "updateCustomer", "Customer", "id name", id=customer, name="Acme Voice"
    )
    assert (updated["id"], updated["name"]) == (customer, "Acme Voice")
