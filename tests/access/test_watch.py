"""A subscriber that loses a permission is disconnected within a second, with or without pushes."""

import asyncio
import time
from datetime import timedelta

import pytest

from domain.identity import tokens
from models import db
from models.identity import credentials
from models.tables import Account, Contact, Session, Staff
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import LIVE, closed, hear, say, signed_in, subscribe

WITHIN = 10.0  # seconds: 1, and the delay of a busy machine


async def _listening_until(caller: Caller, customer: str | None, change: object) -> float:
    """Seconds from the change to the close with 4403."""
    query = (
        LIVE
        if customer is None
        else LIVE.replace("Channels", f'Channels(customerId: "{customer}")')
    )
    async with signed_in(caller.url, caller.token) as socket:
        await say(socket, subscribe("1", query))
        assert (await hear(socket))["type"] == "next"
        began = time.monotonic()
        await change  # type: ignore[misc]
        async with asyncio.timeout(30):
            assert await closed(socket) == 4403
        return time.monotonic() - began


async def test_a_revoked_key_loses_its_idle_socket_within_a_second(carrier: Carrier) -> None:
    key = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    revoking = carrier.owner.do("revokeApiKey", "ApiKey", "id", id=key["id"])
    assert await _listening_until(Caller(carrier.url, key["secret"]), None, revoking) < WITHIN


async def test_a_session_that_logs_out_loses_its_sockets(carrier: Carrier) -> None:
    caller = await carrier.staff("SUPPORT")
    leaving = caller.send("mutation { logout { __typename } }")
    assert await _listening_until(caller, None, leaving) < WITHIN


async def test_a_session_that_expires_during_a_stream_loses_its_sockets(carrier: Carrier) -> None:
    caller = await carrier.staff("SUPPORT")
    token = tokens.parse(caller.token or "")
    assert token is not None
    expiring = Session.filter(id=token.id).update(
        expires_at=clock.now() + timedelta(milliseconds=300)
    )
    assert await _listening_until(caller, None, expiring) < WITHIN + 0.3


async def test_a_caller_whose_permissions_change_has_to_reconnect(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    staff, contact = await carrier.staff("SUPPORT"), await carrier.contact(customer)
    key = await carrier.key("LIVE_READ", customer_id=customer)
    for caller, change in [
        (staff, Staff.filter(account_id=carrier.account_id, role="SUPPORT").update(role="FINANCE")),
        (contact, Contact.filter(account_id=carrier.account_id).update(time_zone="Asia/Kolkata")),
        (key, Account.filter(id=carrier.account_id).update(hide_carriers=True)),
    ]:
        of = None if caller is staff else customer
        assert await _listening_until(caller, of, change) < WITHIN


async def test_the_sockets_of_other_callers_stay_open(carrier: Carrier) -> None:
    key = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    other = await carrier.key("LIVE_READ")
    async with signed_in(carrier.url, other.token) as socket:
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=key["id"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await closed(socket)


async def test_callers_stay_signed_in_while_the_database_is_unavailable(carrier: Carrier) -> None:
    caller = await carrier.key("LIVE_READ")
    async with signed_in(carrier.url, caller.token) as socket:
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        async with db.connection() as connection:
            await connection.execute("ALTER TABLE api_keys RENAME TO api_keys_away")
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await closed(socket)
        finally:
            async with db.connection() as connection:
                await connection.execute("ALTER TABLE api_keys_away RENAME TO api_keys")


async def test_only_the_callers_that_changed_are_read_again(carrier: Carrier) -> None:
    customer = await carrier.customer()
    callers_of_kinds = [
        await carrier.key("LIVE_READ", customer_id=customer),
        await carrier.key("LIVE_READ"),
        await carrier.contact(customer),
        await carrier.staff("SUPPORT"),
        await carrier.staff("SUPPORT"),
    ]
    parsed = [tokens.parse(caller.token or "") for caller in callers_of_kinds]
    prints = [credentials.NO_FINGERPRINT] * len(parsed)

    async def changed() -> dict[int, bool]:
        """For each credential that is reported as changed, whether it is still in force."""
        credentials_to_check = [
            (token, prints[at]) for at, token in enumerate(parsed) if token is not None
        ]
        changes = await credentials.find_changed(credentials_to_check, clock.now())
        prints[:] = [
            change.fingerprint if (change := changes.get(at)) is not None else print
            for at, print in enumerate(prints)
        ]
        return {at: change is not None for at, change in changes.items()}

    assert await changed() == dict.fromkeys(range(5), True)
    assert await changed() == {}
    await Account.filter(id=carrier.account_id).update(hide_carriers=True)
    assert set(await changed()) == set(range(5))  # its account is another
    await Contact.filter(account_id=carrier.account_id).update(time_zone="Asia/Kolkata")
    assert await changed() == {2: True}
    await callers_of_kinds[3].send("mutation { logout { __typename } }")
    await Session.filter(id=parsed[4].id if parsed[4] else 0).update(expires_at=clock.now())
    assert await changed() == {3: False, 4: False}
    prints[:] = [credentials.NO_FINGERPRINT] * len(parsed)
    assert await changed() == {0: True, 1: True, 2: True, 3: False, 4: False}
