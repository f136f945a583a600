"""The state of a simulated switch: active calls, future events, unacknowledged events."""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulator import calls


@dataclass(slots=True)
class Totals:
    """The switch's own totals of what it sent. Only attempts that have ended count."""

    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    customers: dict[str, Counter[str]] = field(default_factory=dict)
    carriers: dict[str, Counter[str]] = field(default_factory=dict)
    sip_codes: Counter[int] = field(default_factory=Counter)

    def add(self, call: calls.Call) -> None:
        last = call.last
        is_answered, talk_us = last.answer_at is not None, call.talk // timedelta(microseconds=1)
        self.attempts += 1
        self.answered += is_answered
        self.talk_us += talk_us
        self.sip_codes[last.sip_code] += 1
        self.customers.setdefault(call.customer, Counter()).update(
            attempts=1, answered=is_answered, talkUs=talk_us
        )
        for leg in call.legs:
            self.carriers.setdefault(leg.carrier or "none", Counter()).update(
                legs=1, answered=leg.answer_at is not None, attempts=leg is last
            )


@dataclass(slots=True)
class _PlannedCall:
    call: calls.Call
    next_events: Iterator[tuple[datetime, calls.Event]]
    leg: int = -1  # the active leg; -1: none yet


class Switch:
    """Time is an argument: `advance` adds the events up to a time to `queue`.

    `boot` and `seq` number the events, as docs/ingest.md describes.
    """

    def __init__(self, name: str, boot: int) -> None:
        self.name = name
        self.boot = boot
        self.seq = 0
        self.queue: deque[calls.Event] = deque()
        self.sent = Totals()
        self._planned: dict[str, _PlannedCall] = {}
        self._due: list[tuple[datetime, int, str, calls.Event]] = []
        self._order = 0

    @property
    def active(self) -> int:
        """The number of active calls: begun, and without their final end."""
        return sum(1 for call in self._planned.values() if call.leg >= 0)

    @property
    def underway(self) -> int:
        """The number of planned calls that have not ended."""
        return len(self._planned)

    def begin(self, call: calls.Call) -> None:
        self._planned[call.call_id] = _PlannedCall(call, calls.events(call, self.name))
        self._schedule(call.call_id)

    def advance(self, now: datetime) -> None:
        """Queues all events up to `now`."""
        while self._due and self._due[0][0] <= now:
            _, _, call_id, event = heapq.heappop(self._due)
            self._enqueue(event)
            planned = self._planned[call_id]
            planned.leg = event["leg"]
            if event["type"] == "end" and event["final"]:
                self.sent.add(self._planned.pop(call_id).call)
            else:
                self._schedule(call_id)

    def hang_up(self, now: datetime) -> None:
        """Ends every active call at `now`. Drops calls that have not begun."""
        self.advance(now)
        self._due.clear()
        for call_id, planned in list(self._planned.items()):
            call = calls.cut(planned.call, now)
            sent_count = sum(1 for at, _ in calls.events(planned.call, self.name) if at <= now)
            events = list(calls.events(call, self.name))
            self._planned[call_id] = _PlannedCall(call, iter(events[sent_count:]), planned.leg)
            self._schedule(call_id)
        self.advance(now)

    def beat(self, now: datetime) -> None:
        self._enqueue({"type": "beat", "switch": self.name, "active": self.active, "at": now})

    def snapshot(self, now: datetime) -> dict[str, Any]:
        """All active calls, with the number of the last event."""
        return {
            "switch": self.name,
            "boot": self.boot,
            "seq": self.seq,
            "at": now,
            "calls": [
                _snapshot_item(planned) for planned in self._planned.values() if planned.leg >= 0
            ],
        }

    def _schedule(self, call_id: str) -> None:
        at, event = next(self._planned[call_id].next_events)
        self._order += 1
        heapq.heappush(self._due, (at, self._order, call_id, event))

    def _enqueue(self, event: calls.Event) -> None:
        self.seq += 1
        self.queue.append({**event, "boot": self.boot, "seq": self.seq})


def _snapshot_item(planned: _PlannedCall) -> dict[str, Any]:
    leg = planned.call.legs[planned.leg]
    items = {
        "call_id": planned.call.call_id,
        "leg": leg.number,
        "customer": planned.call.customer,
        "setup_at": planned.call.setup_at,
    }
    if leg.carrier is not None:
        items["carrier"] = leg.carrier
    return items
