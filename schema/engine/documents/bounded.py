"""The schema with checks before execution: of limits, of access to the schema and of budgets.

The checks run in this order, cheapest first: the limits of the text, the parser, the limits of the
operation and unknown fields (in one pass), validation, and the caller's budgets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
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
from resolvers import loop_share
from schema.engine import base, errors, unknown_fields
from schema.engine.documents import cost, limits, parsing, shapes, variables

# Detects an excessive document before other rules have visited all of it.
_FIRST_RULES = (OverlappingFieldsCanBeMergedRule,)
_RULES = (
    _FIRST_RULES,
    (
        *(rule for rule in specified_rules if rule not in _FIRST_RULES),
        MaybeNullValidationRule,
        OneOfInputValidationRule,
    ),
)

# Comparisons of fields that may overlap, as graphql-core counts them. A dashboard needs some tens.
# The default limit of graphql-core would allow a quarter of a second of work.
MAX_COMPARISONS = 500
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MAX_COMPARISONS


# Per document: portals send the same few variables again and again.
_MAX_KEPT_MEASURES, _MAX_KEPT_CHARACTERS = 8, 1_000

_EXECUTED = frozenset({OperationType.QUERY, OperationType.MUTATION})

# The message of graphql-core after too many errors or comparisons.
_ABORTED = "Validation aborted."


@dataclass(frozen=True, slots=True)
class _Checked:
    """An operation within the limits, not yet validated."""

    operation: parsing.Operation
    measured: cost.Measured
    allowed: limits.Limits


class Schema(errors.Schema):
    def prepare(self) -> None:
        """Builds lazy data before a server starts, so that no request has to wait for it and the
        garbage collector does not have to visit it."""
        shapes.shapes(self._schema)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = _EXECUTED,
        operation_extensions: dict[str, Any] | None = None,
    ) -> Any:
        """Executes a query or mutation. Subscriptions have to be streamed.

        Refuses an operation above a limit before Strawberry prepares anything.
        """
        request = cast("base.Context", context_value)
        try:
            request.checked = self._check_limits(query, variable_values, request, operation_name)
        except GraphQLError as error:
            refused = errors.to_client(error, request.language, request.zone)
            return ExecutionResult(data=None, errors=[refused])
        return await super().execute(
            query,
            variable_values,
            request,
            root_value,
            operation_name,
            _EXECUTED if allowed_operation_types is None else allowed_operation_types,
            operation_extensions,
        )

    def _check_limits(
        self,
        query: str | None,
        values: Mapping[str, Any] | None,
        request: base.Context,
        name: str | None,
    ) -> _Checked:
        assert query is not None
        operation = parsing.operation(query, name, request.caller)
        measured = self._measured(operation, values or {}, signed_in=request.caller is not None)
        allowed = limits.of(request.caller)
        cost.require(measured, allowed)
        return _Checked(operation, measured, allowed)

    def _measured(
        self, operation: parsing.Operation, values: Mapping[str, Any], *, signed_in: bool
    ) -> cost.Measured:
        """The measures of an operation, kept for the variables that it was last sent with."""
        measures = operation.parsed.measures
        key = (operation.name, signed_in, repr(values))
        measured: cost.Measured | None = measures.get(key)
        if measured is None:
            measured = cost.measure(
                self._schema,
                operation.document,
                operation.definition,
                values,
                signed_in=signed_in,
            )
            if len(key[2]) <= _MAX_KEPT_CHARACTERS:
                if len(measures) == _MAX_KEPT_MEASURES:
                    measures.pop(next(iter(measures)))
                measures[key] = measured
        return measured

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Replaces Strawberry's, which would parse and validate every document."""
        try:
            faults = await self._refused(context)
        except GraphQLError as error:
            faults = [error]
        return PreExecutionError(data=None, errors=faults) if faults else None

    async def _refused(self, context: ExecutionContext) -> list[GraphQLError]:
        request: base.Context = context.context
        checked, request.checked = request.checked, None  # only for this operation
        if checked is None:
            name = context._provided_operation_name
            checked = self._check_limits(context.query, context.variables, request, name)
        operation, measured = checked.operation, checked.measured
        context.graphql_document = operation.document
        request.parts = operation.parsed.parts
        _require_allowed(operation.definition, context)
        if measured.introspects and not request.sees_schema:
            raise _introspection_refused()
        hide_suggestions = not request.sees_schema
        if measured.unknown:
            return unknown_fields.faults(
                self._schema,
                operation.document,
                measured.unknown,
                hide_suggestions=hide_suggestions,
            )
        if faults := await self._faults(operation.parsed, hide_suggestions):
            return faults
        charged = await request.bill.charge(measured.cost, checked.allowed.cost)
        if not operation.is_subscription:
            context.extensions_results["cost"] = charged
        definition = operation.definition
        context.variables = await variables.read(self._schema, definition, context.variables)
        return []

    async def _faults(self, parsed: parsing.Parsed, hide_suggestions: bool) -> list[GraphQLError]:
        """Validates the document; a long one in a thread."""
        find = partial(self.faults, parsed, hide_suggestions=hide_suggestions)
        if parsed.valid or parsed.counts.length <= parsing.LONG_CHARACTERS:
            return find()
        return await loop_share.in_thread(find)

    def faults(
        self, parsed: parsing.Parsed, *, hide_suggestions: bool = False
    ) -> list[GraphQLError]:
        """The errors of validation, up to cost.MAX_FAULTS. Validates a valid document only once."""
        if parsed.valid:
            return []
        for rules in _RULES:
            found = validate(
                self._schema,
                parsed.document,
                rules,
                max_errors=cost.MAX_FAULTS,
                hide_suggestions=hide_suggestions,
            )
            if found and found[-1].message == _ABORTED:
                return [*found[:-1], _too_many_overlaps()]
            if found:
                return found
        parsed.valid = True
        return []


def _require_allowed(definition: OperationDefinitionNode, context: ExecutionContext) -> None:
    type = OperationType(definition.operation.value)
    if type not in context.allowed_operations:
        raise InvalidOperationTypeError(type)


def _too_many_overlaps() -> GraphQLError:
    refusal = refusals.Refusal(
        "TOO_MANY_OVERLAPS",
        "The document's fields and fragments overlap in more than {most} ways. Request each"
        " field once.",
        most=MAX_COMPARISONS,
    )
    return errors.refusal_error(refusal, limit=MAX_COMPARISONS)


def _introspection_refused() -> GraphQLError:
    refusal = refusals.Refusal(
        "INTROSPECTION_OFF",
        "Sign in to query the schema, or read it in schema/schema.graphql. `__typename` is"
        " always available.",
    )
    return errors.refusal_error(refusal)
