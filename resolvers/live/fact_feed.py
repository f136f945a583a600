"""Facts as a caller can follow them: from a number on, each exactly once and in order.

The table is read in pages. A message of the bus only triggers the next read; without messages,
the table is read every few seconds.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from domain import facts
from domain.billing import invoices
from domain.identity import callers
from domain.refusals import Refusal
from live import bus as live_bus
from live import listeners, topics
from models import fact_log, faults
from models.alerting import rule_store
from models.billing import invoice_queries
from models.tables import AlertRule
from resolvers import access
from resolvers.directory import customers

T = TypeVar("T")

PAGE = 100
POLL_SECONDS = 5.0  # finds facts whose message was lost
RETRY_SECONDS = 0.5  # while the database is unavailable

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Stream:
    """Facts of one kind, of a customer or (None) of the whole account, after a number."""

    account_id: int
    customer_id: int | None
    kind: facts.Kind
    after: int


async def stream(
    caller: callers.Caller,
    kind: facts.Kind,
    customer_id: int | None,
    after: int | None,
) -> Stream:
    """The stream of the customer, or (None) of all that the caller can access. `after` None:
    from now on.

    Refuses FORBIDDEN, NOT_FOUND; BAD_AFTER if the stream has not reached `after`.
    """
    scope = caller.customer_id if customer_id is None else customer_id
    if scope is not None:
        access.require_visible(caller, scope)
        await customers.existing(caller.account_id, scope)
    last = await fact_log.last_number(caller.account_id, scope, kind)
    if after is not None and not 0 <= after <= last:
        raise Refusal(
            "BAD_AFTER",
            "`after` is {after}, but the last number is {last}. Set 0 to {last}, or omit it to"
            " receive only new events.",
            "after",
            last=last,
            after=after,
        )
    return Stream(caller.account_id, scope, kind, last if after is None else after)


Load = Callable[[int, Sequence[facts.Fact]], Awaitable[Sequence[T]]]


async def follow(
    bus: live_bus.Bus, stream: Stream, load: Load[T]
) -> AsyncGenerator[tuple[facts.Fact, T], None]:
    """Each fact with its subject. Waits for more until the bus is closed."""
    topic = topics.facts(stream.account_id, stream.customer_id, stream.kind)
    async with bus.listen(topic, max_interval=POLL_SECONDS) as wakes:
        async for _ in wakes:
            while page := await _next(stream, load, wakes):
                for fact, subject in page:
                    yield fact, subject
                stream = replace(stream, after=page[-1][0].number)


async def _next(
    stream: Stream, load: Load[T], wakes: listeners.Listener
) -> Sequence[tuple[facts.Fact, T]]:
    """The next page. While the database is unavailable: an empty one, and a retry soon."""
    try:
        page_facts = await fact_log.read_after(
            stream.account_id, stream.customer_id, stream.kind, stream.after, PAGE
        )
        subjects = await load(stream.account_id, page_facts) if page_facts else ()
    except faults.UNAVAILABLE_ERRORS as error:
        _log.debug("facts not read", kind=stream.kind, error=repr(error))
        wakes.max_interval = RETRY_SECONDS
        return ()
    wakes.max_interval = POLL_SECONDS
    return list(zip(page_facts, subjects, strict=True))


async def invoices_of(account_id: int, page_facts: Sequence[facts.Fact]) -> list[invoices.Invoice]:
    """The invoices in their present state. An issued invoice is never removed."""
    by_id = await invoice_queries.by_ids(account_id, [fact.subject_id or 0 for fact in page_facts])
    return [by_id[fact.subject_id or 0] for fact in page_facts]


async def rules_of(account_id: int, page_facts: Sequence[facts.Fact]) -> list[AlertRule]:
    """The rules in their present state. A removed rule remains in the table."""
    by_id = await rule_store.by_ids(account_id, [fact.subject_id or 0 for fact in page_facts])
    return [by_id[fact.subject_id or 0] for fact in page_facts]


async def open_items_of(_: int, page_facts: Sequence[facts.Fact]) -> list[dict[str, int]]:
    """For each checklist code, the number of people with the item outstanding at that time."""
    return [fact.detail["open"] for fact in page_facts]
