"""The account's range of numbers, and the blocks of it that customers have."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from domain import callers
from domain import numbers as rules
from models import customers as stored_customers
from models import numbers as stored
from models import tables
from resolvers import numbers as resolve
from schema import base, checklist

if TYPE_CHECKING:
    from schema.customers import Customer


@strawberry.type(description="The numbers that the account gives to its customers.")
class NumberRange:
    start: base.Long = strawberry.field(description="The first number.")
    end: base.Long = strawberry.field(description="The last number, included.")
    block_size: base.Long = strawberry.field(description="How many numbers a new block has.")
    size: base.Long = strawberry.field(description="How many numbers there are.")
    assigned: base.Long = strawberry.field(description="How many of them are in blocks.")
    used: base.Long = strawberry.field(description="How many of them have a SIP user.")
    free: base.Long = strawberry.field(description="How many of them have no SIP user.")

    @classmethod
    def of(cls, use: resolve.Use) -> "NumberRange":
        span = use.range.span
        return cls(
            start=span.first,
            end=span.last,
            block_size=use.range.block_size,
            size=span.size,
            assigned=use.assigned,
            used=use.used,
            free=span.size - use.used,
        )


@strawberry.type(description="A range of numbers that one customer alone may use.")
class NumberBlock(base.Node):
    row: strawberry.Private[stored.Block]
    first: base.Long = strawberry.field(description="Its first number.")
    last: base.Long = strawberry.field(description="Its last number, included.")
    size: base.Long = strawberry.field(description="How many numbers it has.")
    assigned_at: datetime = strawberry.field(description="When the customer got it.")

    @classmethod
    def of(cls, row: stored.Block) -> "NumberBlock":
        return cls(
            row=row,
            id=base.encode_id("NumberBlock", row.account_id, row.id),
            first=row.span.first,
            last=row.span.last,
            size=row.span.size,
            assigned_at=row.assigned_at,
        )

    @strawberry.field(description="How many of its numbers have a SIP user.")
    async def used(self, info: base.Info) -> base.Long:
        return await _used(info, self.row)

    @strawberry.field(description="How many of its numbers have no SIP user.")
    async def free(self, info: base.Info) -> base.Long:
        return self.row.span.size - await _used(info, self.row)

    @strawberry.field(description="Whose it is.")
    async def customer(
        self, info: base.Info
    ) -> Annotated["Customer", strawberry.lazy("schema.customers")]:
        return await customer_of(info, self.row.account_id, self.row.customer_id)


async def _used(info: base.Info, row: stored.Block) -> int:
    return await info.context.loader(resolve.used).load((row.account_id, row.span))


async def customer_of(info: base.Info, account_id: int, customer_id: int) -> "Customer":
    """Of a foreign key, so that there is one."""
    from schema.customers import Customer  # here, because customers show their numbers

    return Customer.of(await info.context.loader(_customers).load((account_id, customer_id)))


async def _customers(keys: list[tuple[int, int]]) -> Sequence[tables.Customer]:
    found = await stored_customers.many(keys[0][0], [customer_id for _, customer_id in keys])
    return [found[customer_id] for _, customer_id in keys]


# Read ----------------------------------------------------------------------------------------


@strawberry.type
class HasBlocks(base.Scoped):
    """Of a customer."""

    @strawberry.field(
        description="Its number blocks, in order of their numbers: at most `first`; give the"
        " `last` of the last one to `after` for more. Empty: it picks from the account's range."
    )
    async def number_blocks(
        self,
        info: base.Info,
        first: base.First = base.MAX_PAGE,
        after: Annotated[
            base.Long | None,
            strawberry.argument(description="A number: blocks above it; null: from the start."),
        ] = None,
    ) -> list[NumberBlock]:
        assert self.customer_id is not None
        key = (self.customer_id, (info.context.signed_in(), after, base.page_size(first)))
        rows = await info.context.loader(_pages, cached=False).load(key)
        return [NumberBlock.of(row) for row in rows]


_Page: TypeAlias = tuple[callers.Caller, int | None, int]  # who asks, `after`, `limit`


async def _pages(keys: list[tuple[int, _Page]]) -> Sequence[list[stored.Block]]:
    """Of each customer; those that are asked for the same page, in one statement."""
    customers = base.grouped(keys)
    found = {page: await resolve.pages(page[0], ids, *page[1:]) for page, ids in customers.items()}
    return [found[page][customer_id] for customer_id, page in keys]


@strawberry.type
class HasRange(base.Scoped):
    """Of an account."""

    @strawberry.field(description="The numbers for its customers; null: none set yet. Staff.")
    async def number_range(self, info: base.Info) -> NumberRange | None:
        found = await resolve.range_of(info.context.signed_in())
        return None if found is None else NumberRange.of(found)

    @strawberry.field(description="All number blocks, in order of their numbers. Staff.")
    async def number_blocks(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[NumberBlock]:
        size = base.page_size(first)
        start = base.decode_number_cursor(after)
        rows = await resolve.page(info.context.signed_in(), start, size + 1)
        return base.page(rows, size, lambda row: base.encode_cursor(row.span.first), NumberBlock.of)


async def node(info: base.Info, parts: tuple[str, ...]) -> NumberBlock | None:
    number = base.single(parts)
    row = None if number is None else await resolve.one(info.context.signed_in(), number)
    return None if row is None else NumberBlock.of(row)


# Change --------------------------------------------------------------------------------------


@strawberry.input(description="The numbers that the account gives to its customers.")
class SetNumberRangeInput:
    start: base.Long = strawberry.field(description="The first number, such as 1000.")
    end: base.Long = strawberry.field(
        description=f"The last number, included, such as 99999; at most {rules.LARGEST}."
    )
    block_size: base.Long = strawberry.field(
        description="How many numbers a new block has; blocks assigned before keep their size."
    )


@strawberry.input(description="A block to free.")
class FreeNumberBlockInput:
    id: strawberry.ID = strawberry.field(description="The block's id.")


SetNumberRangeResult: TypeAlias = Annotated[
    NumberRange | base.Refused,
    strawberry.union("SetNumberRangeResult", description="The range, or why it stays."),
]
AssignNumberBlockResult: TypeAlias = Annotated[
    NumberBlock | base.Refused,
    strawberry.union("AssignNumberBlockResult", description="The block, or why there is none."),
]
FreeNumberBlockResult: TypeAlias = Annotated[
    NumberBlock | base.Refused,
    strawberry.union("FreeNumberBlockResult", description="The block as it was, or why it stays."),
]


@strawberry.type
class NumberMutation:
    @strawberry.mutation(
        description="Sets the account's range. RANGE_IN_USE where a block or a SIP user would be"
        " left outside. Owner and support."
    )
    async def set_number_range(
        self,
        info: base.Info,
        input: Annotated[SetNumberRangeInput, strawberry.argument(description="The range.")],
    ) -> SetNumberRangeResult:
        caller, now = info.context.signed_in(), info.context.now
        found = await resolve.set_range(caller, input.start, input.end, input.block_size, now)
        await checklist.settle(info, None)
        return NumberRange.of(found)

    @strawberry.mutation(
        description="Gives a customer the lowest free block, or the one that is named: one that"
        " touches no other block and no SIP user of another customer. NO_FREE_BLOCK, BLOCK_TAKEN,"
        " NO_NUMBER_RANGE. Owner and support."
    )
    async def assign_number_block(
        self,
        info: base.Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Who gets it.")],
        first: Annotated[
            base.Long | None,
            strawberry.argument(
                description="The block that begins with it; null: the lowest free one."
            ),
        ] = None,
        idempotency_key: Annotated[
            str | None,
            strawberry.argument(
                description="Chosen anew for each request, 1 to 200 characters; the same key again"
                " answers the same block and assigns no other."
            ),
        ] = None,
    ) -> AssignNumberBlockResult:
        caller, now = info.context.signed_in(), info.context.now
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
        return NumberBlock.of(await resolve.assign(caller, customer, first, idempotency_key, now))

    @strawberry.mutation(
        description="Takes a block back. BLOCK_IN_USE while it has SIP users. Owner and support."
    )
    async def free_number_block(
        self,
        info: base.Info,
        input: Annotated[FreeNumberBlockInput, strawberry.argument(description="Which block.")],
    ) -> FreeNumberBlockResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "NumberBlock", caller.account_id)
        return NumberBlock.of(await resolve.free(caller, id, info.context.now))
