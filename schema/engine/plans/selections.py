"""What a document selects below a field, so that a resolver can read it in as few statements."""

from collections.abc import Mapping
from typing import Any

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode

from schema.engine import base


def names_below(info: base.Info) -> frozenset[str]:
    """The names of all fields at any depth below, with those that a directive excludes."""
    raw = info._raw_info
    place = ("names", *map(id, raw.field_nodes))
    known = info.context.parts
    if known is not None and place in known:
        names: frozenset[str] = known[place]
        return names
    fragments: dict[str, FragmentDefinitionNode] = dict(raw.fragments)
    found: set[str] = set()
    for node in raw.field_nodes:
        _collect(node.selection_set, fragments, found)
    if known is not None:  # the parsed document keeps the nodes alive
        known[place] = frozenset(found)
    return frozenset(found)


def _collect(
    selected: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    found: set[str],
) -> None:
    for child in () if selected is None else selected.selections:
        below: Any = child
        if isinstance(child, FragmentSpreadNode):
            below = fragments[child.name.value]
        elif isinstance(child, FieldNode):
            found.add(child.name.value)
        _collect(below.selection_set, fragments, found)
