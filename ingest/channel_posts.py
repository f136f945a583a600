"""Takes the posts of switches that report each leg of a call on its own, and joins the legs.

A post is acknowledged once its leg, and every record that follows from it, is stored. A post that
is repeated repeats both steps, so a process may end between them at any time.
"""

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from domain import refusals, storable_text
from domain.records import attempts, call_channels, events
from ingest import adapters, pipeline
from models.directory import switches
from models.records import channel_reports, quarantine_store

_MAX_SWITCH_CHARACTERS = 100  # as for `events.Reference`
_MAX_BYTES_AT_ONCE = 32_000  # decoded within a few milliseconds


async def ingest(
    into: pipeline.Pipeline,
    account_id: int,
    adapter: adapters.PostAdapter,
    content: bytes,
    switch: str | None,
    now: datetime,
) -> dict[str, Any]:
    """Stores a post and the records that it completes. Returns the answer of `/ingest/calls`.

    `switch` overrides the name in the post. A post that is not valid is stored in quarantine and
    reported as refused. Raises Refusal QUARANTINE_FULL.
    """
    try:
        post = await _decode(adapter, content)
        name = _validate_name(switch or post.switch)
        channel = post.channel(await switches.channel_variables_of(account_id, name))
    except refusals.Refusal as refusal:
        payload = await asyncio.to_thread(adapter.excerpt, content)
        return await _refuse(into, account_id, payload, switch, refusal, now)
    ends = await _join(account_id, name, channel, now)
    return await into.ingest_calls(
        account_id, [_encode(end) for end in ends], now, is_record_only=True
    )


async def _decode(adapter: adapters.PostAdapter, content: bytes) -> adapters.Post:
    if len(content) <= _MAX_BYTES_AT_ONCE:
        return adapter.decode(content)
    return await asyncio.to_thread(adapter.decode, content)


def _validate_name(switch: str | None) -> str:
    if not switch:
        raise refusals.Refusal("MISSING_FIELD", "The field {name} is missing.", name="switch")
    if len(switch) > _MAX_SWITCH_CHARACTERS:
        raise refusals.Refusal("BAD_VALUE", "The name of the switch is too long.", "switch")
    return storable_text.require(switch, "switch")


async def _join(
    account_id: int, switch: str, channel: call_channels.Channel, now: datetime
) -> list[events.End]:
    """The records that follow from a channel: all of its own call, and that of its offer."""
    if channel.is_attempt and channel.customer is None:
        # Refused without a customer. Staff can add one; the switch can send it again.
        return attempts.ends(switch, channel, {})
    related = await channel_reports.add(account_id, switch, channel, now)
    if channel.is_attempt and related.channel != channel:  # another call, or another report of it
        return attempts.conflicting_ends(switch, channel, related.channel, related.by_id)
    ends: list[events.End] = []
    if related.channel.is_attempt:
        ends += attempts.ends(switch, related.channel, related.by_id)
    first = related.originator
    if first is not None and first.is_attempt:
        ends += attempts.ends(switch, first, related.by_id, only=related.channel.id)
    return ends


def _encode(end: events.End) -> bytes:
    """The native event, which staff can correct and replay if it is refused."""
    fields = msgspec.to_builtins(end)
    present = {name: v for name, v in fields.items() if v not in (None, "") or name == "source"}
    return msgspec.json.encode(present)


async def _refuse(
    into: pipeline.Pipeline,
    account_id: int,
    payload: bytes,
    switch: str | None,
    refusal: refusals.Refusal,
    now: datetime,
) -> dict[str, Any]:
    record = quarantine_store.RefusedRecord(payload, refusal, switch)
    if await quarantine_store.add(account_id, [record], now):
        raise pipeline.quarantine_full()
    answer = await into.ingest_calls(account_id, [], now, is_record_only=True)
    item = {"index": 0, "code": refusal.code, "message": refusal.message}
    return answer | {"refused": [item]}
