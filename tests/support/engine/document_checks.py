"""Measures a document for a caller and returns its refusals."""

from typing import Any

import pytest
from graphql import GraphQLError

from domain.identity import callers
from schema import root
from schema.engine.documents import cost, limits, parsing

SCHEMA = root.api._schema
STAFF = callers.Caller(1, callers.Kind.STAFF, 1, callers.Role.OWNER)
ALLOWED = limits.of(STAFF)


def measured(text: str, **variables: Any) -> cost.Measured:
    operation = parsing.operation(text, None, STAFF)
    return cost.measure(SCHEMA, operation.document, operation.definition, variables)


def refused(text: str, caller: callers.Caller | None = STAFF, **variables: Any) -> dict[str, Any]:
    with pytest.raises(GraphQLError) as error:
        require(text, caller, **variables)
    return dict(error.value.extensions or {})


def require(text: str, caller: callers.Caller | None, **variables: Any) -> None:
    operation = parsing.operation(text, None, caller)
    document = cost.measure(
        SCHEMA,
        operation.document,
        operation.definition,
        variables,
        signed_in=caller is not None,
    )
    cost.require(document, limits.of(caller))
