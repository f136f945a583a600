"""Answers a switch that authenticates a SIP user, with the digests and customer of the user."""

import math
from typing import Any

import msgspec
import structlog

from domain import refusals
from domain.identity import networks
from domain.numbering import number_ranges
from ingest import body
from live import throttle
from models.numbering import sip_users

_log = structlog.get_logger("ingest")


class SignInRequest(msgspec.Struct, frozen=True):
    """`username`: sent by the phone at the address `source`, unchecked. `wrong`: the switch reports
    a wrong secret and requests no credentials."""

    username: str
    source: str | None = None
    wrong: bool = False


_request_decoder = msgspec.json.Decoder(SignInRequest)


async def answer(account_id: int, content: bytes, tries: throttle.Throttle) -> dict[str, Any]:
    """Returns the credentials of an active user of an active customer.

    Refuses INVALID, NOT_FOUND, and TOO_MANY_TRIES after too many wrong secrets at that source.
    """
    sign_in = _parse(content)
    buckets = _buckets(account_id, sign_in)
    wait = await (tries.enter(buckets) if sign_in.wrong else tries.wait(buckets)) if buckets else 0
    if sign_in.wrong:
        _log.info(
            "sip sign-in refused",
            account=account_id,
            username=sign_in.username,
            address=sign_in.source,
            is_counted=wait == 0,
        )
    if wait > 0:
        raise refusals.Refusal(
            "TOO_MANY_TRIES",
            "Too many tries. Try again in {seconds} seconds.",
            seconds=math.ceil(wait),
        )
    return {} if sign_in.wrong else await _credentials(account_id, sign_in.username)


def _parse(content: bytes) -> SignInRequest:
    """Refuses INVALID. Decoding megabytes would block the event loop."""
    if len(content) <= body.MAX_EVENT_BYTES:
        try:
            return _request_decoder.decode(content)
        except (msgspec.MsgspecError, ValueError):
            pass
    raise refusals.Refusal("INVALID", 'Send a JSON object such as {"username": "1000"}.')


def _buckets(account_id: int, sign_in: SignInRequest) -> tuple[throttle.Bucket, ...]:
    """The limit of wrong secrets for a username at one address.

    Empty if the username or its source is missing or invalid.
    """
    address = networks.parse_address(sign_in.source)
    if address is None or not number_ranges.is_username(sign_in.username):
        return ()
    return (
        throttle.Bucket(f"sip:{account_id}:{sign_in.username}:{networks.site(address)}", 10, 60),
    )


async def _credentials(account_id: int, username: str) -> dict[str, Any]:
    user = await sip_users.credentials(account_id, username) if username.isdigit() else None
    if user is None:
        raise refusals.Refusal("NOT_FOUND", "No active SIP user has this username.", "username")
    return {
        "username": user.username,
        "realm": user.digests.realm,
        "ha1": user.digests.ha1,
        "ha1b": user.digests.ha1b,
        "ha1Sha256": user.digests.ha1_sha256,
        "customer": user.customer,
        "channelLimit": user.channel_limit,
    }
