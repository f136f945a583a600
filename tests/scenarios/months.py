"""Two months of awkward call records, made from a seed. Nothing of Callboard's is imported here.

The messages are what switches would post, in four phases that are posted one after the other; the
order within a phase does not matter, and several clients share it:

BULK    first contents, numbered corrections (in any order) and repeated messages
SECOND  unmarked second ends (held, never counted), corrections "whichever comes next", repeats
LATE    after the invoices: new calls and corrections of hours that are already billed
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

from worlds import Customer, World

BULK, SECOND, LATE = range(3)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Where roundings and increments change over.
_EDGES = (0, 1, 999_999, 29_999_999, 30_000_000, 30_000_001, 60_000_000, 60_000_001, 3_600_000_000)
_BUSY_HOURS = (0, 6, 11, 15, 23)


@dataclass(frozen=True, slots=True)
class Message:
    """`revision` None: a correction after whatever is there. `held`: never to be counted."""

    phase: int
    revision: int | None
    held: bool
    event: dict[str, Any]


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
        self.carriers = dict(world.carriers)
        self.made = 0

    def messages(self, calls: int) -> list[Message]:
        """All of one phase together, shuffled within it."""
        messages: list[Message] = []
        for _ in range(calls):
            messages += self._call()
        self.random.shuffle(messages)
        return sorted(messages, key=lambda message: message.phase)

    def _call(self) -> Iterator[Message]:
        """One attempt: its legs, each with the corrections, repeats and second ends it has."""
        random = self.random
        self.made += 1
        late = random.random() < 0.01
        customer = self._pick_customer()
        base: dict[str, Any] = {
            "type": "end",
            "call_id": f"{self.made}-{random.getrandbits(40):x}@10.0.0.{self.made % 7}",
            "switch": f"edge-{self.made % 3}",
            "source": f"+441632960{random.randrange(1000):03d}",
            "destination": self._destination(),
            "direction": "outbound",
        }
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

    def _corrected(
        self, first: dict[str, Any], final: bool, number: int | bool, *, late: bool = False
    ) -> dict[str, Any]:
        """Another content: perhaps another customer, hour or carrier, surely another talk time."""
        random = self.random
        customer = self._pick_customer()
        if random.random() < 0.6:
            customer = next(c for c in self.world.customers if c.reference == first["customer"])
        setup = _instant(first["setup_at"])
        if random.random() < 0.4:
            setup = self._billed_setup() if late else self._setup()
        carrier = random.choice(self.world.carriers)[0]
        kept = {key: first[key] for key in ("type", "call_id", "switch", "source", "leg")}
        return (
            kept
            | {"destination": first["destination"], "direction": "outbound", "correction": number}
            | self._content(customer, setup, setup, carrier, final)
        )

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
        random = self.random
        while True:
            at = start + timedelta(
                days=random.randrange((end - start).days + 1),
                hours=random.choice(_BUSY_HOURS),
                microseconds=random.choice((0, random.randrange(3_600_000_000), 3_599_999_999)),
            )
            if at < end:
                return at

    def _later(self, said: object) -> object:
        return self._said(_instant(said) + timedelta(microseconds=self.random.randrange(1, 10**6)))

    def _said(self, at: datetime) -> str | int:
        """The instant as some switch writes it."""
        way = self.random.randrange(3)
        if way == 0:
            return (at - _EPOCH) // _MICROSECOND
        if way == 1:
            return at.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat()
        return at.isoformat().replace("+00:00", "Z")


def _instant(said: object) -> datetime:
    if isinstance(said, int):
        return _EPOCH + said * _MICROSECOND
    return datetime.fromisoformat(str(said)).astimezone(UTC)


def rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages as plain rows, instants in microseconds: the input of the independent sums."""
    return [_row(message) for message in messages]


def _row(message: Message) -> dict[str, Any]:
    event = message.event

    def us(name: str) -> int | None:
        return (_instant(event[name]) - _EPOCH) // _MICROSECOND if name in event else None

    return {
        "phase": message.phase,
        "revision": message.revision,
        "held": message.held,
        **{name: event[name] for name in ("switch", "call_id", "leg", "customer", "final")},
        "destination": event["destination"].lstrip("+"),
        "carrier": event.get("carrier"),
        "setup_us": us("setup_at"),
        "offered_us": us("offered_at"),
        "ringing_us": us("ringing_at"),
        "answer_us": us("answer_at"),
        "end_us": us("end_at"),
        "sip_code": event["sip_code"],
        "dtmf": event.get("dtmf_digits", 0),
        "charge": event.get("charge"),
        "billed": event.get("billed_seconds"),
        "cost": event.get("cost"),
    }
