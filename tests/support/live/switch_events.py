"""The events of a switch in order; a test delivers them in any order."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from domain.records import calls
from domain.records.calls import EventType

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
LEASE = 4 * 3600


class Services(Protocol):
    @property
    def redis_url(self) -> str: ...


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@dataclass
class Switch:
    """Numbers its events from 1 (`boot` None: no numbers). Times are seconds after NOW."""

    name: str = "edge-1"
    boot: int | None = 7
    seq: int = 0
    at: float = 0.0

    def _number(self) -> calls.EventNumber | None:
        self.seq += 1
        return None if self.boot is None else calls.EventNumber(self.boot, self.seq)

    def _say(
        self, type: EventType, call: str, leg: int, customer: int, carrier: int, final: bool = True
    ) -> calls.LiveEvent:
        return calls.LiveEvent(
            type=type,
            switch=self.name,
            call_id=call,
            leg=leg,
            customer_id=customer,
            carrier_id=carrier,
            at=after(self.at),
            setup_at=after(self.at),
            final=final,
            event_number=self._number(),
            lease_seconds=LEASE,
        )

    def start(
        self, call: str, customer: int = 1, carrier: int = 1, leg: int = 0
    ) -> calls.LiveEvent:
        return self._say(EventType.START, call, leg, customer, carrier)

    def ringing(
        self, call: str, customer: int = 1, carrier: int = 1, leg: int = 0
    ) -> calls.LiveEvent:
        return self._say(EventType.RINGING, call, leg, customer, carrier)

    def answer(
        self, call: str, customer: int = 1, carrier: int = 1, leg: int = 0
    ) -> calls.LiveEvent:
        return self._say(EventType.ANSWER, call, leg, customer, carrier)

    def end(
        self,
        call: str,
        customer: int = 1,
        carrier: int = 1,
        leg: int = 0,
        final: bool = True,
        outcome: calls.Outcome | None = None,
    ) -> calls.LiveEvent:
        """With the outcome that its stored record gives it, if any."""
        event = self._say(EventType.END, call, leg, customer, carrier, final)
        return replace(event, outcome=outcome)

    def beat(self, active: int) -> calls.Beat:
        return calls.Beat(self.name, active, after(self.at), self._number(), LEASE)

    def snapshot(self, *calls_of_switch: calls.SnapshotCall) -> calls.Snapshot:
        """Under the number of its last event."""
        number = None if self.boot is None else calls.EventNumber(self.boot, self.seq)
        return calls.Snapshot(self.name, after(self.at), number, calls_of_switch, LEASE)


def answered(talk: float = 60.0, pdd: float | None = 2.0) -> calls.Outcome:
    """Seconds of talk and of post-dial delay (None: it never rang)."""
    return calls.Outcome(True, round(talk * 1e6), None if pdd is None else round(pdd * 1e6))


def failed(pdd: float | None = None) -> calls.Outcome:
    return calls.Outcome(False, 0, None if pdd is None else round(pdd * 1e6))


def up(call: str, customer: int = 1, carrier: int = 1, leg: int = 0) -> calls.SnapshotCall:
    return calls.SnapshotCall(call, leg, customer, carrier, NOW)
