"""From the outbox to the servers: deliveries, retries and abandoned messages."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from domain.identity import address_proofs
from domain.messaging import messages
from domain.messaging.messages import Channel, Kind
from live import wake
from models import db
from models.identity import accounts, proofs
from models.messaging import outbox
from runtime import clock, mail, senders, sms
from runtime.settings import Settings
from tests.support import message_servers
from tests.support.programs import Program
from workers import sending

SECRET = "a key for tests alone, long enough to sign with"
TO = "person@acme.example"
NUMBER = "+441632960123"
NOW = clock.now()


@pytest.fixture
async def account(database: str) -> int:
    return (await accounts.insert("Bücher & Söhne Voice", NOW)).id


@pytest.fixture
async def server() -> AsyncIterator[message_servers.MailServer]:
    async with message_servers.mail_server() as server:
        yield server


def post(**settings: Any) -> sending.Delivery:
    settings_of_worker = Settings(_env_file=None, mail_from="portal@voice.example", **settings)  # type: ignore[call-arg]
    return sending.Delivery(
        SECRET, "https://portal.voice.example", senders.create(settings_of_worker)
    )


async def insert_message(
    account: int, kind: Kind = Kind.VERIFY_EMAIL, to: str = TO, *, proof: bool = True
) -> int:
    """A message in the outbox with its detail; its id."""
    id = None
    if proof:
        id = await proofs.insert(account, 1, address_proofs.Purpose(kind), to, NOW)
    return await outbox.insert(
        account, outbox.NewMessage(kind=kind, recipient=to, language="en", proof_id=id), NOW
    )


async def send(using: sending.Delivery, now: datetime = NOW) -> None:
    await sending.send_due(using, lambda: now)


async def row(id: int) -> Any:
    async with db.connection() as conn:
        return await conn.fetchrow("SELECT * FROM messages WHERE id = $1", id)


async def test_every_mail_client_can_read_a_mail(
    account: int, server: message_servers.MailServer
) -> None:
    id = await insert_message(account)
    await send(post(smtp_url=server.url))
    [letter] = server.to(TO)
    assert str(letter["From"]) == "Bücher & Söhne Voice <portal@voice.example>"
    assert str(letter["To"]) == TO
    assert str(letter["Subject"]) == "Verify your e-mail address"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Content-Language"] == "en"
    assert letter["Date"].datetime == NOW.replace(microsecond=0)
    assert str(letter["Message-ID"]).endswith("@voice.example>")
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    plain = letter.get_body(("plain",))
    assert plain is not None
    assert "Bücher & Söhne" in plain.get_content()
    link = message_servers.link_in(letter)
    assert link.startswith("https://portal.voice.example/verify-email?token=")
    proof = address_proofs.read_link(
        SECRET, address_proofs.Purpose.VERIFY_EMAIL, message_servers.token_in(letter), NOW
    )
    assert proof is not None
    message_row = await row(id)
    assert (message_row["sent_at"], message_row["tries"], message_row["failure"]) == (NOW, 1, None)
    await send(post(smtp_url=server.url), NOW + timedelta(days=1))
    assert len(server.letters) == 1


@pytest.mark.parametrize("to", ["jürgen@acme.example", 'odd"one(x)@acme.example'])
async def test_an_address_with_unusual_characters_is_reached(
    account: int, server: message_servers.MailServer, to: str
) -> None:
    await insert_message(account, to=to)
    await send(post(smtp_url=server.url))
    local = to.rpartition("@")[0]
    quoted = local if local.isalpha() else f'"{local}"'.replace('odd"', 'odd\\"')
    assert server.recipients == [f"{quoted}@acme.example"]


@pytest.mark.parametrize("at", ["account", "subject", "recipient"])
async def test_no_content_of_a_mail_can_add_a_header_or_a_recipient(
    server: message_servers.MailServer, at: str
) -> None:
    parts = {"account": "Voice", "subject": "Hello", "recipient": TO}
    parts[at] += "\r\nBcc: other@acme.example"
    letter = messages.Letter(
        **parts,
        reference="1.1.1",
        channel=Channel.EMAIL,
        language="en",
        before=("Hello,",),
        action="",
        link="",
        after=(),
        at=NOW,
    )
    mailer = mail.Mailer(mail.Server.of(server.url), mail.parse_sender("portal@voice.example"))
    with pytest.raises(messages.NotSentError) as error:
        await mailer.send(letter)
    assert error.value.final
    assert server.letters == []


async def test_an_unavailable_server_is_retried_until_it_returns(
    account: int, server: message_servers.MailServer
) -> None:
    id, using = await insert_message(account), post(smtp_url=server.url)
    await server.stop()
    await send(using)
    message_row = await row(id)
    assert (message_row["sent_at"], message_row["failed_at"], message_row["tries"]) == (
        None,
        None,
        1,
    )
    assert message_row["due_at"] == NOW + timedelta(seconds=10)
    assert f"127.0.0.1:{server.port}" in message_row["failure"]
    await server.start()
    await send(using, NOW + timedelta(seconds=9))
    assert server.letters == []
    await send(using, NOW + timedelta(seconds=10))
    assert len(server.to(TO)) == 1
    assert (await row(id))["failure"] is None


async def test_after_a_temporary_refusal_a_mail_is_retried_with_the_same_message_id(
    account: int, server: message_servers.MailServer
) -> None:
    id, using = await insert_message(account), post(smtp_url=server.url)
    server.answers = ["451 4.3.0 try again later"]
    await send(using)
    assert "451" in (await row(id))["failure"]
    await send(using, NOW + timedelta(minutes=1))
    [letter] = server.letters
    assert f".{account}.{id}@" in str(letter["Message-ID"])


@pytest.mark.parametrize("at", ["recipient", "content"])
async def test_a_permanent_refusal_abandons_a_mail_immediately(
    account: int, server: message_servers.MailServer, at: str
) -> None:
    if at == "recipient":
        server.refused[TO] = "550 5.1.1 no such mailbox"
    else:
        server.answers = ["554 5.6.0 no such mail here"]
    id = await insert_message(account)
    await send(post(smtp_url=server.url))
    message_row = await row(id)
    assert message_row["failed_at"] == NOW
    assert "no such" in message_row["failure"]
    await send(post(smtp_url=server.url), NOW + timedelta(hours=1))
    assert server.letters == []


async def test_a_message_that_cannot_be_delivered_is_abandoned_after_about_a_day(
    account: int, server: message_servers.MailServer
) -> None:
    id, using, now = await insert_message(account), post(smtp_url=server.url), NOW
    server.answers = ["451 later"] * 99
    while (message_row := await row(id))["failed_at"] is None:
        now = message_row["due_at"]
        await send(using, now)
    assert timedelta(hours=22) < now - NOW < timedelta(hours=26)
    assert "451" in message_row["failure"]


async def test_a_message_whose_contents_have_expired_is_not_sent(
    account: int, server: message_servers.MailServer
) -> None:
    old, late = await insert_message(account), NOW + timedelta(days=3)
    withdrawn = await insert_message(account)
    await insert_message(account)
    await send(post(smtp_url=server.url))
    assert len(server.letters) == 1
    assert "has expired" in (await row(old))["failure"]
    assert "has expired" in (await row(withdrawn))["failure"]
    too_late = await insert_message(account)
    await send(post(smtp_url=server.url), late)
    assert (await row(too_late))["failed_at"] == late


async def test_a_password_is_sent_only_over_tls_unless_the_operator_allows_otherwise(
    account: int, server: message_servers.MailServer
) -> None:
    await server.stop()
    await server.start(authenticator=message_servers.only("me", "secret"), auth_require_tls=False)
    at = f"me:%s@127.0.0.1:{server.port}"
    id = await insert_message(account)
    await send(post(smtp_url=f"smtp://{at % 'secret'}"))
    assert (await row(id))["failed_at"] is None
    assert "STARTTLS" in (await row(id))["failure"].upper()
    await send(post(smtp_url=f"smtp://{at % 'wrong'}?starttls=never"), NOW + timedelta(seconds=20))
    assert (await row(id))["failed_at"] is None  # an error of Callboard, so the worker retries
    assert "535" in (await row(id))["failure"]
    assert "secret" not in (await row(id))["failure"]
    await send(post(smtp_url=f"smtp://{at % 'secret'}?starttls=never"), NOW + timedelta(minutes=5))
    assert (await row(id))["sent_at"] is not None


async def test_without_a_server_mail_waits_and_in_development_it_is_logged(account: int) -> None:
    id = await insert_message(account)
    await send(post())
    assert (await row(id))["tries"] == 0
    with structlog.testing.capture_logs() as log:
        await send(post(development=True))
    [entry] = [line for line in log if "text" in line]
    assert "https://portal.voice.example/verify-email?token=" in entry["text"]
    assert (await row(id))["sent_at"] is not None


async def test_many_workers_send_each_message_once(
    account: int, server: message_servers.MailServer
) -> None:
    for login in range(35):
        to = f"person-{login}@acme.example"
        purpose = address_proofs.Purpose.VERIFY_EMAIL
        proof = await proofs.insert(account, login, purpose, to, NOW)
        await outbox.insert(
            account,
            outbox.NewMessage(kind=Kind.VERIFY_EMAIL, recipient=to, language="en", proof_id=proof),
            NOW,
        )
    using = post(smtp_url=server.url)
    await asyncio.gather(*(send(using) for _ in range(4)))
    assert len({str(letter["To"]) for letter in server.letters}) == 35
    assert len(server.letters) == 35


async def test_a_worker_skips_a_message_that_another_worker_is_claiming(account: int) -> None:
    first = await insert_message(account)
    second = await insert_message(account, Kind.INVITATION, "other@acme.example")
    claiming, checked = asyncio.Event(), asyncio.Event()

    async def claim() -> list[int]:
        claimed = await outbox.claim([Channel.EMAIL], NOW, sending.LEASE, 1)
        return [message.id for message in claimed]

    async def slow() -> list[int]:
        async with db.transaction():
            claimed = await claim()
            claiming.set()
            await checked.wait()
            return claimed

    async def quick() -> list[int]:
        await claiming.wait()
        return await claim()

    slowly, quickly = asyncio.create_task(slow()), asyncio.create_task(quick())
    async with asyncio.timeout(5):
        assert await quickly == [second]
        checked.set()
        assert await slowly == [first]
    assert await claim() == []


def environment(services: Any, database: str, server: message_servers.MailServer) -> dict[str, str]:
    return {
        "CALLBOARD_DATABASE_URL": database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": SECRET,
        "CALLBOARD_SMTP_URL": server.url,
        "CALLBOARD_MAIL_FROM": "portal@voice.example",
    }


async def test_killing_a_worker_while_it_sends_loses_no_message(
    services: Any, database: str, redis: Redis, account: int, server: message_servers.MailServer
) -> None:
    server.held = True
    id, began = await insert_message(account), clock.now()
    with Program.worker(environment(services, database, server)) as worker:
        await message_servers.until(lambda: server.reached, within=30)
        worker.kill()
    server.held = False
    await message_servers.until(lambda: server.left == server.reached)
    server.letters.clear()  # what the server took from the killed one was never noted
    message_row = await row(id)
    assert (message_row["sent_at"], message_row["tries"]) == (None, 1)
    assert began + sending.LEASE <= message_row["due_at"] <= clock.now() + sending.LEASE
    using = post(smtp_url=server.url)
    await send(using, message_row["due_at"] - timedelta(seconds=1))
    assert server.letters == []
    await send(using, message_row["due_at"])
    assert len(server.to(TO)) == 1


async def test_a_worker_sends_as_soon_as_it_is_notified(
    services: Any, database: str, redis: Redis, account: int, server: message_servers.MailServer
) -> None:
    with Program.worker(environment(services, database, server)):
        await insert_message(account, to="first@acme.example")
        await server.arrived("first@acme.example", within=30)  # it works
        for n in range(3):
            to = f"person-{n}@acme.example"
            await insert_message(account, to=to)
            await wake.hint(redis, wake.Work.MESSAGES)
            await server.arrived(to, within=1.5)


JSON = {"Authorization": "Bearer very-secret"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def gateway(url: str, headers: dict[str, str], body: str) -> sending.Delivery:
    answer = sms.Gateway(url, headers, body, "Voice & Co")
    return sending.Delivery(SECRET, "https://portal.voice.example", {Channel.SMS: answer.send})


async def test_a_text_message_is_posted_in_the_format_of_the_provider(account: int) -> None:
    with message_servers.text_server() as provider:
        body = '{"messages": [{"to": "{digits}", "from": "{from}", "body": "{text}"}]}'
        await insert_message(account, Kind.VERIFY_MOBILE, NUMBER)
        await send(gateway(provider.url, JSON, body))
        [first] = provider.posted
        assert first.headers["Authorization"] == "Bearer very-secret"
        assert first.headers["Content-Type"] == "application/json"
        [message] = first.json["messages"]
        assert (message["to"], message["from"]) == (NUMBER[1:], "Voice & Co")
        assert message["body"].endswith("Bücher & Söhne Voice. It expires in 10 minutes.")
        await insert_message(account, Kind.VERIFY_MOBILE, NUMBER)
        await send(gateway(provider.url, FORM, "To={to}&From={from}&Body={text}"))
        form = message_servers.parse_qs(provider.posted[1].body)
        assert (form["To"], form["From"]) == ([NUMBER], ["Voice & Co"])
        assert "Bücher & Söhne Voice" in form["Body"][0]


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        (204, "sent"),
        (400, "failed"),
        (404, "failed"),
        (422, "failed"),
        (302, "tried again"),
        (401, "tried again"),
        (408, "tried again"),
        (429, "tried again"),
        (500, "tried again"),
        (503, "tried again"),
    ],
)
async def test_the_response_of_a_provider_decides_whether_a_text_message_is_retried(
    account: int, status: int, becomes: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with message_servers.text_server() as provider:
        provider.answers = [status]
        id = await insert_message(account, Kind.VERIFY_MOBILE, NUMBER)
        await send(gateway(provider.url, JSON, '{"to": "{to}", "text": "{text}"}'))
        assert len(provider.posted) == 1  # a redirect is not followed
    message_row = await row(id)
    assert becomes == (
        "sent"
        if message_row["sent_at"]
        else "failed"
        if message_row["failed_at"]
        else "tried again"
    )
    if becomes != "sent":
        assert str(status) in message_row["failure"]


async def test_an_unavailable_provider_is_retried_and_its_secrets_are_not_stored(
    account: int,
) -> None:
    id = await insert_message(account, Kind.VERIFY_MOBILE, NUMBER)
    url = "http://me:very-secret@127.0.0.1:9/messages?key=very-secret"
    await send(gateway(url, JSON, '{"to": "{to}", "text": "{text}"}'))
    message_row = await row(id)
    assert message_row["failed_at"] is None
    assert "ConnectError" in message_row["failure"]
    assert "secret" not in message_row["failure"]


async def test_each_try_sends_a_new_code_and_only_the_last_is_valid(
    account: int,
) -> None:
    with message_servers.text_server() as provider:
        provider.answers = [500]
        using = gateway(provider.url, {}, '{"to": "{to}", "text": "{text}"}')
        await insert_message(account, Kind.VERIFY_MOBILE, NUMBER)
        await send(using)
        await send(using, NOW + timedelta(minutes=2))
        first, last = await provider.code(NUMBER), await provider.code(NUMBER, count=2)
        assert "in 8 minutes" in provider.to(NUMBER)[1]
    outcome = await proofs.try_code(account, 1, address_proofs.Purpose.VERIFY_MOBILE, NOW)
    assert outcome is not None
    link = address_proofs.Link(account, outcome.id)
    assert address_proofs.is_valid_code(SECRET, link, last, outcome.code_hash)
    assert first == last or not address_proofs.is_valid_code(SECRET, link, first, outcome.code_hash)
