"""Attempts by their end: what the live window is filled from."""

from collections.abc import AsyncGenerator
from datetime import datetime

from domain import calls
from models import db

_SINCE = """
    SELECT switch, call_id, customer_id, setup_at, ringing_at, answer_at, end_at, talk_us
    FROM call_records WHERE account_id = $1 AND end_at >= $2 AND final
"""


async def since(
    account_id: int, start: datetime, chunk: int
) -> AsyncGenerator[list[calls.Ended], None]:
    """Those of one instant whose final leg ended at or after `start`, in lists of `chunk` at most.

    Close it (`contextlib.aclosing`): it holds a connection.
    """
    async with db.connection() as conn, conn.transaction(readonly=True):
        cursor = await conn.cursor(_SINCE, account_id, start)
        while rows := await cursor.fetch(chunk):
            yield [
                calls.Ended(
                    row["switch"],
                    row["call_id"],
                    row["customer_id"],
                    row["setup_at"],
                    row["end_at"],
                    calls.Outcome.of(
                        row["setup_at"], row["ringing_at"], row["answer_at"], row["talk_us"]
                    ),
                )
                for row in rows
            ]
