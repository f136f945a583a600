"""An installation configured as in production, and its people."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from domain.identity.callers import Role
from models import db
from models.identity import accounts, logins, staff
from resolvers.identity import sign_in
from runtime import clock
from tests.support import message_servers
from tests.support.browser.front import Front, front
from tests.support.programs import Program

PASSWORD = "correct horse battery"
SECRET_KEY = "a key for tests alone, long enough to sign with"
HOST = "portal.voice.example"
ALLOWED_HOST = "board.voice.example"  # its pages may use the API with a token
_numbers = count(1)


@dataclass
class Portal:
    front: Front
    web: Program
    mail: message_servers.MailServer

    @property
    def url(self) -> str:
        return self.at(HOST)

    @property
    def host(self) -> str:
        return f"{HOST}:{self.front.port}"

    def at(self, host: str, port: int | None = None) -> str:
        """The same pages, as those of another origin."""
        return f"https://{host}:{port or self.front.port}"

    async def ask(self, query: str, token: str | None = None, **variables: Any) -> Any:
        """The first field of the answer to a program's request."""
        headers = {"X-Forwarded-For": self.front.address}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with httpx2.AsyncClient(verify=False, timeout=120) as client:
            body = {"query": query, "variables": variables}
            answer = await client.post(f"{self.web.url}/graphql", json=body, headers=headers)
        result = answer.json()
        assert "errors" not in result, result
        return next(iter(result["data"].values()))

    async def sign_in(self, email: str, password: str = PASSWORD) -> str | None:
        """The token; none where it is refused."""
        token: str | None = (await self.ask(LOGIN, i={"email": email, "password": password})).get(
            "token"
        )
        return token

    async def signs_in(self, email: str, password: str) -> bool:
        return await self.sign_in(email, password) is not None


LOGIN = """mutation L($i: LoginInput!) { login(input: $i) {
    ... on Session { token } } }"""
_CUSTOMER = """mutation C($i: CreateCustomerInput!) { createCustomer(input: $i) {
    ... on Customer { id } ... on Refusal { message } } }"""
_CONTACT = """mutation C($i: CreateContactInput!) { createContact(input: $i) {
    ... on Contact { id } ... on Refusal { message } } }"""
_RESET = """mutation R($i: RequestPasswordResetInput!) { requestPasswordReset(input: $i) {
    __typename } }"""
_VERIFY = "mutation { requestEmailVerification { __typename } }"


@dataclass
class Carrier:
    """An account with a customer; its owner is signed in."""

    portal: Portal
    token: str
    email: str
    customer: str

    @classmethod
    async def create(cls, portal: Portal) -> "Carrier":
        email, now = f"owner-{os.getpid()}-{next(_numbers)}@voice.example", clock.now()
        account = await accounts.insert("Example Voice", now)
        password = await sign_in.hash_password(PASSWORD)
        login_id = await logins.insert(account.id, email, password, now)
        await staff.insert(account.id, login_id, "The owner", Role.OWNER, now)
        token = await portal.sign_in(email)
        customer = {"name": "Acme", "reference": "acme", "currency": "EUR", "channelLimit": 30}
        answer = await portal.ask(_CUSTOMER, token, i=customer | {"debitLimit": "100"})
        return cls(portal, token, email, answer["id"])

    async def contact(self, password: str | None = PASSWORD, language: str = "en") -> str:
        """The e-mail of a contact of the customer, who is invited if there is no password."""
        email = f"person-{os.getpid()}-{next(_numbers)}@acme.example"
        fields = {"customerId": self.customer, "name": "A person", "email": email}
        fields |= {"language": language}
        if password is not None:
            fields["password"] = password
        assert (await self.portal.ask(_CONTACT, self.token, i=fields))["id"]
        return email

    async def invitation(self, language: str = "en") -> tuple[str, str]:
        """A person's e-mail, and the link that it was sent."""
        email = await self.contact(None, language)
        return email, await self._link(email)

    async def reset(self, language: str = "en") -> tuple[str, str]:
        email = await self.contact(language=language)
        await self.portal.ask(_RESET, i={"email": email})
        return email, await self._link(email)

    async def verification(self, language: str = "en") -> tuple[str, str]:
        email = await self.contact(language=language)
        await self.portal.ask(_VERIFY, await self.portal.sign_in(email))
        return email, await self._link(email)

    async def _link(self, email: str) -> str:
        return message_servers.link_in(await self.portal.mail.arrived(email))


async def expire(email: str) -> None:
    """Moves the messages to the address a month into the past."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE proofs SET expires_at = expires_at - interval '30 days' WHERE address = $1",
            email,
        )


@asynccontextmanager
async def running(environment: dict[str, str], folder: Path) -> AsyncIterator[Portal]:
    """Web, worker and mail server, reached only by HTTPS."""
    async with message_servers.mail_server() as mail:
        web = Program.web(environment)
        assert web.port is not None
        with front(web.port, folder) as proxy:
            portal = Portal(proxy, web, mail)
            web.environment = environment | {
                "CALLBOARD_PUBLIC_URL": portal.url,
                "CALLBOARD_ALLOWED_ORIGINS": portal.at(ALLOWED_HOST),
                "CALLBOARD_SMTP_URL": mail.url,
                "CALLBOARD_MAIL_FROM": "portal@voice.example",
            }
            with web, Program.worker(web.environment):
                yield portal
