"""An account to measure with: a customer a topic, carriers, keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import callers, tokens
from models import accounts, carriers, credentials, customers
from runtime import clock, embedded
from schema import base

TOPICS, KEYS = 10, 20
_SECRET = "b" * 43


@dataclass(frozen=True, slots=True)
class Account:
    urls: embedded.Urls
    id: int
    customers: Sequence[int]
    carriers: Sequence[int]
    tokens: Sequence[str]

    @property
    def topics(self) -> list[str]:
        return [base.encode_id("Customer", self.id, customer) for customer in self.customers]


async def create(urls: embedded.Urls, carriers: int) -> Account:
    now = clock.now()
    made = await accounts.insert("Example Voice", now)
    return Account(
        urls,
        made.id,
        [await _customer(made.id, number, now) for number in range(TOPICS)],
        [await _carrier(made.id, number, now) for number in range(carriers)],
        [await _token(made.id, now) for _ in range(KEYS)],
    )


async def _customer(account_id: int, number: int, now: datetime) -> int:
    made = await customers.insert(
        account_id,
        reference=f"customer-{number}",
        name="Acme",
        currency="EUR",
        channel_limit=100_000,
        debit_limit=Decimal(0),
        tax_percent=Decimal(0),
        now=now,
    )
    return int(made.id)


async def _carrier(account_id: int, number: int, now: datetime) -> int:
    made = await carriers.insert(
        account_id,
        reference=f"carrier-{number}",
        name=f"Carrier {number}",
        currency="EUR",
        sip_uri=None,
        now=now,
    )
    return int(made.id)


async def _token(account_id: int, now: datetime) -> str:
    key = await credentials.insert_key(
        account_id,
        name="bench",
        scopes=[callers.Scope.LIVE_READ],
        customer_id=None,
        secret_hash=tokens.digest(_SECRET),
        now=now,
    )
    return str(tokens.Token(account_id, tokens.Of.KEY, key.id, _SECRET))
