"""The account's number range, and the number blocks of customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from domain.numbering import number_ranges
from resolvers.access import Capability
from resolvers.numbering import block_assignment
from schema.engine import base, permissions
from schema.engine.documents import expensive


@permissions.open_type
@strawberry.type(description="The numbers that the account assigns to its customers.")
class NumberRange:
    start: base.Long = strawberry.field(description="The first number.")
    end: base.Long = strawberry.field(description="The last number, inclusive.")
    block_size: base.Long = strawberry.field(description="How many numbers a new block has.")
    size: base.Long = strawberry.field(description="How many numbers the range contains.")
    assigned: base.Long = strawberry.field(description="How many of them are in blocks.")
    used: base.Long = strawberry.field(description="How many of them have a SIP user.")
    free: base.Long = strawberry.field(description="How many of them have no SIP user.")

    @classmethod
    def of(cls, use: block_assignment.Use) -> "NumberRange":
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


@permissions.open_type
@strawberry.type(description="A range of numbers that is reserved for one customer.")
class NumberBlock(base.Node):
    row: strawberry.Private[block_assignment.Block]
    first: base.Long = strawberry.field(description="Its first number.")
    last: base.Long = strawberry.field(description="Its last number, inclusive.")
    size: base.Long = strawberry.field(description="How many numbers it contains.")
    assigned_at: datetime = strawberry.field(description="When it was assigned.")

    @classmethod
    def of(cls, row: block_assignment.Block) -> "NumberBlock":
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


async def _used(info: base.Info, row: block_assignment.Block) -> int:
    return await info.context.loader(block_assignment.used).load((row.account_id, row.span))


# Read ----------------------------------------------------------------------------------------


@strawberry.type
class HasBlocks(base.Scoped):
    """Fields of a customer."""

    @permissions.field(
        requires=Capability.SEE_NUMBERS,
        description=(
            "At most `first` of its number blocks, in order of their numbers. For more, pass the"
            " `last` of the last block as `after`. If it has no blocks, it picks from the"
            " account's range."
        ),
    )
    async def number_blocks(
        self,
        info: base.Info,
        first: base.First = base.MAX_PAGE,
        after: Annotated[
            base.Long | None,
            strawberry.argument(
                description="A number; only blocks above it. Null: from the start."
            ),
        ] = None,
    ) -> list[NumberBlock] | None:
        assert self.customer_id is not None
        key = (self.customer_id, (info.context.signed_in(), after, base.page_size(first)))
        rows = await info.context.loader(_pages, cached=False).load(key)
        return [NumberBlock.of(row) for row in rows]


_Page: TypeAlias = tuple[callers.Caller, int | None, int]  # caller, `after`, `limit`


async def _pages(keys: list[tuple[int, _Page]]) -> Sequence[list[block_assignment.Block]]:
    """The page of each customer. Customers with an equal page share a statement."""
    customers = base.grouped(keys)
    blocks = {
        page: await block_assignment.pages(page[0], ids, *page[1:])
        for page, ids in customers.items()
    }
    return [blocks[page][customer_id] for customer_id, page in keys]


@strawberry.type
class HasRange(base.Scoped):
    """Fields of an account."""

    @permissions.field(
        requires=Capability.SEE_NUMBERS,
        whole_account=True,
        description=(
            "The range of numbers for its customers. Null if it has not been set. Refused: BUSY."
        ),
        extensions=[expensive.Expensive()],
    )
    async def number_range(self, info: base.Info) -> NumberRange | None:
        number_range = await block_assignment.range_of(info.context.signed_in())
        return None if number_range is None else NumberRange.of(number_range)

    @permissions.field(
        requires=Capability.SEE_NUMBERS,
        whole_account=True,
        description="All number blocks, in order of their numbers.",
    )
    async def number_blocks(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[NumberBlock] | None:
        size = base.page_size(first)
        start = base.decode_number_cursor(after)
        rows = await block_assignment.page(info.context.signed_in(), start, size + 1)
        return base.page(
            rows, size, after, lambda row: base.encode_cursor(row.span.first), NumberBlock.of
        )


async def node(info: base.Info, parts: tuple[str, ...]) -> NumberBlock | None:
    number = base.single(parts)
    row = None if number is None else await block_assignment.find(info.context.signed_in(), number)
    return None if row is None else NumberBlock.of(row)


# Change --------------------------------------------------------------------------------------


@strawberry.input(description="The numbers that the account assigns to its customers.")
class SetNumberRangeInput:
    start: base.Long = strawberry.field(description="The first number, such as 1000.")
    end: base.Long = strawberry.field(
        description="The last number, inclusive, such as 99999; at most"
        f" {number_ranges.MAX_NUMBER}."
    )
    block_size: base.Long = strawberry.field(
        description="How many numbers a new block has. Existing blocks keep their size."
    )


@strawberry.input(description="The block to free.")
class FreeNumberBlockInput:
    id: strawberry.ID = strawberry.field(description="The block's id.")


SetNumberRangeResult: TypeAlias = Annotated[
    NumberRange | base.Refused,
    strawberry.union("SetNumberRangeResult", description="The updated range, or a refusal."),
]
AssignNumberBlockResult: TypeAlias = Annotated[
    NumberBlock | base.Refused,
    strawberry.union("AssignNumberBlockResult", description="The block, or a refusal."),
]
FreeNumberBlockResult: TypeAlias = Annotated[
    NumberBlock | base.Refused,
    strawberry.union("FreeNumberBlockResult", description="The freed block, or a refusal."),
]


@strawberry.type
class NumberMutation:
    @permissions.mutation(
        requires=Capability.ASSIGN_NUMBERS,
        description=(
            "Sets the account's number range. Refused: RANGE_IN_USE if a block or a SIP user"
            " would be outside of it."
        ),
    )
    async def set_number_range(
        self,
        info: base.Info,
        input: Annotated[SetNumberRangeInput, strawberry.argument(description="The range.")],
    ) -> SetNumberRangeResult:
        caller, now = info.context.signed_in(), info.context.now
        number_range = await block_assignment.set_range(
            caller, input.start, input.end, input.block_size, now
        )
        return NumberRange.of(number_range)

    @permissions.mutation(
        requires=Capability.ASSIGN_NUMBERS,
        description=(
            "Assigns a customer the lowest free block, or the block with a given first number. A"
            " free block overlaps no other block and no SIP user of another customer. Refused:"
            " NO_FREE_BLOCK, BLOCK_TAKEN, NO_NUMBER_RANGE."
        ),
    )
    async def assign_number_block(
        self,
        info: base.Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="The customer.")],
        first: Annotated[
            base.Long | None,
            strawberry.argument(
                description="First number of the block. Null: the lowest free block."
            ),
        ] = None,
        idempotency_key: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    "A new key for each request, 1 to 200 characters. The same key again returns"
                    " the same block and assigns no other."
                )
            ),
        ] = None,
    ) -> AssignNumberBlockResult:
        caller, now = info.context.signed_in(), info.context.now
        customer = base.decode_id(customer_id, "Customer", caller.account_id)
        return NumberBlock.of(
            await block_assignment.assign(caller, customer, first, idempotency_key, now)
        )

    @permissions.mutation(
        requires=Capability.ASSIGN_NUMBERS,
        description="Frees a block. Refused: BLOCK_IN_USE while it has SIP users.",
    )
    async def free_number_block(
        self,
        info: base.Info,
        input: Annotated[FreeNumberBlockInput, strawberry.argument(description="The block.")],
    ) -> FreeNumberBlockResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "NumberBlock", caller.account_id)
        return NumberBlock.of(await block_assignment.free(caller, id, info.context.now))
