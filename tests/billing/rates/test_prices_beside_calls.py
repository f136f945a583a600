"""Calls are stored while prices change repeatedly, as during the import of a large card."""

import asyncio
from datetime import timedelta
from decimal import Decimal

from domain.billing import rating
from models.billing import rate_cards
from tests.support.records import sample_records
from tests.support.records.posting import Switch

REVISIONS = 40
RATES = [rating.Rate(f"7{n}", Decimal(1)) for n in range(1_000)]


async def test_calls_are_stored_while_a_rate_card_is_imported(switch: Switch) -> None:
    account, now = switch.account_id, switch.now
    card = await rate_cards.create(account, name="A", currency="EUR", now=now)
    await rate_cards.assign(account, switch.customer_id, card, now - timedelta(days=1), now)
    start = asyncio.Event()

    async def change() -> None:
        for _ in range(REVISIONS):
            await rate_cards.add_rates(account, card, RATES, effective_from=now, now=now)
            start.set()

    changes = asyncio.create_task(change())
    await start.wait()
    calls = [switch.end(f"call-{n}") for n in range(100)]
    assert (await switch.send(*calls))["accepted"] == len(calls)
    stored_meanwhile = not changes.done()
    await changes
    assert stored_meanwhile
    assert await sample_records.rows("SELECT max(version) FROM rate_cards") == [(REVISIONS + 1,)]
