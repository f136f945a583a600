"""Pages of another origin: CORS over HTTP, and the Origin header of a WebSocket handshake."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from runtime import clock
from runtime.settings import Settings
from tests.support.api.callers import Carrier
from tests.support.api.sockets import ACK, hear, open_socket, say, with_token
from tests.support.programs import Program

ALLOWED, FOREIGN = "https://board.example", "https://evil.example"
QUERY = {"query": "{ viewer { __typename } }"}


@pytest.fixture(scope="module")
def allowing(environment: dict[str, str]) -> Iterator[Program]:
    with Program.web(environment | {"CALLBOARD_ALLOWED_ORIGINS": ALLOWED}) as program:
        yield program


@pytest.fixture
async def account(allowing: Program) -> Carrier:
    return await Carrier.create(allowing.url, clock.now())


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=60) as new_client:
        yield new_client


async def preflight(
    client: httpx2.AsyncClient, url: str, origin: str, headers: str = "authorization,content-type"
) -> httpx2.Response:
    return await client.options(
        f"{url}/graphql",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": headers,
        },
    )


async def test_a_preflight_of_an_allowed_origin_permits_the_request(
    allowing: Program, client: httpx2.AsyncClient
) -> None:
    answer = await preflight(client, allowing.url, ALLOWED)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert "POST" in answer.headers["access-control-allow-methods"]
    permitted = answer.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type", "last-event-id"} <= set(permitted.split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://localhost:5173"])
async def test_a_preflight_of_another_origin_permits_nothing(
    allowing: Program, client: httpx2.AsyncClient, origin: str
) -> None:
    answer = await preflight(client, allowing.url, origin)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_no_other_origin_can_send_the_header_that_makes_the_cookie_count(
    allowing: Program, client: httpx2.AsyncClient
) -> None:
    answer = await preflight(client, allowing.url, ALLOWED, "content-type,x-callboard-csrf")
    assert answer.status_code == 400


async def test_an_allowed_origin_can_read_responses_and_retry_times(
    account: Carrier, client: httpx2.AsyncClient
) -> None:
    for accept in ("application/json", "text/event-stream"):
        headers = {"Origin": ALLOWED, "Accept": accept} | account.owner.headers
        answer = await client.post(f"{account.url}/graphql", json=QUERY, headers=headers)
        assert "Staff" in answer.text
        assert answer.headers["access-control-allow-origin"] == ALLOWED
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/graphql", "/ingest/calls", "/healthz", "/no-such-page"])
async def test_an_allowed_origin_can_read_a_refusal(
    allowing: Program, client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.post(f"{allowing.url}{path}", content=b"{", headers={"Origin": ALLOWED})
    assert answer.headers["access-control-allow-origin"] == ALLOWED


async def test_another_origin_can_read_no_response(
    account: Carrier, client: httpx2.AsyncClient
) -> None:
    headers = {"Origin": FOREIGN} | account.owner.headers
    answer = await client.post(f"{account.url}/graphql", json=QUERY, headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def socket(url: str, origin: str | None) -> AbstractAsyncContextManager[ClientConnection]:
    return open_socket(url, additional_headers={} if origin is None else {"Origin": origin})


async def test_programs_own_pages_and_allowed_origins_can_open_a_socket(
    account: Carrier,
) -> None:
    assert account.owner.token is not None
    for origin in (None, account.url, ALLOWED):
        async with socket(account.url, origin) as connection:
            await say(connection, with_token(account.owner.token))
            assert await hear(connection) == ACK


@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://localhost:5173"])
async def test_the_handshake_of_another_origin_is_refused_with_the_setting_to_change(
    allowing: Program, origin: str
) -> None:
    with pytest.raises(InvalidStatus) as error:
        async with socket(allowing.url, origin):
            pass
    assert error.value.response.status_code == 403
    assert b"CALLBOARD_ALLOWED_ORIGINS" in error.value.response.body


async def test_without_the_setting_no_other_origin_is_allowed(
    api: Program, client: httpx2.AsyncClient
) -> None:
    for origin in (ALLOWED, "http://localhost:5173"):
        assert (await preflight(client, api.url, origin)).status_code == 400
        with pytest.raises(InvalidStatus):
            async with socket(api.url, origin):
                pass


async def test_in_development_pages_of_this_machine_are_allowed(
    environment: dict[str, str], client: httpx2.AsyncClient
) -> None:
    with Program.web(environment | {"CALLBOARD_DEVELOPMENT": "1"}) as program:
        for origin in ("http://localhost:5173", "http://127.0.0.1:3000"):
            answer = await preflight(client, program.url, origin)
            assert answer.headers["access-control-allow-origin"] == origin
            async with socket(program.url, origin):
                pass
        assert (await preflight(client, program.url, FOREIGN)).status_code == 400


def test_an_invalid_origin_is_named_with_its_setting() -> None:
    with pytest.raises(ValidationError) as error_info:
        Settings(allowed_origins="https://board.example,board.example")
    [error] = error_info.value.errors()
    assert error["loc"] == ("allowed_origins",)
    assert "board.example is not an origin such as https://portal.example" in error["msg"]
