"""The account's number range and its blocks: set, assigned and read, with the caller's
permissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import refusals
from domain.identity import callers
from domain.numbering import number_ranges
from models import db, idempotency
from models.numbering import account_ranges, number_blocks
from models.numbering.number_blocks import Block as Block
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers

_ASSIGN = "assignNumberBlock"


@dataclass(frozen=True, slots=True)
class Use:
    """A range, and how many of its numbers are in blocks and have a SIP user."""

    range: number_ranges.Range
    assigned: int
    used: int


async def set_range(
    caller: callers.Caller, start: int, end: int, block_size: int, now: datetime
) -> Use:
    """Sets the range. Refuses INVALID with the field, RANGE_IN_USE."""
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    new_range = number_ranges.validate_range(start, end, block_size)
    async with db.transaction() as conn:
        before = await account_ranges.set_range(conn, caller.account_id, new_range)
        await audit_entries.write(
            caller,
            "number_range.set",
            f"account:{caller.account_id}",
            now,
            before=None if before is None else _range(before),
            after=_range(new_range),
        )
        return await _use(caller.account_id, new_range)


async def range_of(caller: callers.Caller) -> Use | None:
    """The range; None if it has not been set."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    number_range = await account_ranges.read(caller.account_id)
    return None if number_range is None else await _use(caller.account_id, number_range)


async def assign(
    caller: callers.Caller, customer_id: int, first: int | None, key: str | None, now: datetime
) -> Block:
    """Assigns the lowest free block, or the one from `first`. With a key that was used before,
    returns the block that it assigned.

    Refuses NOT_FOUND, NO_NUMBER_RANGE, NO_FREE_BLOCK, BLOCK_TAKEN, BLOCK_FREED, INVALID.
    """
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    account_id = caller.account_id
    digest = idempotency.digest({"customerId": customer_id, "first": first})
    request = None if key is None else idempotency.Request(_ASSIGN, key, digest)
    async with db.transaction() as conn:
        await customers.existing(account_id, customer_id)
        within = await account_ranges.lock(conn, account_id)
        if request is not None:
            done = await idempotency.find(conn, account_id, request)
            if done is not None:
                return await _still_assigned(account_id, done)
        block = await number_blocks.assign(conn, account_id, customer_id, within, first, now)
        if request is not None:  # no concurrent request can claim it, because the range is locked
            await idempotency.claim(conn, account_id, request, block.id, now)
        await audit_entries.write(
            caller,
            "number_block.assign",
            f"number_block:{block.id}",
            now,
            customer_id=customer_id,
            after=_span(block),
        )
    return block


async def _still_assigned(account_id: int, block_id: int) -> Block:
    block = await number_blocks.get(account_id, block_id)
    if block is None:
        raise refusals.Refusal(
            "BLOCK_FREED",
            "The block that this idempotencyKey assigned was freed. Use a new key for another"
            " block.",
            "idempotencyKey",
        )
    return block


async def free(caller: callers.Caller, block_id: int, now: datetime) -> Block:
    """Frees a block and returns it. Refuses NOT_FOUND, BLOCK_IN_USE."""
    access.require_account(caller, Capability.ASSIGN_NUMBERS)
    if await number_blocks.get(caller.account_id, block_id) is None:
        raise refusals.not_found("NumberBlock", "id")
    async with db.transaction() as conn:
        await account_ranges.lock(conn, caller.account_id)
        block = await number_blocks.free(conn, caller.account_id, block_id)
        await audit_entries.write(
            caller,
            "number_block.free",
            f"number_block:{block.id}",
            now,
            customer_id=block.customer_id,
            before=_span(block),
        )
    return block


async def find(caller: callers.Caller, block_id: int) -> Block | None:
    """A block. None if it does not exist or the caller cannot access it."""
    access.require(caller, Capability.SEE_NUMBERS)
    block = await number_blocks.get(caller.account_id, block_id)
    if block is None or not access.sees_customer(caller, block.customer_id):
        return None
    return block


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Block]:
    """The account's blocks in order of their numbers."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    return await number_blocks.page(caller.account_id, after, limit)


async def pages(
    caller: callers.Caller, customer_ids: Sequence[int], after: int | None, limit: int
) -> dict[int, list[Block]]:
    """The blocks of these customers, in order of their numbers."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    return await number_blocks.pages(caller.account_id, customer_ids, after, limit)


async def used(spans: Sequence[tuple[int, number_ranges.Span]]) -> list[int]:
    """For each span of one account, how many of its numbers have a SIP user."""
    [account_id] = {account_id for account_id, _ in spans}
    return await number_blocks.count_used(account_id, [span for _, span in spans])


async def _use(account_id: int, number_range: number_ranges.Range) -> Use:
    [used] = await number_blocks.count_used(account_id, [number_range.span])
    return Use(
        number_range, await number_blocks.count_assigned(account_id, number_range.span), used
    )


def _range(of: number_ranges.Range) -> dict[str, int]:
    return {"start": of.span.first, "end": of.span.last, "blockSize": of.block_size}


def _span(block: Block) -> dict[str, int]:
    return {"first": block.span.first, "last": block.span.last}
