"""The legs that switches have reported one by one, stored until the legs of a call are joined."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from domain.records.call_channels import Channel
from models import db

_INSERT = """
INSERT INTO channel_reports (account_id, switch, channel_id, originator_id, received_at, content)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, switch, channel_id) DO NOTHING
"""
_SELECT = """
SELECT content FROM channel_reports
WHERE account_id = $1 AND switch = $2 AND channel_id = ANY($3::text[])
UNION ALL
SELECT content FROM channel_reports
WHERE account_id = $1 AND switch = $2 AND originator_id = ANY($3::text[])
"""
_REMOVE_OLD = """
DELETE FROM channel_reports WHERE account_id = $1 AND (switch, channel_id) IN (
    SELECT switch, channel_id FROM channel_reports WHERE account_id = $1 AND received_at < $2
    ORDER BY received_at LIMIT $3
)
"""
_decode = msgspec.json.Decoder(Channel).decode


@dataclass(frozen=True, slots=True)
class RelatedChannels:
    """The channels of the calls of a channel, by id, including itself as it was first reported."""

    channel: Channel
    by_id: Mapping[str, Channel]

    @property
    def originator(self) -> Channel | None:
        """The channel that made this offer, if it has been reported."""
        return self.by_id.get(self.channel.originator_id or "")


async def add(account_id: int, switch: str, channel: Channel, now: datetime) -> RelatedChannels:
    """Stores a channel durably, then reads the channels of its calls.

    The first report of a channel counts. It is committed before the others are read: if two are
    reported at the same time, at least one of the two callers reads both.
    """
    content = msgspec.json.encode(channel).decode()
    ids = [channel.id, *([channel.originator_id] if channel.originator_id else [])]
    async with db.connection() as conn:
        await conn.execute(
            _INSERT, account_id, switch, channel.id, channel.originator_id, now, content
        )
        rows = await conn.fetch(_SELECT, account_id, switch, ids)
    by_id = {stored.id: stored for stored in (_decode(row["content"]) for row in rows)}
    return RelatedChannels(by_id.get(channel.id, channel), by_id)


async def remove_old(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` channels received before then, oldest first. Returns the number."""
    return await db.delete_rows(_REMOVE_OLD, account_id, before, limit)
