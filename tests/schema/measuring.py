"""A document as it is measured for somebody, and what it is refused with."""

from typing import Any

import pytest
from graphql import GraphQLError

from domain import callers
from schema import cost, documents, limits, root

SCHEMA = root.api._schema
STAFF = callers.Caller(1, callers.Kind.STAFF, 1, callers.Role.OWNER)
ALLOWED = limits.of(STAFF)


def measured(text: str, **variables: Any) -> cost.Measured:
    operation = documents.operation(text, None, STAFF)
    return cost.measure(SCHEMA, operation.document, operation.definition, variables)


def refused(text: str, caller: callers.Caller | None = STAFF, **variables: Any) -> dict[str, Any]:
    with pytest.raises(GraphQLError) as error:
        _required(text, caller, variables)
    return dict(error.value.extensions or {})


def _required(text: str, caller: callers.Caller | None, variables: dict[str, Any]) -> None:
    operation = documents.operation(text, None, caller)
    found = cost.measure(SCHEMA, operation.document, operation.definition, variables)
    cost.require(found, limits.of(caller))
