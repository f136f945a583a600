"""Creates accounts and records."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from domain.records import calls
from models import db
from models.records import call_keys

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SETUP = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)


async def account() -> int:
    async with db.connection() as conn:
        account_id: int = await conn.fetchval(
            "INSERT INTO accounts (name, created_at) VALUES ('Example', $1) RETURNING id", NOW
        )
    return account_id


async def customer(account_id: int, reference: str, currency: str = "EUR") -> int:
    async with db.connection() as conn:
        customer_id: int = await conn.fetchval(
            "INSERT INTO customers (account_id, reference, name, currency, created_at)"
            " VALUES ($1, $2, $2, $3, $4) RETURNING id",
            account_id,
            reference,
            currency,
            NOW,
        )
    return customer_id


async def carrier(account_id: int, reference: str) -> int:
    async with db.connection() as conn:
        carrier_id: int = await conn.fetchval(
            "INSERT INTO carriers (account_id, reference, name, currency, created_at)"
            " VALUES ($1, $2, $2, 'EUR', $3) RETURNING id",
            account_id,
            reference,
            NOW,
        )
    return carrier_id


def record(call_id: str = "a", talk: int = 30, **changes: Any) -> calls.Record:
    """An answered, final leg; its digest follows from its content."""
    answer_at = changes.get("setup_at", SETUP) + timedelta(seconds=2)
    values: dict[str, Any] = {
        "switch": "edge-1",
        "call_id": call_id,
        "leg": 0,
        "revision": 0,
        "customer_id": 1,
        "carrier_id": 1,
        "final": True,
        "source": "+441632960000",
        "destination": "+15550100",
        "source_ip": "127.0.0.1",
        "direction": "outbound",
        "setup_at": SETUP,
        "offered_at": changes.get("setup_at", SETUP),
        "ringing_at": None,
        "answer_at": answer_at,
        "end_at": answer_at + timedelta(seconds=talk),
        "talk_us": talk * 1_000_000,
        "sip_code": 200,
        "sip_reason": "OK",
        "q850_cause": 16,
        "released_by": "caller",
        "dtmf_digits": 0,
        "rated_by": "SWITCH",
        "prefix": None,
        "rate_card_id": None,
        "billed_seconds": talk,
        "charge": Decimal(talk) / 100,
        "cost": None,
        **changes,
    }
    digest = blake2b(repr(values).encode(), digest_size=16).digest()
    return calls.Record(**{"digest": digest, **values})


async def rows(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with db.connection() as conn:
        return [tuple(row) for row in await conn.fetch(sql, *arguments)]


async def stored_records(account_id: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The records that count, by (switch, call id, leg), and their keys, which must agree."""
    records = await rows(
        "SELECT switch, call_id, leg, customer_id, setup_at, revision, final, talk_us, charge"
        " FROM call_records WHERE account_id = $1",
        account_id,
    )
    keys = await rows(
        "SELECT call_key, leg, customer_id, setup_at, revision, final"
        " FROM record_keys WHERE account_id = $1",
        account_id,
    )
    assert sorted(keys) == sorted((call_keys.compute(*row[:2]), *row[2:7]) for row in records)
    return {row[:3]: row[3:] for row in records}


async def marked_hours(account_id: int) -> list[tuple[int, datetime]]:
    return [
        (customer_id, hour)
        for customer_id, hour in await rows(
            "SELECT customer_id, hour FROM hour_marks WHERE account_id = $1 ORDER BY id",
            account_id,
        )
    ]
