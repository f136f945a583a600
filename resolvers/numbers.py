"""The account's range of numbers and its blocks: set, given and read, as the caller may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import callers, numbers, refusals
from models import db, idempotency
from models import numbers as stored
from models.numbers import Block
from resolvers import access, audit, customers
from resolvers.access import Capability

_ASSIGN = "assignNumberBlock"


@dataclass(frozen=True, slots=True)
class Use:
    """A range, and how many of its numbers are in blocks and have a SIP user."""

    range: numbers.Range
    assigned: int
    used: int


async def set_range(
    caller: callers.Caller, start: int, end: int, block_size: int, now: datetime
) -> Use:
    """INVALID with the field, RANGE_IN_USE."""
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    wanted = numbers.number_range(start, end, block_size)
    async with db.transaction() as conn:
        before = await stored.set_range(conn, caller.account_id, wanted)
        await audit.write(
            caller,
            "number_range.set",
            f"account:{caller.account_id}",
            now,
            before=None if before is None else _range(before),
            after=_range(wanted),
        )
        return await _use(caller.account_id, wanted)


async def range_of(caller: callers.Caller) -> Use | None:
    """None where none is set."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    found = await stored.range_of(caller.account_id)
    return None if found is None else await _use(caller.account_id, found)


async def assign(
    caller: callers.Caller, customer_id: int, first: int | None, key: str | None, now: datetime
) -> Block:
    """The lowest free block, or the one from `first`; with a key that was used, what it assigned.

    NOT_FOUND, NO_NUMBER_RANGE, NO_FREE_BLOCK, BLOCK_TAKEN, BLOCK_FREED, INVALID.
    """
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    account_id = caller.account_id
    digest = idempotency.digest({"customerId": customer_id, "first": first})
    async with db.transaction() as conn:
        await customers.existing(account_id, customer_id)
        within = await stored.lock_range(conn, account_id)
        if key is not None:
            done = await idempotency.find(conn, account_id, _ASSIGN, key, digest)
            if done is not None:
                return await _still_assigned(account_id, done)
        block = await stored.assign(conn, account_id, customer_id, within, first, now)
        if key is not None:  # nobody else claims it meanwhile: the range is locked
            await idempotency.claim(conn, account_id, _ASSIGN, key, digest, block.id, now)
        await audit.write(
            caller,
            "number_block.assign",
            f"number_block:{block.id}",
            now,
            customer_id=customer_id,
            after=_span(block),
        )
    return block


async def _still_assigned(account_id: int, block_id: int) -> Block:
    block = await stored.get(account_id, block_id)
    if block is None:
        raise refusals.Refusal(
            "BLOCK_FREED",
            "The block that this idempotencyKey assigned was freed; use a new key for another.",
            "idempotencyKey",
        )
    return block


async def free(caller: callers.Caller, block_id: int, now: datetime) -> Block:
    """The block as it was. NOT_FOUND, BLOCK_IN_USE."""
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    if await stored.get(caller.account_id, block_id) is None:
        raise refusals.no_such("NumberBlock", "id")
    async with db.transaction() as conn:
        await stored.lock_range(conn, caller.account_id)
        block = await stored.free(conn, caller.account_id, block_id)
        await audit.write(
            caller,
            "number_block.free",
            f"number_block:{block.id}",
            now,
            customer_id=block.customer_id,
            before=_span(block),
        )
    return block


async def one(caller: callers.Caller, block_id: int) -> Block | None:
    """None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_NUMBERS)
    block = await stored.get(caller.account_id, block_id)
    if block is None or caller.customer_id not in (None, block.customer_id):
        return None
    return block


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Block]:
    """Of the account, in order of their numbers."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    return await stored.page(caller.account_id, after, limit)


async def pages(
    caller: callers.Caller, customer_ids: Sequence[int], after: int | None, limit: int
) -> dict[int, list[Block]]:
    """Of each of these customers, in order of their numbers."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    return await stored.pages(caller.account_id, customer_ids, after, limit)


async def used(spans: Sequence[tuple[int, numbers.Span]]) -> list[int]:
    """How many numbers of each span, all of one account, have a SIP user."""
    [account_id] = {account_id for account_id, _ in spans}
    return await stored.used(account_id, [span for _, span in spans])


async def _use(account_id: int, found: numbers.Range) -> Use:
    [used] = await stored.used(account_id, [found.span])
    return Use(found, await stored.assigned(account_id, found.span), used)


def _range(of: numbers.Range) -> dict[str, int]:
    return {"start": of.span.first, "end": of.span.last, "blockSize": of.block_size}


def _span(block: Block) -> dict[str, int]:
    return {"first": block.span.first, "last": block.span.last}
