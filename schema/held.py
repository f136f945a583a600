"""Records held for review: what a switch said beside what counts, and what staff decide."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import review
from models import held as stored
from resolvers import held as resolve
from schema import base, checklist, quarantine
from schema.records import CallRecord

_KIND = "HeldRecord"
strawberry.enum(
    review.HeldState,
    name="HeldState",
    description="Whether a held record waits for staff (HELD), became the next revision (ACCEPTED),"
    " or counts nowhere for good (DISCARDED).",
)


@strawberry.type(
    description="A record with other content than the one that counts, under the same key and"
    " revision. It counts nowhere until staff accept it."
)
class HeldRecord:
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    switch: str = strawberry.field(description="The switch that sent it.")
    call_id: str = strawberry.field(description="The switch's id of the call.")
    leg: int = strawberry.field(description="The offer to a carrier, from 0.")
    state: review.HeldState = strawberry.field(description="Whether it still waits.")
    received_at: datetime = strawberry.field(description="When it was received.")
    held: CallRecord = strawberry.field(description="What it says.")
    counts: CallRecord | None = strawberry.field(
        description="What counts now; null: that has been archived with its hour."
    )

    @classmethod
    def of(cls, account_id: int, row: stored.Held) -> "HeldRecord":
        return cls(
            id=base.encode_id(_KIND, account_id, row.id),
            switch=row.content.switch,
            call_id=row.content.call_id,
            leg=row.content.leg,
            state=row.state,
            received_at=row.received_at,
            held=CallRecord.of(account_id, row.content),
            counts=None if row.counts is None else CallRecord.of(account_id, row.counts),
        )


@strawberry.type(description="A held record that was decided on.")
class DecidedRecord:
    record: HeldRecord = strawberry.field(description="The record as it is now.")
    code: str | None = strawberry.field(
        description="Why it could not be accepted, such as SECOND_FINAL_LEG; null: it was, or had"
        " been decided on before."
    )
    message: str | None = strawberry.field(
        description="What stands against it, for people, in their language; null: nothing."
    )

    @classmethod
    def of(cls, info: base.Info, account_id: int, one: resolve.Decided) -> "DecidedRecord":
        refusal = one.refusal
        return cls(
            record=HeldRecord.of(account_id, one.held),
            code=None if refusal is None else refusal.code,
            message=None if refusal is None else info.context.say(refusal.text),
        )


@strawberry.type(description="Held records that were decided on.")
class DecidedRecords:
    records: list[DecidedRecord] = strawberry.field(description="In the order of the ids given.")


@strawberry.input(description="Which held records; null matches everything.")
class HeldFilter:
    switch: str | None = strawberry.field(default=None, description="What this switch sent.")
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Not received before this instant."
    )
    to: datetime | None = strawberry.field(
        default=None, description="Received before this instant."
    )


@strawberry.input(description="Held records that are to count.")
class AcceptHeldInput:
    ids: list[strawberry.ID] = strawberry.field(description=f"1 to {review.MOST} of them.")


@strawberry.input(description="Held records that are to count nowhere.")
class DiscardHeldInput:
    ids: list[strawberry.ID] = strawberry.field(description=f"1 to {review.MOST} of them.")


AcceptHeldResult: TypeAlias = Annotated[
    DecidedRecords | base.Refused,
    strawberry.union("AcceptHeldResult", description="The records, or why nothing was done."),
]
DiscardHeldResult: TypeAlias = Annotated[
    DecidedRecords | base.Refused,
    strawberry.union("DiscardHeldResult", description="The records, or why nothing was done."),
]


@strawberry.type
class HeldQuery:
    @strawberry.field(
        description="Records with other content than what counts, that wait for staff; newest"
        " first. Owner and support."
    )
    async def held_records(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            HeldFilter | None, strawberry.argument(description="Which ones; null: all.")
        ] = None,
    ) -> base.Connection[HeldRecord]:
        size, caller, asked = base.page_size(first), info.context.signed_in(), filter
        wanted = stored.Filter()
        if asked is not None:
            wanted = stored.Filter(asked.switch, asked.from_, asked.to)
        place = base.decode_time_cursor(after)
        rows = await resolve.page(caller, wanted, place, size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_time_cursor(row.received_at, row.id),
            lambda row: HeldRecord.of(caller.account_id, row),
        )


@strawberry.type
class HeldMutation:
    @strawberry.mutation(
        description="Makes held records the next revisions of what counts, in the order of the ids;"
        " the hours concerned are summed anew. Owner and support."
    )
    async def accept_held(
        self,
        info: base.Info,
        input: Annotated[AcceptHeldInput, strawberry.argument(description="Which ones.")],
    ) -> AcceptHeldResult:
        caller, now = info.context.signed_in(), info.context.now
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        decided = await resolve.accept(caller, quarantine.intake(info), ids, now)
        await checklist.settle(info, None)
        return _decided(info, decided)

    @strawberry.mutation(
        description="Puts held records aside: they count nowhere, also when they are sent again."
        " Owner and support."
    )
    async def discard_held(
        self,
        info: base.Info,
        input: Annotated[DiscardHeldInput, strawberry.argument(description="Which ones.")],
    ) -> DiscardHeldResult:
        caller = info.context.signed_in()
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        decided = await resolve.discard(caller, ids, info.context.now)
        await checklist.settle(info, None)
        return _decided(info, decided)


def _decided(info: base.Info, decided: list[resolve.Decided]) -> DecidedRecords:
    account_id = info.context.signed_in().account_id
    return DecidedRecords(records=[DecidedRecord.of(info, account_id, one) for one in decided])
