"""Documents as they come: limited by their text, parsed once, the operation that is asked for."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    parse,
    print_ast,
)

from domain import callers, refusals
from schema import errors, lexical, limits

_Selects = OperationDefinitionNode | FragmentDefinitionNode | InlineFragmentNode

MOST_KEPT = 500  # documents
MOST_TOKENS_KEPT = 50_000  # about half a kilobyte of parsed document each


@dataclass(slots=True, eq=False)
class Parsed:
    """A document kept: what its text counts, and whether it has passed validation."""

    document: DocumentNode
    counts: lexical.Counts
    valid: bool = False
    _digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """The same of all documents that differ in nothing but white space and comments."""
        if self._digest is None:
            self._digest = hashlib.sha256(print_ast(self.document).encode()).digest()
        return self._digest


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One of a document's, ready to be measured; `parsed` is shared with other requests."""

    parsed: Parsed
    definition: OperationDefinitionNode

    @property
    def document(self) -> DocumentNode:
        return self.parsed.document

    @property
    def is_subscription(self) -> bool:
        return self.definition.operation is OperationType.SUBSCRIPTION

    @property
    def name(self) -> str | None:
        return None if self.definition.name is None else self.definition.name.value

    @property
    def variables(self) -> frozenset[str]:
        """The names of those it declares."""
        declared = self.definition.variable_definitions or ()
        return frozenset(one.variable.name.value for one in declared)

    def root_field(self) -> FieldNode | None:
        """The one field of a subscription; None of a document that is not valid."""
        named = {
            one.name.value: one
            for one in self.document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        node: SelectionNode | OperationDefinitionNode | FragmentDefinitionNode = self.definition
        while not isinstance(node, FieldNode):
            if isinstance(node, FragmentSpreadNode):
                fragment = named.pop(node.name.value, None)  # once: it may hold itself
                if fragment is None:
                    return None
                node = fragment
            assert isinstance(node, _Selects)
            node = node.selection_set.selections[0]
        return node


class Kept:
    """The documents used last, by their text."""

    def __init__(self, documents: int = MOST_KEPT, tokens: int = MOST_TOKENS_KEPT) -> None:
        self._most, self._most_tokens = documents, tokens
        self._tokens = 0
        self._by_text: OrderedDict[str, Parsed] = OrderedDict()

    def get(self, text: str) -> Parsed | None:
        found = self._by_text.get(text)
        if found is not None:
            self._by_text.move_to_end(text)
        return found

    def put(self, text: str, parsed: Parsed) -> None:
        self._by_text[text] = parsed
        self._tokens += parsed.counts.tokens
        while len(self._by_text) > self._most or self._tokens > self._most_tokens:
            _, dropped = self._by_text.popitem(last=False)
            self._tokens -= dropped.counts.tokens


_kept = Kept()


def operation(text: str, operation_name: str | None, caller: callers.Caller | None) -> Operation:
    """The operation of a document; a GraphQLError with a code where it cannot be run.

    It is within the limits of its text and well-formed; it has not been validated or measured.
    """
    found = parsed(text, limits.of(caller))
    return Operation(found, _definition(found.document, operation_name))


def parsed(text: str, allowed: limits.Limits) -> Parsed:
    """A document within these limits of its text; a GraphQLError with a code otherwise."""
    found = _kept.get(text)
    if found is not None:
        lexical.check_counts(found.counts, allowed)
        return found
    counts = lexical.check(text, allowed)
    found = Parsed(_parse(text), counts)
    _kept.put(text, found)
    return found


def _parse(text: str) -> DocumentNode:
    if not text:
        raise _bad_request("Send a document in `query`.")
    try:
        return parse(text)
    except GraphQLSyntaxError as error:
        error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
        raise


def _definition(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        found = [one for one in found if one.name is not None and one.name.value == name]
    if not found:
        if name is None:
            raise _bad_request("The document has no operation.")
        raise _bad_request('The document has no operation "{name}".', name=name)
    if len(found) > 1 and name is None:
        raise _bad_request("Name one of the document's operations in `operationName`.")
    return found[0]


def _bad_request(template: str, **values: object) -> GraphQLError:
    return errors.refused(refusals.Refusal("BAD_REQUEST", template, None, **values))
