"""Late records and corrections into and out of hours whose records were removed."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.support.scenarios.call_messages import FROZEN, Message, instant
from tests.support.scenarios.truth import Truth

_OF_EACH = 20
Event = dict[str, Any]


class Archive:
    """Records with only one content: those of hours frozen before `end`, and the others."""

    def __init__(self, truth: Truth, messages: Sequence[Message], end: datetime, seed: int) -> None:
        self.random = Random(seed)
        self.truth = truth
        self.made = 0
        contents = Counter(key_of(message.event) for message in messages)
        events = [item.event for item in messages if contents[key_of(item.event)] == 1]
        finals = [event for event in events if event["final"]]
        self.frozen = [event for event in finals if instant(event["setup_at"]) < end]
        self.kept = [event for event in finals if instant(event["setup_at"]) >= end]

    def messages(self) -> tuple[list[Message], Counter[str]]:
        """Messages that change nothing, and how many are answered how."""
        events: list[Event] = []
        answers: Counter[str] = Counter()
        for answer, kinds in _KINDS.items():
            for kind in kinds:
                events += [kind(self) for _ in range(_OF_EACH)]
                answers[answer] += _OF_EACH
        self.random.shuffle(events)
        return [Message(FROZEN, None, True, event) for event in events], answers

    def of_empty_hours(self, start: datetime, days: int) -> list[Message]:
        """New calls in hours of the removed days in which their customers had none: counted."""
        hours = {
            (row["customer"], row["hour"].replace(tzinfo=UTC))
            for row in self.truth.query(
                "SELECT DISTINCT customer, date_trunc('hour', make_timestamp(setup_us)) AS hour"
                " FROM messages"
            )
        }
        messages: list[Message] = []
        while len(messages) < _OF_EACH:
            event = self._new()
            day = start + timedelta(days=self.random.randrange(days))
            hour = day + timedelta(hours=self.random.choice((3, 4, 9)))
            if (event["customer"], hour) not in hours:
                moved = moved_to(event, hour + timedelta(minutes=self.random.randrange(60)))
                messages.append(Message(FROZEN, 0, False, moved))
        return messages

    def _frozen(self) -> Event:
        return self.random.choice(self.frozen)

    def _new(self) -> Event:
        self.made += 1
        return self._frozen() | {"call_id": f"late-{self.made}@10.0.0.9"}

    def _moved_in(self) -> Event:
        """A record that is not frozen and that a correction moves into a frozen hour; each once."""
        event = self.kept.pop(self.random.randrange(len(self.kept)))
        return self._frozen() | {name: event[name] for name in _KEY} | {"correction": 5}

    def _moved_out(self) -> Event:
        event = self.random.choice(self.kept)
        removed = self._frozen()
        return event | {name: removed[name] for name in _KEY} | {"correction": 5}

    def _corrected(self) -> Event:
        self.made += 1
        return self._frozen() | {"sip_reason": f"late {self.made}", "correction": 7}

    def _leg(self) -> Event:
        self.made += 1
        removed = self._frozen()
        names = ("charge", "billed_seconds", "currency")
        event = {name: value for name, value in removed.items() if name not in names}
        return event | {"leg": 100 + self.made, "final": False}

    def _unmarked(self) -> Event:
        self.made += 1
        return self._frozen() | {"sip_reason": f"second end {self.made}"}


_KEY = ("switch", "call_id", "leg")
_KINDS = {
    "duplicates": (Archive._frozen,),
    "held": (Archive._unmarked,),
    "HOUR_FROZEN": (Archive._new, Archive._moved_in, Archive._leg),
    "RECORD_ARCHIVED": (Archive._corrected, Archive._moved_out),
}


def key_of(event: Event) -> tuple[str, str, int]:
    return event["switch"], event["call_id"], event["leg"]


def moved_to(event: Event, setup: datetime) -> Event:
    """The same call at another time."""
    by = setup - instant(event["setup_at"])
    names = [name for name in event if name.endswith("_at")]
    return event | {name: (instant(event[name]) + by).isoformat() for name in names}
