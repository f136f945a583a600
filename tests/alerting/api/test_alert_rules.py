"""Alert rules over the API, and the notifications that a real worker sends."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from email.message import EmailMessage
from typing import Any

from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection

from domain.alerting.evaluation import Reading
from models.alerting import alert_states
from runtime import clock
from tests.support import message_servers
from tests.support.api.callers import Caller, Carrier
from tests.support.api.past_calls import post
from tests.support.api.sockets import hear, say, signed_in, subscribe
from tests.support.programs import Program

EVENTS = """subscription ($c: ID, $after: Long) {
  alertEvents(customerId: $c, after: $after) { number rule { id title } kind value at } }"""
RULES = "query ($c: ID) { alertRules(customerId: $c) { edges { node { id title } } } }"
RULE = """query ($id: ID!) { alertRule(id: $id) {
  title threshold resetThreshold raisedAt removedAt version } }"""
ALERTS = """query ($c: ID, $rule: ID, $first: Int! = 50, $after: String) {
  alerts(customerId: $c, ruleId: $rule, first: $first, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node { rule { id } raisedAt raisedValue clearedAt clearedValue } } } }"""

SENSE: dict[str, Any] = {
    "title": "Few calls are answered",
    "metric": "ASR",
    "operator": "BELOW",
    "threshold": "50",
    "resetThreshold": "60",
    "sampleMinutes": 5,
    "minimumSample": 4,
}


async def create(owner: Caller, **changes: Any) -> str:
    rule = await owner.do("createAlertRule", "AlertRule", "id", **SENSE | changes)
    assert rule["__typename"] == "AlertRule", rule
    id: str = rule["id"]
    return id


async def raise_all(carrier: Carrier) -> None:
    """As the worker does when all readings are low and of many calls."""
    for rule in await alert_states.active_rules(carrier.account_id):
        await alert_states.apply_reading(rule, Reading(Decimal(-1), 100), clock.now())


def titles(answer: dict[str, Any]) -> list[str]:
    return [edge["node"]["title"] for edge in answer["alertRules"]["edges"]]


# Staff -------------------------------------------------------------------------------------------


async def test_staff_create_change_and_remove_a_rule(carrier: Carrier) -> None:
    owner, to = carrier.owner, {"channel": "SMS", "to": "+44 1632 960000", "language": "de"}
    id = await create(owner, recipients=[to])
    selection = "title operator sampleMinutes repeatSeconds version recipients { to } webhookSecret"
    rule = await owner.do(
        "updateAlertRule",
        "AlertRule",
        selection,
        ruleId=id,
        expectedVersion=1,
        title="Fewer",
        repeatSeconds=600,
    )
    assert len(rule.pop("webhookSecret")) == 43
    assert rule == {
        "__typename": "AlertRule",
        "title": "Fewer",
        "operator": "BELOW",
        "sampleMinutes": 5,
        "repeatSeconds": 600,
        "version": 2,
        "recipients": [{"to": "+441632960000"}],
    }
    again = {"ruleId": id, "expectedVersion": 1, "title": "Other"}
    assert await code(owner, "updateAlertRule", **again) == "CHANGED_MEANWHILE"
    assert await code(owner, "updateAlertRule", ruleId=id, title=None) == "INVALID"
    assert await code(owner, "updateAlertRule", ruleId=id, sampleMinutes=None) == "BAD_SAMPLE"
    assert await code(owner, "updateAlertRule", ruleId=id, threshold="61") == "BAD_RESET"
    removed = await owner.do("removeAlertRule", "AlertRule", "removedAt", id=id)
    assert removed["removedAt"] is not None
    assert titles(await owner.ask(RULES)) == []
    assert (await owner.ask(RULE, id=id))["alertRule"]["removedAt"] == removed["removedAt"]
    for mutation, fields in (
        ("updateAlertRule", {"ruleId": id, "title": "x"}),
        ("removeAlertRule", {"id": id}),
        ("testAlertRule", {"id": id}),
    ):
        assert await code(owner, mutation, **fields) == "NOT_FOUND"


async def code(caller: Caller, mutation: str, **input: Any) -> str:
    type = "AlertRuleTested" if mutation == "testAlertRule" else "AlertRule"
    error_code: str = (await caller.do(mutation, type, "__typename", **input))["code"]
    return error_code


async def test_a_rule_covers_a_customer_a_carrier_or_the_account(carrier: Carrier) -> None:
    owner, customer = carrier.owner, await carrier.customer()
    provider = await a_carrier(carrier)
    both = SENSE | {"customerId": customer, "carrierId": provider}
    assert await code(owner, "createAlertRule", **both) == "BAD_SCOPE"
    balance = {"metric": "BALANCE", "sampleMinutes": None, "minimumSample": 1}
    assert await code(owner, "createAlertRule", **SENSE | balance) == "BAD_SCOPE"
    assert await create(owner, **balance, customerId=customer)
    scopes = {}
    for about in ({}, {"customerId": customer}, {"carrierId": provider}):
        rule = await owner.do("createAlertRule", "AlertRule", "scope", **SENSE | about)
        scopes[next(iter(about), None)] = rule["scope"]
    assert scopes == {None: "ACCOUNT", "customerId": "CUSTOMER", "carrierId": "CARRIER"}


async def a_carrier(carrier: Carrier) -> str:
    carrier_node = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="Carrier A", reference="carrier-a", currency="EUR"
    )
    id: str = carrier_node["id"]
    return id


async def test_removing_a_rule_with_an_active_alert_publishes_that_it_was_cleared(
    carrier: Carrier,
) -> None:
    id = await create(carrier.owner)
    await raise_all(carrier)
    await carrier.owner.do("removeAlertRule", "AlertRule", "id", id=id)
    async with listening(carrier.owner, after=0) as stream:
        events = [await next_event(stream) for _ in range(2)]
    assert [(event["kind"], event["value"]) for event in events] == [
        ("RAISED", "-1"),
        ("CLEARED", None),
    ]
    [alert] = (await carrier.owner.ask(ALERTS))["alerts"]["edges"]
    assert alert["node"]["clearedAt"] is not None
    assert alert["node"]["clearedValue"] is None


async def test_the_history_is_paged_newest_first(carrier: Carrier) -> None:
    ids = [await create(carrier.owner) for _ in range(5)]
    await raise_all(carrier)
    alert_ids: list[str] = []
    after = None
    while True:
        page = (await carrier.owner.ask(ALERTS, first=2, after=after))["alerts"]
        alert_ids += [edge["node"]["rule"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert sorted(alert_ids) == sorted(ids)
    [newest] = (await carrier.owner.ask(ALERTS, rule=ids[3]))["alerts"]["edges"]
    assert newest["node"]["rule"]["id"] == ids[3]
    assert await carrier.owner.code(ALERTS, rule="x") == "NOT_FOUND"


# Visibility --------------------------------------------------------------------------------------


async def test_each_caller_receives_events_of_only_the_rules_it_may_see(
    carrier: Carrier, other: Carrier
) -> None:
    """Rules about the account and its carriers are visible to callers that see the account; each
    customer sees its own rules. The numbers of a stream have no gap that would disclose other
    events."""
    customers = [await carrier.customer(), await carrier.customer()]
    provider = await a_carrier(carrier)
    by_title: dict[str, dict[str, str]] = {
        "account": {},
        "carrier": {"carrierId": provider},
        "first": {"customerId": customers[0]},
        "second": {"customerId": customers[1]},
    }
    for title, about in by_title.items():
        await create(carrier.owner, title=title, **about)
    await create(other.owner, title="foreign")
    for account in (carrier, other):
        await raise_all(account)
    callers = {
        "owner": (carrier.owner, [*by_title]),
        "finance": (await carrier.staff("FINANCE"), [*by_title]),
        "first contact": (await carrier.contact(customers[0]), ["first"]),
        "second contact": (await carrier.contact(customers[1]), ["second"]),
        "key": (await carrier.key("LIVE_READ"), [*by_title]),
        "key of a customer": (
            await carrier.key("LIVE_READ", customer_id=customers[1]),
            ["second"],
        ),
        "other owner": (other.owner, ["foreign"]),
    }
    for name, (caller, sees) in callers.items():
        assert sorted(titles(await caller.ask(RULES))) == sorted(sees), name
        history = (await caller.ask(ALERTS))["alerts"]["edges"]
        assert len(history) == len(sees), name
        async with listening(caller, after=0) as stream:
            events = [await next_event(stream) for _ in sees]
            assert await is_silent(stream), name
        assert sorted(event["rule"]["title"] for event in events) == sorted(sees), name
        assert [event["number"] for event in events] == [*range(1, len(sees) + 1)], name
    billing = await carrier.key("BILLING_READ")
    assert await billing.code(RULES) == await billing.code(ALERTS) == "FORBIDDEN"


async def test_only_callers_that_see_balances_receive_balance_alerts(carrier: Carrier) -> None:
    customer = await carrier.customer()
    balance = {"metric": "BALANCE", "sampleMinutes": None, "minimumSample": 1}
    id = await create(carrier.owner, **balance, customerId=customer)
    await raise_all(carrier)
    for caller, sees in (
        (carrier.owner, True),
        (await carrier.contact(customer), True),
        (await carrier.key("LIVE_READ", customer_id=customer), False),
        (await carrier.key("LIVE_READ", "BILLING_READ"), True),
    ):
        rule = (await caller.ask(RULE, id=id))["alertRule"]
        assert (rule["threshold"], rule["resetThreshold"]) == (
            ("50", "60") if sees else (None, None)
        )
        [alert] = (await caller.ask(ALERTS))["alerts"]["edges"]
        assert alert["node"]["raisedValue"] == ("-1" if sees else None)
        async with listening(caller, after=0) as stream:
            assert (await next_event(stream))["value"] == ("-1" if sees else None)


async def test_a_contact_cannot_see_recipients_secrets_or_audit_entries_of_a_rule(
    carrier: Carrier,
) -> None:
    customer, to = await carrier.customer(), [{"channel": "EMAIL", "to": "noc@voice.example"}]
    id = await create(carrier.owner, customerId=customer, recipients=to)
    contact = await carrier.contact(customer)
    query = "query ($id: ID!) { alertRule(id: $id) { %s } }"
    assert await contact.code(query % "recipients { to }", id=id) == "FORBIDDEN"
    answer = await contact.ask(query % "webhookSecret", id=id)
    assert answer["alertRule"] == {"webhookSecret": None}
    log = await contact.ask(
        "query ($c: ID!) { customer(id: $c) { auditLog { edges { node { action } } } } }",
        c=customer,
    )
    assert "alert_rule" not in json.dumps(log)


async def test_the_audit_log_names_only_the_host_of_a_webhook(
    carrier: Carrier,
) -> None:
    """The path of a webhook is often a secret."""
    hook = {"channel": "WEBHOOK", "to": "https://hooks.example:8443/services/very-secret"}
    mail = {"channel": "EMAIL", "to": "noc@voice.example"}
    id = await create(carrier.owner, recipients=[hook, mail])
    changes = {"ruleId": id, "recipients": [hook | {"to": hook["to"] + "-too"}]}
    await carrier.owner.do("updateAlertRule", "AlertRule", "id", **changes)
    finance = await carrier.staff("FINANCE")
    query = "{ auditLog { edges { node { action changes { field before after } } } } }"
    log = json.dumps(await finance.ask(query))
    assert "hooks.example:8443" in log
    assert "noc@voice.example" in log
    assert "secret" not in log


# Resumed -----------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(
    caller: Caller, customer: str | None = None, after: int | None = None
) -> AsyncIterator[ClientConnection]:
    async with signed_in(caller.url, caller.token) as socket:
        await say(socket, subscribe("1", EVENTS, variables={"c": customer, "after": after}))
        yield socket


async def next_event(socket: ClientConnection, within: float = 30) -> dict[str, Any]:
    async with asyncio.timeout(within):
        while True:
            text = await socket.recv()
            message = json.loads(text)
            if message["type"] == "next":
                event: dict[str, Any] = message["payload"]["data"]["alertEvents"]
                return event
            assert message["type"] == "ping", message


async def is_silent(socket: ClientConnection, seconds: float = 0.2) -> bool:
    try:
        await next_event(socket, seconds)
    except TimeoutError:
        return True
    return False


async def test_events_resume_after_a_number_and_an_unknown_number_is_refused(
    carrier: Carrier,
) -> None:
    for title in ("a", "b", "c"):
        await create(carrier.owner, title=title)
    await raise_all(carrier)
    for after in range(3):
        async with listening(carrier.owner, after=after) as stream:
            rest = [(await next_event(stream))["number"] for _ in range(3 - after)]
            assert rest == [*range(after + 1, 4)]
    async with listening(carrier.owner, after=4) as stream:
        message = await hear(stream)
    assert "BAD_AFTER" in json.dumps(message)


# The whole course --------------------------------------------------------------------------------


def end(customer: str, is_answered: bool) -> dict[str, Any]:
    """A call that has just ended."""
    now = clock.now()
    setup_at = now - timedelta(seconds=30)
    event: dict[str, Any] = {
        "type": "end",
        "call_id": secrets.token_hex(8),
        "switch": "edge-1",
        "customer": customer,
        "source": "+441632960000",
        "destination": "+15550100",
        "setup_at": setup_at.isoformat(),
        "end_at": now.isoformat(),
        "sip_code": 200 if is_answered else 503,
    }
    return event | (
        {"answer_at": (setup_at + timedelta(seconds=5)).isoformat()} if is_answered else {}
    )


async def test_a_low_asr_and_its_recovery_are_each_pushed_mailed_and_posted_once(
    api: Program, api_redis: Redis, carrier: Carrier
) -> None:
    reference = carrier.unique("acme")
    customer = await carrier.customer(reference=reference, name="Acme")
    ingest, contact = await carrier.key("INGEST"), await carrier.contact(customer)
    mail_to = f"{carrier.unique('noc')}@voice.example"
    async with message_servers.mail_server() as mails:
        with message_servers.text_server() as hook:
            id = await create(
                carrier.owner,
                customerId=customer,
                recipients=[
                    {"channel": "EMAIL", "to": mail_to, "language": "de"},
                    {"channel": "WEBHOOK", "to": hook.url},
                ],
            )
            environment = api.environment | {
                "CALLBOARD_SMTP_URL": mails.url,
                "CALLBOARD_MAIL_FROM": "portal@voice.example",
                "CALLBOARD_WEBHOOK_NETWORKS": "127.0.0.1",
            }
            with Program.worker(environment) as worker:
                async with listening(contact) as stream:
                    await a_test_arrives(carrier, id, mails, mail_to, hook)
                    answers = [True, False, False, False, False]
                    await post(ingest, *(end(reference, is_answered) for is_answered in answers))
                    raised = await next_event(stream)
                    assert raised["rule"] == {"id": id, "title": SENSE["title"]}
                    assert (raised["number"], raised["kind"], raised["value"]) == (
                        1,
                        "RAISED",
                        "20",
                    )
                    letter = await mails.arrived(mail_to, count=2)
                    assert str(letter["Subject"]) == "Warnung: Few calls are answered"
                    assert "ASR von Acme: 20 % (unter 50 %)." in said_in(letter)
                    await message_servers.until(lambda: len(hook.posted) >= 2)
                    worker.kill()
                    await post(ingest, *(end(reference, True) for _ in range(20)))
                    worker.start()
                    cleared = await next_event(stream)
                    assert (cleared["number"], cleared["kind"]) == (2, "CLEARED")
                    letter = await mails.arrived(mail_to, count=3)
                    assert str(letter["Subject"]) == "Beendet: Few calls are answered"
                    await message_servers.until(lambda: len(hook.posted) >= 3)
                    assert await is_silent(stream, 12)  # a whole round later
            assert [is_answered.json["event"] for is_answered in hook.posted] == [
                "TEST",
                "RAISED",
                "CLEARED",
            ]
    assert len(mails.to(mail_to)) == 3
    [alert] = (await contact.ask(ALERTS))["alerts"]["edges"]
    assert (alert["node"]["raisedAt"], alert["node"]["clearedAt"]) == (raised["at"], cleared["at"])


def said_in(letter: EmailMessage) -> str:
    plain = letter.get_body(("plain",))
    assert plain is not None
    content: str = plain.get_content()
    return content


async def a_test_arrives(
    carrier: Carrier,
    id: str,
    mails: message_servers.MailServer,
    to: str,
    hook: message_servers.TextServer,
) -> None:
    """A test really arrives, marked as one, and raises nothing."""
    sent_test = await carrier.owner.do("testAlertRule", "AlertRuleTested", "sentTo { to }", id=id)
    assert sent_test["sentTo"] == [{"to": to}, {"to": hook.url}]
    letter = await mails.arrived(to, within=30)
    assert re.match(r"Test: ", str(letter["Subject"]))
    assert "Dies ist ein Test einer Alarmregel" in said_in(letter)
    await message_servers.until(lambda: hook.posted)
    assert hook.posted[0].json["test"] is True


async def test_a_rule_without_recipients_cannot_be_tested(carrier: Carrier) -> None:
    id = await create(carrier.owner)
    assert await code(carrier.owner, "testAlertRule", id=id) == "NO_RECIPIENTS"


async def test_finance_sees_rules_but_cannot_change_them(carrier: Carrier) -> None:
    finance, id = await carrier.staff("FINANCE"), await create(carrier.owner)
    assert await code(finance, "createAlertRule", **SENSE) == "FORBIDDEN"
    assert await code(finance, "removeAlertRule", id=id) == "FORBIDDEN"
