"""Calls are stored while one price after another changes, as when a large card is imported."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import made
from posting import Switch

from domain import rating
from models import rates

REVISIONS = 40
RATES = [rating.Rate(f"7{n}", Decimal(1)) for n in range(1_000)]


async def test_calls_are_stored_while_a_card_is_imported(switch: Switch) -> None:
    account, now = switch.account_id, switch.now
    card = await rates.create(account, name="A", currency="EUR", now=now)
    await rates.assign(account, switch.customer_id, card, now - timedelta(days=1), now)
    begun = asyncio.Event()

    async def change() -> None:
        for _ in range(REVISIONS):
            await rates.add_rates(account, card, RATES, effective_from=now, now=now)
            begun.set()

    changes = asyncio.create_task(change())
    await begun.wait()
    calls = [switch.end(f"call-{n}") for n in range(100)]
    assert (await switch.send(*calls))["accepted"] == len(calls)
    stored_meanwhile = not changes.done()
    await changes
    assert stored_meanwhile
    assert await made.rows("SELECT max(version) FROM rate_cards") == [(REVISIONS + 1,)]
