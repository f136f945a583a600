"""The simulated switch's memory: calls up, events to come, events not yet acknowledged."""

import heapq
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulator import calls


@dataclass(slots=True)
class Sent:
    """What the switch said, counted by itself. Only attempts that have ended are counted."""

    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    customers: dict[str, Counter[str]] = field(default_factory=dict)
    carriers: dict[str, Counter[str]] = field(default_factory=dict)
    sip_codes: Counter[int] = field(default_factory=Counter)

    def add(self, call: calls.Call) -> None:
        last = call.last
        answered, talk_us = last.answer_at is not None, call.talk // timedelta(microseconds=1)
        self.attempts += 1
        self.answered += answered
        self.talk_us += talk_us
        self.sip_codes[last.sip_code] += 1
        self.customers.setdefault(call.customer, Counter()).update(
            attempts=1, answered=answered, talkUs=talk_us
        )
        for leg in call.legs:
            self.carriers.setdefault(leg.carrier or "none", Counter()).update(
                legs=1, answered=leg.answer_at is not None, attempts=leg is last
            )


@dataclass(slots=True)
class _Underway:
    call: calls.Call
    coming: Iterator[tuple[datetime, calls.Event]]
    leg: int = -1  # the leg that is up; -1: none yet


class Switch:
    """Time is an argument: `advance` says what has happened up to then into `queue`.

    `boot` and `seq` number the events, as page "Call events" of the API describes.
    """

    def __init__(self, name: str, boot: int) -> None:
        self.name = name
        self.boot = boot
        self.seq = 0
        self.queue: deque[calls.Event] = deque()
        self.sent = Sent()
        self._underway: dict[str, _Underway] = {}
        self._due: list[tuple[datetime, int, str, calls.Event]] = []
        self._order = 0

    @property
    def active(self) -> int:
        """Calls up: begun and not finally ended."""
        return sum(1 for each in self._underway.values() if each.leg >= 0)

    @property
    def underway(self) -> int:
        return len(self._underway)

    def begin(self, call: calls.Call) -> None:
        self._underway[call.call_id] = _Underway(call, calls.events(call, self.name))
        self._schedule(call.call_id)

    def advance(self, now: datetime) -> None:
        """Queues everything that has happened by `now`."""
        while self._due and self._due[0][0] <= now:
            _, _, call_id, event = heapq.heappop(self._due)
            self._say(event)
            underway = self._underway[call_id]
            underway.leg = event["leg"]
            if event["type"] == "end" and event["final"]:
                self.sent.add(self._underway.pop(call_id).call)
            else:
                self._schedule(call_id)

    def hang_up(self, now: datetime) -> None:
        """Ends every call that is up at `now`; forgets those that have not begun."""
        self.advance(now)
        self._due.clear()
        for call_id, each in list(self._underway.items()):
            call = calls.cut(each.call, now)
            said = sum(1 for at, _ in calls.events(each.call, self.name) if at <= now)
            coming = list(calls.events(call, self.name))
            self._underway[call_id] = _Underway(call, iter(coming[said:]), each.leg)
            self._schedule(call_id)
        self.advance(now)

    def beat(self, now: datetime) -> None:
        self._say({"type": "beat", "switch": self.name, "active": self.active, "at": now})

    def snapshot(self, now: datetime) -> dict[str, Any]:
        """All that is up, under the number of the last event said."""
        return {
            "switch": self.name,
            "boot": self.boot,
            "seq": self.seq,
            "at": now,
            "calls": [_up(each) for each in self._underway.values() if each.leg >= 0],
        }

    def _schedule(self, call_id: str) -> None:
        at, event = next(self._underway[call_id].coming)
        self._order += 1
        heapq.heappush(self._due, (at, self._order, call_id, event))

    def _say(self, event: calls.Event) -> None:
        self.seq += 1
        self.queue.append({**event, "boot": self.boot, "seq": self.seq})


def _up(each: _Underway) -> dict[str, Any]:
    leg = each.call.legs[each.leg]
    listed = {
        "call_id": each.call.call_id,
        "leg": leg.number,
        "customer": each.call.customer,
        "setup_at": each.call.setup_at,
    }
    if leg.carrier is not None:
        listed["carrier"] = leg.carrier
    return listed
