"""A held record that is accepted costs what a correction would that comes at that moment."""

from datetime import timedelta
from decimal import Decimal

import made
from posting import Switch
from starlette.applications import Starlette
from test_price_changes import a_card, a_minute, price

from domain import callers
from models import held
from resolvers import held as resolve


async def test_an_accepted_record_is_charged_by_the_rate_in_force_at_its_setup(
    switch: Switch, app: Starlette
) -> None:
    first = switch.now - timedelta(days=2)
    second = first + timedelta(hours=5)
    card = await a_card(switch, first)
    await price(switch, card, "0.01", first)
    await switch.send(a_minute(switch, "a", first))
    assert len((await switch.send(a_minute(switch, "a", second)))["held"]) == 1
    await price(switch, card, "0.05", first + timedelta(hours=1))
    owner = callers.Caller(switch.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER)
    [waiting] = await held.page(switch.account_id, held.Filter(), None, 2)
    await resolve.accept(owner, app.state.ingest, [waiting.id], switch.now)
    assert await made.rows("SELECT setup_at, charge, rate_revision FROM call_records") == [
        (second, Decimal("0.05"), 3)
    ]
    [(after,)] = await made.rows("SELECT after::text FROM audit_log")
    assert "0.05" in after
