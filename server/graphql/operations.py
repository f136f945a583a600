"""What a request asks for, however it came: read it, run it, or listen to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLError,
    NullValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
)
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from schema import documents, errors, root, scalars, updates
from schema import exchange as exchanges
from server.graphql import shared, trusted

# Arguments that say from where on a subscription tells.
_STARTS = {"after", "since"}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a document, with all that is given to it."""

    query: str
    name: str | None
    variables: Mapping[str, Any]
    asked: documents.Operation
    language: str

    @property
    def definition(self) -> OperationDefinitionNode:
        return self.asked.definition

    @property
    def is_subscription(self) -> bool:
        return self.asked.is_subscription

    def has_start(self) -> bool:
        """Whether it wants to be told, first, what came after some point."""
        field = self.asked.root_field()
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
        return Operation(query, name, variables, found, language)

    async def execute(
        self,
        operation: Operation,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        """The result of a query or mutation; its errors are fit for the client."""
        context = self._context(caller, None, operation.language)
        context.exchange = exchange
        try:
            result: ExecutionResult = await root.api.execute(
                operation.query,
                variable_values=dict(operation.variables),
                context_value=context,
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
        subscription: shared.Subscription,
        resume_after: int | None = None,
    ) -> None:
        field, declared = operation.asked.root_field(), operation.asked.variables
        name = None if field is None else field.name.value
        asked = shared.Asked(
            query=operation.query,
            document=operation.asked.parsed.digest,
            operation_name=operation.asked.name,
            variables=_canonical(
                {key: value for key, value in operation.variables.items() if key in declared}
            ),
            visible_to=None if caller is None else caller.unnamed(),
            language=operation.language,
            resume_after=resume_after,
            is_gauge=name in root.GAUGES,
            by_time=name in root.BY_TIME,
            has_start=resume_after is not None or operation.has_start(),
        )
        self.hub.subscribe(asked, subscription)


def _canonical(variables: Mapping[str, Any]) -> str:
    try:
        return json.dumps(variables, sort_keys=True)
    except RecursionError:  # they could just be read
        raise refusals.Refusal("BAD_REQUEST", "The variables are nested too deeply.") from None


def fell_behind(place: shared.Subscription) -> dict[str, Any]:
    """What one is told who did not read fast enough to be told every fact."""
    name, mark = _resumed_by(place)
    if mark is None:
        text = texts.Text(
            "More was to be told than was read; subscribe again, then ask for what you missed."
        )
    else:
        text = texts.Text(
            "More was to be told than was read; subscribe again with `{argument}`.",
            {"argument": f"{name}: {json.dumps(mark)}"},
        )
    message = text.said(place.share.asked.language)
    return {"message": message, "extensions": {"code": "RESYNC", name: mark}}


def _resumed_by(place: shared.Subscription) -> tuple[str, int | str | None]:
    """The argument that says from where on, and its value as a client gives it."""
    if not place.share.asked.by_time:
        return "after", place.mark
    if place.mark is None:
        return "since", None
    return "since", scalars.write_instant(updates.instant(place.mark))
