"""The schema as requests reach it: what is above a limit, hidden or not paid for is never run.

In this order, cheapest first: the text's limits, the parser, the operation's limits and unknown
fields, all met in one walk, validation, the account's bucket.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    GraphQLError,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ExecutionContext, ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from domain import refusals
from live import bucket
from schema import base, cost, documents, errors, limits, unknown

# What is above its limit shows it, before other rules have visited all of the document.
_FIRST = (OverlappingFieldsCanBeMergedRule,)
_RULES = (
    _FIRST,
    (
        *(rule for rule in specified_rules if rule not in _FIRST),
        MaybeNullValidationRule,
        OneOfInputValidationRule,
    ),
)

# Of fields that may overlap, in graphql-core's measure: a dashboard takes some tens, and its own
# limit is a quarter of a second's.
MOST_COMPARED = 500
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MOST_COMPARED


_ANSWERED = frozenset({OperationType.QUERY, OperationType.MUTATION})

# What graphql-core says then.
_ABORTED = "Validation aborted."


@dataclass(frozen=True, slots=True)
class _Within:
    """An operation that is within the limits; it has not been validated."""

    operation: documents.Operation
    measured: cost.Measured
    allowed: limits.Limits


class Schema(errors.Schema):
    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = _ANSWERED,
        operation_extensions: dict[str, Any] | None = None,
    ) -> Any:
        """Of queries and mutations only: what a subscription tells has to be streamed.

        What is above a limit is refused before Strawberry prepares anything for it.
        """
        asked = cast("base.Context", context_value)
        try:
            asked.within = self._within(query, variable_values, asked, operation_name)
        except GraphQLError as error:
            told = errors.told(error, asked.language, asked.zone)
            return ExecutionResult(data=None, errors=[told])
        return await super().execute(
            query,
            variable_values,
            asked,
            root_value,
            operation_name,
            _ANSWERED if allowed_operation_types is None else allowed_operation_types,
            operation_extensions,
        )

    def _within(
        self,
        query: str | None,
        variables: Mapping[str, Any] | None,
        asked: base.Context,
        name: str | None,
    ) -> _Within:
        assert query is not None
        operation = documents.operation(query, name, asked.caller)
        measured = cost.measure(
            self._schema, operation.document, operation.definition, variables or {}
        )
        allowed = limits.of(asked.caller)
        cost.require(measured, allowed)
        return _Within(operation, measured, allowed)

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """In the place of Strawberry's, which parses and validates whatever comes."""
        try:
            faults = await self._refused(context)
        except GraphQLError as error:
            faults = [error]
        return PreExecutionError(data=None, errors=faults) if faults else None

    async def _refused(self, context: ExecutionContext) -> list[GraphQLError]:
        asked: base.Context = context.context
        within, asked.within = asked.within, None  # of this operation, and of no other
        if within is None:
            name = context._provided_operation_name
            within = self._within(context.query, context.variables, asked, name)
        operation, measured = within.operation, within.measured
        context.graphql_document = operation.document
        _require_allowed(operation.definition, context)
        if measured.introspects and not asked.sees_schema:
            raise _introspection_off()
        hidden = not asked.sees_schema
        if measured.unknown:
            return unknown.faults(
                self._schema, operation.document, measured.unknown, hide_suggestions=hidden
            )
        if faults := self.faults(operation.parsed, hide_suggestions=hidden):
            return faults
        told = await _charged(asked, measured.cost, within.allowed.cost)
        if not operation.is_subscription:
            context.extensions_results["cost"] = told
        return []

    def faults(
        self, parsed: documents.Parsed, *, hide_suggestions: bool = False
    ) -> list[GraphQLError]:
        """What validation finds, up to cost.MOST_FAULTS; a valid document is validated once."""
        if parsed.valid:
            return []
        for rules in _RULES:
            found = validate(
                self._schema,
                parsed.document,
                rules,
                max_errors=cost.MOST_FAULTS,
                hide_suggestions=hide_suggestions,
            )
            if found and found[-1].message == _ABORTED:
                return [*found[:-1], _too_many_overlaps()]
            if found:
                return found
        parsed.valid = True
        return []


def _require_allowed(definition: OperationDefinitionNode, context: ExecutionContext) -> None:
    asked = OperationType(definition.operation.value)
    if asked not in context.allowed_operations:
        raise InvalidOperationTypeError(asked)


def _too_many_overlaps() -> GraphQLError:
    refusal = refusals.Refusal(
        "TOO_MANY_OVERLAPS",
        "The document's fields and fragments overlap in more than {most} ways; ask for each field"
        " once.",
        most=MOST_COMPARED,
    )
    return errors.refused(refusal, limit=MOST_COMPARED)


def _introspection_off() -> GraphQLError:
    refusal = refusals.Refusal(
        "INTROSPECTION_OFF",
        "Sign in to ask for the schema, or read it in schema/schema.graphql; __typename is always"
        " answered.",
    )
    return errors.refused(refusal)


async def _charged(asked: base.Context, requested: int, limit: int) -> dict[str, int | None]:
    """The operation's `extensions.cost`; RATE_LIMITED where the account's bucket is empty."""
    taken = bucket.Taken(None)
    if asked.caller is not None and asked.bucket is not None:
        taken = await asked.bucket.take(asked.caller.account_id, requested)
    if taken.wait:
        raise _rate_limited(requested, taken)
    return {"requested": requested, "limit": limit, "remaining": taken.remaining}


def _rate_limited(requested: int, taken: bucket.Taken) -> GraphQLError:
    seconds = math.ceil(taken.wait)
    refusal = refusals.Refusal(
        "RATE_LIMITED",
        "The operation costs {requested}, and the account has {remaining} left: come back in"
        " {seconds} s, or ask for less.",
        requested=requested,
        remaining=taken.remaining,
        seconds=seconds,
    )
    return errors.refused(
        refusal, retryAfterSeconds=seconds, requested=requested, remaining=taken.remaining
    )
