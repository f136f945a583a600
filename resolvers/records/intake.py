"""The interface of `ingest` for resolvers.

Resolvers may not import ingest; the process that has both passes it in the context.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from domain import refusals
from domain.records import calls, review
from models import faults

_log = structlog.get_logger("resolvers")


class Intake(Protocol):
    """`ingest.pipeline.Pipeline`."""

    async def check(
        self, account_id: int, payloads: Sequence[bytes], received_at: datetime, now: datetime
    ) -> Sequence[review.ValidRecord | refusals.Refusal]: ...

    async def update_live(
        self, account_id: int, events: Sequence[calls.LiveEvent], now: datetime
    ) -> None: ...


async def update_live(
    intake: Intake, account_id: int, events: Sequence[calls.LiveEvent], now: datetime
) -> None:
    """Updates the live state, after the commit. If this fails, the worker's sweep and the next
    snapshot correct it."""
    if not events:
        return
    try:
        await intake.update_live(account_id, events, now)
    except faults.UnavailableError:
        pass
    except Exception:  # the change is committed
        _log.exception("live state not updated", account=account_id)
