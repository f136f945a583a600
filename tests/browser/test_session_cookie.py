"""The session cookie in a real browser: only Callboard pages can use it."""

import pytest

from tests.support.browser.pages import Opened
from tests.support.browser.portal import HOST, Carrier
from tests.support.browser.signing_in import PAGE, SOCKET, STAFF, VIEWER, ask, code, signed_in

pytestmark = pytest.mark.browser

LOGOUT = "mutation { logout { __typename } }"
EVERYWHERE = "mutation { logoutEverywhere { __typename } }"
LIVE = "subscription { liveChannels { inUse } }"

# Pages without scripts of their own: any page of their origin could run the scripts of a test.

EVENTS = """
const source = new EventSource("/graphql?query=" + encodeURIComponent(given[0]));
return await new Promise((tell) => {
  source.addEventListener("next", ({ data }) => { source.close(); tell(JSON.parse(data)); });
  source.onerror = () => tell("refused");
});"""


def test_a_callboard_page_receives_a_cookie_that_scripts_cannot_read(
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


def test_the_cookie_signs_in_the_sockets_and_event_streams_of_a_page(
    carrier: Carrier, window: Opened
) -> None:
    page = window()
    signed_in(page, carrier)
    assert page.run(SOCKET, carrier.portal.url + "/graphql", VIEWER)["data"] == STAFF
    assert page.run(EVENTS, LIVE)["data"] == {"liveChannels": {"inUse": 0}}


@pytest.mark.parametrize("leave", [LOGOUT, EVERYWHERE])
def test_logging_out_removes_the_cookie_and_closes_the_sockets(
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
def test_a_page_of_another_origin_cannot_read_act_or_subscribe(
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
    for query in (VIEWER, EVERYWHERE):
        assert page.run(SOCKET, url, query) == 1006
    assert page.blames("CORS policy", "ERR_FAILED", "status of 4", "WebSocket connection")

    page.open(portal.url + PAGE)
    assert ask(page, VIEWER)["data"] == STAFF


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_form_of_another_site_has_no_effect(
    carrier: Carrier, window: Opened, method: str
) -> None:
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
def test_on_the_same_machine_the_cookie_also_works_over_plain_http(
    carrier: Carrier, window: Opened, host: str
) -> None:
    """Chromium accepts a Secure cookie from loopback."""
    page, url = window(), carrier.portal.web.url.replace("127.0.0.1", host)
    page.may_reach.add(url.removeprefix("http://"))
    signed_in(page, carrier, url)
    assert ask(page, VIEWER)["data"] == STAFF
    assert page.run(SOCKET, url + "/graphql", VIEWER)["data"] == STAFF
