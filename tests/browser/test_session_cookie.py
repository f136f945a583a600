"""The session's cookie in a real browser: of use to our own pages, and to no others."""

from typing import Any

import pytest
from chromium import Window
from pages import Opened
from portal import HOST, PASSWORD, Carrier

pytestmark = pytest.mark.browser

CSRF = {"X-Callboard-CSRF": "1"}
VIEWER = "{ viewer { __typename } }"
STAFF = {"viewer": {"__typename": "Staff"}}
LOGIN = """mutation L($i: LoginInput!) { login(input: $i) { __typename } }"""
LOGOUT = "mutation { logout { __typename } }"
EVERYWHERE = "mutation { logoutEverywhere { __typename } }"
LIVE = "subscription { liveChannels { inUse } }"

# Pages of no script of their own: what a test runs on them, any page of their origin could.
PAGE = "/healthz"

ASK = """
const [url, query, headers, variables] = given;
const answer = await fetch(url, {
  method: "POST", credentials: "include",
  headers: { "Content-Type": "application/json", ...headers },
  body: JSON.stringify({ query, variables }),
});
return await answer.json();"""
SOCKET = """
const [url, query] = given;
return await new Promise((tell) => {
  const socket = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
  const say = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => say({ type: "connection_init" });
  socket.onclose = ({ code }) => { window.endedWith = code; tell(code); };
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    if (type === "connection_ack") say({ id: "1", type: "subscribe", payload: { query } });
    else tell(payload);
  };
});"""
EVENTS = """
const source = new EventSource("/graphql?query=" + encodeURIComponent(given[0]));
return await new Promise((tell) => {
  source.addEventListener("next", ({ data }) => { source.close(); tell(JSON.parse(data)); });
  source.onerror = () => tell("refused");
});"""


def ask(page: Window, query: str, url: str = "/graphql", csrf: bool = True) -> Any:
    return page.run(ASK, url, query, CSRF if csrf else {}, {})


def signed_in(page: Window, carrier: Carrier, url: str | None = None) -> None:
    """By the owner of the account, from a page of ours."""
    page.open((url or carrier.portal.url) + PAGE)
    answer = page.run(
        ASK, "/graphql", LOGIN, CSRF, {"i": {"email": carrier.email, "password": PASSWORD}}
    )
    assert answer["data"]["login"]["__typename"] == "Session"


def code(answer: Any) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


def test_a_page_of_ours_is_given_a_cookie_that_no_script_sees(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    [cookie] = page.driver.get_cookies()
    assert cookie["name"] == "callboard_session"
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
    assert (cookie["domain"], cookie["path"]) == (HOST, "/")
    assert page.run("return document.cookie") == ""
    assert ask(page, VIEWER)["data"] == STAFF
    assert code(ask(page, VIEWER, csrf=False)) == "UNAUTHENTICATED"


def test_a_socket_and_an_event_stream_of_our_page_are_signed_in_by_the_cookie(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    assert page.run(SOCKET, carrier.portal.url + "/graphql", VIEWER)["data"] == STAFF
    assert page.run(EVENTS, LIVE)["data"] == {"liveChannels": {"inUse": 0}}


@pytest.mark.parametrize("leave", [LOGOUT, EVERYWHERE])
def test_who_leaves_has_no_cookie_and_no_open_socket_any_more(
    carrier: Carrier, window: Opened, leave: str
) -> None:
    page = window()
    signed_in(page, carrier)
    assert page.run(SOCKET, carrier.portal.url + "/graphql", LIVE)["data"]
    assert "errors" not in ask(page, leave)
    assert page.driver.get_cookies() == []
    assert code(ask(page, VIEWER)) == "UNAUTHENTICATED"
    assert page.until(lambda: page.run("return window.endedWith")) == 4403


@pytest.mark.parametrize("where", ["another site", "a sibling host", "another port"])
def test_a_page_of_another_origin_can_neither_read_nor_act_nor_listen(
    carrier: Carrier, window: Opened, where: str
) -> None:
    """Browsers send the cookie along to a sibling's requests and to those of another port."""
    portal, page = carrier.portal, window()
    origins = {
        "another site": portal.at("portal.evil.example"),
        "a sibling host": portal.at("other.voice.example"),
        "another port": portal.at(HOST, portal.front.other_port),
    }
    signed_in(page, carrier)
    page.may_reach.add(origins[where].removeprefix("https://"))
    page.open(origins[where] + PAGE)
    url = portal.url + "/graphql"

    for csrf in (True, False):
        assert "Failed to fetch" in ask(page, VIEWER, url, csrf)
        assert "Failed to fetch" in ask(page, EVERYWHERE, url, csrf)
    assert "Failed to fetch" in page.run(
        "return await fetch(given[0], { credentials: 'include' }).then((it) => it.text())",
        f"{url}?query={{viewer{{__typename}}}}",
    )
    unseen = "await fetch(given[0], { method: 'POST', mode: 'no-cors', credentials: 'include',"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        headers = f"headers: {{ 'Content-Type': '{kind}' }}, body: given[1] }}); return 'sent'"
        for body in (f'{{"query": "{EVERYWHERE}"}}', f"query={EVERYWHERE}"):
            assert page.run(unseen + headers, url, body) == "sent"
    assert code(page.run(SOCKET, url, VIEWER)) == "UNAUTHENTICATED"
    answer = page.run(SOCKET, url, EVERYWHERE)["data"]
    assert answer["logoutEverywhere"]["__typename"] == "NotPermitted"
    assert page.blames("CORS policy", "ERR_FAILED", "status of 4")

    page.open(portal.url + PAGE)
    assert ask(page, VIEWER)["data"] == STAFF


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_form_of_another_site_does_nothing(carrier: Carrier, window: Opened, method: str) -> None:
    portal, page = carrier.portal, window()
    signed_in(page, carrier)
    evil = portal.at("portal.evil.example")
    page.may_reach.add(evil.removeprefix("https://"))
    page.open(evil + PAGE)
    page.driver.execute_script(
        """const [action, method, query] = arguments;
        const form = document.createElement("form");
        Object.assign(form, { action, method });
        form.innerHTML = "<input name=query>";
        form.elements.query.value = query;
        document.body.append(form);
        form.submit();""",
        portal.url + "/graphql",
        method,
        EVERYWHERE,
    )
    page.until(lambda: page.driver.current_url.startswith(portal.url))
    assert "__typename" not in page.text
    assert page.blames("status of 4")
    page.open(portal.url + PAGE)
    assert ask(page, VIEWER)["data"] == STAFF


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_on_the_same_machine_the_cookie_works_by_plain_http_too(
    carrier: Carrier, window: Opened, host: str
) -> None:
    """Chromium takes a Secure cookie from loopback."""
    page, url = window(), carrier.portal.web.url.replace("127.0.0.1", host)
    page.may_reach.add(url.removeprefix("http://"))
    signed_in(page, carrier, url)
    assert ask(page, VIEWER)["data"] == STAFF
    assert page.run(SOCKET, url + "/graphql", VIEWER)["data"] == STAFF


def test_graphiql_is_opened_by_the_cookie_and_says_what_it_cannot_load(
    carrier: Carrier, window: Opened
) -> None:
    page, url = window(), carrier.portal.url + "/graphql"
    page.open(url)
    assert "GraphiQL is shown to who is signed in" in page.text
    assert page.blames("status of 403")
    signed_in(page, carrier)
    page.open(url)
    assert "If this text stays, that cannot be reached from here" in page.text
    page.may_reach.add("unpkg.com")
    assert page.blames("unpkg.com", "Cookies is not defined")
