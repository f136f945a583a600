"""Refuses strings and ids that cannot be stored, before a resolver receives them.

graphql-core parses all of them, in variables and in documents, with its own String and ID scalars,
so they are checked there. Scalars of the API (`schema/engine/scalars.py`) have their
own grammars.
"""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLError, GraphQLID, GraphQLString

from domain import refusals, storable_text


def _checked(coerce: Callable[..., Any]) -> Callable[..., Any]:
    def coerce_storable(*arguments: Any) -> Any:
        text = coerce(*arguments)
        try:
            return storable_text.require(text)
        except refusals.Refusal as refusal:
            raise refused(refusal) from None

    return coerce_storable


def refused(refusal: refusals.Refusal) -> GraphQLError:
    """The refusal of a value; `schema/engine/errors.py` adds its message and code."""
    return GraphQLError(refusal.message, original_error=refusal)


def install() -> None:
    """Adds the check to graphql-core's String and ID. Call once per process."""
    for scalar in (GraphQLString, GraphQLID):
        assert scalar.coerce_input_literal is not None
        scalar.coerce_input_value = _checked(scalar.coerce_input_value)
        scalar.coerce_input_literal = _checked(scalar.coerce_input_literal)
