"""Generated calls, each planned completely at its setup. The same seed gives the same calls."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

# Reserved for fiction: +44 1632 96xxxx and +1 555 01xx. Prefix and number of further digits.
_SOURCES = ("+441632960", "+441632961", "+441632962")
_DESTINATIONS = (
    ("+441632960", 3),
    ("+441632961", 3),
    ("+441632962", 3),
    ("+441632963", 3),
    ("+1555010", 1),
    ("+1555011", 1),
    ("+1555012", 1),
)
_REASONS = {
    200: ("OK", 16),
    404: ("Not Found", 1),
    480: ("Temporarily Unavailable", 19),
    486: ("Busy Here", 17),
    487: ("Request Terminated", 16),
    503: ("Service Unavailable", 38),
}
# Final codes of attempts that are not answered, with their weights.
_FAILURES = ((480, 36), (486, 24), (487, 26), (404, 10), (503, 4))

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leg:
    """One offer to one carrier (None: refused before a carrier was selected)."""

    number: int
    carrier: str | None
    offered_at: datetime
    ringing_at: datetime | None
    answer_at: datetime | None
    end_at: datetime
    sip_code: int
    released_by: str
    dtmf_digits: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    call_id: str
    customer: str
    source: str
    destination: str
    setup_at: datetime
    legs: tuple[Leg, ...]

    @property
    def last(self) -> Leg:
        return self.legs[-1]

    @property
    def talk(self) -> timedelta:
        last = self.last
        return timedelta(0) if last.answer_at is None else last.end_at - last.answer_at


@dataclass(frozen=True, slots=True)
class Mix:
    """The customers and carriers of the calls. The first ones have the most calls.

    `talk_seconds`: the mean talk time of answered calls. `failover`: the share of offers that a
    carrier refuses with 503.
    """

    customers: tuple[str, ...]
    carriers: tuple[str, ...]
    talk_seconds: float = 30.0
    failover: float = 0.05


class Planner:
    """Plans calls. `name` keeps call ids unique across switches and starts."""

    def __init__(self, mix: Mix, random: Random, name: str) -> None:
        self._mix = mix
        self._random = random
        self._name = name
        self._count = 0

    def plan(self, at: datetime) -> Call:
        random, mix = self._random, self._mix
        self._count += 1
        place = _weighted_index(random, len(mix.customers))
        prefix, digits = random.choice(_DESTINATIONS)
        return Call(
            call_id=f"{self._count}-{random.getrandbits(32):08x}@{self._name}",
            customer=mix.customers[place],
            source=f"{random.choice(_SOURCES)}{random.randrange(1000):03d}",
            destination=f"{prefix}{random.randrange(10**digits):0{digits}d}",
            setup_at=at,
            legs=self._legs(at, answered=random.random() < 0.62 - 0.05 * place % 0.25),
        )

    def _legs(self, at: datetime, *, answered: bool) -> tuple[Leg, ...]:
        random, carriers = self._random, self._mix.carriers
        if random.random() < 0.01:
            return (Leg(0, None, at, None, None, at + self._span(0.01, 0.05), 404, "system"),)
        legs: list[Leg] = []
        first = _weighted_index(random, len(carriers))
        while len(legs) < len(carriers) - 1 and random.random() < self._mix.failover:
            carrier = carriers[(first + len(legs)) % len(carriers)]
            end = at + self._span(0.05, 1.5)
            legs.append(Leg(len(legs), carrier, at, None, None, end, 503, "callee"))
            at = end
        carrier = carriers[(first + len(legs)) % len(carriers)]
        plan_last = self._answered_leg if answered else self._failed_leg
        return (*legs, plan_last(len(legs), carrier, at))

    def _answered_leg(self, number: int, carrier: str, at: datetime) -> Leg:
        random = self._random
        ringing = at + self._span(0.3, 4.0)
        answer = ringing + self._span(1.0, 14.0)
        # Lognormal with this mean, because most calls are short and a few are very long.
        mean = self._mix.talk_seconds
        talk = timedelta(seconds=mean * random.lognormvariate(-0.405, 0.9))
        digits = random.randint(1, 12) if random.random() < 0.2 else 0
        by = random.choice(("caller", "caller", "callee"))
        return Leg(number, carrier, at, ringing, answer, answer + talk, 200, by, digits)

    def _failed_leg(self, number: int, carrier: str, at: datetime) -> Leg:
        random = self._random
        codes, weights = zip(*_FAILURES, strict=True)
        code: int = random.choices(codes, weights)[0]
        if code in (404, 486, 503):
            return Leg(number, carrier, at, None, None, at + self._span(0.2, 2.5), code, "callee")
        ringing = at + self._span(0.3, 4.0)
        end = ringing + (self._span(2, 20) if code == 487 else self._span(20, 30))
        by = "caller" if code == 487 else "callee"
        return Leg(number, carrier, at, ringing, None, end, code, by)

    def _span(self, min_seconds: float, max_seconds: float) -> timedelta:
        return timedelta(seconds=self._random.uniform(min_seconds, max_seconds))


def _weighted_index(random: Random, count: int) -> int:
    return random.choices(range(count), [1 / (place + 1) for place in range(count)])[0]


def cut(call: Call, at: datetime) -> Call:
    """The call if the switch ends it at `at`; unchanged if it has already ended."""
    if call.last.end_at <= at:
        return call
    legs = [leg for leg in call.legs if leg.number == 0 or leg.offered_at <= at]
    last = legs[-1]
    ringing = last.ringing_at if last.ringing_at and last.ringing_at <= at else None
    answer = last.answer_at if last.answer_at and last.answer_at <= at else None
    legs[-1] = replace(
        last,
        ringing_at=ringing,
        answer_at=answer,
        end_at=max(at, last.offered_at),
        sip_code=200 if answer else 487,
        released_by="system",
        dtmf_digits=last.dtmf_digits if answer else 0,
    )
    return replace(call, legs=tuple(legs))


def events(call: Call, switch: str) -> Iterator[tuple[datetime, Event]]:
    """The events of the call in order, each with its time. Times in events are datetimes."""
    for leg in call.legs:
        common: Event = {
            "call_id": call.call_id,
            "leg": leg.number,
            "switch": switch,
            "customer": call.customer,
            "source": call.source,
            "destination": call.destination,
            "setup_at": call.setup_at,
            "direction": "outbound",
        }
        if leg.carrier is not None:
            common["carrier"] = leg.carrier
        yield leg.offered_at, {"type": "start", **common, "at": leg.offered_at}
        if leg.ringing_at is not None:
            yield leg.ringing_at, {"type": "ringing", **common, "at": leg.ringing_at}
        if leg.answer_at is not None:
            yield leg.answer_at, {"type": "answer", **common, "at": leg.answer_at}
        yield leg.end_at, {"type": "end", **common, **_outcome(leg, leg is call.last)}


def records(call: Call, switch: str) -> Iterator[Event]:
    """Only the `end` events, which are enough for billing."""
    return (event for _, event in events(call, switch) if event["type"] == "end")


def _outcome(leg: Leg, final: bool) -> Event:
    reason, cause = _REASONS[leg.sip_code]
    outcome: Event = {
        "offered_at": leg.offered_at,
        "end_at": leg.end_at,
        "sip_code": leg.sip_code,
        "sip_reason": reason,
        "q850_cause": cause,
        "released_by": leg.released_by,
        "dtmf_digits": leg.dtmf_digits,
        "final": final,
    }
    if leg.ringing_at is not None:
        outcome["ringing_at"] = leg.ringing_at
    if leg.answer_at is not None:
        outcome["answer_at"] = leg.answer_at
    return outcome
