"""A balance, a page of them and a round of balance rules cost the same after 1 and 36 months."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.alerting import alert_rules
from domain.alerting.alert_rules import Recipient
from domain.alerting.evaluation import Level, Metric, Operator, Scope
from domain.messaging.messages import Channel
from models.alerting import alert_states, rule_store
from models.billing import ledger
from models.identity import accounts
from tests.support import costs
from tests.support.summaries import days, long_ledger, reader
from tests.support.summaries.days import ACCOUNT, HOUR
from workers import readings

NOW = HOUR + timedelta(minutes=30)
CUSTOMERS = 20
RULE = alert_rules.RuleDefinition(
    title="It owes too much",
    metric=Metric.BALANCE,
    scope=Scope.CUSTOMER,
    operator=Operator.BELOW,
    threshold=Decimal(-100),
    reset_threshold=Decimal(0),
    sample_minutes=None,
    minimum_sample=1,
    cool_down_seconds=0,
    repeat_seconds=None,
    level=Level.CRITICAL,
    recipients=(Recipient(Channel.EMAIL, "ops@voice.example"),),
)
PAGE = """{ customers(first: 20) { edges { node {
  balance { amount } checklist { outstanding } } } } }"""


async def one_balance() -> None:
    await ledger.balance(ACCOUNT, 7)


async def all_balances() -> None:
    await ledger.balances(ACCOUNT, range(1, CUSTOMERS + 1))


def balance_query(redis: Redis) -> Callable[[], Awaitable[Any]]:
    staff = replace(reader.staff(ACCOUNT), id=None)  # of the staff, in particular
    return lambda: reader.Asker(staff, NOW, redis).ask(PAGE)


def alert_evaluation(redis: Redis) -> Callable[[], Awaitable[Any]]:
    async def evaluate() -> None:
        await readings.read_all(redis, ACCOUNT, await alert_states.active_rules(ACCOUNT), NOW)

    return evaluate


@pytest.mark.usefixtures("database")
async def test_balances_read_as_many_buffers_after_36_months_as_after_1(redis: Redis) -> None:
    await accounts.insert("A carrier", NOW)
    await days.prepare(CUSTOMERS)
    for customer in range(1, CUSTOMERS + 1):
        await rule_store.insert(
            ACCOUNT, alert_rules.validate(RULE), customer_id=customer, carrier_id=None, now=NOW
        )
    works = {
        "one balance": one_balance,
        "all balances": all_balances,
        "a page of customers": balance_query(redis),
        "an alert round": alert_evaluation(redis),
    }
    buffers = []
    for months in (1, 36):
        await long_ledger.fill(months, CUSTOMERS)
        buffers.append({name: await costs.buffers(work) for name, work in works.items()})
    few, many = buffers
    for name in works:
        assert many[name] <= 1.2 * few[name], (name, few, many)
