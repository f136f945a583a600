"""A page of another origin in a real browser, with and without its origin allowed."""

from typing import Any

import pytest

from tests.support.browser.chromium import Window
from tests.support.browser.pages import Opened
from tests.support.browser.portal import ALLOWED_HOST, PASSWORD, Carrier
from tests.support.browser.signing_in import ASK, CSRF, LOGIN, PAGE, SOCKET, STAFF, VIEWER, code

pytestmark = pytest.mark.browser

FETCH = """
const [url, query, token, accept] = given;
const answer = await fetch(url, {
  method: "POST",
  headers: {
    "Content-Type": "application/json", Authorization: "Bearer " + token, Accept: accept,
  },
  body: JSON.stringify({ query }),
});
return await answer.text();"""
SIGNED_IN_SOCKET = SOCKET.replace(
    '{ type: "connection_init" }',
    '{ type: "connection_init", payload: { authorization: "Bearer " + given[2] } }',
)
EVENTS = "text/event-stream"


def page_at(window: Opened, carrier: Carrier, host: str) -> tuple[Window, str]:
    """A window that shows a page of the host, and the URL of the API."""
    page, url = window(), carrier.portal.at(host)
    page.may_reach.add(url.removeprefix("https://"))
    page.open(url + PAGE)
    return page, carrier.portal.url + "/graphql"


def test_a_page_of_an_allowed_origin_uses_the_api_with_a_token(
    carrier: Carrier, window: Opened
) -> None:
    page, api = page_at(window, carrier, ALLOWED_HOST)
    for accept in ("application/json", EVENTS):
        assert '"Staff"' in page.run(FETCH, api, VIEWER, carrier.token, accept)
    assert page.run(SIGNED_IN_SOCKET, api, VIEWER, carrier.token)["data"] == STAFF


def test_a_page_of_another_origin_cannot_use_the_api_with_a_token(
    carrier: Carrier, window: Opened
) -> None:
    page, api = page_at(window, carrier, "portal.evil.example")
    for accept in ("application/json", EVENTS):
        assert "Failed to fetch" in page.run(FETCH, api, VIEWER, carrier.token, accept)
    assert page.run(SIGNED_IN_SOCKET, api, VIEWER, carrier.token) == 1006
    assert page.blames("CORS policy", "ERR_FAILED", "WebSocket connection")


def test_an_allowed_origin_of_the_same_site_cannot_use_the_cookie(
    carrier: Carrier, window: Opened
) -> None:
    page, api = page_at(window, carrier, ALLOWED_HOST)
    page.open(carrier.portal.url + PAGE)
    login = {"i": {"email": carrier.email, "password": PASSWORD}}
    assert page.run(ASK, api, LOGIN, CSRF, login)["data"]["login"]["__typename"] == "Session"
    page.open(carrier.portal.at(ALLOWED_HOST) + PAGE)

    def ask(headers: dict[str, str]) -> Any:
        return page.run(ASK, api, VIEWER, headers, {})

    assert "Failed to fetch" in ask({})
    assert "Failed to fetch" in ask(CSRF)
    assert code(page.run(SOCKET, api, VIEWER)) == "UNAUTHENTICATED"
    assert page.blames("CORS policy", "ERR_FAILED")
