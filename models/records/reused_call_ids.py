"""Call ids that were used for two calls, of which staff accepted the second as another call."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from domain.records import calls, other_calls
from domain.records.other_calls import Reuse
from models import db
from models.records import call_keys

_SELECT = """
SELECT call_key, setup_at FROM reused_call_ids WHERE account_id = $1 AND call_key = ANY($2::uuid[])
"""
_INSERT = """
INSERT INTO reused_call_ids (account_id, call_key, setup_at) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
"""


async def among(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Reuse]:
    """The calls of the records that staff accepted as other calls."""
    keys = {
        call_keys.compute(record.switch, record.received_call_id or record.call_id)
        for record in records
    }
    accepted = {tuple(row) for row in await conn.fetch(_SELECT, account_id, list(keys))}
    if not accepted:
        return set()
    return {reuse for reuse in map(other_calls.reuse_of, records) if _row(reuse) in accepted}


async def setups(
    conn: db.Connection, account_id: int, switches: Sequence[str], call_id: str
) -> list[tuple[str, datetime]]:
    """The other calls with this received call id: switch and setup."""
    switch_of = {call_keys.compute(switch, call_id): switch for switch in switches}
    rows = await conn.fetch(_SELECT, account_id, list(switch_of))
    return [(switch_of[row["call_key"]], row["setup_at"]) for row in rows]


async def insert(conn: db.Connection, account_id: int, reuses: Iterable[Reuse]) -> None:
    await conn.executemany(_INSERT, [(account_id, *_row(reuse)) for reuse in reuses])


def _row(reuse: Reuse) -> tuple[Any, datetime]:
    switch, call_id, setup_at = reuse
    return call_keys.compute(switch, call_id), setup_at
