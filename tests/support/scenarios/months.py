"""Two months of unusual call records, generated from a seed. Imports nothing of Callboard."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.scenarios.call_messages import (
    BULK,
    FRESH,
    LATE,
    SECOND,
    Message,
    instant,
    microseconds,
)
from tests.support.scenarios.worlds import Customer, World, edges

_MICROSECOND = timedelta(microseconds=1)
# Where roundings and increments change over.
_EDGES = (0, 1, 999_999, 29_999_999, 30_000_000, 30_000_001, 60_000_000, 60_000_001, 3_600_000_000)
_BUSY_HOURS = (0, 6, 11, 15, 23)


# Reserved for fiction: +44 1632 96xxxx and +1 555 01xx. How many digits follow.
_DESTINATIONS = (
    ("+441632960", 3),
    ("+441632961", 3),
    ("+441632962", 3),
    ("+1555010", 1),
    ("+1555011", 1),
)


class Generator:
    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = Random(seed)
        self.edges = edges(world)
        self.made = 0

    def messages(self, calls: int) -> list[Message]:
        """All of one phase together, shuffled within it."""
        messages: list[Message] = []
        for _ in range(calls):
            messages += self._call()
        self.random.shuffle(messages)
        return sorted(messages, key=lambda message: message.phase)

    def fresh(self, calls: int, at: datetime) -> list[Message]:
        """Calls set up just before the instant, at it, and just after it."""
        self.world = replace(self.world, now=at + timedelta(minutes=2))  # they talk until then
        messages = []
        for n in range(calls):
            setup = at + n % 3 * _MICROSECOND - _MICROSECOND
            customer, base = self._pick_customer(), self._base()
            content = self._content(customer, setup, setup, self._pick_carrier(), True)
            messages.append(Message(FRESH, 0, False, base | {"leg": 0} | content))
        return messages

    def _base(self) -> dict[str, Any]:
        """The fields that all legs of a new attempt share."""
        random = self.random
        self.made += 1
        return {
            "type": "end",
            "call_id": f"{self.made}-{random.getrandbits(40):x}@10.0.0.{self.made % 7}",
            "switch": f"edge-{self.made % 3}",
            "source": f"+441632960{random.randrange(1000):03d}",
            "destination": self._destination(),
            "direction": "outbound",
        }

    def _call(self) -> Iterator[Message]:
        """One attempt: its legs, each with the corrections, repeats and second ends it has."""
        random = self.random
        late = random.random() < 0.01
        customer, base = self._pick_customer(), self._base()
        setup = self._billed_setup() if late else self._setup()
        failovers = random.choices((0, 1, 2), (90, 8, 2))[0]
        at, carriers = setup, random.sample(self.world.carriers, 3)
        for number in range(failovers + 1):
            final = number == failovers
            content = self._content(customer, setup, at, carriers[number][0], final)
            first = base | {"leg": number} | content
            yield from self._tell(LATE if late else BULK, first, customer, final)
            at += timedelta(microseconds=random.randrange(2_000_000))

    def _tell(
        self, phase: int, first: dict[str, Any], customer: Customer, final: bool
    ) -> Iterator[Message]:
        random = self.random
        yield Message(phase, 0, False, first)
        if random.random() < 0.04:
            yield from [Message(max(phase, choice), 0, False, first) for choice in (BULK, SECOND)]
        fate = random.random()
        if fate < 0.04:
            for revision in sorted(random.sample(range(1, 9), random.choice((1, 1, 2, 3)))):
                yield Message(phase, revision, False, self._corrected(first, final, revision))
        elif fate < 0.05:
            yield Message(LATE, 9, False, self._corrected(first, final, 9, late=True))
        elif fate < 0.07 and phase == BULK:
            second = first | {"end_at": self._later(first["end_at"])}
            yield Message(SECOND, 0, True, second)
        elif fate < 0.08 and phase == BULK:
            corrected = self._corrected(first, final, True)
            yield from [Message(SECOND, None, False, corrected)] * random.choice((1, 2))
        elif fate < 0.09 and phase == BULK:
            yield from self._reuses(first, customer, final)

    def _reuses(self, first: dict[str, Any], customer: Customer, final: bool) -> Iterator[Message]:
        """Another call under the id of this one, perhaps with a repeat and a correction after it
        was accepted."""
        random = self.random
        setup = self._setup()
        names = ("type", "call_id", "switch", "source", "direction", "leg")
        base = {name: first[name] for name in names} | {"destination": self._destination()}

        def content() -> dict[str, Any]:
            return base | self._content(customer, setup, setup, self._pick_carrier(), final)

        again = content()
        for phase in (SECOND, LATE)[: random.choice((1, 2))]:
            yield Message(phase, 0, False, again, reuses=True)
        if random.random() < 0.3:
            why = {"correction": 1, "sip_reason": f"corrected {random.getrandbits(40):x}"}
            yield Message(LATE, 1, False, content() | why, reuses=True)

    def _corrected(
        self, first: dict[str, Any], final: bool, number: int | bool, *, late: bool = False
    ) -> dict[str, Any]:
        """Another content: one that costs the same, or perhaps another customer, hour, carrier or
        destination, and surely another talk time."""
        random = self.random
        why = {"correction": number, "sip_reason": f"corrected {random.getrandbits(40):x}"}
        if random.random() < 0.3:
            return first | why | random.choice(({}, {"sip_code": 488}, self._carrier_of(first)))
        customer = self._pick_customer()
        if random.random() < 0.6:
            customer = next(c for c in self.world.customers if c.reference == first["customer"])
        setup = instant(first["setup_at"])
        if random.random() < 0.4:
            setup = self._billed_setup() if late else self._setup()
        changed = {"destination": self._destination()} if random.random() < 0.3 else {}
        names = ("type", "call_id", "switch", "source", "destination", "direction", "leg")
        content = self._content(customer, setup, setup, self._pick_carrier(), final)
        return {name: first[name] for name in names} | changed | why | content

    def _carrier_of(self, first: dict[str, Any]) -> dict[str, Any]:
        return {"carrier": self._pick_carrier()} if "carrier" in first else {}

    def _content(
        self, customer: Customer, setup: datetime, offered: datetime, carrier: str, final: bool
    ) -> dict[str, Any]:
        random = self.random
        content: dict[str, Any] = {
            "customer": customer.reference,
            "setup_at": self._said(setup),
            "final": final,
        }
        refused = final and random.random() < 0.03
        if not refused:
            content["carrier"] = carrier
        if offered != setup:
            content["offered_at"] = self._said(offered)
        answered = final and not refused and random.random() < 0.6
        talk = timedelta(0)
        end = offered + timedelta(microseconds=random.randrange(1_500_000))
        if answered or random.random() < 0.5:
            end += timedelta(microseconds=random.randrange(4_000_000))
            content["ringing_at"] = self._said(end)
        if answered:
            end += timedelta(microseconds=random.randrange(9_000_000))
            content["answer_at"] = self._said(end)
            talk = self._talk(setup)
            end += talk
            content["dtmf_digits"] = random.choice((0, 0, 0, 1, 7))
        if final:
            content |= self._rated(customer, talk)
        content["end_at"] = self._said(end)
        content["sip_code"] = 200 if answered else random.choice((404, 480, 486, 487, 503))
        if not refused and random.random() < 0.5:
            cost = Decimal(random.randrange(10**7)).scaleb(-random.randrange(4, 9))
            content["cost"] = f"{cost:f}"
        return content

    def _talk(self, setup: datetime) -> timedelta:
        random = self.random
        room = (self.world.now - setup) // _MICROSECOND - 20_000_000
        if random.random() < 0.2:
            talk = random.choice(_EDGES)
        else:
            talk = int(random.expovariate(1 / 95_000_000))
        return timedelta(microseconds=max(0, min(talk, room)))

    def _rated(self, customer: Customer, talk: timedelta) -> dict[str, Any]:
        random = self.random
        if random.random() >= customer.by_switch:
            return {}
        if not talk:
            return {"charge": "0", "billed_seconds": 0, "currency": customer.currency}
        charge = Decimal(random.randrange(10**5)).scaleb(-random.choice((2, 4, 6, 9)))
        return {
            "charge": f"{charge:f}",
            "billed_seconds": -(-talk // timedelta(seconds=1)),
            "currency": customer.currency,
        }

    def _destination(self) -> str:
        prefix, digits = self.random.choice(_DESTINATIONS)
        return f"{prefix}{self.random.randrange(10**digits):0{digits}d}"

    def _pick_customer(self) -> Customer:
        return self.random.choices(self.world.customers, (8, 6, 4, 3, 2))[0]

    def _pick_carrier(self) -> str:
        return self.random.choice(self.world.carriers)[0]

    def _setup(self) -> datetime:
        """Any day until now: in a few busy hours, or on the last day in all of them."""
        random, world = self.random, self.world
        if random.random() < 0.06:
            return world.now - timedelta(
                microseconds=random.randrange(60_000_000, 26 * 3_600_000_000)
            )
        return self._busy(world.start, world.now - timedelta(hours=2))

    def _billed_setup(self) -> datetime:
        """In the two whole months that the test bills."""
        month = self.world.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return self._busy(self.world.start, month)

    def _busy(self, start: datetime, end: datetime) -> datetime:
        """In a few hours of a day, or about the instant of a change of prices."""
        random = self.random
        if random.random() < 0.03:
            edge = random.choice([at for at in self.edges if start < at < end])
            return edge + random.choice((-1, 0, 1)) * _MICROSECOND
        while True:
            at = start + timedelta(
                days=random.randrange((end - start).days + 1),
                hours=random.choice(_BUSY_HOURS),
                microseconds=random.choice((0, random.randrange(3_600_000_000), 3_599_999_999)),
            )
            if at < end:
                return at

    def _later(self, said: object) -> object:
        return self._said(instant(said) + timedelta(microseconds=self.random.randrange(1, 10**6)))

    def _said(self, at: datetime) -> str | int:
        """The instant as some switch writes it."""
        way = self.random.randrange(3)
        if way == 0:
            return microseconds(at)
        if way == 1:
            return at.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat()
        return at.isoformat().replace("+00:00", "Z")
