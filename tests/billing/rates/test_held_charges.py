"""An accepted held record is charged like a correction that arrives at that moment."""

from datetime import timedelta
from decimal import Decimal

from starlette.applications import Starlette

from domain.identity import callers
from models.records import held_records
from resolvers.records import held_records as resolve
from tests.support.billing.price_changes import a_card, a_minute, price
from tests.support.records import sample_records
from tests.support.records.posting import Switch


async def test_an_accepted_record_is_charged_at_the_rate_in_force_at_its_setup(
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
    [waiting] = await held_records.page(switch.account_id, held_records.Filter(), None, 2)
    await resolve.accept(owner, app.state.ingest_pipeline, [waiting.id], switch.now)
    assert await sample_records.rows(
        "SELECT setup_at, charge, rate_revision FROM call_records"
    ) == [(second, Decimal("0.05"), 3)]
    [(after,)] = await sample_records.rows("SELECT after::text FROM audit_log")
    assert "0.05" in after
