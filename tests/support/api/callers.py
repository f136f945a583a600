"""Accounts and their callers over HTTP, as any client."""

import itertools
import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import httpx2

from domain.identity import tokens
from domain.identity.callers import Client, Role
from models.identity import accounts, credentials, logins, staff
from resolvers.identity import sign_in as passwords
from runtime import clock

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


@dataclass
class Caller:
    """A caller with a token, or an unauthenticated one; `accepts` is its Accept-Language."""

    url: str
    token: str | None = None
    accepts: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": self.token and f"Bearer {self.token}"}
        headers["Accept-Language"] = self.accepts
        return {name: value for name, value in headers.items() if value is not None}

    async def send(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer, with its errors."""
        async with httpx2.AsyncClient(verify=False, timeout=60) as client:
            answer = await client.post(
                f"{self.url}/graphql",
                content=json.dumps({"query": query, "variables": variables}),
                headers={"Content-Type": "application/json"} | self.headers,
            )
        body: dict[str, Any] = answer.json()
        return body

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer that has no errors."""
        answer = await self.send(query, **variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def code(self, query: str, **variables: Any) -> str:
        """The code of an answer's one error."""
        [error] = (await self.send(query, **variables))["errors"]
        code: str = error["extensions"]["code"]
        return code

    async def do(self, mutation: str, type: str, selection: str, **input: Any) -> dict[str, Any]:
        """The fields `selection` of a mutation's success type, or a refusal."""
        name = mutation[0].upper() + mutation[1:]
        data = await self.ask(
            f"mutation M($i: {name}Input!) {{ {mutation}(input: $i) {{ __typename"
            f" ... on {type} {{ {selection} }}"
            " ... on Refusal { code message field } } }",
            i=input,
        )
        result: dict[str, Any] = data[mutation]
        return result


@dataclass
class Carrier:
    """An account; `owner` is signed in without the cost of a password."""

    url: str
    account_id: int
    email: str
    owner: Caller
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def create(cls, url: str, now: datetime) -> Self:
        email = f"owner-{os.getpid()}-{next(_numbers)}@voice.example"
        account = await accounts.insert("Example Voice", now)
        login_id = await logins.insert(account.id, email, await password_hash(), now)
        await staff.insert(account.id, login_id, "The owner", Role.OWNER, now)
        return cls(url, account.id, email, await _signed_in(url, email))

    def unique(self, prefix: str) -> str:
        return f"{prefix}-{self.account_id}-{next(self.numbers)}"

    async def customer(self, **changes: Any) -> str:
        """A new customer's id."""
        answer = await self.owner.do(
            "createCustomer",
            "Customer",
            "id",
            **{
                "name": "Acme",
                "reference": self.unique("acme"),
                "currency": "EUR",
                "channelLimit": 30,
                "debitLimit": "250.50",
                "taxPercent": "19",
            }
            | changes,
        )
        id: str = answer["id"]
        return id

    async def contact(self, customer_id: str, **changes: Any) -> Caller:
        """A signed-in person of the customer."""
        email = f"{self.unique('person')}@acme.example"
        await self.owner.do(
            "createContact",
            "Contact",
            "id",
            customerId=customer_id,
            name="A person",
            email=email,
            password=PASSWORD,
            **changes,
        )
        return await _signed_in(self.url, email)

    async def staff(self, role: str) -> Caller:
        email = f"{self.unique('staff')}@voice.example"
        await self.owner.do(
            "createStaff",
            "Staff",
            "id",
            name="A person",
            email=email,
            password=PASSWORD,
            role=role,
        )
        return await _signed_in(self.url, email)

    async def key(self, *scopes: str, customer_id: str | None = None) -> Caller:
        answer = await self.owner.do(
            "createApiKey",
            "CreatedApiKey",
            "id secret",
            name="a program",
            scopes=list(scopes),
            customerId=customer_id,
        )
        return Caller(self.url, answer["secret"])


async def sign_in(url: str, email: str, password: str = PASSWORD) -> Caller:
    session = await Caller(url).do(
        "login", "Session", "token expiresAt", email=email, password=password
    )
    return Caller(url, session["token"])


async def _signed_in(url: str, email: str) -> Caller:
    """A session as a login creates it, without the time of a password check."""
    login = await logins.of_email(email)
    assert login is not None
    return Caller(url, await new_session(login.account_id, login.id))


async def new_session(account_id: int, login_id: int, client: Client | None = None) -> str:
    """Its token."""
    secret, now = secrets.token_urlsafe(tokens.SECRET_BYTES), clock.now()
    id = await credentials.insert_session(
        account_id,
        credentials.NewSession(
            login_id=login_id,
            secret_hash=tokens.digest(secret),
            expires_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=30),
            client=client or Client(),
        ),
        now,
    )
    return str(tokens.Token(account_id, tokens.TokenKind.SESSION, id, secret))


_hashes: list[str] = []


async def password_hash() -> str:
    """The hash of PASSWORD, computed once."""
    if not _hashes:
        _hashes.append(await passwords.hash_password(PASSWORD))
    return _hashes[0]
