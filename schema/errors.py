"""What a client is told of an error: a refusal's code, a document's fault, else just an id."""

import re
import secrets
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import strawberry
import structlog
from graphql import GraphQLError, Node
from strawberry.extensions import MaskErrors
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult

from domain import refusals, texts
from models import faults

# A request without an operation that may be run.
NO_OPERATION = (CannotGetOperationTypeError, InvalidOperationTypeError)

# As graphql-core makes it, of a schema that is not everybody's to see.
_SUGGESTION = re.compile(r" Did you mean [^?]*\?")

_AWAY = texts.marked("The database cannot be reached just now; try again in a moment.")

LONGEST_MESSAGE = 1_000  # characters

_log = structlog.get_logger("schema")


class Masked(MaskErrors):
    """Refusals and faults of the document pass; all else is logged and masked with its id."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=lambda _: True)

    def _process_result(self, result: object) -> None:
        """As Strawberry's, which asks a protocol whether a result may have errors, every time."""
        faults = getattr(result, "errors", None)
        if faults:
            cast("Any", result).errors = self._process_errors(faults)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        context = self.execution_context.context
        fit = told(error, context.language, context.zone)
        if not context.sees_schema:
            fit.message = _SUGGESTION.sub("", fit.message)
        return fit


class _Runner(SchemaExtensionsRunner):
    """Strawberry's, but no extension is asked about a push without errors: `Masked` is all.

    Nor for what it has to say in a result, which is nothing.
    """

    def on_stream_result(self, result: Any) -> Any:
        return super().on_stream_result(result) if result.errors else nullcontext()

    async def get_extensions_results(self, context: Any) -> dict[str, Any]:
        return dict(context.extensions_results)


class Schema(strawberry.Schema):
    """Strawberry's, but quiet: `Masked` has logged what deserves it."""

    def create_extensions_runner(self, *args: Any, **kwargs: Any) -> SchemaExtensionsRunner:
        return _Runner(*args, **kwargs)

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        pass


def refused(
    refusal: refusals.Refusal, nodes: Sequence[Node] | None = None, **told: object
) -> GraphQLError:
    """A refusal of a request, before any field of it is asked; `told` is for programs.

    Its sentence is said where the language is known (`told`); until then its code stands there.
    """
    return GraphQLError(
        refusal.code, nodes, extensions=of_refusal(refusal) | told, original_error=refusal
    )


def told(error: GraphQLError, language: str, zone: str = "UTC") -> GraphQLError:
    """What the client is told of an error, with its code; in its language what is ours to say."""
    original = root_cause(error)
    if isinstance(original, refusals.Refusal):
        error.message = original.said(language, zone)[:LONGEST_MESSAGE]
        error.extensions = of_refusal(original) | _extensions(error)
        return error
    if isinstance(original, NO_OPERATION):
        return _told(error, error.message, {"code": "BAD_REQUEST"})
    if original is None and _is_ours(error):
        return _told(error, *masked(error, language, error.path))
    if original is None:
        return _told(
            error, error.message, {"code": "GRAPHQL_VALIDATION_FAILED"} | _extensions(error)
        )
    return _told(error, *masked(original, language, error.path))


def _is_ours(error: GraphQLError) -> bool:
    """Whether a value that a resolver gave could not be written: that points to no part of the
    document, as every fault of a document does."""
    cause = error.original_error
    return error.path is not None and isinstance(cause, GraphQLError) and cause.nodes is None


def masked(error: Exception, language: str, path: Any = None) -> tuple[str, dict[str, Any]]:
    """Logs an error that is none of the client's business; what the client is told of it."""
    if faults.is_away(error):
        _log.warning("database away", path=path, error=repr(error))
        return texts.say(language, _AWAY), {"code": "UNAVAILABLE"}
    id = secrets.token_hex(8)
    _log.error("internal error", id=id, path=path, exc_info=error)
    message = texts.say(language, "Internal error {id}", {"id": id})
    return message, {"code": "INTERNAL", "id": id}


def of_refusal(refusal: refusals.Refusal) -> dict[str, Any]:
    """A refusal as an error's `extensions`."""
    field = {} if refusal.field is None else {"field": refusal.field}
    return {"code": refusal.code} | field


def not_executed(result: ExecutionResult) -> bool:
    """Whether a result is of a request at fault: no field was asked, so none has a path."""
    faults = result.errors or ()
    return result.data is None and bool(faults) and all(error.path is None for error in faults)


def root_cause(error: GraphQLError) -> Exception | None:
    """What was raised below any number of GraphQLErrors; None if nothing else was."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(error: GraphQLError) -> dict[str, Any]:
    return dict(error.extensions or {})


def _told(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message=message[:LONGEST_MESSAGE],  # some repeat what was sent
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
