from dataclasses import dataclass
from typing import Any
from graphql import *


@dataclass
class Operation:
    document: Any
    definition: Any


def operation(text, name, caller):
    document = parse(text)
    found = [
        o
        for o in document.definitions
        if isinstance(o, OperationDefinitionNode)
        and (name is None or o.name and o.name.value == name)
    ]
    if len(found) != 1:
        raise GraphQLError("no single operation " + str(name), extensions={"code": "BAD_REQUEST"})
    return Operation(document, found[0])
