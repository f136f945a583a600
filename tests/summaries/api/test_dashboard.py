"""The first query of the portal, word for word as its client sends it."""

from datetime import timedelta

from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.queries import DASHBOARD


async def _dashboard(caller: Caller) -> dict[str, object]:
    now = clock.now()
    times = {"from": (now - timedelta(hours=3)).isoformat(), "to": now.isoformat()}
    viewer: dict[str, object] = (await caller.ask(DASHBOARD, **times))["viewer"]
    return viewer


async def test_a_contact_gets_its_whole_dashboard(carrier: Carrier) -> None:
    customer_id = await carrier.customer(reference="acme")
    contact = await _dashboard(await carrier.contact(customer_id))
    assert contact["__typename"] == "Contact"
    assert (contact["language"], contact["timeZone"]) == ("en", "UTC")
    customer = contact["customer"]
    assert isinstance(customer, dict)
    assert customer["id"] == customer_id
    assert customer["balance"] == {"amount": "0", "currency": "EUR"}
    assert customer["debitLimit"] == {"amount": "250.50", "currency": "EUR"}
    assert customer["channels"]["inUse"] == 0
    assert customer["channels"]["limit"] == 30
    assert len(customer["stats"]["total"]) == 4
    assert len(customer["summary"]["edges"]) == 24
    newest = customer["summary"]["edges"][0]["node"]
    assert (newest["open"], newest["attempts"], newest["asr"]) == (True, 0, None)


async def test_staff_and_keys_get_theirs(carrier: Carrier) -> None:
    staff = await _dashboard(carrier.owner)
    assert (staff["__typename"], staff["role"]) == ("Staff", "OWNER")
    key = await _dashboard(await carrier.key("LIVE_READ", "INGEST"))
    assert (key["__typename"], key["scopes"]) == ("ApiKey", ["INGEST", "LIVE_READ"])
    assert key["account"] == staff["account"]
