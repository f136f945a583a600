"""Logins from before e-mail addresses had one form: none of them is locked out."""

import unicodedata
from pathlib import Path

import pytest

import models
from models import db
from models.identity import logins
from runtime import clock
from server.cli import database_checks
from tests.support.api.callers import Carrier, sign_in

_MIGRATION = Path(models.__file__).parent / "migrations" / "0027_emails_in_one_form.sql"
VIEWER = "{ viewer { __typename } }"


async def stored_as(carrier: Carrier, email: str) -> str:
    """The owner's address, as a release before this one could store it."""
    address = f"{email}{carrier.account_id}@acme.example"
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET email = $2 WHERE email = $1", carrier.email, address.lower()
        )
    return address


async def migrate() -> None:
    async with db.transaction() as conn:
        await conn.execute(_MIGRATION.read_text("utf-8"))


async def addresses(*carriers: Carrier) -> list[str]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT email FROM logins WHERE account_id = ANY($1) ORDER BY id",
            [carrier.account_id for carrier in carriers],
        )
    return [row["email"] for row in rows]


@pytest.mark.parametrize("email", ["jose\u0301", "i\u0307", "ｏps", "o\u200bps", ".ops"])
async def test_a_login_signs_in_with_the_address_that_it_has_always_had(
    carrier: Carrier, email: str
) -> None:
    address = await stored_as(carrier, email)
    for _ in range(2):
        for entered in (address, f" {address.upper()}"):
            caller = await sign_in(carrier.url, entered)
            assert await caller.ask(VIEWER) == {"viewer": {"__typename": "Staff"}}
        await migrate()


async def test_after_the_upgrade_a_login_signs_in_with_either_form_and_receives_mail(
    carrier: Carrier,
) -> None:
    address = await stored_as(carrier, "jose\u0301")
    async with db.connection() as conn:
        login = await logins.of_email(address)
        assert login is not None
        await conn.execute(
            "INSERT INTO proofs (account_id, purpose, login_id, address, created_at, expires_at)"
            " VALUES ($1, 'VERIFY_EMAIL', $2, $3, $4, $4)",
            *(carrier.account_id, login.id, address, clock.now()),
        )
    await migrate()
    canonical = unicodedata.normalize("NFC", address)
    assert await addresses(carrier) == [canonical]
    for entered in (address, canonical, canonical.upper()):
        await sign_in(carrier.url, entered)
    async with db.connection() as conn:
        query = "SELECT address FROM proofs WHERE account_id = $1"
        assert await conn.fetchval(query, carrier.account_id) == canonical
    assert await logins.person_of_email(canonical, None) is not None


async def test_two_logins_with_one_address_in_two_forms_stay_and_are_listed(
    carrier: Carrier, other: Carrier
) -> None:
    first = await stored_as(carrier, "jose\u0301")
    second = unicodedata.normalize("NFC", first)
    async with db.connection() as conn:
        await conn.execute("UPDATE logins SET email = $2 WHERE email = $1", other.email, second)
    before = await addresses(carrier, other)
    await migrate()
    assert await addresses(carrier, other) == before
    for entered, owner in ((first, carrier), (second, other)):
        caller = await sign_in(carrier.url, entered)
        account = "{ viewer { ... on Staff { account { id } } } }"
        assert await caller.ask(account) == await owner.owner.ask(account)
    pairs = await logins.in_two_forms()
    assert [first, second] in pairs
    [finding] = database_checks.logins([[first, second]])
    assert finding.state == "note"
    assert "jose\\u0301" in finding.detail
    assert "jos\\xe9" in finding.detail
