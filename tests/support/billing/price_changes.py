"""Rate cards and calls with changing prices, in one line each."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.billing import rating
from models.billing import rate_cards
from tests.support.records.posting import Switch

DAY = timedelta(days=1)


async def a_card(switch: Switch, since: datetime, name: str = "A") -> int:
    """In force for the customer."""
    card = await rate_cards.create(switch.account_id, name=name, currency="EUR", now=switch.now)
    await rate_cards.assign(switch.account_id, switch.customer_id, card, since, switch.now)
    return card


async def price(
    switch: Switch,
    card: int,
    per_minute: str | None,
    since: datetime | None = None,
    prefix: str = "1",
) -> rate_cards.NewRevision:
    """None: the rate ends."""
    added = [] if per_minute is None else [rating.Rate(prefix, Decimal(per_minute))]
    ended = [] if added else [prefix]
    return await rate_cards.add_rates(
        switch.account_id, card, added, ended=ended, effective_from=since, now=switch.now
    )


def a_minute(switch: Switch, call_id: str, at: datetime, **changes: Any) -> dict[str, Any]:
    """A call with 60 s of talk."""
    end = at + timedelta(minutes=1)
    times = {"setup_at": at, "ringing_at": None, "answer_at": at, "end_at": end}
    values = {name: value and value.isoformat() for name, value in times.items()}
    return switch.end(call_id, **values) | changes
