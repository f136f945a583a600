"""Facts as a caller may follow them: from a number on, each once, in order, none missed.

The table is the truth and is read in pages. The bus only says when to look again; where it is
silent, it is looked every few seconds.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from domain import billing, callers, facts
from domain.refusals import Refusal
from live import bus, topics
from models import alert_rules, faults, invoices
from models import facts as stored
from models.tables import AlertRule
from resolvers import access, customers
from resolvers.access import Capability

T = TypeVar("T")

PAGE = 100
LOOK_EVERY = 5.0  # seconds: heals what was not heard
RETRY = 0.5  # seconds between tries while the database is away

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of facts of a customer, or (None) of the whole account, after a number of it."""

    account_id: int
    customer_id: int | None
    kind: facts.Kind
    after: int


async def stream(
    caller: callers.Caller,
    capability: Capability,
    kind: facts.Kind,
    customer_id: int | None,
    after: int | None,
) -> Stream:
    """Of the customer, or (None) of all that the caller sees; after None: from now on.

    FORBIDDEN, NOT_FOUND; BAD_AFTER where `after` is no number that the stream has reached.
    """
    scope = caller.customer_id if customer_id is None else customer_id
    access.require_scope(caller, capability, scope)
    if scope is not None:
        await customers.existing(caller.account_id, scope)
    last = await stored.last(caller.account_id, scope, kind)
    if after is not None and not 0 <= after <= last:
        raise Refusal(
            "BAD_AFTER",
            "The last number here is {last}, not {after}: give one from 0 to {last}, or none to"
            " be told of what is new.",
            "after",
            last=last,
            after=after,
        )
    return Stream(caller.account_id, scope, kind, last if after is None else after)


Load = Callable[[int, Sequence[facts.Fact]], Awaitable[Sequence[T]]]


async def follow(
    heard: bus.Bus, stream: Stream, load: Load[T]
) -> AsyncGenerator[tuple[facts.Fact, T], None]:
    """Each fact with what it is about; waits for more until the bus is closed."""
    topic = topics.facts(stream.account_id, stream.customer_id, stream.kind)
    async with heard.listen(topic, max_interval=LOOK_EVERY) as wakes:
        async for _ in wakes:
            while page := await _next(stream, load, wakes):
                for fact, thing in page:
                    yield fact, thing
                stream = replace(stream, after=page[-1][0].number)


async def _next(
    stream: Stream, load: Load[T], wakes: bus.Listener
) -> Sequence[tuple[facts.Fact, T]]:
    """The next page; none, and another try soon, while the database is away."""
    try:
        found = await stored.since(
            stream.account_id, stream.customer_id, stream.kind, stream.after, PAGE
        )
        things = await load(stream.account_id, found) if found else ()
    except faults.AWAY as error:
        _log.warning("facts not read", kind=stream.kind, error=repr(error))
        wakes.max_interval = RETRY
        return ()
    wakes.max_interval = LOOK_EVERY
    return list(zip(found, things, strict=True))


async def invoices_of(account_id: int, found: Sequence[facts.Fact]) -> list[billing.Invoice]:
    """As they are now. What is issued is never removed."""
    by_id = await invoices.by_ids(account_id, [fact.subject_id or 0 for fact in found])
    return [by_id[fact.subject_id or 0] for fact in found]


async def rules_of(account_id: int, found: Sequence[facts.Fact]) -> list[AlertRule]:
    """As they are now; a rule stays when it is removed."""
    by_id = await alert_rules.many(account_id, [fact.subject_id or 0 for fact in found])
    return [by_id[fact.subject_id or 0] for fact in found]


async def open_items_of(_: int, found: Sequence[facts.Fact]) -> list[dict[str, int]]:
    """How many had each item open then, by its code."""
    return [fact.detail["open"] for fact in found]
