"""The object that a mutation acts on is `id` in its input; old names are deprecated."""

import re
from collections.abc import Iterator

import graphql

from schema import root

# Fields that name another object than the one that the mutation acts on.
OTHER_OBJECTS = {
    "AssignRateCardInput.customerId",  # receives the card
    "CreateAlertRuleInput.carrierId",  # what the new rule observes
    "CreateAlertRuleInput.customerId",
    "CreateApiKeyInput.customerId",  # what the new key sees
    "CreateContactInput.customerId",  # what the new object belongs to
    "CreateSipUserInput.customerId",
    "GenerateInvoiceInput.customerId",
    "GenerateInvoiceInput.rowIds",
    "RateCallsInput.customerId",  # whose calls are selected
    "SnoozeChecklistItemInput.customerId",
    "UnsnoozeChecklistItemInput.customerId",
    "UnwaiveCallsInput.customerId",
    "WaiveCallsInput.customerId",
}
REASON = re.compile(r"Use `id`\. This name is removed after \d{4}-\d{2}-\d{2}\.")


def _inputs() -> Iterator[graphql.GraphQLInputObjectType]:
    assert root.api._schema.mutation_type is not None
    for field in root.api._schema.mutation_type.fields.values():
        for argument in field.args.values():
            type = graphql.get_named_type(argument.type)
            if isinstance(type, graphql.GraphQLInputObjectType):
                yield type


def _ids() -> Iterator[tuple[graphql.GraphQLInputObjectType, str, graphql.GraphQLInputField]]:
    for input in _inputs():
        for name, field in input.fields.items():
            if graphql.get_named_type(field.type) is graphql.GraphQLID:
                yield input, name, field


def test_the_input_of_a_mutation_names_its_object_id() -> None:
    names = {
        f"{input.name}.{name}"
        for input, name, field in _ids()
        if name not in ("id", "ids") and field.deprecation_reason is None
    }
    assert names == OTHER_OBJECTS


def test_an_old_name_is_deprecated_with_its_replacement_and_a_date() -> None:
    old_names = [(input, field) for input, _, field in _ids() if field.deprecation_reason]
    assert len(old_names) == 17
    for input, field in old_names:
        assert REASON.fullmatch(field.deprecation_reason or "")
        assert "id" in input.fields
        assert not graphql.is_required_input_field(field)
