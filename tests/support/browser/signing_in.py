"""Signs in from a page and queries with its cookie."""

from typing import Any

from tests.support.browser.chromium import Window
from tests.support.browser.portal import PASSWORD, Carrier

CSRF = {"X-Callboard-CSRF": "1"}
VIEWER = "{ viewer { __typename } }"
STAFF = {"viewer": {"__typename": "Staff"}}
LOGIN = """mutation L($i: LoginInput!) { login(input: $i) { __typename } }"""
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


def ask(page: Window, query: str, url: str = "/graphql", csrf: bool = True) -> Any:
    return page.run(ASK, url, query, CSRF if csrf else {}, {})


def signed_in(page: Window, carrier: Carrier, url: str | None = None) -> None:
    """Signs in the owner of the account, from a Callboard page."""
    page.open((url or carrier.portal.url) + PAGE)
    answer = page.run(
        ASK, "/graphql", LOGIN, CSRF, {"i": {"email": carrier.email, "password": PASSWORD}}
    )
    assert answer["data"]["login"]["__typename"] == "Session"


def code(answer: Any) -> str:
    return str(answer["errors"][0]["extensions"]["code"])
