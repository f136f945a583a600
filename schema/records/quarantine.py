"""Refused records and the decisions of staff."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.records import review
from resolvers.access import Capability
from resolvers.records import intake as intakes
from resolvers.records import quarantine
from schema.engine import base, permissions
from schema.engine.documents import prices

_KIND = "QuarantinedRecord"
strawberry.enum(
    review.State,
    name="QuarantineState",
    description=(
        "State of a refused record. OPEN: staff have to decide on it. REPLAYED: it was accepted"
        " later, unchanged or corrected. DISCARDED: it never counts."
    ),
)
strawberry.enum(
    review.Outcome,
    name="ReplayOutcome",
    description=(
        "Outcome of a replayed record. ACCEPTED: it was new and counts. CORRECTED: it is a"
        " correction and counts now. DUPLICATE: the same record is already stored. STALE: a"
        " later revision is stored, so it does not count. HELD: a record with the same key and"
        " revision has other content, see `heldRecords`. REFUSED: it remains in quarantine."
        " NOT_OPEN: it was replayed or discarded before, and nothing has changed."
    ),
)


@permissions.open_type
@strawberry.type(
    description=(
        "A refused event of a switch: the end of a call, or an event that may be one. It does"
        " not count."
    )
)
class QuarantinedRecord:
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    payload: str = strawberry.field(
        description=(
            "The event exactly as the switch sent it, usually JSON. Truncated to 64,000 characters."
        )
    )
    code: str = strawberry.field(description="Code of the refusal, such as TIMES_BACKWARDS.")
    message: str = strawberry.field(description="The problem, in the caller's language.")
    field: str | None = strawberry.field(
        description=(
            "The field of the event that caused it. Null if there is none or more than one."
        )
    )
    switch: str | None = strawberry.field(
        description="The switch that sent it. Null if the event does not contain a readable name."
    )
    state: review.State = strawberry.field(description="Whether staff still have to decide on it.")
    received_at: datetime = strawberry.field(description="When it was first received.")
    last_received_at: datetime = strawberry.field(
        description="When it was last received. A discarded record that is received and refused"
        " again is OPEN again."
    )
    times_received: base.Long = strawberry.field(
        description="Number of times that it was received and refused."
    )

    @classmethod
    def of(cls, info: base.Info, row: quarantine.QuarantinedRecord) -> "QuarantinedRecord":
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


@permissions.open_type
@strawberry.type(description="The outcome of a replayed record.")
class ReplayedRecord:
    record: QuarantinedRecord = strawberry.field(description="The record in its present state.")
    outcome: review.Outcome = strawberry.field(description="The outcome.")
    code: str | None = strawberry.field(
        description="Code of the refusal. Null if it is not refused."
    )
    message: str | None = strawberry.field(
        description="The problem, in the caller's language. Null if it is not refused."
    )

    @classmethod
    def of(cls, info: base.Info, replayed: quarantine.Replayed) -> "ReplayedRecord":
        refusal = replayed.refusal
        return cls(
            record=QuarantinedRecord.of(info, replayed.row),
            outcome=replayed.outcome,
            code=None if refusal is None else refusal.code,
            message=None if refusal is None else info.context.say(refusal.text),
        )


@permissions.open_type
@strawberry.type(description="The outcomes of replayed records.")
class ReplayedRecords:
    records: list[ReplayedRecord] = strawberry.field(
        description="The records in the order of the ids."
    )


@permissions.open_type
@strawberry.type(description="Records that were discarded.")
class DiscardedRecords:
    records: list[QuarantinedRecord] = strawberry.field(
        description="The records in their present state, in the order of the ids."
    )


@strawberry.input(description="Filter of refused records. Null matches everything.")
class QuarantineFilter:
    state: review.State = strawberry.field(
        default=review.State.OPEN, description="Only records in this state."
    )
    code: str | None = strawberry.field(
        default=None, description="Only records refused with this code, such as UNKNOWN_CUSTOMER."
    )
    switch: str | None = strawberry.field(
        default=None, description="Only records from this switch."
    )
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Only records received at this time or later."
    )
    to: datetime | None = strawberry.field(
        default=None, description="Only records received before this time."
    )


@strawberry.input(description="The refused records to check again.")
class ReplayQuarantinedInput:
    ids: list[strawberry.ID] = prices.list_field("At least one.", limit=review.MAX_RECORDS, each=60)
    corrected: str | None = strawberry.field(
        default=None,
        description=(
            "The complete corrected event as JSON; `ids` must then have one item. Null: the"
            " event as the switch sent it."
        ),
    )


@strawberry.input(description="The refused records to discard.")
class DiscardQuarantinedInput:
    ids: list[strawberry.ID] = prices.list_field("At least one.", limit=review.MAX_RECORDS, each=60)


ReplayQuarantinedResult: TypeAlias = Annotated[
    ReplayedRecords | base.Refused,
    strawberry.union(
        "ReplayQuarantinedResult", description="The outcome of each record, or a refusal."
    ),
]
DiscardQuarantinedResult: TypeAlias = Annotated[
    DiscardedRecords | base.Refused,
    strawberry.union("DiscardQuarantinedResult", description="The records, or a refusal."),
]


@strawberry.type
class QuarantineQuery:
    @permissions.field(
        requires=Capability.REVIEW_RECORDS,
        whole_account=True,
        description="Refused events of switches, newest first. Without a filter, only open ones.",
    )
    async def quarantine(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            QuarantineFilter | None,
            strawberry.argument(description="A filter. Null: all that are open."),
        ] = None,
    ) -> base.Connection[QuarantinedRecord] | None:
        size, caller, filter_input = base.page_size(first), info.context.signed_in(), filter
        selection = quarantine.Filter()
        if filter_input is not None:
            selection = quarantine.Filter(
                filter_input.state,
                filter_input.code,
                filter_input.switch,
                filter_input.from_,
                filter_input.to,
            )
        place = base.decode_time_cursor(after)
        rows = await quarantine.page(caller, selection, place, size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda row: base.encode_time_cursor(row.received_at, row.id),
            lambda row: QuarantinedRecord.of(info, row),
        )


@strawberry.type
class QuarantineMutation:
    @permissions.mutation(
        requires=Capability.REVIEW_RECORDS,
        description=(
            "Checks refused records again, like new ones from a switch. Records that pass are"
            " stored once and count. Only ends of calls can be replayed."
        ),
    )
    async def replay_quarantined(
        self,
        info: base.Info,
        input: Annotated[ReplayQuarantinedInput, strawberry.argument(description="The records.")],
    ) -> ReplayQuarantinedResult:
        caller, now = info.context.signed_in(), info.context.now
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        replayed = await quarantine.replay(caller, intake(info), ids, input.corrected, now)
        return ReplayedRecords(records=[ReplayedRecord.of(info, record) for record in replayed])

    @permissions.mutation(
        requires=Capability.REVIEW_RECORDS,
        description=(
            "Discards refused records: they do not count and are no longer open. Does not change"
            " replayed records."
        ),
    )
    async def discard_quarantined(
        self,
        info: base.Info,
        input: Annotated[DiscardQuarantinedInput, strawberry.argument(description="The records.")],
    ) -> DiscardQuarantinedResult:
        caller = info.context.signed_in()
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        rows = await quarantine.discard(caller, ids, info.context.now)
        return DiscardedRecords(records=[QuarantinedRecord.of(info, row) for row in rows])


def intake(info: base.Info) -> intakes.Intake:
    """The process's intake, which every web process has."""
    results = info.context.services.intake
    assert results is not None
    return results
