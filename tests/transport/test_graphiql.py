"""When a browser receives GraphiQL, and the resources that the page can load."""

import re

import httpx2
import pytest
from starlette.requests import Request

from server.graphql.graphiql import page
from tests.support.programs import Program

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


def test_a_browser_that_opens_the_page_is_distinguished_from_a_client_that_queries() -> None:
    assert page.is_requested(_request())
    for other in (
        _request("POST"),
        _request(accept="application/json"),
        _request(accept="*/*"),
        _request(query="query={__typename}"),
        _request(query="documentId=1"),
    ):
        assert not page.is_requested(other)


async def get(api: Program, path: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.get(api.url + path, headers={"Accept": BROWSER} | headers)


async def test_the_page_can_load_only_files_of_this_server(api: Program) -> None:
    answer = await get(api, "/graphql")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    nonces = set(re.findall(r"'nonce-([\w-]+)'", policy))
    assert re.sub(r"'nonce-[\w-]+'", "<nonce>", policy) == (
        "default-src 'none'; script-src <nonce>; style-src 'self' <nonce>; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not nonces & set(re.findall(r'nonce="([\w-]+)"', (await get(api, "/graphql")).text))
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert loaded == ["graphiql/graphiql.css", "graphiql/graphiql.js"]


async def test_a_browser_loads_a_file_again_only_if_it_has_changed(api: Program) -> None:
    for name, kind in [("graphiql.js", "text/javascript"), ("graphiql.css", "text/css")]:
        answer = await get(api, f"/graphiql/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-encoding"] == "gzip"
        again = await get(api, f"/graphiql/{name}", **{"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/graphiql/", "/graphiql/page.py", "/graphiql/../page.py"])
async def test_no_other_file_is_served(api: Program, path: str) -> None:
    assert (await get(api, path)).status_code == 404


def test_the_built_files_load_nothing_and_name_the_licenses_of_their_packages() -> None:
    style = (page.BUILT / "graphiql.css").read_text()
    assert not re.findall(r"@import|@font-face|url\((?!data:)", style)
    licenses = (page.BUILT / "LICENSES.txt").read_text()
    for name in ("graphiql ", "codemirror ", "graphql-ws ", "react-dom "):
        assert f"\n{name}" in licenses
