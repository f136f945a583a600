"""An account with the customers and carriers of the recorded calls, and its FreeSWITCH."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from redis.asyncio import Redis

from ingest import channel_posts, pipeline
from ingest.switches import freeswitch
from tests.support.records import recorded_posts, sample_records

_FIELDS = (
    *("call_id", "leg", "revision", "final", "customer", "carrier", "source", "destination"),
    *("source_ip", "setup_at", "offered_at", "ringing_at", "answer_at", "end_at", "talk_us"),
    *("sip_code", "sip_reason", "q850_cause", "released_by", "dtmf_digits"),
)
_RECORDS = """
SELECT call_id, leg, revision, final, c.reference AS customer, x.reference AS carrier, source,
       destination, host(source_ip) AS source_ip, setup_at, offered_at, ringing_at, answer_at,
       end_at, talk_us, sip_code, sip_reason, q850_cause, released_by, dtmf_digits
FROM call_records r
JOIN customers c ON c.account_id = r.account_id AND c.id = r.customer_id
LEFT JOIN carriers x ON x.account_id = r.account_id AND x.id = r.carrier_id
WHERE r.account_id = $1 ORDER BY call_id, leg
"""


PATH = "/ingest/freeswitch"
Client = tuple[httpx2.AsyncClient, int, str]  # of the routes, the account and its key


def basic(user: str, password: str) -> dict[str, str]:
    """The headers of Basic authentication."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


@dataclass
class FreeSwitch:
    """Posts as mod_json_cdr does, and shows what was stored."""

    redis: Redis
    account_id: int
    received_at: datetime = recorded_posts.RECEIVED_AT
    answers: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pipeline = pipeline.Pipeline(self.redis, records_days=None)

    async def send(self, *posts: recorded_posts.Post, switch: str | None = None) -> None:
        for post in posts:
            self.answers.append(
                await channel_posts.ingest(
                    self.pipeline,
                    self.account_id,
                    freeswitch,
                    post.content,
                    switch,
                    self.received_at,
                )
            )

    async def records(self) -> list[dict[str, Any]]:
        rows = await sample_records.rows(_RECORDS, self.account_id)
        return [dict(zip(_FIELDS, row, strict=True)) for row in rows]

    async def quarantined(self) -> Sequence[tuple[str, str]]:
        return [
            tuple(row)
            for row in await sample_records.rows(
                "SELECT code, payload FROM quarantine WHERE account_id = $1 ORDER BY id",
                self.account_id,
            )
        ]

    async def held(self) -> int:
        rows = await sample_records.rows(
            "SELECT count(*) FROM record_revisions WHERE account_id = $1 AND state = 'HELD'",
            self.account_id,
        )
        count: int = rows[0][0]
        return count


async def account_with_references() -> int:
    account_id = await sample_records.account()
    for reference in recorded_posts.CUSTOMERS:
        await sample_records.customer(account_id, reference)
    for reference in recorded_posts.CARRIERS:
        await sample_records.carrier(account_id, reference)
    return account_id
