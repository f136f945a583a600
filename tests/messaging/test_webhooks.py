"""Webhooks of alert rules: payload, signature and retries."""

import asyncio
import hashlib
import hmac
import socket
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.alerting import alert_messages
from domain.alerting.alert_messages import AlertEvent, RuleDescription
from domain.alerting.alert_rules import Recipient
from domain.alerting.evaluation import Level, Metric, Operator, Rule, Scope
from domain.messaging import messages
from domain.messaging.messages import Channel, Kind
from models import db
from models.identity import accounts
from models.messaging import outbox
from runtime import clock, senders
from runtime.settings import Settings
from schema.engine import base
from tests.support import message_servers
from workers import sending

SECRET = "a key for tests alone, long enough to sign with"
NOW = clock.now()
RULE = Rule(Metric.ASR, Operator.BELOW, Decimal("40.50"), Decimal(50))


@pytest.fixture
async def account(database: str) -> int:
    return (await accounts.insert("Bücher & Söhne Voice", NOW)).id


async def insert_message(account: int, url: str, kind: Kind = Kind.ALERT_RAISED) -> int:
    about = RuleDescription(
        account, 7, "Wenig <Söhne>", Level.WARNING, RULE, Scope.CARRIER, "Carrier A", "a", ""
    )
    value = None if kind is Kind.ALERT_TEST else Decimal("31.2500")
    to = Recipient(Channel.WEBHOOK, url, "de")
    detail = alert_messages.message_detail(about, AlertEvent(kind, NOW, NOW, value), to)
    return await outbox.insert(
        account,
        outbox.NewMessage(
            kind=kind, recipient=url, language="de", channel=Channel.WEBHOOK, detail=detail
        ),
        NOW,
    )


async def send(seconds: float = 0, networks: str = "127.0.0.1") -> None:
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, secret_key=SECRET, webhook_networks=networks
    )
    post = sending.Delivery(SECRET, "https://portal.voice.example", senders.create(settings))
    await sending.send_due(post, lambda: NOW + timedelta(seconds=seconds))


async def row(id: int) -> Any:
    async with db.connection() as conn:
        return await conn.fetchrow("SELECT * FROM messages WHERE id = $1", id)


def is_signed(request: message_servers.PostedText, secret: str) -> bool:
    """As docs/alerts.md describes for a receiver."""
    parts = dict(part.split("=") for part in request.headers["Callboard-Signature"].split(","))
    signed = f"{parts['t']}.{request.body}".encode()
    assert int(parts["t"]) == int(NOW.timestamp())
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() == parts["v1"]


async def test_a_webhook_receives_the_alert_as_json_signed_with_the_secret_of_the_rule(
    account: int,
) -> None:
    with message_servers.text_server() as receiver:
        id = await insert_message(account, receiver.url)
        await send()
    [request] = receiver.posted
    assert request.headers["Content-Type"] == "application/json"
    body = request.json
    assert str(body.pop("id")).endswith(f".{account}.{id}")
    assert body.pop("text").startswith("Warnung: Wenig <Söhne>\n\nASR von Carrier A: 31,25 %")
    assert body == {
        "event": "RAISED",
        "test": False,
        "rule": {"id": base.encode_id("AlertRule", account, 7), "title": "Wenig <Söhne>"},
        "level": "WARNING",
        "metric": "ASR",
        "scope": "CARRIER",
        "subject": {"reference": "a", "name": "Carrier A"},
        "unit": "%",
        "operator": "BELOW",
        "threshold": "40.5",
        "resetThreshold": "50",
        "value": "31.25",
        "raisedAt": NOW.isoformat(),
        "at": NOW.isoformat(),
    }
    assert is_signed(request, alert_messages.webhook_secret(SECRET, account, 7))
    assert not is_signed(request, alert_messages.webhook_secret(SECRET, account, 8))
    assert (await row(id))["sent_at"] == NOW


async def test_a_test_delivery_is_marked_as_a_test(account: int) -> None:
    with message_servers.text_server() as receiver:
        await insert_message(account, receiver.url, Kind.ALERT_TEST)
        await send()
    body = receiver.posted[0].json
    assert (body["event"], body["test"], body["value"], body["raisedAt"]) == (
        "TEST",
        True,
        None,
        None,
    )
    assert body["text"].startswith("Dies ist ein Test")


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        (204, "sent"),
        (302, "tried again"),
        (400, "failed"),
        (404, "tried again"),
        (410, "failed"),
        (429, "tried again"),
        (500, "tried again"),
    ],
)
async def test_the_response_of_a_webhook_decides_whether_it_is_retried(
    account: int, status: int, becomes: str
) -> None:
    with message_servers.text_server() as receiver:
        receiver.answers = [status]
        id = await insert_message(account, receiver.url)
        await send()
        assert len(receiver.posted) == 1  # a redirect is not followed
        message_row = await row(id)
        assert becomes == (
            "sent"
            if message_row["sent_at"]
            else "failed"
            if message_row["failed_at"]
            else "tried again"
        )
        assert becomes == "sent" or str(status) in message_row["failure"]
        await send(15)
    tries = [request.json["id"] for request in receiver.posted]
    assert tries == tries[:1] * (2 if becomes == "tried again" else 1)


async def test_an_unavailable_webhook_is_retried_and_its_address_is_not_disclosed(
    account: int,
) -> None:
    id = await insert_message(account, "http://127.0.0.1:9/hook?key=very-secret")
    await send()
    message_row = await row(id)
    assert (message_row["sent_at"], message_row["failed_at"], message_row["tries"]) == (
        None,
        None,
        1,
    )
    assert "ConnectError" in message_row["failure"]
    assert "secret" not in message_row["failure"]


@pytest.mark.parametrize(("hours", "arrives"), [(23, True), (25, False)])
async def test_an_alert_that_waited_for_more_than_a_day_is_not_sent(
    account: int, hours: int, arrives: bool
) -> None:
    with message_servers.text_server() as receiver:
        id = await insert_message(account, receiver.url)
        await send(hours * 3600)
        assert bool(receiver.posted) == arrives
    assert ((await row(id))["failed_at"] is None) == arrives


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"]
)
async def test_a_webhook_in_a_private_network_needs_a_setting_that_allows_the_network(
    account: int, host: str
) -> None:
    """For every name of the host: the worker's machine trusts itself, and the authors of rules
    are not its operators."""
    with message_servers.text_server() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        id = await insert_message(account, url)
        await send(networks="10.0.0.0/8")
        message_row = await row(id)
        assert (message_row["failed_at"], message_row["tries"]) == (NOW, 1)
        assert "CALLBOARD_WEBHOOK_NETWORKS" in message_row["failure"]
        assert receiver.posted == []
        await insert_message(account, url)
        await send(networks="10.0.0.0/8, 127.0.0.0/8")
        [request] = receiver.posted
        assert request.headers["Host"] == url.split("/")[2]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "10.0.0.1",
        "[fd00::1]",
        "100.64.0.1",
        "224.0.0.1",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fec0::1]",
        "[ff02::1]",
    ],
)
async def test_addresses_in_private_networks_are_never_connected_to(
    account: int, address: str
) -> None:
    id = await insert_message(account, f"http://{address}/latest/meta-data")
    await send()
    assert "not public" in (await row(id))["failure"]


async def test_a_webhook_that_never_responds_does_not_delay_mail(account: int) -> None:
    async with message_servers.mail_server() as server:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            await insert_message(account, f"http://127.0.0.1:{silent.getsockname()[1]}/")
            to = "ops@voice.example"
            values = {"email": to}
            await outbox.insert(
                account,
                outbox.NewMessage(
                    kind=Kind.EMAIL_CHANGED, recipient=to, language="en", detail=values
                ),
                NOW,
            )
            settings = Settings(  # type: ignore[call-arg]
                _env_file=None,
                smtp_url=server.url,
                mail_from="portal@voice.example",
                webhook_networks="127.0.0.1",
            )
            post = sending.Delivery(SECRET, "", senders.create(settings))
            sends = asyncio.create_task(sending.send_due(post, lambda: NOW))
            await server.arrived(to, within=5)
            assert not sends.done()
            sends.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sends


async def test_webhooks_that_never_respond_do_not_delay_others(account: int) -> None:
    with (
        message_servers.text_server() as receiver,
        socket.create_server(("127.0.0.1", 0), backlog=40) as silent,
    ):
        for _ in range(30):
            await insert_message(account, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        await insert_message(account, receiver.url)
        sends = asyncio.create_task(send())
        await message_servers.until(lambda: receiver.posted, within=5)
        assert not sends.done()
        sends.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sends


def test_alert_messages_use_the_channel_of_each_recipient() -> None:
    assert {kind for kind in Kind if kind not in messages.CHANNEL} == {
        *alert_messages.MESSAGE_KINDS.values(),
        Kind.ALERT_TEST,
    }
