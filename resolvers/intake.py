"""The way of records in, as `ingest` has it.

Resolvers may not import ingest: the process that has both gives it with the context.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from domain import calls, refusals, review

_log = structlog.get_logger("resolvers")


class Intake(Protocol):
    """`ingest.pipeline.Pipeline`."""

    async def check(
        self, account_id: int, payloads: Sequence[bytes], received_at: datetime, now: datetime
    ) -> Sequence[review.Checked | refusals.Refusal]: ...

    async def tell(
        self, account_id: int, counted: Sequence[calls.LiveEvent], now: datetime
    ) -> None: ...


async def tell(
    intake: Intake, account_id: int, counted: Sequence[calls.LiveEvent], now: datetime
) -> None:
    """After the commit. What fails here the worker's sweep and the next snapshot make good."""
    if not counted:
        return
    try:
        await intake.tell(account_id, counted, now)
    except Exception:  # what the caller asked for is done
        _log.exception("live picture not told", account=account_id)
