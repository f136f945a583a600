"""What a switch asks to let a SIP user in: the digests of its secret, and whose calls it makes."""

from typing import Any

import msgspec

from domain import refusals
from models import sip_users


class Asked(msgspec.Struct, frozen=True):
    """`username` is what the phone says; it may be anything."""

    username: str


_asked = msgspec.json.Decoder(Asked)


async def answer(account_id: int, content: bytes) -> dict[str, Any]:
    """Of an active user of an active customer, else NOT_FOUND; INVALID where it is no question."""
    try:
        username = _asked.decode(content).username
    except (msgspec.MsgspecError, ValueError):
        raise refusals.Refusal(
            "INVALID", 'Send a JSON object such as {"username": "1000"}.'
        ) from None
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
