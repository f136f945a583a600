"""What a request asks for, however it came: read it, run it, or listen to it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    ValueNode,
    VariableNode,
)
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from schema import documents, errors, root
from server.graphql import shared, trusted

_Selects = OperationDefinitionNode | FragmentDefinitionNode | InlineFragmentNode

# Arguments that say from where on a subscription tells.
_STARTS = {"after", "since"}


@dataclass(frozen=True, slots=True)
class Operation:
    query: str
    name: str | None
    variables: Mapping[str, Any]
    document: DocumentNode
    definition: OperationDefinitionNode
    language: str

    @property
    def is_subscription(self) -> bool:
        return self.definition.operation is OperationType.SUBSCRIPTION

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

    def has_start(self) -> bool:
        """Whether it wants to be told, first, what came after some point."""
        field = self.root_field()
        return field is not None and any(
            argument.name.value in _STARTS and self._is_given(argument.value)
            for argument in field.arguments or ()
        )

    def _is_given(self, value: ValueNode) -> bool:
        if not isinstance(value, VariableNode):
            return not isinstance(value, NullValueNode)
        for variable in self.definition.variable_definitions or ():
            if variable.variable.name.value == value.name.value:
                default = variable.default_value is not None
                return self.variables.get(value.name.value, default or None) is not None
        return False


class Runner:
    """Runs operations as their callers; subscriptions through the hub."""

    def __init__(
        self, hub: shared.Hub, context: shared.Context, known_documents: trusted.Documents
    ) -> None:
        self.hub = hub
        self._context = context
        self._documents = known_documents

    def read(
        self, request: Mapping[str, Any], caller: callers.Caller | None, language: str
    ) -> Operation:
        """The operation of a request's parameters; GraphQLError where it may not be run.

        It is answered in the language: the caller's, or what one not signed in accepts.
        """
        try:
            query = self._documents.resolve(request.get("query"), request.get("documentId"))
        except refusals.Refusal as refusal:
            raise errors.told(errors.refused(refusal), language) from None
        name = request.get("operationName")
        try:
            found = documents.operation(query, name, caller)
        except GraphQLError as error:
            raise errors.told(error, language) from None
        variables = request.get("variables") or {}
        return Operation(query, name, variables, found.document, found.definition, language)

    async def execute(self, operation: Operation, caller: callers.Caller | None) -> ExecutionResult:
        """The result of a query or mutation; its errors are fit for the client."""
        try:
            result: ExecutionResult = await root.api.execute(
                operation.query,
                variable_values=dict(operation.variables),
                context_value=self._context(caller, None, operation.language),
                operation_name=operation.name,
            )
        except Exception as error:
            message, extensions = errors.masked(error, operation.language)
            told = GraphQLError(message, extensions=extensions)
            return ExecutionResult(data=None, errors=[told])
        return result

    def subscribe(
        self,
        operation: Operation,
        caller: callers.Caller | None,
        wake: Callable[[], None],
        resume_after: int | None = None,
    ) -> shared.Subscription:
        field = operation.root_field()
        asked = shared.Asked(
            query=operation.query,
            operation_name=operation.name,
            variables=_canonical(operation.variables),
            visible_to=None if caller is None else caller.unnamed(),
            language=operation.language,
            resume_after=resume_after,
            is_gauge=field is not None and field.name.value in root.GAUGES,
            has_start=resume_after is not None or operation.has_start(),
        )
        return self.hub.subscribe(asked, wake)


def _canonical(variables: Mapping[str, Any]) -> str:
    try:
        return json.dumps(variables, sort_keys=True)
    except RecursionError:  # they could just be read
        raise refusals.Refusal("BAD_REQUEST", "The variables are nested too deeply.") from None


def fell_behind(mark: int | None, language: str) -> dict[str, Any]:
    """What one is told who did not read fast enough to be told every fact."""
    if mark is None:
        text = texts.Text(
            "More was to be told than was read; subscribe again, then ask for what you missed."
        )
    else:
        text = texts.Text(
            "More was to be told than was read; subscribe again after {mark}.", {"mark": mark}
        )
    return {"message": text.said(language), "extensions": {"code": "RESYNC", "after": mark}}
