"""The cookie of the browser: set for Callboard pages and accepted only from them."""

from datetime import timedelta
from http.cookies import SimpleCookie

import httpx2
import pytest
from starlette.responses import Response
from websockets.exceptions import InvalidStatus

from runtime import clock
from schema.engine import exchange
from server import cookies
from tests.support.api.browsers import COOKIE, CSRF, LOGIN, VIEWER, Browser, new_contact
from tests.support.api.callers import PASSWORD, Caller, Carrier
from tests.support.api.sockets import ACK, INIT, hear, open_socket, say, subscribe

STAFF = {"viewer": {"__typename": "Staff"}}


def _set(answer: httpx2.Response) -> SimpleCookie:
    return SimpleCookie(answer.headers.get("set-cookie", ""))


def _code(answer: httpx2.Response) -> str:
    code: str = answer.json()["errors"][0]["extensions"]["code"]
    return code


async def test_a_page_that_signs_in_receives_a_cookie_that_scripts_cannot_read(
    carrier: Carrier,
) -> None:
    async with Browser(carrier.url) as browser:
        answer = await browser.login(carrier.email)
        morsel = _set(answer)[COOKIE]
        assert morsel.value == answer.json()["data"]["login"]["token"]
        assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "strict", "/")
        assert not morsel["secure"]  # the tests' portal is plain HTTP on loopback
        days = int(morsel["max-age"]) / 86_400
        assert 13.9 < days <= 14  # as long as staff stay signed in
        assert (await browser.post(VIEWER)).json()["data"] == STAFF


async def test_a_program_that_signs_in_receives_no_cookie(carrier: Carrier) -> None:
    async with Browser(carrier.url, headers={}) as program:
        assert COOKIE not in _set(await program.login(carrier.email))


async def test_a_failed_sign_in_sets_no_cookie(carrier: Carrier) -> None:
    async with Browser(carrier.url) as browser:
        assert COOKIE not in _set(await browser.login(carrier.email, "not the password"))


@pytest.mark.parametrize(("url", "secure"), [("https://voice.example", True), ("http://x", False)])
def test_over_https_the_cookie_is_secure(url: str, secure: bool) -> None:
    answer, now = Response(), clock.now()
    cookies.write(answer, exchange.Cookie("a", now + timedelta(days=1)), now, url)
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert bool(morsel["secure"]) == secure


@pytest.mark.parametrize("mutation", ["logout", "logoutEverywhere"])
async def test_logging_out_removes_the_cookie(carrier: Carrier, mutation: str) -> None:
    async with Browser(carrier.url) as browser:
        await browser.login(carrier.email)
        answer = await browser.post(f"mutation {{ {mutation} {{ __typename }} }}")
        assert _set(answer)[COOKIE]["max-age"] == "0"
        assert not list(browser.client.cookies.jar)


async def test_a_sign_in_within_a_batch_sets_the_cookie(carrier: Carrier) -> None:
    async with Browser(carrier.url) as browser:
        login = {
            "query": LOGIN,
            "variables": {"i": {"email": carrier.email, "password": PASSWORD}},
        }
        batch = [{"query": "{ __typename }"}, login]
        await browser.client.post(browser.url, json=batch, headers=CSRF)
        assert (await browser.post(VIEWER)).json()["data"] == STAFF


async def test_a_same_origin_get_needs_no_other_header(
    carrier: Carrier,
) -> None:
    """As of GraphiQL opened by its address, and of an EventSource, which cannot send any."""
    stream = {"Accept": "text/event-stream"}
    async with Browser(carrier.url) as browser:
        await browser.login(carrier.email)
        for site, is_ours in [
            ("same-origin", True),
            ("none", True),
            ("same-site", False),
            ("cross-site", False),
            ("", False),
        ]:
            headers = {"Sec-Fetch-Site": site} if site else {}
            answer = await browser.get(VIEWER, headers)
            assert (answer.json()["data"] == STAFF) == is_ours, site
            streamed = await browser.get(VIEWER, headers | stream)
            assert ("Staff" in streamed.text) == is_ours, site
        browser.headers = {"Sec-Fetch-Site": "same-origin"}
        assert _code(await browser.post(VIEWER)) == "UNAUTHENTICATED"


async def test_an_expired_cookie_signs_in_no_login(carrier: Carrier) -> None:
    async with Browser(carrier.url) as browser:
        for token in ("garbage", str(carrier.owner.token)[:-4] + "AAAA"):
            browser.client.cookies.set(COOKIE, token)
            answer = await browser.post(VIEWER)
            assert (answer.status_code, _code(answer)) == (200, "UNAUTHENTICATED")
        browser.client.cookies.clear()
        browser.client.cookies.set(COOKIE, "garbage")
        assert (await browser.login(carrier.email)).json()["data"]["login"]["token"]
        bearer = await browser.client.post(
            browser.url, json={"query": VIEWER}, headers={"Authorization": "Bearer garbage"}
        )
        assert (bearer.status_code, _code(bearer)) == (401, "UNAUTHENTICATED")


async def test_a_cookie_signs_in_a_socket_of_a_callboard_page_and_of_no_other_page(
    carrier: Carrier,
) -> None:
    """A client with an expired cookie is unauthenticated, and may sign in again."""
    good = carrier.owner.token
    for origin, token, expected in [
        (carrier.url, good, "Staff"),
        (carrier.url, "garbage", None),
    ]:
        headers = {"Cookie": f"{COOKIE}={token}"}
        async with open_socket(carrier.url, origin=origin, additional_headers=headers) as socket:
            await say(socket, INIT)
            assert await hear(socket) == ACK
            await say(socket, subscribe("1", VIEWER))
            data = (await hear(socket))["payload"]["data"]
            assert (data and data["viewer"]["__typename"]) == expected
    headers = {"Cookie": f"{COOKIE}={good}", "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as error:
        async with open_socket(carrier.url, additional_headers=headers):
            pass
    assert error.value.response.status_code == 403


async def test_staff_who_sign_in_as_a_contact_keep_their_own_cookie(carrier: Carrier) -> None:
    _, contact, _ = await new_contact(carrier)
    query = """mutation S($i: SignInAsInput!) { signInAs(input: $i) {
        ... on Session { token } } }"""
    async with Browser(carrier.url) as browser:
        await browser.login(carrier.email)
        answer = await browser.post(query, i={"contactId": contact})
        assert COOKIE not in _set(answer)
        acting = Caller(carrier.url, answer.json()["data"]["signInAs"]["token"])
        assert await acting.ask(VIEWER) == {"viewer": {"__typename": "Contact"}}
        assert (await browser.post(VIEWER)).json()["data"] == STAFF
