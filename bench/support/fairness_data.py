"""Two accounts for measurements: one with a month of calls, whose contact attacks, and another."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench import backfill, ingest
from bench.support import largest_data
from domain import periods
from domain.identity import callers, tokens
from domain.periods import Granularity
from models import db
from models.identity import contacts, credentials, logins
from resolvers.identity import sign_in
from runtime import clock
from schema.engine import base

DAYS = 30
PASSWORD = "correct horse battery"
_SECRET = "b" * 43
_BATCH = 500
_NONE_MARKED = "SELECT NOT EXISTS (SELECT 1 FROM hour_marks)"
_CUSTOMER = "SELECT id FROM customers WHERE account_id = $1 AND reference = 'customer-0'"
_IDS = "SELECT id FROM {table} WHERE account_id = $1 ORDER BY id"


@dataclass(frozen=True, slots=True)
class Side:
    """An account: its ingest key, and a contact of its first customer."""

    account_id: int
    customer_id: int
    ingest_key: str
    contact: str
    contact_id: int

    @property
    def customer(self) -> str:
        return base.encode_id("Customer", self.account_id, self.customer_id)

    @property
    def caller(self) -> callers.Caller:
        return callers.Caller(
            self.account_id, callers.Kind.CONTACT, self.contact_id, customer_id=self.customer_id
        )


async def create(now: datetime) -> Side:
    key = await ingest.prepare(now)
    token = tokens.parse(key)
    assert token is not None
    account_id = token.account_id
    async with db.connection() as conn:
        customer_id = await conn.fetchval(_CUSTOMER, account_id)
    email = f"contact-{account_id}@acme.example"
    login_id = await logins.insert(account_id, email, await sign_in.hash_password(PASSWORD), now)
    contact = await contacts.insert(
        account_id,
        contacts.NewContact(
            customer_id=customer_id,
            login_id=login_id,
            name="A contact",
            email=email,
            mobile=None,
            language="en",
            time_zone="Europe/Berlin",
        ),
        now,
    )
    session = await credentials.insert_session(
        account_id,
        credentials.NewSession(
            login_id=login_id,
            secret_hash=tokens.digest(_SECRET),
            expires_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=1),
        ),
        now,
    )
    secret = str(tokens.Token(account_id, tokens.TokenKind.SESSION, session, _SECRET))
    return Side(account_id, customer_id, key, secret, contact.id)


async def fill(side: Side, calls: int, urls: tuple[str, str]) -> None:
    """Posts calls of a month, half of them for the first customer, until they are aggregated."""
    now, step = clock.now(), timedelta(days=DAYS) / calls

    def event(n: int) -> dict[str, object]:
        at = now - timedelta(minutes=10) - n * step
        call = ingest.event(n, at + timedelta(seconds=n % 80_000), "fill-")
        return call | {"customer": "customer-0"} if n % 2 else call

    bodies = [
        (json.dumps([event(n) for n in range(at, at + _BATCH)]).encode(), _BATCH)
        for at in range(0, calls, _BATCH)
    ]
    async with ingest.web(*urls) as port:
        await ingest.through_http(port, side.ingest_key, bodies)
    environment = dict(zip(("CALLBOARD_DATABASE_URL", "CALLBOARD_REDIS_URL"), urls, strict=True))
    async with backfill.process("server.cli", "worker", urls=environment), db.connection() as conn:
        while True:
            if await conn.fetchval(_NONE_MARKED):
                break
            await asyncio.sleep(0.2)
    async with db.connection() as conn:
        await conn.execute("VACUUM (ANALYZE)")


async def ids_of(side: Side, now: datetime) -> largest_data.Known:
    """Ids of rows of the account, as many as can be requested at once."""
    account_id, hour = side.account_id, periods.hour_of(now)
    async with db.connection() as conn:
        carriers = await conn.fetch(_IDS.format(table="carriers"), account_id)
    rows = [
        periods.RowKey(account_id, side.customer_id, Granularity.LIVE, hour - n * periods.HOUR)
        for n in range(10_000)
    ]
    days = [
        periods.period_containing(Granularity.DAILY, now - timedelta(days=n)).start
        for n in range(1, DAYS - 1)
    ]
    daily = [
        periods.RowKey(account_id, side.customer_id, Granularity.DAILY, start) for start in days
    ]
    ids: dict[str, list[str]] = {
        "Customer": [side.customer],
        "Carrier": [base.encode_id("Carrier", account_id, row["id"]) for row in carriers],
        "Contact": [base.encode_id("Contact", account_id, side.contact_id)],
        "Account": [base.encode_id("Account", account_id)],
        "SummaryRow": [base.encode_id("SummaryRow", account_id, *key.parts()) for key in rows],
    }
    billed = [base.encode_id("SummaryRow", account_id, *key.parts()) for key in daily]
    values: dict[str, Any] = {
        "currency": "EUR",
        "language": "de",
        "timeZone": "Europe/Berlin",
        "interval": "HOUR",
        "granularity": "DAILY",
        "password": PASSWORD,
        "currentPassword": PASSWORD,
        "windowSeconds": 60,
        "email": "nobody@acme.example",
    }
    return largest_data.Known(ids, values, now, {"generateInvoice": {"rowIds": billed}})
