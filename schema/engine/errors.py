"""Errors as clients see them: refusals and faults of documents; for all others only an id."""

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

from domain import refusals
from domain.messaging import texts
from models import faults

# A request without an operation that may be run.
NO_OPERATION = (CannotGetOperationTypeError, InvalidOperationTypeError)

# Suggestions of graphql-core, hidden from callers that may not see the schema.
_SUGGESTION = re.compile(r" Did you mean [^?]*\?")

_UNAVAILABLE = texts.mark_text("The database is temporarily unavailable. Try again in a moment.")

RETRY_SECONDS = 1  # while the database is unavailable

MAX_MESSAGE_CHARACTERS = 1_000

_log = structlog.get_logger("schema")


class Masked(MaskErrors):
    """Passes refusals and faults of the document. Logs and masks all other errors."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=lambda _: True)

    def _process_result(self, result: object) -> None:
        """As Strawberry's, without its slow check of a protocol for every result."""
        faults = getattr(result, "errors", None)
        if faults:
            cast("Any", result).errors = self._process_errors(faults)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        context = self.execution_context.context
        client_error = to_client(error, context.language, context.zone)
        if not context.sees_schema:
            client_error.message = _SUGGESTION.sub("", client_error.message)
        return client_error


class _Runner(SchemaExtensionsRunner):
    """As Strawberry's, but does not call extensions for a push without errors, nor for results.

    `Masked` is the only extension, and it adds nothing to results.
    """

    def on_stream_result(self, result: Any) -> Any:
        return super().on_stream_result(result) if result.errors else nullcontext()

    async def get_extensions_results(self, context: Any) -> dict[str, Any]:
        return dict(context.extensions_results)


class Schema(strawberry.Schema):
    """As Strawberry's, but does not log errors: `Masked` has already logged internal ones."""

    def create_extensions_runner(self, *args: Any, **kwargs: Any) -> SchemaExtensionsRunner:
        return _Runner(*args, **kwargs)

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        pass


def refusal_error(
    refusal: refusals.Refusal, nodes: Sequence[Node] | None = None, **extensions: object
) -> GraphQLError:
    """The error of a request that is refused before execution, with `extensions` for programs.

    Its message is the code until `to_client` translates it.
    """
    return GraphQLError(
        refusal.code, nodes, extensions=of_refusal(refusal) | extensions, original_error=refusal
    )


def to_client(error: GraphQLError, language: str, zone: str = "UTC") -> GraphQLError:
    """The error as the client sees it: with its code, and Callboard's messages in the language."""
    original = root_cause(error)
    if isinstance(original, refusals.Refusal):
        error.message = original.translate(language, zone)[:MAX_MESSAGE_CHARACTERS]
        error.extensions = of_refusal(original) | _extensions(error)
        return error
    if isinstance(original, NO_OPERATION):
        return _client_error(error, error.message, {"code": "BAD_REQUEST"})
    if original is None and _is_internal(error):
        return _client_error(error, *mask(error, language, error.path))
    if original is None:
        return _client_error(
            error, error.message, {"code": "GRAPHQL_VALIDATION_FAILED"} | _extensions(error)
        )
    return _client_error(error, *mask(original, language, error.path))


def _is_internal(error: GraphQLError) -> bool:
    """Whether a resolver's value could not be serialized. Unlike a fault of the document, such an
    error has no nodes."""
    cause = error.original_error
    return error.path is not None and isinstance(cause, GraphQLError) and cause.nodes is None


def mask(error: Exception, language: str, path: Any = None) -> tuple[str, dict[str, Any]]:
    """Logs an internal error. Returns the message and extensions that the client sees."""
    if faults.is_unavailable(error):
        _log.debug("database unavailable", path=path, error=repr(error))
        extensions = {"code": "UNAVAILABLE", "retryAfterSeconds": RETRY_SECONDS}
        return texts.translate(language, _UNAVAILABLE), extensions
    id = secrets.token_hex(8)
    _log.error("internal error", id=id, path=path, exc_info=error)
    message = texts.translate(language, "Internal error {id}", {"id": id})
    return message, {"code": "INTERNAL", "id": id}


def of_refusal(refusal: refusals.Refusal) -> dict[str, Any]:
    """A refusal as an error's `extensions`."""
    extensions: dict[str, Any] = {"code": refusal.code}
    if refusal.field is not None:
        extensions["field"] = refusal.field
    if refusal.retry_after_seconds is not None:
        extensions["retryAfterSeconds"] = refusal.retry_after_seconds
    return extensions


def not_executed(result: ExecutionResult) -> bool:
    """Whether the request was refused before execution: no error has a path."""
    faults = result.errors or ()
    return result.data is None and bool(faults) and all(error.path is None for error in faults)


def root_cause(error: GraphQLError) -> Exception | None:
    """The exception below any number of GraphQLErrors; None if there is no other."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(error: GraphQLError) -> dict[str, Any]:
    return dict(error.extensions or {})


def _client_error(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message=message[:MAX_MESSAGE_CHARACTERS],  # some repeat the request
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
