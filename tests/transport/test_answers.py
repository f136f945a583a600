"""Properties of every HTTP response: headers and compression; sockets log no contents."""

import gzip
import json
from typing import Any

import httpx2
import pytest

from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.api.sockets import LIVE, signed_in
from tests.support.programs import Program

NAME = {"query": "{ __typename }"}
TYPES = {"query": "{ __schema { types { name description } } }"}


async def raw(
    method: str, url: str, accepts: str = "gzip", **more: Any
) -> tuple[httpx2.Response, bytes]:
    """An answer, and its body as it was sent."""
    headers = {"Accept-Encoding": accepts} | more.pop("headers", {})
    async with (
        httpx2.AsyncClient(timeout=60) as client,
        client.stream(method, url, headers=headers, **more) as answer,
    ):
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("GET", "/graphql"),
        ("GET", "/graphql?query={__typename}"),
        ("DELETE", "/graphql"),
        ("POST", "/ingest/calls"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/invitation"),
        ("GET", "/no-such-page"),
        ("OPTIONS", "/graphql"),
    ],
)
async def test_no_response_is_cached_or_sniffed(api: Program, method: str, path: str) -> None:
    answer, _ = await raw(method, api.url + path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert {"Accept-Encoding", "Origin"} <= set(answer.headers["vary"].split(", "))


async def test_an_event_stream_has_the_same_headers_and_is_not_compressed(
    carrier: Carrier,
) -> None:
    headers = {"Accept": "text/event-stream"} | carrier.owner.headers
    answer, body = await raw("POST", f"{carrier.url}/graphql", json=TYPES, headers=headers)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers
    assert body.startswith(b"event: next\n")
    assert len(body) > 10_000


async def test_a_response_above_1_kib_is_compressed_for_clients_that_accept_it(
    carrier: Carrier,
) -> None:
    url, headers = f"{carrier.url}/graphql", carrier.owner.headers
    plain, body = await raw("POST", url, "identity", json=TYPES, headers=headers)
    packed, packed_body = await raw("POST", url, "gzip, deflate, br", json=TYPES, headers=headers)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(packed_body) < len(body) / 3
    content, unpacked = json.loads(body), json.loads(gzip.decompress(packed_body))
    assert unpacked["data"] == content["data"]


async def test_a_short_response_is_not_compressed(api: Program) -> None:
    answer, body = await raw("POST", f"{api.url}/graphql", json=NAME)
    assert "content-encoding" not in answer.headers
    assert json.loads(body)["data"] == {"__typename": "Query"}


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_nothing_that_a_socket_sends_is_logged(
    environment: dict[str, str], level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Some clients put a token into the URL."""
    with Program.web(environment | {"CALLBOARD_LOG_LEVEL": level}) as program:
        carrier = await Carrier.create(program.url, clock.now())
        secret = f"{carrier.owner.token}"
        url = program.url + f"/graphql?token={secret}#"
        async with signed_in(url.replace("#", "&path="), secret):
            pass
    output = capfd.readouterr()
    assert "Application shutdown complete" in output.err
    assert "token=" not in output.out + output.err
    assert secret not in output.out + output.err
    assert LIVE not in output.err
