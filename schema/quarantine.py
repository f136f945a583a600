"""Records that were refused: what staff see of them and decide."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import review
from models import quarantine as stored
from resolvers import intake as intakes
from resolvers import quarantine as resolve
from schema import base, checklist

_KIND = "QuarantinedRecord"
strawberry.enum(
    review.State,
    name="QuarantineState",
    description="Whether a refused record waits for staff (OPEN), was taken after all, as it was or"
    " corrected (REPLAYED), or counts nowhere for good (DISCARDED).",
)
strawberry.enum(
    review.Outcome,
    name="ReplayOutcome",
    description="What became of a record that was replayed. ACCEPTED: it was new and counts."
    " CORRECTED: it is a correction, which counts now. DUPLICATE: the same was known. STALE: a"
    " later revision is known, so it does not count. HELD: other content is known under its key and"
    " revision, see `heldRecords`. REFUSED: it stays in quarantine. NOT_OPEN: it was replayed or"
    " discarded before, and nothing has changed.",
)


@strawberry.type(
    description="An event that a switch reported and that was refused: the end of a call, or what"
    " may be one. It counts nowhere."
)
class QuarantinedRecord:
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    payload: str = strawberry.field(
        description="What the switch sent, as it sent it: JSON, where it was; cut after 64,000"
        " characters."
    )
    code: str = strawberry.field(description="Why it is refused, such as TIMES_BACKWARDS.")
    message: str = strawberry.field(
        description="What is wrong with it, for people, in their language."
    )
    field: str | None = strawberry.field(
        description="The field of the event at fault; null: none, or more than one."
    )
    switch: str | None = strawberry.field(
        description="The switch that sent it; null where it names none that can be read."
    )
    state: review.State = strawberry.field(description="Whether it still waits.")
    received_at: datetime = strawberry.field(description="When it was first received.")
    last_received_at: datetime = strawberry.field(
        description="When it was last received. A discarded record that is received and refused"
        " again is OPEN again."
    )
    times_received: base.Long = strawberry.field(
        description="How many times it was received and refused."
    )

    @classmethod
    def of(cls, info: base.Info, row: stored.Row) -> "QuarantinedRecord":
        return cls(
            id=base.encode_id(_KIND, info.context.signed_in().account_id, row.id),
            payload=row.payload,
            code=row.code,
            message=info.context.say(row.message),
            field=row.field,
            switch=row.switch,
            state=row.state,
            received_at=row.received_at,
            last_received_at=row.last_received_at,
            times_received=base.Long(row.times_received),
        )


@strawberry.type(description="What became of a record that was replayed.")
class ReplayedRecord:
    record: QuarantinedRecord = strawberry.field(description="The record as it is now.")
    outcome: review.Outcome = strawberry.field(description="What became of it.")
    code: str | None = strawberry.field(description="Why it is refused; null where it is not.")
    message: str | None = strawberry.field(
        description="What is wrong with it, for people, in their language; null: it is not refused."
    )

    @classmethod
    def of(cls, info: base.Info, replayed: resolve.Replayed) -> "ReplayedRecord":
        refusal = replayed.refusal
        return cls(
            record=QuarantinedRecord.of(info, replayed.row),
            outcome=replayed.outcome,
            code=None if refusal is None else refusal.code,
            message=None if refusal is None else info.context.say(refusal.text),
        )


@strawberry.type(description="What became of records that were replayed.")
class ReplayedRecords:
    records: list[ReplayedRecord] = strawberry.field(description="In the order of the ids given.")


@strawberry.type(description="Records that were discarded.")
class DiscardedRecords:
    records: list[QuarantinedRecord] = strawberry.field(
        description="As they are now, in the order of the ids given."
    )


@strawberry.input(description="Which refused records; null matches everything.")
class QuarantineFilter:
    state: review.State = strawberry.field(
        default=review.State.OPEN, description="Those of this state."
    )
    code: str | None = strawberry.field(
        default=None, description="Those refused for this reason, such as UNKNOWN_CUSTOMER."
    )
    switch: str | None = strawberry.field(default=None, description="What this switch sent.")
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Not received before this instant."
    )
    to: datetime | None = strawberry.field(
        default=None, description="Received before this instant."
    )


_IDS = f"1 to {review.MOST} of them."


@strawberry.input(description="Refused records to put through the checks again.")
class ReplayQuarantinedInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)
    corrected: str | None = strawberry.field(
        default=None,
        description="What the record should have said, the whole event as JSON; then `ids` has just"
        " one. null: what the switch sent.",
    )


@strawberry.input(description="Refused records that are to count nowhere.")
class DiscardQuarantinedInput:
    ids: list[strawberry.ID] = strawberry.field(description=_IDS)


ReplayQuarantinedResult: TypeAlias = Annotated[
    ReplayedRecords | base.Refused,
    strawberry.union(
        "ReplayQuarantinedResult", description="What became of each, or why nothing was done."
    ),
]
DiscardQuarantinedResult: TypeAlias = Annotated[
    DiscardedRecords | base.Refused,
    strawberry.union(
        "DiscardQuarantinedResult", description="The records, or why nothing was done."
    ),
]


@strawberry.type
class QuarantineQuery:
    @strawberry.field(
        description="Events of switches that were refused, newest first; without a filter those"
        " that wait. Owner and support."
    )
    async def quarantine(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            QuarantineFilter | None,
            strawberry.argument(description="Which ones; null: all that wait."),
        ] = None,
    ) -> base.Connection[QuarantinedRecord]:
        size, caller, asked = base.page_size(first), info.context.signed_in(), filter
        wanted = stored.Filter()
        if asked is not None:
            wanted = stored.Filter(asked.state, asked.code, asked.switch, asked.from_, asked.to)
        place = base.decode_time_cursor(after)
        rows = await resolve.page(caller, wanted, place, size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_time_cursor(row.received_at, row.id),
            lambda row: QuarantinedRecord.of(info, row),
        )


@strawberry.type
class QuarantineMutation:
    @strawberry.mutation(
        description="Puts refused records through the same checks as what switches send; those that"
        " pass are stored, once, and count. Only ends of calls can be replayed. Owner and support."
    )
    async def replay_quarantined(
        self,
        info: base.Info,
        input: Annotated[ReplayQuarantinedInput, strawberry.argument(description="Which ones.")],
    ) -> ReplayQuarantinedResult:
        caller, now = info.context.signed_in(), info.context.now
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        replayed = await resolve.replay(caller, intake(info), ids, input.corrected, now)
        await checklist.settle(info, None)
        return ReplayedRecords(records=[ReplayedRecord.of(info, one) for one in replayed])

    @strawberry.mutation(
        description="Puts refused records aside: they count nowhere and wait for nobody. Those that"
        " were replayed stay so. Owner and support."
    )
    async def discard_quarantined(
        self,
        info: base.Info,
        input: Annotated[DiscardQuarantinedInput, strawberry.argument(description="Which ones.")],
    ) -> DiscardQuarantinedResult:
        caller = info.context.signed_in()
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        rows = await resolve.discard(caller, ids, info.context.now)
        await checklist.settle(info, None)
        return DiscardedRecords(records=[QuarantinedRecord.of(info, row) for row in rows])


def intake(info: base.Info) -> intakes.Intake:
    """The process's; every process that answers people has one."""
    found = info.context.intake
    assert found is not None
    return found
