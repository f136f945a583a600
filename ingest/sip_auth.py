"""What a switch asks to let a SIP user in: the digests of its secret, and whose calls it makes."""

import math
from typing import Any

import msgspec
import structlog

from domain import networks, numbers, refusals
from live import throttle
from models import sip_users

_log = structlog.get_logger("ingest")


class Asked(msgspec.Struct, frozen=True):
    """`username` is what the phone at the address `source` says; it may be anything. `wrong`: the
    switch has found its secret wrong, and asks nothing."""

    username: str
    source: str | None = None
    wrong: bool = False


_asked = msgspec.json.Decoder(Asked)


async def answer(account_id: int, content: bytes, tries: throttle.Throttle) -> dict[str, Any]:
    """Of an active user of an active customer, else NOT_FOUND; INVALID where it is no question.

    TOO_MANY_TRIES where the secret was wrong too often at that source, whoever has the name.
    """
    try:
        asked = _asked.decode(content)
    except (msgspec.MsgspecError, ValueError):
        raise refusals.Refusal(
            "INVALID", 'Send a JSON object such as {"username": "1000"}.'
        ) from None
    buckets = _buckets(account_id, asked)
    wait = await (tries.enter(buckets) if asked.wrong else tries.wait(buckets)) if buckets else 0
    if asked.wrong:
        about = {"account": account_id, "username": asked.username, "address": asked.source}
        _log.info("sip sign-in refused", **about, is_counted=wait == 0)
    if wait > 0:
        raise refusals.Refusal(
            "TOO_MANY_TRIES",
            "Too many tries; wait {seconds} seconds, then try again.",
            seconds=math.ceil(wait),
        )
    return {} if asked.wrong else await _credentials(account_id, asked.username)


def _buckets(account_id: int, asked: Asked) -> tuple[throttle.Bucket, ...]:
    """A name's wrong secrets at one address: neither the same phone elsewhere nor another one at
    that address is held up by them. None where nobody can have the name, or no source is told."""
    address = networks.address(asked.source)
    if address is None or not numbers.is_username(asked.username):
        return ()
    return (throttle.Bucket(f"sip:{account_id}:{asked.username}:{networks.site(address)}", 10, 60),)


async def _credentials(account_id: int, username: str) -> dict[str, Any]:
    found = await sip_users.credentials(account_id, username) if username.isdigit() else None
    if found is None:
        raise refusals.Refusal("NOT_FOUND", "No active SIP user has this username.", "username")
    return {
        "username": found.username,
        "realm": found.digests.realm,
        "ha1": found.digests.ha1,
        "ha1b": found.digests.ha1b,
        "ha1Sha256": found.digests.ha1_sha256,
        "customer": found.customer,
        "channelLimit": found.channel_limit,
    }
