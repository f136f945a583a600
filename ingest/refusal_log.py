"""Log lines about refused events that are not stored, however many a switch sends."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

PERIOD = timedelta(minutes=1)  # between two lines about the same switch and code
_KEYS_MAX = 1_000  # names of switches come from outside

log = structlog.get_logger("ingest")

Kind: TypeAlias = tuple[int, str | None, str]  # account, switch, code of the refusal


@dataclass(slots=True)
class _Count:
    logged_at: datetime
    events: int = 0  # since then


class RefusalLog:
    """One per process. The first event of its kind is logged at once, later ones with their number
    when an event of the kind arrives `PERIOD` after the last line."""

    def __init__(self) -> None:
        self._counts: dict[Kind, _Count] = {}

    def add(self, refused: Iterable[Kind], now: datetime) -> None:
        for kind, events in Counter(refused).items():
            count = self._counts.get(kind)
            if count is None:
                self._make_space()
                self._counts[kind] = _Count(now)
                _write(kind, events)
            elif now - count.logged_at < PERIOD:
                count.events += events
            else:
                _write(kind, count.events + events)
                self._counts[kind] = _Count(now)

    def _make_space(self) -> None:
        if len(self._counts) >= _KEYS_MAX:
            kind = next(iter(self._counts))
            events = self._counts.pop(kind).events
            if events:
                _write(kind, events)


def _write(kind: Kind, events: int) -> None:
    account_id, switch, code = kind
    log.warning(
        "events refused and not stored", account=account_id, switch=switch, code=code, events=events
    )
