"""Refused sign-ins, as staff see them and in the log."""

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.identity import callers
from domain.refusals import Refusal
from live import throttle
from models import db
from models.identity import logins
from resolvers.identity import refused_sign_ins, sign_in, sign_in_services, try_limits
from runtime import clock
from tests.support.api.browsers import At, allow, enter, new_contact
from tests.support.api.callers import PASSWORD, Caller, Carrier

LOG = """{ auditLog(first: 50, filter: {action: "session.refuse"}) { edges { node {
    actorKind subjectKind subjectId address changes { field before after } } } } }"""
OWN = """query Q($id: ID!) {
    customer(id: $id) { auditLog { edges { node { action address } } } } }"""
OF_CUSTOMER = "{ viewer { ... on Contact { customer { id } } } }"
WRONG = "not the password"


async def entries(carrier: Carrier, count: int) -> list[dict[str, Any]]:
    """As soon as there are `count` entries; they are written some seconds after the refusals."""
    async with asyncio.timeout(15):
        while True:
            edges = (await carrier.owner.ask(LOG))["auditLog"]["edges"]
            if len(edges) >= count:
                return [edge["node"] for edge in edges]
            await asyncio.sleep(0.1)


def reasons(entries: list[dict[str, Any]]) -> list[str]:
    return sorted(entry["changes"][0]["after"] for entry in entries)


async def test_staff_see_the_login_address_and_reason_of_a_refused_sign_in(
    carrier: Carrier,
) -> None:
    _, id, email = await new_contact(carrier)
    stranger = At(carrier.url)
    for _ in range(2):
        assert (await stranger.login(email, WRONG))["code"] == "WRONG_CREDENTIALS"
    await At(carrier.url).login("nobody@acme.example", WRONG)
    [entry] = await entries(carrier, 1)
    assert entry == {
        "actorKind": "SYSTEM",
        "subjectKind": "contact",
        "subjectId": id,
        "address": stranger.address,
        "changes": [{"field": "reason", "before": None, "after": "WRONG_CREDENTIALS"}],
    }


async def test_a_contact_sees_refused_sign_ins_of_colleagues_without_their_address(
    carrier: Carrier,
) -> None:
    person, _, email = await new_contact(carrier)
    await At(carrier.url).login(email, WRONG)
    await entries(carrier, 1)
    customer = (await person.ask(OF_CUSTOMER))["viewer"]["customer"]["id"]
    edges = (await person.ask(OWN, id=customer))["customer"]["auditLog"]["edges"]
    entries_of_refusals = [
        edge["node"] for edge in edges if edge["node"]["action"] == "session.refuse"
    ]
    assert entries_of_refusals == [{"action": "session.refuse", "address": None}]


async def test_every_reason_is_recorded(carrier: Carrier, api_redis: Redis) -> None:
    _, id, email = await new_contact(carrier)
    there = At(carrier.url)
    await allow(carrier.owner, id, "192.0.2.0/24")
    assert (await there.login(email))["code"] == "ADDRESS_NOT_ALLOWED"
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET totp_secret = 'x', totp_confirmed_at = now() WHERE email = $1", email
        )
    assert (await there.login(email))["code"] == "OTP_REQUIRED"  # requested, not refused
    assert (await there.login(email, otp="000000"))["code"] == "WRONG_OTP"
    await enter(api_redis, try_limits.login(email, f"{there.address}/32", at_home=False), 10)
    assert (await there.login(email, WRONG))["code"] == "TOO_MANY_TRIES"
    reasons_of_entries = reasons(await entries(carrier, 3))
    assert reasons_of_entries == ["ADDRESS_NOT_ALLOWED", "TOO_MANY_TRIES", "WRONG_OTP"]


async def _record_refusal(email: str, address: str | None, at: datetime) -> None:
    person = await logins.person_of_email(email, None)
    assert person is not None
    refusals = refused_sign_ins.RefusedSignIns()
    refusals.add(person, email, address, "WRONG_CREDENTIALS", at)
    await refusals.write()


async def _count(carrier: Carrier) -> int:
    async with db.connection() as conn:
        count: int = await conn.fetchval(
            "SELECT count(*) FROM audit_log WHERE account_id = $1 AND action = 'session.refuse'",
            carrier.account_id,
        )
    return count


async def test_a_flood_from_one_network_is_one_entry_an_hour(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    now = clock.now()
    for number in range(5):
        await _record_refusal(email, f"2001:db8::{number}", now + timedelta(minutes=number))
        await _record_refusal(email, None, now + timedelta(minutes=number))
    assert await _count(carrier) == 2
    await _record_refusal(email, "2001:db8::9", now + timedelta(minutes=61))
    assert await _count(carrier) == 3


async def test_a_flood_from_many_networks_is_twenty_entries_an_hour_per_login(
    carrier: Carrier,
) -> None:
    """And suppresses no entry of another login."""
    (_, _, email), (_, _, other) = await new_contact(carrier), await new_contact(carrier)
    now = clock.now()
    for number in range(40):
        await _record_refusal(email, f"198.51.100.{number}", now)
    assert await _count(carrier) == 20
    await _record_refusal(other, "198.51.100.1", now)
    assert await _count(carrier) == 21
    await _record_refusal(email, "198.51.100.99", now + timedelta(minutes=61))
    assert await _count(carrier) == 22


async def test_a_continuing_flood_does_not_delay_other_entries(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    person, now = await logins.person_of_email(email, None), clock.now()
    refusals = refused_sign_ins.RefusedSignIns()

    async def flood() -> None:
        for number in itertools.count(1):
            address = f"2001:db8:0:{number % 0xFFFF:x}::1"
            refusals.add(person, email, address, "WRONG_CREDENTIALS", now)
            await asyncio.sleep(0)

    flooding = asyncio.create_task(flood())
    try:
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await refusals.write()
    finally:
        flooding.cancel()
        await refusals.write()
    assert 1 <= await _count(carrier) <= 20


async def test_a_flood_from_one_network_does_not_suppress_entries_of_others(
    carrier: Carrier,
) -> None:
    (_, _, email), (_, _, other) = await new_contact(carrier), await new_contact(carrier)
    attacked, colleague = [
        await logins.person_of_email(address, None) for address in (email, other)
    ]
    refusals, now = refused_sign_ins.RefusedSignIns(), clock.now()
    for number in range(2_000):
        refusals.add(attacked, email, f"2001:db8::{number:x}", "WRONG_CREDENTIALS", now)
    refusals.add(colleague, other, "198.51.100.1", "WRONG_CREDENTIALS", now)
    await refusals.write()
    assert await _count(carrier) == 2


async def test_the_log_has_the_login_address_and_reason_of_each_and_no_secret(
    carrier: Carrier,
) -> None:
    services = sign_in_services.SignInServices(throttle=throttle.Throttle())
    sender = callers.Client("203.0.113.79")
    with capture_logs() as log:
        for email in (carrier.email, "nobody@voice.example"):
            with pytest.raises(Refusal):
                await sign_in.login(services, email, WRONG, None, sender, clock.now())
    lines = [line for line in log if line["event"] == "sign-in refused"]
    login = await logins.of_email(carrier.email)
    assert login is not None
    assert [(line["account"], line["login"]) for line in lines] == [
        (carrier.account_id, login.id),
        (None, None),
    ]
    assert {(line["address"], line["reason"]) for line in lines} == {
        ("203.0.113.79", "WRONG_CREDENTIALS")
    }
    assert lines[1]["email"] == try_limits.digest("nobody@voice.example")
    assert len({line["email"] for line in lines}) == 2
    for secret in (WRONG, "@voice.example", PASSWORD):
        assert secret not in str(log)


async def test_a_successful_sign_in_is_not_recorded_as_refused(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    caller = Caller(carrier.url)
    assert (await caller.do("login", "Session", "token", email=email, password=PASSWORD))["token"]
    await At(carrier.url).login(email, WRONG)
    assert reasons(await entries(carrier, 1)) == ["WRONG_CREDENTIALS"]
