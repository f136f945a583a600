"""A refusal that can be retried states it in the status and in `Retry-After`."""

import pytest
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from server.graphql import http

OWN_TYPE = "application/graphql-response+json"


def _request(accept: str) -> Request:
    headers = [(b"accept", accept.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers, "path": "/graphql"})


def _refused(code: str, seconds: int | None = None) -> ExecutionResult:
    extensions = {"code": code} | ({} if seconds is None else {"retryAfterSeconds": seconds})
    return ExecutionResult(data=None, errors=[GraphQLError("Refused.", extensions=extensions)])


def _answer(accept: str, results: list[ExecutionResult], *, batch: bool = False) -> Response:
    return http.answer(_request(accept), results, [b"{}" for _ in results], batch=batch)


@pytest.mark.parametrize(
    ("code", "status"),
    [("BUSY", 503), ("UNAVAILABLE", 503), ("RATE_LIMITED", 429), ("TOO_COSTLY", 400)],
)
def test_a_graphql_media_type_client_receives_the_refusal_as_status(code: str, status: int) -> None:
    for accept, expected in [(OWN_TYPE, status), ("application/json", 200)]:
        answer = _answer(accept, [_refused(code, 5)])
        assert (answer.status_code, answer.headers["retry-after"]) == (expected, "5")


def test_a_batch_reports_the_longest_wait_of_its_refusals() -> None:
    results = [_refused("BUSY", 3), _refused("RATE_LIMITED", 9), _refused("FORBIDDEN")]
    answer = _answer(OWN_TYPE, results, batch=True)
    assert answer.headers["retry-after"] == "9"


def test_a_refusal_that_cannot_be_retried_has_no_retry_time() -> None:
    answer = _answer(OWN_TYPE, [_refused("FORBIDDEN")])
    assert "retry-after" not in answer.headers
