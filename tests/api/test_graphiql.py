"""When a browser is shown GraphiQL."""

import httpx2
import pytest
from callers import Caller, Carrier
from starlette.requests import Request

from server.graphql import graphiql

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def _request(method: str = "GET", accept: str = BROWSER, query: str = "") -> Request:
    return Request(
        {
            "type": "http",
            "method": method,
            "path": "/graphql",
            "query_string": query.encode(),
            "headers": [(b"accept", accept.encode())],
        }
    )


def test_a_browser_that_only_looks_is_told_from_a_client_that_asks() -> None:
    assert graphiql.wanted(_request())
    for other in (
        _request("POST"),
        _request(accept="application/json"),
        _request(accept="*/*"),
        _request(query="query={__typename}"),
        _request(query="documentId=1"),
    ):
        assert not graphiql.wanted(other)


def test_the_page_says_what_it_needs_where_it_cannot_load() -> None:
    answer = graphiql.answer(sees_schema=True)
    page = bytes(answer.body).decode()
    assert answer.media_type == "text/html"
    assert "unpkg.com/graphiql" in page
    assert "If this text stays" in page


def test_what_is_asked_on_the_page_may_use_the_cookie() -> None:
    page = bytes(graphiql.answer(sees_schema=True).body).decode()
    assert 'defaultHeaders = {"x-callboard-csrf": "1"};' in page


@pytest.mark.parametrize("word", ["signed in", "CALLBOARD_DEVELOPMENT", "schema.graphql"])
def test_who_may_not_see_the_schema_is_told_how_to(word: str) -> None:
    answer = graphiql.answer(sees_schema=False)
    assert answer.status_code == 403
    assert word in bytes(answer.body).decode()


async def test_a_browser_is_shown_it_where_it_is_signed_in(carrier: Carrier) -> None:
    async with httpx2.AsyncClient(verify=False) as client:
        for caller, status, word in [
            (carrier.owner, 200, "unpkg.com/graphiql"),
            (Caller(carrier.url), 403, "signed in"),
        ]:
            headers = {"Accept": BROWSER} | caller.headers
            answer = await client.get(f"{carrier.url}/graphql", headers=headers)
            assert answer.status_code == status
            assert word in answer.text
