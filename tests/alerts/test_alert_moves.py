"""What a reading makes of a stored rule: state, history, messages and fact, together and once."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
import ruled
from ruled import ASR, HIGH, LOW, Account, after, rows

from domain import texts
from domain.alert_rules import Recipient
from domain.alerts import Kind, Metric, Reading
from domain.messages import Channel
from models import alert_history, alert_rules, alerts, db

SENT = "SELECT kind, channel, recipient, language FROM messages ORDER BY id"


@pytest.fixture
async def account(database: str) -> Account:
    return await Account.create()


async def test_an_alert_is_raised_and_cleared_and_each_is_told_once(account: Account) -> None:
    rule = await account.rule(customer=0)
    for second, read in enumerate([HIGH, LOW, LOW, Reading(Decimal(45)), HIGH, HIGH]):
        await account.take(rule, read, second)
    assert await account.told() == [(1, "RAISED"), (2, "CLEARED")]
    assert await account.told(customer=0) == [(1, "RAISED"), (2, "CLEARED")]
    assert await account.told(customer=1) == []
    assert await rows(SENT) == [
        ("ALERT_RAISED", "EMAIL", "ops@voice.example", "en"),
        ("ALERT_CLEARED", "EMAIL", "ops@voice.example", "en"),
    ]
    [alert] = await alert_history.page(account.id, account.customers[0], rule, None, 10)
    assert (alert.raised_at, alert.raised_value) == (after(1), Decimal(30))
    assert (alert.cleared_at, alert.cleared_value) == (after(4), Decimal(60))


async def test_rules_of_the_account_and_of_carriers_are_in_no_customers_stream(
    account: Account,
) -> None:
    for rule in (await account.rule(), await account.rule(carrier=0)):
        await account.take(rule, LOW, 0)
    assert await account.told() == [(1, "RAISED"), (2, "RAISED")]
    assert await account.told(customer=0) == await account.told(customer=1) == []


async def test_of_many_who_read_the_same_one_tells(account: Account) -> None:
    rule = await account.rule(customer=0)
    for round, read in enumerate([LOW, HIGH, LOW]):
        seen = await account.seen(rule)
        told = await asyncio.gather(*(alerts.take(seen, read, after(round)) for _ in range(8)))
        assert sum(one is not None for one in told) == 1
    assert [kind for _, kind in await account.told()] == ["RAISED", "CLEARED", "RAISED"]
    assert len(await rows(SENT)) == 3


async def test_a_worker_that_hung_does_not_raise_by_its_old_reading_what_has_recovered(
    account: Account,
) -> None:
    rule = await account.rule()
    await account.take(rule, LOW, 0)
    hung = await account.seen(rule)
    await account.take(rule, HIGH, 20)
    assert await alerts.take(hung, LOW, after(10)) is None
    assert [kind for _, kind in await account.told()] == ["RAISED", "CLEARED"]


async def test_all_of_it_happens_or_nothing(account: Account) -> None:
    """The fact comes last; where it fails, there is no message and no alert, and the next reading
    raises it."""
    rule = await account.rule()
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE facts ADD CONSTRAINT broken CHECK (kind <> 'ALERT')")
    with pytest.raises(Exception, match="broken"):
        await account.take(rule, LOW, 0)
    assert await rows(SENT) == await rows("SELECT id FROM alerts") == []
    assert (await account.seen(rule)).state.raised_at is None
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE facts DROP CONSTRAINT broken")
    await account.take(rule, LOW, 10)
    assert await account.told() == [(1, "RAISED")]
    assert len(await rows(SENT)) == 1


async def test_within_the_cool_down_it_is_a_fact_but_nobody_is_sent_a_message(
    account: Account,
) -> None:
    rule = await account.rule(replace(ASR, cool_down_seconds=60))
    for second, read in [(0, LOW), (10, HIGH), (20, LOW), (30, HIGH), (40, LOW), (60, LOW)]:
        await account.take(rule, read, second)
    kinds = [kind for _, kind in await account.told()]
    assert kinds == ["RAISED", "CLEARED", "RAISED", "CLEARED", "RAISED", "REPEATED"]
    sent = [kind for kind, *_ in await rows(SENT)]
    assert sent == ["ALERT_RAISED", "ALERT_CLEARED", "ALERT_REPEATED"]
    assert len(await alert_history.page(account.id, None, rule, None, 10)) == 3


async def test_a_rule_that_was_changed_since_it_was_seen_waits_for_the_next_reading(
    account: Account,
) -> None:
    """What was read may be of calls that it no longer looks at."""
    rule = await account.rule()
    seen = await account.seen(rule)
    async with db.transaction():
        await alert_rules.change(account.id, rule, {"sample_minutes": 15}, None)
    assert await alerts.take(seen, LOW, after(0)) is None
    assert await account.take(rule, LOW, 1) is not None


async def test_a_rule_that_is_removed_ends_its_alert_without_a_message(account: Account) -> None:
    rule = await account.rule(customer=0)
    await account.take(rule, LOW, 0)
    seen = await account.seen(rule)
    async with db.transaction() as conn:
        told = await alerts.end(conn, account.id, rule, after(5))
        await alert_rules.remove(account.id, rule, after(5))
    assert told == alerts.Told(Kind.CLEARED, account.customers[0], 2)
    assert await alerts.take(seen, LOW, after(6)) is None
    assert await alerts.standing(account.id) == []
    [alert] = await alert_history.page(account.id, None, None, None, 10)
    assert (alert.cleared_at, alert.cleared_value) == (after(5), None)
    assert [kind for kind, *_ in await rows(SENT)] == ["ALERT_RAISED"]


async def test_each_recipient_is_told_by_its_channel_and_in_its_language(
    account: Account,
) -> None:
    to = [
        *(Recipient(Channel.EMAIL, f"{one}@voice.example", one) for one in texts.LANGUAGES),
        Recipient(Channel.SMS, "+441632960123", "de"),
        Recipient(Channel.WEBHOOK, "https://hooks.example/x"),
    ]
    rule = await account.rule(
        replace(
            ASR,
            metric=Metric.BALANCE,
            scope=ruled.Scope.CUSTOMER,
            sample_minutes=None,
            threshold=Decimal("1000.50"),
            reset_threshold=Decimal(2000),
            recipients=tuple(to),
        ),
        customer=0,
    )
    await account.take(rule, Reading(Decimal("-1234.500000")), 0)
    assert [row[1:] for row in await rows(SENT)] == [
        (one.channel, one.to, one.language) for one in to
    ]
    shown = {
        language: (what, value, limit)
        for language, what, value, limit in await rows(
            "SELECT language, detail->>'what', detail->>'value', detail->>'limit' FROM messages"
            " WHERE channel = 'EMAIL'"
        )
    }
    assert shown == {
        "en": ("Balance of Acme", "-1,234.5 EUR", "below 1,000.5 EUR"),
        "de": ("Saldo von Acme", "-1.234,5 EUR", "unter 1.000,5 EUR"),
        "es": ("Saldo de Acme", "-1.234,5 EUR", "por debajo de 1.000,5 EUR"),
    }


async def test_a_test_goes_to_every_recipient_and_changes_nothing(account: Account) -> None:
    rule = await account.rule()
    before = await account.seen(rule)
    assert await alerts.send_test(account.id, rule, after(0)) == ASR.recipients
    assert await alerts.send_test(account.id, rule + 1, after(0)) is None
    assert [kind for kind, *_ in await rows(SENT)] == ["ALERT_TEST"]
    assert await account.seen(rule) == before
    assert await account.told() == []
