"""Reads the operations of requests, runs them, and starts subscriptions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import (
    GraphQLError,
    NullValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
)
from strawberry.types.execution import ExecutionResult

from domain import refusals
from domain.identity import callers
from domain.messaging import texts
from models import changes, pool_shares
from resolvers import capacity, follow_ups, loop_share
from schema import root
from schema.engine import base, errors, scalars
from schema.engine import exchange as exchanges
from schema.engine.documents import limits, parsing
from schema.summaries import updates
from server.graphql import shared, trusted

# Arguments that set the point from which a subscription resumes.
_START_ARGUMENTS = {"after", "since"}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a document, with its variables and language."""

    query: str
    name: str | None
    variables: Mapping[str, Any]
    parsed_operation: parsing.Operation
    language: str

    @property
    def definition(self) -> OperationDefinitionNode:
        return self.parsed_operation.definition

    @property
    def is_subscription(self) -> bool:
        return self.parsed_operation.is_subscription

    def has_start(self) -> bool:
        """Whether the subscription first receives the events since some point."""
        field = self.parsed_operation.root_field()
        return field is not None and any(
            argument.name.value in _START_ARGUMENTS and self._is_given(argument.value)
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
        self,
        hub: shared.Hub,
        context: shared.Context,
        known_documents: trusted.Documents,
        share: loop_share.LoopShare,
    ) -> None:
        self.hub = hub
        self._context = context
        self._documents = known_documents
        self._share = share
        self._admission = capacity.Admission(share)
        self._reading = capacity.Reading()

    async def read(
        self,
        request: Mapping[str, Any],
        caller: callers.Caller | None,
        language: str,
        address: str | None = None,
    ) -> Operation:
        """The operation of a request's parameters. Raises GraphQLError if it may not be run.

        `language` is that of its errors. Unauthenticated requests take turns by `address`.
        """
        name = request.get("operationName")
        try:
            query = self._documents.resolve(request.get("query"), request.get("documentId"))
            if parsing.is_cached(query):
                parsed = parsing.operation(query, name, caller)
            else:
                parsed = await self._read_in_turn(query, name, caller, address)
        except refusals.Refusal as refusal:
            raise errors.to_client(errors.refusal_error(refusal), language) from None
        except GraphQLError as error:
            raise errors.to_client(error, language) from None
        variables = request.get("variables") or {}
        return Operation(query, name, variables, parsed, language)

    async def _read_in_turn(
        self, query: str, name: str | None, caller: callers.Caller | None, address: str | None
    ) -> parsing.Operation:
        """Parses a document that is not cached; a long one in a thread."""
        holder = capacity.holder(caller, address)
        await self._share.give_way(holder)  # before it holds the turn for which others wait
        async with self._reading.turn(query, holder):
            if len(query) > parsing.LONG_CHARACTERS and not parsing.is_cached(query):
                read = partial(parsing.read, query, limits.of(caller))
                parsing.cache(query, await self._share.in_thread(holder, read))
            return parsing.operation(query, name, caller)

    async def execute(
        self,
        operation: Operation,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        """The result of a query or mutation; its errors are masked for the client."""
        context = self._context(caller, None, operation.language)
        context.exchange = exchange
        try:
            holder = capacity.holder(caller, exchange.client.address)
            async with self._admission.turn(caller):
                return await self._share.run(holder, self._execute(operation, caller, context))
        except refusals.Refusal as refusal:
            error = errors.to_client(errors.refusal_error(refusal), operation.language)
            return ExecutionResult(data=None, errors=[error])
        except Exception as error:
            message, extensions = errors.mask(error, operation.language)
            error = GraphQLError(message, extensions=extensions)
            return ExecutionResult(data=None, errors=[error])

    async def _execute(
        self, operation: Operation, caller: callers.Caller | None, context: base.Context
    ) -> ExecutionResult:
        with (
            pool_shares.use_for(pool_shares.Purpose.QUERY, *_pool_holder(caller, context.exchange)),
            changes.follow_with(follow_ups.FollowUps(context.services.redis)),
        ):
            result: ExecutionResult = await root.api.execute(
                operation.query,
                variable_values=dict(operation.variables),
                context_value=context,
                operation_name=operation.name,
            )
        return result

    async def encode(
        self, result: ExecutionResult, caller: callers.Caller | None, address: str | None
    ) -> bytes:
        """The result as JSON."""
        encoding = shared.encode_in_slices(result)
        return await self._share.run(capacity.holder(caller, address), encoding)

    def subscribe(
        self,
        operation: Operation,
        caller: callers.Caller | None,
        subscription: shared.Subscription,
        resume_after: int | None = None,
    ) -> None:
        field, declared = (
            operation.parsed_operation.root_field(),
            operation.parsed_operation.variables,
        )
        name = None if field is None else field.name.value
        key = shared.SubscriptionKey(
            query=operation.query,
            document=operation.parsed_operation.parsed.digest,
            operation_name=operation.parsed_operation.name,
            variables=_canonical(
                {key: value for key, value in operation.variables.items() if key in declared}
            ),
            visible_to=None if caller is None else caller.without_identity(),
            language=operation.language,
            resume_after=resume_after,
            is_gauge=name in root.GAUGES,
            by_time=name in root.BY_TIME,
            starts_with_latest=name in root.START_WITH_LATEST,
            has_start=resume_after is not None or operation.has_start(),
            payer=caller,
        )
        self.hub.subscribe(key, subscription)


def _pool_holder(
    caller: callers.Caller | None, exchange: exchanges.Exchange
) -> tuple[int | str | None, int | str | None]:
    """The account, and in it the customer, person or key. Without a caller, the address."""
    if caller is None:
        return exchange.client.address, None
    return caller.account_id, caller.customer_id or caller.actor


def _canonical(variables: Mapping[str, Any]) -> str:
    try:
        return json.dumps(variables, sort_keys=True)
    except RecursionError:  # could be parsed, but not encoded
        raise refusals.Refusal(
            "BAD_REQUEST", "The variables are nested too deeply. Send flatter ones."
        ) from None


def fell_behind(subscription: shared.Subscription) -> dict[str, Any]:
    """The error for a client that read too slowly to receive every fact."""
    name, mark = _resume_argument(subscription)
    if mark is None:
        text = texts.Text(
            "The client read too slowly and the subscription ended. Subscribe again, then query"
            " what you missed."
        )
    else:
        text = texts.Text(
            "The client read too slowly and the subscription ended. Subscribe again with"
            " `{argument}`.",
            {"argument": f"{name}: {json.dumps(mark)}"},
        )
    message = text.translate(subscription.execution.key.language)
    return {"message": message, "extensions": {"code": "RESYNC", name: mark}}


def _resume_argument(subscription: shared.Subscription) -> tuple[str, int | str | None]:
    """The argument that resumes the subscription, and its value as a client sets it."""
    if not subscription.execution.key.by_time:
        return "after", subscription.mark
    if subscription.mark is None:
        return "since", None
    return "since", scalars.write_instant(updates.instant(subscription.mark))
