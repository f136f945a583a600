"""Prices and assignments change at random between calls, late calls and corrections.

Every charge can be calculated again, and is that of the rate in force at the call's setup.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from domain import refusals
from domain.billing import rating
from domain.identity import callers
from ingest import pipeline
from models import db
from models.billing import rate_cache, rate_cards, rate_lookup
from models.records import record_store, unrated_calls
from models.summaries import hours
from resolvers.records import unrated_calls as resolve
from server import ingest_routes
from tests.support.records import sample_records
from tests.support.records.posting import Switch

PREFIXES = ("", "1", "15", "1555", "15550100", "44", "441", "4416329")
NUMBERS = ("+15550100", "+15550199", "+1600", "+441632960000", "+4420", "+33123")
STEPS = 250

# By other means than the product: from the row of `rates` that a record names.
CHARGES = """
WITH billed AS (
    SELECT r.*, t.per_minute, t.connect_fee, t.minimum, t.increment, c.places, CASE
        WHEN t.round_up_seconds THEN ceil(r.talk_us / 1000000.0) ELSE r.talk_us / 1000000.0
        END - t.minimum AS beyond
    FROM call_records r
    LEFT JOIN rates t ON t.account_id = r.account_id AND t.rate_card_id = r.rate_card_id
        AND t.revision = r.rate_revision AND t.prefix = r.prefix
    LEFT JOIN rate_cards c ON c.account_id = r.account_id AND c.id = r.rate_card_id
    WHERE r.account_id = $1 AND r.rate_card_id IS NOT NULL
), seconds AS (
    SELECT *, CASE WHEN talk_us = 0 THEN 0 ELSE
        minimum + ceil(greatest(beyond, 0) / increment) * increment END AS again
    FROM billed
)
SELECT call_id, billed_seconds, again, charge FROM seconds
WHERE billed_seconds IS DISTINCT FROM again OR rate_per_minute IS DISTINCT FROM per_minute
   OR charge IS DISTINCT FROM CASE WHEN talk_us = 0 THEN 0 ELSE
        round(connect_fee + per_minute * again / 60, places) END
"""
# The card and the rate that the tables name for each call, beside those that it was rated by.
IN_FORCE = """
SELECT r.call_id, a.rate_card_id, m.revision, m.prefix,
       r.rate_card_id AS card, r.rate_revision, r.prefix AS by_prefix
FROM call_records r
LEFT JOIN LATERAL (
    SELECT rate_card_id FROM rate_card_assignments a
    WHERE a.account_id = $1 AND a.customer_id = r.customer_id AND a.valid_from <= r.setup_at
    ORDER BY a.valid_from DESC, a.sequence DESC LIMIT 1
) a ON true
LEFT JOIN LATERAL (
    SELECT prefix, revision FROM (
        SELECT DISTINCT ON (prefix) prefix, revision, per_minute FROM rates
        WHERE account_id = $1 AND rate_card_id = a.rate_card_id AND effective_from <= r.setup_at
          AND starts_with(ltrim(r.destination, '+'), prefix)
        ORDER BY prefix, effective_from DESC, revision DESC
    ) AS latest
    WHERE per_minute IS NOT NULL ORDER BY length(prefix) DESC LIMIT 1
) m ON true
WHERE r.account_id = $1 AND r.final AND r.rated_by IS DISTINCT FROM 'SWITCH'
  AND (r.rate_card_id IS NOT NULL OR r.talk_us > 0)
  AND (r.rate_card_id, r.rate_revision, r.prefix) IS DISTINCT FROM
      (CASE WHEN m.revision IS NULL THEN NULL ELSE a.rate_card_id END, m.revision, m.prefix)
"""


@pytest.fixture(params=[0, 2_000], ids=["looked up, then merged", "read at once"])
async def app(
    database: str, redis: Redis, request: pytest.FixtureRequest
) -> AsyncIterator[Starlette]:
    app = Starlette(routes=ingest_routes.routes)
    cache = rate_cache.RateCache(small_card_rows=request.param)
    app.state.ingest_pipeline = pipeline.Pipeline(redis, records_days=400, rates=cache)
    yield app
    await app.state.ingest_pipeline.close()


class Walk:
    def __init__(self, switch: Switch, redis: Redis, seed: int) -> None:
        self.switch, self.redis, self.random = switch, redis, random.Random(seed)
        self.cards: list[int] = []
        self.customers: dict[str, int] = {}
        self.said: list[dict[str, Any]] = []
        self.changed = 0
        self.refused: Counter[str] = Counter()

    async def prepare(self) -> None:
        rows = await sample_records.rows("SELECT reference, id FROM customers")
        self.customers = dict(rows)
        for name in "AB":
            card = await rate_cards.create(
                self.switch.account_id, name=name, currency="EUR", now=self.switch.now
            )
            self.cards.append(card)
        since = self.switch.now - timedelta(days=4)
        for card, customer_id in zip(self.cards, self.customers.values(), strict=True):
            first = [rating.Rate("1", Decimal("0.1234567")), rating.Rate("44", Decimal("0.02"))]
            account = (self.switch.account_id,)
            await rate_cards.add_rates(
                *account, card, first, effective_from=since, now=self.switch.now
            )
            await rate_cards.assign(*account, customer_id, card, since, self.switch.now)

    def instant(self) -> datetime:
        return self.switch.now - timedelta(minutes=self.random.randrange(3 * 24 * 60))

    async def price(self) -> None:
        choose = self.random.choice
        prefixes = self.random.sample(PREFIXES, 3)
        added = [
            rating.Rate(
                prefix,
                Decimal(self.random.randrange(1, 200_000)).scaleb(-6),
                choose((Decimal(0), Decimal("0.01"))),
                *choose(((1, 1), (30, 6), (60, 60), (0, 7))),
                choose((True, False)),
            )
            for prefix in prefixes[: self.random.randrange(4)]
        ]
        await rate_cards.add_rates(
            self.switch.account_id,
            choose(self.cards),
            added,
            ended=prefixes[len(added) :][:1],
            effective_from=choose((None, self.instant(), self.instant())),
            now=self.switch.now,
        )

    async def assign(self) -> None:
        customer_id = self.random.choice(list(self.customers.values()))
        at = self.random.choice((None, self.instant()))
        card = self.random.choice(self.cards)
        await rate_cards.assign(self.switch.account_id, customer_id, card, at, self.switch.now)

    async def change(self) -> None:
        try:
            await self.random.choice((self.price, self.price, self.price, self.assign))()
            self.changed += 1
        except refusals.Refusal as refusal:
            self.refused[refusal.code] += 1

    async def call(self) -> None:
        event = self.switch.end(f"call-{len(self.said)}") | self.basis()
        self.said.append(event)
        await self.switch.send(event)

    def basis(self) -> dict[str, Any]:
        setup = self.instant()
        talk = timedelta(microseconds=self.random.choice((0, 1, 30_000_000, 61_234_567)))
        answer = setup + timedelta(seconds=1)
        times = {"setup_at": setup, "answer_at": answer, "end_at": answer + talk}
        charge = {"charge": "0.5" if self.random.random() < 0.1 else None}
        who = {"customer": self.random.choice(list(self.customers)), "ringing_at": None}
        number = {"destination": self.random.choice(NUMBERS)}
        return {name: at.isoformat() for name, at in times.items()} | charge | who | number

    async def correct(self) -> None:
        if not self.said:
            return
        place = self.random.randrange(len(self.said))
        changes = {"sip_reason": str(self.random.random()), "correction": True}
        if self.random.random() < 0.5:
            basis = self.basis()
            name = self.random.choice(("destination", "customer", "charge", ""))
            changes |= {name: basis[name]} if name else basis
        self.said[place] = self.said[place] | changes
        await self.switch.send(self.said[place])

    async def rebuild(self) -> None:
        for hour in await hours.marked_hours(1_000):
            await hours.rebuild(*hour, self.switch.now)

    async def rate(self) -> None:
        owner = callers.Caller(
            self.switch.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER
        )
        for customer_id in self.customers.values():
            selection = unrated_calls.Filter(customer_id)
            await resolve.rate(owner, selection, self.switch.now)

    async def step(self) -> None:
        works = (self.change, self.call, self.call, self.call, self.correct, self.correct)
        rare = (self.rebuild, self.rate)
        await self.random.choice(rare if self.random.random() < 0.05 else works)()


@pytest.mark.parametrize("seed", [20261130, 7])
async def test_every_charge_can_be_reproduced_from_the_rate_at_its_setup(
    switch: Switch, redis: Redis, seed: int
) -> None:
    walk = Walk(switch, redis, seed)
    await walk.prepare()
    for _ in range(STEPS):
        await walk.step()
    await walk.rate()
    assert walk.changed > 10
    assert walk.refused.keys() == {"EFFECTIVE_IN_PAST"}
    assert await sample_records.rows(CHARGES, switch.account_id) == []
    assert await sample_records.rows(IN_FORCE, switch.account_id) == []
    columns = [name for name in record_store.COLUMNS if name not in ("account_id", "source_ip")]
    async with db.connection() as conn:
        rows = await conn.fetch(f"SELECT {', '.join(columns)} FROM call_records")
    by_card = 0
    for row in rows:
        record = sample_records.record(**dict(row))
        again = await rate_lookup.reproduce(switch.account_id, record)
        assert again == (record.billed_seconds, record.charge), record
        by_card += record.rate_card_id is not None
    assert by_card > 40
