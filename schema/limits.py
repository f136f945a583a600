"""What a document may be: how large, and which operation of it runs."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, SchemaExtension

MAX_TOKENS = 5_000
MAX_DEPTH = 12


class DepthRule(ValidationRule):
    """Refuses fields deeper than MAX_DEPTH. Each fragment is measured once: time is linear."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._of_fragment: dict[str, int] = {}

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        depth = self._depth(node.selection_set)
        if depth > MAX_DEPTH:
            self.report_error(
                GraphQLError(
                    f"The operation is {depth} fields deep; the limit is {MAX_DEPTH}.",
                    nodes=[node],
                    extensions={"code": "TOO_DEEP", "limit": MAX_DEPTH},
                )
            )

    def _depth(self, selection_set: SelectionSetNode | None) -> int:
        if selection_set is None:
            return 0
        deepest = 0
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                # Introspection is deep by nature and cannot be nested at will.
                own = 0 if selection.name.value.startswith("__") else 1
                below = self._depth(selection.selection_set) if own else 0
                deepest = max(deepest, own + below)
            elif isinstance(selection, FragmentSpreadNode):
                deepest = max(deepest, self._fragment_depth(selection.name.value))
            else:
                deepest = max(deepest, self._depth(getattr(selection, "selection_set", None)))
        return deepest

    def _fragment_depth(self, name: str) -> int:
        if name not in self._of_fragment:
            self._of_fragment[name] = 0  # a cycle is another rule's to report
            fragment: FragmentDefinitionNode | None = self.context.get_fragment(name)
            if fragment is not None:
                self._of_fragment[name] = self._depth(fragment.selection_set)
        return self._of_fragment[name]


class LimitedDepth(AddValidationRules):
    def __init__(self) -> None:
        super().__init__([DepthRule])


class NamedOperation(SchemaExtension):
    """Refuses a document of several operations where none is named; Strawberry runs the first."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        definitions = context.graphql_document.definitions if context.graphql_document else ()
        operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
        if len(operations) > 1 and not context._provided_operation_name:
            context.pre_execution_errors = [
                GraphQLError("Name one of the document's operations in `operationName`.")
            ]
        yield


class LimitedTokens(MaxTokensLimiter):
    def __init__(self) -> None:
        super().__init__(max_token_count=MAX_TOKENS)
