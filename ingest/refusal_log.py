"""Logs refused events that are not stored, with a limited number of lines."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

PERIOD = timedelta(minutes=1)  # between two lines about the same switch and code
_MAX_KEYS = 1_000  # limited because senders choose the names of switches

log = structlog.get_logger("ingest")

Kind: TypeAlias = tuple[int, str | None, str]  # account, switch, code of the refusal


@dataclass(slots=True)
class _Count:
    logged_at: datetime
    events: int = 0  # since `logged_at`


class RefusalLog:
    """One per process. Logs the first event of a kind immediately.

    Logs the number of later ones with the first event that arrives `PERIOD` after the last line.
    """

    def __init__(self) -> None:
        self._counts: dict[Kind, _Count] = {}

    def add(self, kinds: Iterable[Kind], now: datetime) -> None:
        for kind, events in Counter(kinds).items():
            count = self._counts.get(kind)
            if count is None:
                self._drop_oldest()
                self._counts[kind] = _Count(now)
                _write(kind, events)
            elif now - count.logged_at < PERIOD:
                count.events += events
            else:
                _write(kind, count.events + events)
                self._counts[kind] = _Count(now)

    def _drop_oldest(self) -> None:
        if len(self._counts) >= _MAX_KEYS:
            kind = next(iter(self._counts))
            events = self._counts.pop(kind).events
            if events:
                _write(kind, events)


def _write(kind: Kind, events: int) -> None:
    account_id, switch, code = kind
    log.warning(
        "events refused and not stored", account=account_id, switch=switch, code=code, events=events
    )
