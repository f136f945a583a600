"""The demo's account: people, customers, carriers, rates and keys, created over GraphQL."""

import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from resolvers.identity import accounts

NAME = "Example Voice"
_STAFF = "owner@voice.example"
# Reference, name, currency, channel limit, debit limit, tax in percent; the busiest first.
_CUSTOMERS = (
    ("acme", "Acme Networks", "EUR", 150, "2500", "19"),
    ("harbour", "Harbour Logistics", "GBP", 90, "1500", "20"),
    ("maple", "Maple Retail", "USD", 60, "1000", "7.25"),
    ("summit", "Summit Clinics", "EUR", 45, "500", "19"),
    ("lantern", "Lantern Media", "GBP", None, "500", "20"),
)
_CARRIERS = (
    ("carrier-a", "Carrier A", "EUR"),
    ("carrier-b", "Carrier B", "USD"),
    ("carrier-c", "Carrier C", "GBP"),
)
# Prefix, price of a minute, connect fee, minimum, increment, description.
_RATES = (
    ("", "0.1900", "0.0200", 60, 60, "Rest of the world"),
    ("44", "0.0089", "0", 1, 1, "United Kingdom"),
    ("441632962", "0.0245", "0", 30, 6, "United Kingdom, numbers at 1632 962"),
    ("441632963", "0.0310", "0.0050", 30, 6, "United Kingdom, numbers at 1632 963"),
    ("1", "0.0072", "0", 6, 6, "North America"),
    ("1555012", "0.0098", "0", 1, 1, "North America, numbers at 555 012"),
)
_REFUSAL = "... on Refusal { code message }"

Credentials = dict[str, Any]


class SetupError(Exception):
    """The demo's account could not be created."""


class Api:
    """A GraphQL client of one caller."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def sign_in(self, email: str, password: str) -> None:
        selection = "... on Session { token }"
        session = await self.do("login", selection, email=email, password=password)
        self._client.headers["Authorization"] = f"Bearer {session['token']}"

    async def do(self, mutation: str, selection: str, **values: object) -> dict[str, Any]:
        """Runs a mutation and returns its success. Raises `SetupError` if it is refused."""
        kind = mutation[0].upper() + mutation[1:]
        query = (
            f"mutation($i: {kind}Input!)"
            f" {{ {mutation}(input: $i) {{ __typename {selection} {_REFUSAL} }} }}"
        )
        answer = await self._client.post(
            "/graphql", json={"query": query, "variables": {"i": values}}
        )
        content = answer.json()
        if "errors" in content:
            raise SetupError(f"{mutation}: {content['errors'][0]['message']}")
        result: dict[str, Any] = content["data"][mutation]
        if "code" in result:
            raise SetupError(f"{mutation}: {result['message']}")
        return result


async def create(url: str, rated_from: datetime, now: datetime) -> Credentials:
    """Creates the account at `url`, whose database is open; returns its logins and keys."""
    staff = {"email": _STAFF, "password": secrets.token_urlsafe(12)}
    await accounts.create(NAME, staff["email"], staff["password"], now)
    async with httpx2.AsyncClient(base_url=url, timeout=20) as client:
        api = Api(client)
        await api.sign_in(**staff)
        for reference, name, currency in _CARRIERS:
            await api.do(
                "createCarrier",
                "... on Carrier { id }",
                reference=reference,
                name=name,
                currency=currency,
            )
        contact = await _create_customers(api, rated_from)
        keys = {
            "ingest": await _create_key(api, "ingest", "INGEST"),
            "wallboard": await _create_key(api, "wallboard", "LIVE_READ"),
            "billing": await _create_key(api, "billing", "BILLING_READ", "BILLING_WRITE"),
        }
    return {"url": url, "contact": contact, "staff": staff, "keys": keys}


async def _create_customers(api: Api, rated_from: datetime) -> dict[str, str]:
    """Creates the customers with a contact each, and a rate card per currency.

    Returns the first contact's login.
    """
    currencies = ("EUR", "GBP", "USD")
    cards = {currency: await _create_card(api, currency, rated_from) for currency in currencies}
    logins: list[dict[str, str]] = []
    for index, (reference, name, currency, channels, debit, tax) in enumerate(_CUSTOMERS):
        created = await api.do(
            "createCustomer",
            "... on Customer { id }",
            reference=reference,
            name=name,
            currency=currency,
            channelLimit=channels,
            debitLimit=debit,
            taxPercent=tax,
        )
        await api.do(
            "assignRateCard",
            "... on RateCardAssignment { validFrom }",
            customerId=created["id"],
            id=cards[currency],
            validFrom=rated_from.isoformat(),
        )
        login = {"email": f"portal@{reference}.example", "password": secrets.token_urlsafe(12)}
        await api.do(
            "createContact",
            "... on Contact { id }",
            customerId=created["id"],
            name="Portal contact",
            mobile=f"+4416329600{index:02}",
            **login,
        )
        logins.append(login)
    return logins[0]


async def _create_card(api: Api, currency: str, rated_from: datetime) -> str:
    created = await api.do(
        "createRateCard", "... on RateCard { id }", name=f"Standard {currency}", currency=currency
    )
    names = ("prefix", "perMinute", "connectFee", "minimum", "increment", "description")
    rates = [dict(zip(names, rate, strict=True)) for rate in _RATES]
    await api.do(
        "addRates",
        "... on RateCard { id }",
        id=created["id"],
        rates=rates,
        effectiveFrom=rated_from.isoformat(),
    )
    card_id: str = created["id"]
    return card_id


async def _create_key(api: Api, name: str, *scopes: str) -> str:
    created = await api.do(
        "createApiKey", "... on CreatedApiKey { secret }", name=name, scopes=scopes
    )
    secret: str = created["secret"]
    return secret


def save(path: Path, content: object) -> None:
    """Writes JSON that only the file's owner can read, completely or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    fresh.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text())
    return content
