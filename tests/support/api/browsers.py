"""People at their own addresses, and browsers that store a cookie."""

import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx2
from redis.asyncio import Redis

from domain.identity import callers, tokens
from live import throttle
from models.identity import contacts, logins
from resolvers.identity import try_limits
from runtime import clock
from schema.engine import base
from tests.support.api.callers import PASSWORD, Caller, Carrier, new_session, password_hash

VIEWER = "{ viewer { __typename } }"
CSRF = {"X-Callboard-CSRF": "1"}
COOKIE = "callboard_session"
LOGIN = """mutation L($i: LoginInput!) { login(input: $i) { __typename
    ... on Session { token expiresAt endsAt } ... on Refusal { code message field } } }"""
SESSIONS = """{ sessions { edges { node {
    id createdAt lastUsedAt expiresAt endsAt address userAgent current startedBy } } } }"""
WITHIN = 10.0  # seconds: 1, and the delay of a busy machine


def new_address() -> str:
    """One that no other test sends from, nor one of an earlier run on the same Redis."""
    return ".".join(["10", *(str(1 + secrets.randbelow(254)) for _ in range(3))])


@dataclass
class At(Caller):
    """A client that sends from an address, as a proxy on loopback reports it."""

    address: str = field(default_factory=new_address)

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"X-Forwarded-For": self.address}

    async def login(self, email: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """A session, or the refusal. After a sign-in, requests carry its token."""
        selection = "token expiresAt endsAt"
        session = await self.do(
            "login", "Session", selection, email=email, password=password, **more
        )
        if "token" in session:
            self.token = session["token"]
        return session

    def there(self) -> "At":
        """Somebody else at the same address."""
        return At(self.url, address=self.address)


def patient(redis: Redis) -> throttle.Throttle:
    """Counts in Redis even on a busy machine, so that the web process sees each try."""
    return throttle.Throttle(redis, timeout_seconds=60)


async def enter(redis: Redis, limit: try_limits.Tries, count: int) -> None:
    """Counts `count` failed tries."""
    for _ in range(count):
        await limit.enter(patient(redis))


class Browser:
    """Stores cookies; `headers` are those of a Callboard page."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = f"{url}/graphql"
        self.client = httpx2.AsyncClient(verify=False, timeout=60)
        self.headers = CSRF if headers is None else headers

    async def post(self, query: str, **variables: Any) -> httpx2.Response:
        body = {"query": query, "variables": variables}
        return await self.client.post(self.url, json=body, headers=self.headers)

    async def get(self, query: str, headers: dict[str, str]) -> httpx2.Response:
        return await self.client.get(self.url, params={"query": query}, headers=headers)

    async def login(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.post(LOGIN, i={"email": email, "password": password})

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()


async def new_contact(carrier: Carrier, customer: str | None = None) -> tuple[At, str, str]:
    """A signed-in contact of a customer, its id and its e-mail, without the time of a password
    check."""
    split = base.split_id(customer or await carrier.customer())
    assert split is not None
    now, email = clock.now(), f"{carrier.unique('person')}@acme.example"
    login_id = await logins.insert(carrier.account_id, email, await password_hash(), now)
    row = await contacts.insert(
        carrier.account_id,
        contacts.NewContact(
            customer_id=int(split[2][0]),
            login_id=login_id,
            name="A person",
            email=email,
            mobile=None,
            language="en",
            time_zone="UTC",
        ),
        now,
    )
    person = At(carrier.url)
    client = callers.Client(person.address, "a browser")
    person.token = await new_session(carrier.account_id, login_id, client)
    return person, base.encode_id("Contact", carrier.account_id, row.id), email


async def sessions_of(caller: Caller) -> list[dict[str, Any]]:
    answer = await caller.ask(SESSIONS)
    return [edge["node"] for edge in answer["sessions"]["edges"]]


def session_id(caller: Caller) -> int:
    token = tokens.parse(caller.token or "")
    assert token is not None
    return token.id


async def until_refused(caller: Caller) -> None:
    """Sends all requests concurrently; each response depends on the state of the caller at that
    time."""
    assert await caller.code(VIEWER) == "UNAUTHENTICATED"


async def signed_in_as(staff: Caller, contact: str) -> At:
    """Staff as a contact."""
    session = await staff.do("signInAs", "Session", "token expiresAt endsAt", contactId=contact)
    return At(staff.url, session["token"])


async def allow(caller: Caller, contact: str, *networks: str) -> dict[str, Any]:
    return await caller.do(
        "setAllowedNetworks", "Contact", "allowedNetworks", contactId=contact, networks=networks
    )
