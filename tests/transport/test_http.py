"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/"""

import json
from typing import Any

import httpx2
import pytest

from schema.engine.documents import limits
from tests.support.api.callers import Carrier
from tests.support.programs import Program

pytestmark = pytest.mark.once

OWN_TYPE = "application/graphql-response+json"


async def _post(
    url: str, body: bytes | str, *, accept: str = OWN_TYPE, token: str | None = None
) -> httpx2.Response:
    headers = {"Content-Type": "application/json", "Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.post(f"{url}/graphql", content=body, headers=headers)


async def _get(url: str, **params: str) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.get(f"{url}/graphql", params=params)


def _query(query: str, **more: Any) -> str:
    return json.dumps({"query": query} | more)


@pytest.mark.parametrize(
    ("accept", "status"), [(OWN_TYPE, 400), ("application/json", 200), ("*/*", 200)]
)
async def test_an_invalid_document_is_answered_in_the_accepted_media_type(
    api: Program, accept: str, status: int
) -> None:
    for query, code in [("{", "GRAPHQL_PARSE_FAILED"), ("{ x }", "GRAPHQL_VALIDATION_FAILED")]:
        answer = await _post(api.url, _query(query), accept=accept)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith(accept.replace("*/*", "application/json"))
        assert "data" not in answer.json()
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


async def test_a_response_with_data_is_200_in_either_media_type(api: Program) -> None:
    for accept in (OWN_TYPE, "application/json"):
        answer = await _post(api.url, _query("{ __typename }"), accept=accept)
        assert (answer.status_code, answer.json()["data"]) == (200, {"__typename": "Query"})
        assert answer.headers["content-type"].startswith(accept)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        '"x"',
        "{}",
        '{"query": 1}',
        '{"query": null}',
        '{"query": ""}',
        '{"query": "{ __typename }", "variables": []}',
        '{"query": "{ __typename }", "operationName": 1}',
        '{"query": "{ __typename }", "extensions": "x"}',
        '{"query": "query A { __typename } query B { __typename }"}',
        "[" * 100_000,
        '{"query": "{ __typename }", "x": ' + "1" * 5_000 + "}",
        '{"query": "subscription { liveChannels { inUse } }"}',
        b"\xff\xfe\x00",
        '{"query": "{ __typename }", "variables": {"a": NaN}}',
        '{"query": "{ __typename }", "variables": {"a": -Infinity}}',
        '{"query": "{ __typename }"}'.encode("utf-16"),
        '{"query": "{ __typename }"}'.encode("utf-8-sig"),
    ],
)
async def test_an_invalid_request_body_is_refused_in_json(api: Program, body: bytes | str) -> None:
    answer = await _post(api.url, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]


async def test_a_body_that_is_too_large_is_refused(api: Program) -> None:
    answer = await _post(api.url, _query("{ __typename }" + " " * 1_000_001))
    assert answer.status_code == 413
    assert "1000000" in answer.json()["errors"][0]["message"]


async def test_a_body_with_too_many_values_is_refused(api: Program) -> None:
    answer = await _post(api.url, b"[" + b"[]," * 60_000 + b"1]")
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_VALUES"
    assert "120000" in answer.json()["errors"][0]["message"]


async def test_get_allows_queries_and_no_mutations(api: Program) -> None:
    answer = await _get(
        api.url,
        query="query Q($a: Boolean!) { t: __typename @skip(if: $a) }",
        variables='{"a": false}',
    )
    assert answer.json()["data"] == {"t": "Query"}
    assert (await _get(api.url, query="mutation { logout { __typename } }")).status_code == 405
    assert (await _get(api.url)).status_code == 400
    assert (await _get(api.url, query="{ x }", variables="{")).status_code == 400


async def test_a_batch_is_answered_in_order_and_each_operation_separately(api: Program) -> None:
    queries = [
        "{ a: __typename }",
        "{ x }",
        "subscription { liveChannels { inUse } }",
        "{ b: __typename }",
    ]
    answer = await _post(api.url, json.dumps([{"query": query} for query in queries]))
    assert answer.status_code == 200
    first, unknown, pushed, last = answer.json()
    assert (first["data"], last["data"]) == ({"a": "Query"}, {"b": "Query"})
    assert unknown["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "WebSocket" in pushed["errors"][0]["message"]


async def test_a_batch_has_at_most_ten_operations(api: Program) -> None:
    for count, status in [(10, 200), (11, 400)]:
        body = json.dumps([{"query": "{ __typename }"}] * count)
        assert (await _post(api.url, body)).status_code == status


async def test_an_invalid_token_is_answered_with_401(api: Program) -> None:
    answer = await _post(api.url, _query("{ __typename }"), token="x")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"] == 'Bearer realm="Callboard"'


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;x=y; Charset="UTF-8"', 200),
        ("application/json; charset=utf-8; x=y", 200),
        ("application/json; x=charset=latin-1", 200),
        ("application/json; charset=utf-16", 415),
        ("application/json; x=y; charset=latin-1", 415),
        ("application/jsonp", 415),
        ("text/plain; x=application/json", 415),
        ("", 415),
    ],
)
async def test_a_body_is_read_as_utf_8_json_with_any_charset_parameter(
    api: Program, media_type: str, status: int
) -> None:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        answer = await client.post(
            f"{api.url}/graphql",
            content=_query("{ __typename }"),
            headers={"Content-Type": media_type},
        )
    assert answer.status_code == status


async def test_an_empty_query_in_a_batch_does_not_stop_the_others(api: Program) -> None:
    answer = await _post(api.url, json.dumps([{"query": ""}, {"query": "{ __typename }"}]))
    first, second = answer.json()
    assert first["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert second["data"] == {"__typename": "Query"}


async def test_a_document_that_is_too_long_is_refused_with_the_limit(api: Program) -> None:
    answer = await _post(api.url, _query("{ " + "__typename " * 300 + "}"))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"] == {
        "code": "TOO_MANY_TOKENS",
        "limit": limits.of(None).tokens,
        "requested": 302,
    }


async def test_introspection_is_within_the_depth_limit(carrier: Carrier) -> None:
    from graphql import get_introspection_query

    assert await carrier.owner.ask(get_introspection_query())


async def test_the_health_check_responds(api: Program) -> None:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        assert (await client.get(f"{api.url}/healthz")).status_code == 200
        ready = (await client.get(f"{api.url}/readyz")).json()
    assert (ready["database"], ready["redis"]) == (True, True)
