"""What was refused from a switch, kept so that staff can list, correct and replay it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from domain import refusals
from models import db

LONGEST_PAYLOAD = 64_000  # characters; what is longer is cut


@dataclass(frozen=True, slots=True)
class Refused:
    """`payload` is the event as it was received."""

    payload: bytes
    refusal: refusals.Refusal


async def add(account_id: int, refused: Sequence[Refused], now: datetime) -> None:
    """Keeps them durably; a payload that is there already adds nothing."""
    if not refused:
        return
    by_digest = {_digest(one.payload): one for one in refused}
    rows = [
        (
            digest,
            _text(by_digest[digest].payload),
            by_digest[digest].refusal.code,
            by_digest[digest].refusal.message,
            by_digest[digest].refusal.field,
        )
        for digest in sorted(by_digest)
    ]
    async with db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO quarantine
                (account_id, digest, payload, code, message, field, received_at)
            SELECT $1, *, $2
            FROM unnest($3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[])
            ON CONFLICT (account_id, digest) DO NOTHING
            """,
            account_id,
            now,
            *zip(*rows, strict=True),
        )


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=16).digest()


def _text(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return text[:LONGEST_PAYLOAD]
