"""An account for measurements: one customer per topic, carriers, keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.identity import callers, tokens
from models.directory import carriers, customers
from models.identity import accounts, credentials
from runtime import clock, embedded
from schema.engine import base

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
    account = await accounts.insert("Example Voice", now)
    return Account(
        urls,
        account.id,
        [await _customer(account.id, number, now) for number in range(TOPICS)],
        [await _carrier(account.id, number, now) for number in range(carriers)],
        [await _token(account.id, now) for _ in range(KEYS)],
    )


async def _customer(account_id: int, number: int, now: datetime) -> int:
    customer = await customers.insert(
        account_id,
        customers.NewCustomer(
            reference=f"customer-{number}",
            name="Acme",
            currency="EUR",
            channel_limit=100_000,
            debit_limit=Decimal(0),
            tax_percent=Decimal(0),
        ),
        now,
    )
    return int(customer.id)


async def _carrier(account_id: int, number: int, now: datetime) -> int:
    carrier = await carriers.insert(
        account_id,
        reference=f"carrier-{number}",
        name=f"Carrier {number}",
        currency="EUR",
        sip_uri=None,
        now=now,
    )
    return int(carrier.id)


async def _token(account_id: int, now: datetime) -> str:
    key = await credentials.insert_key(
        account_id,
        credentials.NewKey(
            name="bench",
            scopes=[callers.Scope.LIVE_READ],
            customer_id=None,
            secret_hash=tokens.digest(_SECRET),
        ),
        now,
    )
    return str(tokens.Token(account_id, tokens.TokenKind.KEY, key.id, _SECRET))
