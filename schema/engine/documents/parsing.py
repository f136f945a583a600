"""Parses and caches documents within the limits of their text, and selects their operation."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

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

from domain import refusals
from domain.identity import callers
from schema.engine import errors
from schema.engine.documents import lexical, limits

_Selects = OperationDefinitionNode | FragmentDefinitionNode | InlineFragmentNode

MAX_CACHED_DOCUMENTS = 500
LONG_CHARACTERS = 1_000  # reading or validating a longer document takes more than about 2 ms
# Each token is half a kilobyte of parsed document and almost four objects. A full garbage
# collection visits all of them at once: 8,000 tokens block the event loop for about 10 ms.
MAX_CACHED_TOKENS = 8_000


@dataclass(slots=True, eq=False)
class Parsed:
    """A parsed document, the counts of its text, and whether it has passed validation."""

    document: DocumentNode
    counts: lexical.Counts
    valid: bool = False
    measures: dict[Any, Any] = field(default_factory=dict)  # of `cost`, by operation and variables
    parts: dict[Any, Any] = field(default_factory=dict)  # of `schema.engine.fragments`
    _digest: bytes | None = None

    @property
    def digest(self) -> bytes:
        """Equal for all documents that differ only in white space and comments."""
        if self._digest is None:
            self._digest = hashlib.sha256(print_ast(self.document).encode()).digest()
        return self._digest


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operation of a document, ready to be measured. Other requests share `parsed`."""

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
        """The names of the declared variables."""
        definitions = self.definition.variable_definitions or ()
        return frozenset(definition.variable.name.value for definition in definitions)

    def root_field(self) -> FieldNode | None:
        """The root field of a subscription; None if the document is not valid."""
        fragments = {
            definition.name.value: definition
            for definition in self.document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        node: SelectionNode | OperationDefinitionNode | FragmentDefinitionNode = self.definition
        while not isinstance(node, FieldNode):
            if isinstance(node, FragmentSpreadNode):
                fragment = fragments.pop(
                    node.name.value, None
                )  # only once, because it may spread itself
                if fragment is None:
                    return None
                node = fragment
            assert isinstance(node, _Selects)
            node = node.selection_set.selections[0]
        return node


class DocumentCache:
    """The most recently used documents by their text."""

    def __init__(
        self, documents: int = MAX_CACHED_DOCUMENTS, tokens: int = MAX_CACHED_TOKENS
    ) -> None:
        self._max_documents, self._max_tokens = documents, tokens
        self._tokens = 0
        self._by_text: OrderedDict[str, Parsed] = OrderedDict()

    def get(self, text: str) -> Parsed | None:
        cached = self._by_text.get(text)
        if cached is not None:
            self._by_text.move_to_end(text)
        return cached

    def put(self, text: str, parsed: Parsed) -> None:
        self._by_text[text] = parsed
        self._tokens += parsed.counts.tokens
        while len(self._by_text) > self._max_documents or self._tokens > self._max_tokens:
            _, dropped = self._by_text.popitem(last=False)
            self._tokens -= dropped.counts.tokens


_cache = DocumentCache()


def is_cached(text: str) -> bool:
    """Whether reading it again takes no time."""
    return _cache.get(text) is not None


def operation(text: str, operation_name: str | None, caller: callers.Caller | None) -> Operation:
    """The operation of a document. Raises GraphQLError with a code if it cannot be executed.

    The document is within the limits of its text and well-formed, but not validated or measured.
    """
    document = parsed(text, limits.of(caller))
    return Operation(document, _definition(document.document, operation_name))


def parsed(text: str, allowed: limits.Limits) -> Parsed:
    """A document, from the cache if possible. Raises GraphQLError if it is above the limits."""
    cached = _cache.get(text)
    if cached is not None:
        lexical.check_counts(cached.counts, allowed)
        return cached
    document = read(text, allowed)
    cache(text, document)
    return document


def read(text: str, allowed: limits.Limits) -> Parsed:
    """Parses a document that is not cached. Can be called in a thread."""
    counts = lexical.check(text, allowed)
    return Parsed(_parse(text), counts)


def cache(text: str, document: Parsed) -> None:
    """Caches the document of a text."""
    _cache.put(text, document)


def _parse(text: str) -> DocumentNode:
    if not text:
        raise _bad_request("Send a document in `query`.")
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        error.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
        raise
    _unlink_tokens(document)
    return document


def _unlink_tokens(document: DocumentNode) -> None:
    """Unlinks the tokens, so that a document is freed as soon as the cache drops it.

    Tokens that are linked in both directions are freed only by a full garbage collection, which
    blocks the event loop for longer the more of them there are.
    """
    token = None if document.loc is None else document.loc.start_token
    while token is not None:
        token.prev, token.next, token = None, None, token.next


def _definition(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    if name is not None:
        operations = [
            definition
            for definition in operations
            if definition.name is not None and definition.name.value == name
        ]
    if not operations:
        if name is None:
            raise _bad_request("The document has no operation.")
        raise _bad_request('The document has no operation "{name}".', name=name)
    if len(operations) > 1 and name is None:
        raise _bad_request("Name one of the document's operations in `operationName`.")
    return operations[0]


def _bad_request(template: str, **values: object) -> GraphQLError:
    return errors.refusal_error(refusals.Refusal("BAD_REQUEST", template, None, **values))
