"""What the fields of the API require of their callers, read from their declarations."""

from collections.abc import Iterator
from typing import Any

import graphql
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from domain.identity import callers
from resolvers import access
from resolvers.access import Capability
from schema import root
from schema.engine import customer_ids, permissions
from schema.engine.permissions import Requirement

SCHEMA = root.api._schema

# `node` finds them, each by the kind in its id.
OBJECTS = {kind: kind for kind in root.NODES} | {"AccountSummaryRow": "SummaryRow"}
_OF_THE_ACCOUNT = {"Account", "AccountSummaryRow"}
# A caller of one customer has to name it.
_NAMES_ITS_CUSTOMER = {"Query.auditLog"}


def type_of(name: str) -> graphql.GraphQLObjectType:
    type = SCHEMA.type_map[name]
    assert isinstance(type, graphql.GraphQLObjectType)
    return type


def fields() -> Iterator[tuple[str, str]]:
    """Type and field, of all object types of our own."""
    for type in SCHEMA.type_map.values():
        if isinstance(type, graphql.GraphQLObjectType) and not type.name.startswith("__"):
            yield from ((type.name, name) for name in type.fields)


def declaration(type: str, name: str) -> StrawberryField:
    extension = type_of(type).fields[name].extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
    assert isinstance(extension, StrawberryField)
    return extension


def requirement(type: str, name: str) -> Requirement | None:
    return permissions.requirement_of(declaration(type, name))


def required(type: str, name: str) -> Requirement:
    """Of a field that has one, such as each query, mutation and subscription."""
    need = requirement(type, name)
    assert need is not None, f"{type}.{name} declares no requirement"
    return need


def allows(
    type: str, name: str, caller: callers.Caller | None, *, names_customer: bool = False
) -> bool:
    """Of a query, mutation or subscription."""
    if not required(type, name).allows(caller):
        return False
    if caller is None or names_customer:
        return True
    if caller.customer_id is None:
        return not _needs_customer(type_of(type).fields[name])
    return f"{type}.{name}" not in _NAMES_ITS_CUSTOMER


def _needs_customer(field: graphql.GraphQLField) -> bool:
    return any(customer_ids.LEFT_OUT in (arg.description or "") for arg in field.args.values())


def shows(type: str, caller: callers.Caller | None) -> bool:
    """Whether `node` finds objects of the type for the caller."""
    if not root.NODES[OBJECTS[type]].requirement.allows(caller):
        return False
    assert caller is not None
    if type == "ApiKey":  # another one than itself
        return access.may(caller, Capability.SEE_STAFF)
    return type not in _OF_THE_ACCOUNT or access.sees_account(caller)


def groups(type: str) -> Iterator[tuple[Requirement | None, list[str]]]:
    """The type's fields: first all open fields together, then each other field separately. The
    objects of the tests meet no condition of a requirement."""
    opened: list[str] = []
    for name in type_of(type).fields:
        needs: Any = requirement(type, name)
        if needs is None or needs.when is not None:
            opened.append(name)
        else:
            yield needs, [name]
    yield None, opened
