"""How a reading changes a stored rule: state, history, messages and fact change together, once."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from domain.alerting.alert_rules import Recipient
from domain.alerting.evaluation import Kind, Metric, Reading
from domain.messaging import texts
from domain.messaging.messages import Channel
from models import db
from models.alerting import alert_history, alert_states, rule_store
from tests.support.alerting import alert_account
from tests.support.alerting.alert_account import ASR, HIGH, LOW, Account, after, rows

SENT = "SELECT kind, channel, recipient, language FROM messages ORDER BY id"


@pytest.fixture
async def account(database: str) -> Account:
    return await Account.create()


async def test_raising_and_clearing_an_alert_are_each_notified_once(account: Account) -> None:
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


async def test_the_stream_of_a_customer_excludes_account_and_carrier_rules(
    account: Account,
) -> None:
    for rule in (await account.rule(), await account.rule(carrier=0)):
        await account.take(rule, LOW, 0)
    assert await account.told() == [(1, "RAISED"), (2, "RAISED")]
    assert await account.told(customer=0) == await account.told(customer=1) == []


async def test_of_many_workers_that_evaluate_the_same_rule_one_notifies(account: Account) -> None:
    rule = await account.rule(customer=0)
    for round, read in enumerate([LOW, HIGH, LOW]):
        active_rule = await account.seen(rule)
        facts = await asyncio.gather(
            *(alert_states.apply_reading(active_rule, read, after(round)) for _ in range(8))
        )
        assert sum(fact is not None for fact in facts) == 1
    assert [kind for _, kind in await account.told()] == ["RAISED", "CLEARED", "RAISED"]
    assert len(await rows(SENT)) == 3


async def test_a_delayed_worker_cannot_raise_a_recovered_alert_from_an_old_reading(
    account: Account,
) -> None:
    rule = await account.rule()
    await account.take(rule, LOW, 0)
    hung = await account.seen(rule)
    await account.take(rule, HIGH, 20)
    assert await alert_states.apply_reading(hung, LOW, after(10)) is None
    assert [kind for _, kind in await account.told()] == ["RAISED", "CLEARED"]


async def test_an_alert_change_is_stored_completely_or_not_at_all(account: Account) -> None:
    """The fact is inserted last. If that fails, there is no message and no alert, and the next
    reading raises the alert."""
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


async def test_raising_within_the_cool_down_stores_a_fact_but_sends_no_message(
    account: Account,
) -> None:
    rule = await account.rule(replace(ASR, cool_down_seconds=60))
    for second, read in [(0, LOW), (10, HIGH), (20, LOW), (30, HIGH), (40, LOW), (60, LOW)]:
        await account.take(rule, read, second)
    kinds = [kind for _, kind in await account.told()]
    assert kinds == ["RAISED", "CLEARED", "RAISED", "CLEARED", "RAISED", "REPEATED"]
    messages = [kind for kind, *_ in await rows(SENT)]
    assert messages == ["ALERT_RAISED", "ALERT_CLEARED", "ALERT_REPEATED"]
    assert len(await alert_history.page(account.id, None, rule, None, 10)) == 3


async def test_a_rule_that_changed_during_evaluation_waits_for_the_next_reading(
    account: Account,
) -> None:
    """The reading may be of calls that the changed rule does not cover."""
    rule = await account.rule()
    active_rule = await account.seen(rule)
    async with db.transaction():
        await rule_store.change(account.id, rule, {"sample_minutes": 15}, None)
    assert await alert_states.apply_reading(active_rule, LOW, after(0)) is None
    assert await account.take(rule, LOW, 1) is not None


async def test_removing_a_rule_closes_its_alert_without_a_message(account: Account) -> None:
    rule = await account.rule(customer=0)
    await account.take(rule, LOW, 0)
    active_rule = await account.seen(rule)
    async with db.transaction() as conn:
        fact = await alert_states.end_alert(conn, account.id, rule, after(5))
        await rule_store.remove(account.id, rule, after(5))
    assert fact == alert_states.AlertFact(Kind.CLEARED, account.customers[0], 2)
    assert await alert_states.apply_reading(active_rule, LOW, after(6)) is None
    assert await alert_states.active_rules(account.id) == []
    [alert] = await alert_history.page(account.id, None, None, None, 10)
    assert (alert.cleared_at, alert.cleared_value) == (after(5), None)
    assert [kind for kind, *_ in await rows(SENT)] == ["ALERT_RAISED"]


async def test_each_recipient_is_notified_by_its_channel_in_its_language(
    account: Account,
) -> None:
    to = [
        *(Recipient(Channel.EMAIL, f"{code}@voice.example", code) for code in texts.LANGUAGES),
        Recipient(Channel.SMS, "+441632960123", "de"),
        Recipient(Channel.WEBHOOK, "https://hooks.example/x"),
    ]
    rule = await account.rule(
        replace(
            ASR,
            metric=Metric.BALANCE,
            scope=alert_account.Scope.CUSTOMER,
            sample_minutes=None,
            threshold=Decimal("1000.50"),
            reset_threshold=Decimal(2000),
            recipients=tuple(to),
        ),
        customer=0,
    )
    await account.take(rule, Reading(Decimal("-1234.500000")), 0)
    assert [row[1:] for row in await rows(SENT)] == [
        (code.channel, code.to, code.language) for code in to
    ]
    messages = {
        language: (kind, value, limit)
        for language, kind, value, limit in await rows(
            "SELECT language, detail->>'what', detail->>'value', detail->>'limit' FROM messages"
            " WHERE channel = 'EMAIL'"
        )
    }
    assert messages == {
        "en": ("Balance of Acme", "-1,234.5 EUR", "below 1,000.5 EUR"),
        "de": ("Saldo von Acme", "-1.234,5 EUR", "unter 1.000,5 EUR"),
        "es": ("Saldo de Acme", "-1.234,5 EUR", "por debajo de 1.000,5 EUR"),
    }


async def test_a_test_notifies_every_recipient_and_changes_nothing(account: Account) -> None:
    rule = await account.rule()
    before = await account.seen(rule)
    assert await alert_states.send_test(account.id, rule, after(0)) == ASR.recipients
    assert await alert_states.send_test(account.id, rule + 1, after(0)) is None
    assert [kind for kind, *_ in await rows(SENT)] == ["ALERT_TEST"]
    assert await account.seen(rule) == before
    assert await account.told() == []
