"""Rotating an API key without an interruption."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from models import db
from runtime import clock
from tests.support.api.browsers import until_refused
from tests.support.api.callers import Caller, Carrier

VIEWER = "{ viewer { ... on ApiKey { name scopes restrictedTo { id } expiresAt } } }"


async def _create(carrier: Carrier, **values: Any) -> dict[str, Any]:
    return await carrier.owner.do(
        "createApiKey",
        "CreatedApiKey",
        "id secret",
        **{"name": "edge", "scopes": ["LIVE_READ"]} | values,
    )


async def _rotate(carrier: Carrier, id: str, **values: Any) -> dict[str, Any]:
    return await carrier.owner.do(
        "rotateApiKey", "CreatedApiKey", "id secret key { expiresAt }", id=id, **values
    )


async def test_a_new_key_has_the_scopes_of_the_old_key(carrier: Carrier) -> None:
    customer = await carrier.customer()
    old = await _create(carrier, scopes=["STATS_READ", "LIVE_READ"], customerId=customer)
    new = await _rotate(carrier, old["id"])
    assert new["id"] != old["id"]
    viewers = [
        (await Caller(carrier.url, key["secret"]).ask(VIEWER))["viewer"] for key in (old, new)
    ]
    assert viewers[0] | {"expiresAt": None} == viewers[1]
    assert viewers[1]["restrictedTo"] == {"id": customer}


async def test_the_old_key_is_valid_for_a_day_unless_another_time_is_set(carrier: Carrier) -> None:
    for overlap, values in [(86_400, {}), (60, {"overlapSeconds": 60})]:
        old = await _create(carrier)
        before = clock.now()
        await _rotate(carrier, old["id"], **values)
        viewer = await Caller(carrier.url, old["secret"]).ask(VIEWER)
        expires = datetime.fromisoformat(viewer["viewer"]["expiresAt"])
        assert timedelta(0) <= expires - before - timedelta(seconds=overlap) < timedelta(minutes=5)


async def test_without_an_overlap_the_old_key_is_refused_and_the_new_key_accepted(
    carrier: Carrier,
) -> None:
    old = await _create(carrier)
    new = await _rotate(carrier, old["id"], overlapSeconds=0)
    await until_refused(Caller(carrier.url, old["secret"]))
    await Caller(carrier.url, new["secret"]).ask(VIEWER)


async def test_a_rotation_never_extends_the_old_key(carrier: Carrier) -> None:
    expires = clock.now() + timedelta(hours=1)
    old = await _create(carrier, expiresAt=expires.isoformat())
    new = await _rotate(carrier, old["id"])
    viewer = (await Caller(carrier.url, old["secret"]).ask(VIEWER))["viewer"]
    assert datetime.fromisoformat(viewer["expiresAt"]) == expires
    extended = datetime.fromisoformat(new["key"]["expiresAt"])
    assert expires <= extended < expires + timedelta(minutes=5)


async def test_only_an_active_key_can_be_rotated_and_only_within_the_limits(
    carrier: Carrier, other: Carrier
) -> None:
    revoked, active = await _create(carrier), await _create(carrier)
    await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=revoked["id"])
    past = (clock.now() - timedelta(seconds=1)).isoformat()
    for id, values, code in [
        (revoked["id"], {}, "KEY_NOT_ACTIVE"),
        ((await _create(other))["id"], {}, "NOT_FOUND"),
        (active["id"], {"overlapSeconds": -1}, "INVALID"),
        (active["id"], {"overlapSeconds": 30 * 86_400 + 1}, "INVALID"),
        (active["id"], {"expiresAt": past}, "INVALID"),
    ]:
        assert (await _rotate(carrier, id, **values))["code"] == code


@pytest.mark.parametrize("who", ["SUPPORT", "FINANCE"])
async def test_only_an_owner_rotates_keys(carrier: Carrier, who: str) -> None:
    old = await _create(carrier)
    key = await (await carrier.staff(who)).do("rotateApiKey", "CreatedApiKey", "id", id=old["id"])
    assert key["code"] == "FORBIDDEN"


async def test_the_audit_log_names_the_successor_and_no_secret(carrier: Carrier) -> None:
    old = await _create(carrier)
    new = await _rotate(carrier, old["id"])
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT action, subject, after::text FROM audit_log WHERE account_id = $1"
            " AND action LIKE 'key.%' ORDER BY id",
            carrier.account_id,
        )
    assert [row["action"] for row in rows] == ["key.create", "key.create", "key.rotate"]
    assert rows[1]["subject"] in rows[2]["after"]
    assert not [row for row in rows if new["secret"][-37:] in str(row["after"])]
