"""Sends what is in the outbox.

A message is claimed before it is sent: its next try is put off by a lease. So of many workers one
has it; and one that a killed worker had is tried again when the lease is over. Only where the kill
comes between the server's answer and the note of it is it sent twice, under the same Message-ID.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import structlog
from babel import dates

from domain import messages, proofs, texts
from models import outbox
from models import proofs as stored_proofs

LEASE = timedelta(seconds=60)
_SECONDS = 30.0  # for one message: well within the lease
_JOB_SECONDS = 20.0  # after which no more are claimed
# Sent at once. Mail and texts have one server each; of webhooks one that is slow is no other's.
_AT_ONCE = {messages.Channel.EMAIL: 10, messages.Channel.SMS: 10, messages.Channel.WEBHOOK: 100}

log = structlog.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Post:
    """What messages are written and sent with."""

    secret_key: str
    public_url: str
    senders: Mapping[messages.Channel, messages.Send]


NOTHING = Post("", "", {})


async def send_due(post: Post, clock: Callable[[], datetime]) -> None:
    """Sends until nothing is due, or most of a job's time is over. A channel whose servers are slow
    holds up no other."""
    await asyncio.gather(*(_send_due(post, channel, clock) for channel in post.senders))


async def _send_due(post: Post, channel: messages.Channel, clock: Callable[[], datetime]) -> None:
    time = asyncio.get_running_loop().time
    end, most = time() + _JOB_SECONDS, _AT_ONCE[channel]
    while time() < end:
        claimed = await outbox.claim([channel], clock(), LEASE, most)
        await asyncio.gather(*(_send(post, one, clock) for one in claimed))
        if len(claimed) < most:
            return


async def _send(post: Post, message: outbox.Claimed, clock: Callable[[], datetime]) -> None:
    """One that fails does not keep the others."""
    about = {"account": message.account_id, "message": message.id, "kind": message.kind}
    try:
        async with asyncio.timeout(_SECONDS):
            await _try(post, message, clock())
    except messages.NotSentError as error:
        await _failed(message, clock(), str(error), final=error.final)
        log.warning("message not sent", **about, tries=message.tries, reason=str(error))
    except TimeoutError:
        await _failed(message, clock(), "it took too long", final=False)
        log.warning("message not sent", **about, tries=message.tries, reason="it took too long")
    except Exception as error:
        await _failed(message, clock(), type(error).__name__, final=False)
        log.exception("message not sent", **about)
    else:
        await outbox.sent(message, clock())
        log.info("message sent", **about, tries=message.tries)


async def _failed(message: outbox.Claimed, now: datetime, reason: str, *, final: bool) -> None:
    again = None if final else messages.next_try(message.tries, now)
    if again is None:
        await outbox.give_up(message, now, reason)
    else:
        await outbox.put_off(message, again, reason)


async def _try(post: Post, message: outbox.Claimed, now: datetime) -> None:
    if not message.is_good:
        raise messages.NotSentError("what it carries is good no more", final=True)
    good_for = messages.GOOD_FOR.get(message.kind)
    if good_for is not None and now - message.created_at > good_for:
        raise messages.NotSentError("it is no news any more", final=True)
    link = code = ""
    if message.proof_id is not None:
        proof = proofs.Link(message.account_id, message.proof_id)
        if message.kind in messages.PAGE:
            link = _link(post, message, proof)
        else:
            code = await _code(post, proof)
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
    await post.senders[letter.channel](letter)


def _values(message: outbox.Claimed, code: str, now: datetime) -> dict[str, str]:
    values = {"account": message.account, "code": code}
    if message.expires_at is None:
        return values
    until = dates.format_datetime(
        message.expires_at, "long", locale=texts.supported(message.language)
    )
    minutes = max(1, round((message.expires_at - now) / timedelta(minutes=1)))
    return values | {"until": until, "minutes": str(minutes)}


def _link(post: Post, message: outbox.Claimed, proof: proofs.Link) -> str:
    assert message.expires_at is not None
    purpose = proofs.Purpose(message.kind)
    token = proofs.sign(post.secret_key, purpose, proof, message.expires_at)
    return f"{post.public_url}{messages.PAGE[message.kind]}?token={quote(token)}"


async def _code(post: Post, proof: proofs.Link) -> str:
    """A new one, its hash kept before anybody can type it."""
    code = f"{secrets.randbelow(10**proofs.CODE_DIGITS):0{proofs.CODE_DIGITS}}"
    kept = proofs.code_hash(post.secret_key, proof, code)
    await stored_proofs.set_code(proof.account_id, proof.id, kept)
    return code
