"""Random calls of several legs, and which of them a filter selects, without SQL."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.records import calls
from domain.records.call_filters import Filter
from models.records import call_list
from models.records.call_list import Page, Scope
from models.records.stored_records import Position
from tests.support.records import sample_records
from tests.support.records.sample_records import NOW

CUSTOMERS, CARRIERS = (1, 2, 3), (0, 7, 8)
NUMBERS = ("+441632960000", "441632960001", "+15550100", "15", "anonymous", "")
CODES, RELEASED = (None, 200, 486, 503), (None, "caller", "callee")

Key = tuple[str, int]  # call id and leg


def records(chance: random.Random, count: int, days: int = 12) -> list[calls.Record]:
    """The legs of `count` calls; about three calls have the same setup."""
    seconds = [chance.randrange(1, days * 86_400) for _ in range(1 + count // 3)]
    return [
        leg
        for number in range(count)
        for leg in _legs(chance, f"c{number}", NOW - timedelta(seconds=chance.choice(seconds)))
    ]


def _legs(chance: random.Random, call_id: str, setup_at: datetime) -> list[calls.Record]:
    last, customer_id = chance.choice((0, 0, 0, 1, 2)), chance.choice(CUSTOMERS)
    return [
        sample_records.record(
            call_id,
            leg=leg,
            customer_id=customer_id,
            setup_at=setup_at,
            final=leg == last,
            carrier_id=chance.choice(CARRIERS),
            source=chance.choice(NUMBERS),
            destination=chance.choice(NUMBERS),
            sip_code=chance.choice(CODES),
            released_by=chance.choice(RELEASED),
            **_charge(chance, is_final=leg == last),
            **_answer(chance, is_final=leg == last),
        )
        for leg in range(last + 1)
    ]


def _charge(chance: random.Random, *, is_final: bool) -> dict[str, Any]:
    return {} if is_final and chance.random() < 0.8 else {"rated_by": None, "charge": None}


def _answer(chance: random.Random, *, is_final: bool) -> dict[str, Any]:
    return {} if is_final and chance.random() < 0.7 else {"answer_at": None, "talk_us": 0}


def filter_of(chance: random.Random) -> Filter:
    """Usually of few conditions."""

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.2 else None

    start = NOW - timedelta(seconds=chance.randrange(1, 12 * 86_400))
    return Filter(
        start=maybe(start),
        end=maybe(start + timedelta(seconds=chance.randrange(1, 6 * 86_400))),
        answered=maybe(chance.random() < 0.5),
        source=maybe(chance.choice(("4", "44163296000", "1", "9"))),
        destination=maybe(chance.choice(("1555", "15", "44"))),
        carrier_ids=maybe(chance.sample((7, 8), chance.randrange(1, 3))),
        sip_codes=maybe(chance.sample((200, 486, 503), chance.randrange(1, 3))),
        released_by=maybe(chance.choice(("caller", "callee", "nobody"))),
        unrated=maybe(chance.random() < 0.5),
        call_id=maybe(f"c{chance.randrange(20)}"),
    )


def selected(records: Iterable[calls.Record], scope: Scope, filter: Filter) -> set[Key]:
    """The records that a list contains."""
    return {
        (record.call_id, record.leg)
        for record in records
        if _is_in(scope, record) and all(test(record) for test in _tests(filter))
    }


def _is_in(scope: Scope, record: calls.Record) -> bool:
    if scope.carrier_id is not None:
        return record.carrier_id == scope.carrier_id
    return record.final and scope.customer_id in (None, record.customer_id)


def _tests(filter: Filter) -> list[Callable[[calls.Record], bool]]:
    """One for each condition of the filter."""
    start, end, codes, carriers = filter.start, filter.end, filter.sip_codes, filter.carrier_ids
    source, destination = filter.source, filter.destination
    tests: dict[object, Callable[[calls.Record], bool]] = {
        "start": lambda one: start is None or one.setup_at >= start,
        "end": lambda one: end is None or one.setup_at < end,
        "answered": lambda one: filter.answered in (None, one.answer_at is not None),
        "source": lambda one: source is None or _digits(one.source).startswith(source),
        "to": lambda one: destination is None or _digits(one.destination).startswith(destination),
        "carriers": lambda one: carriers is None or one.carrier_id in carriers,
        "codes": lambda one: codes is None or one.sip_code in codes,
        "released": lambda one: filter.released_by in (None, one.released_by),
        "unrated": lambda one: filter.unrated in (None, one.final and one.charge is None),
        "id": lambda one: filter.call_id in (None, one.call_id, one.received_call_id),
    }
    return list(tests.values())


def _digits(number: str) -> str:
    return number[1:] if number.startswith("+") else number


async def pages(
    scope: Scope, filter: Filter, limit: int, before: Position | None = None
) -> list[Page]:
    """All pages of a list."""
    read: list[Page] = []
    while not read or before is not None:
        read.append(await call_list.page(scope, filter, before, limit, NOW))
        before = read[-1].rest
    return read


def listed(pages: Sequence[Page]) -> list[Key]:
    """What the pages contain, in order."""
    return [(record.call_id, record.leg) for page in pages for record, _ in page.calls]
