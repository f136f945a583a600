"""Sends the messages of the outbox.

A worker claims a message before it sends it, which postpones the next try by a lease. So only one
worker sends the message, and if that worker is killed, another retries after the lease. A message
is sent twice, with the same Message-ID, only if the worker is killed between the response of the
server and the commit that records it.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from babel import dates

from domain.identity import address_proofs
from domain.messaging import messages, texts
from models import faults
from models.identity import proofs
from models.messaging import outbox

LEASE = timedelta(seconds=60)
_SEND_TIMEOUT_SECONDS = 30.0  # per message; must be shorter than the lease
_JOB_SECONDS = 20.0  # then no more messages are claimed
# E-mail and text messages have one server each; each webhook has its own.
_MAX_CONCURRENT_MESSAGES = {
    messages.Channel.EMAIL: 10,
    messages.Channel.SMS: 10,
    messages.Channel.WEBHOOK: 100,
}

log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Delivery:
    """The dependencies for writing and sending messages."""

    secret_key: str
    public_url: str
    senders: Mapping[messages.Channel, messages.Send]


NO_DELIVERY = Delivery("", "", {})


async def send_due(delivery: Delivery, clock: Callable[[], datetime]) -> None:
    """Sends until no message is due, or most of the job's time is over.

    A channel with slow servers does not delay the others.
    """
    await asyncio.gather(*(_send_due(delivery, channel, clock) for channel in delivery.senders))


async def _send_due(
    delivery: Delivery, channel: messages.Channel, clock: Callable[[], datetime]
) -> None:
    time = asyncio.get_running_loop().time
    end, limit = time() + _JOB_SECONDS, _MAX_CONCURRENT_MESSAGES[channel]
    while time() < end:
        claimed_messages = await outbox.claim([channel], clock(), LEASE, limit)
        await asyncio.gather(*(_send(delivery, message, clock) for message in claimed_messages))
        if len(claimed_messages) < limit:
            return


async def _send(
    delivery: Delivery, message: outbox.ClaimedMessage, clock: Callable[[], datetime]
) -> None:
    """Sends one message. A failure does not delay other messages."""
    context = {"account": message.account_id, "message": message.id, "kind": message.kind}
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_SECONDS):
            await _try(delivery, message, clock())
    except messages.NotSentError as error:
        await _record_failure(message, clock(), str(error), final=error.final)
        log.warning("message not sent", **context, tries=message.tries, reason=str(error))
    except TimeoutError:
        await _record_failure(message, clock(), "timed out", final=False)
        log.warning("message not sent", **context, tries=message.tries, reason="timed out")
    except faults.UnavailableError:
        raise
    except Exception as error:
        await _record_failure(message, clock(), type(error).__name__, final=False)
        log.exception("message not sent", **context)
    else:
        await outbox.mark_sent(message, clock())
        log.info("message sent", **context, tries=message.tries)


async def _record_failure(
    message: outbox.ClaimedMessage, now: datetime, reason: str, *, final: bool
) -> None:
    retry_at = None if final else messages.retry_at(message.tries, now)
    if retry_at is None:
        await outbox.mark_failed(message, now, reason)
    else:
        await outbox.postpone(message, retry_at, reason)


async def _try(delivery: Delivery, message: outbox.ClaimedMessage, now: datetime) -> None:
    if not message.is_valid:
        raise messages.NotSentError("its link or code has expired", final=True)
    max_age = messages.MAX_AGE.get(message.kind)
    if max_age is not None and now - message.created_at > max_age:
        raise messages.NotSentError("it has expired", final=True)
    link = code = ""
    if message.proof_id is not None:
        proof = address_proofs.Link(message.account_id, message.proof_id)
        if message.kind in messages.PAGES:
            link = _link(delivery, message, proof)
        else:
            code = await _code(delivery, proof)
    letter = messages.write(
        message.kind,
        channel=message.channel,
        reference=f"{message.created_at:%Y%m%d%H%M%S%f}.{message.account_id}.{message.id}",
        recipient=message.recipient,
        language=message.language,
        values={**message.detail, **_values(message, code, now)},
        link=link,
        at=now,
    )
    await delivery.senders[letter.channel](letter)


def _values(message: outbox.ClaimedMessage, code: str, now: datetime) -> dict[str, str]:
    values = {"account": message.account, "code": code}
    if message.expires_at is None:
        return values
    until = dates.format_datetime(
        message.expires_at, "long", locale=texts.supported_language(message.language)
    )
    minutes = max(1, round((message.expires_at - now) / timedelta(minutes=1)))
    return values | {"until": until, "minutes": str(minutes)}


def _link(delivery: Delivery, message: outbox.ClaimedMessage, proof: address_proofs.Link) -> str:
    assert message.expires_at is not None
    purpose = address_proofs.Purpose(message.kind)
    token = address_proofs.sign(delivery.secret_key, purpose, proof, message.expires_at)
    return f"{delivery.public_url}{messages.PAGES[message.kind]}?token={quote(token)}"


async def _code(delivery: Delivery, proof: address_proofs.Link) -> str:
    """Creates a code and stores its hash before the code is sent."""
    code = f"{secrets.randbelow(10**address_proofs.CODE_DIGITS):0{address_proofs.CODE_DIGITS}}"
    digest = address_proofs.code_hash(delivery.secret_key, proof, code)
    await proofs.set_code(proof.account_id, proof.id, digest)
    return code
