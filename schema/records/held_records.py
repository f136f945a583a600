"""Held records, compared with those that count, and the decisions of staff."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.records import review
from resolvers.access import Capability
from resolvers.records import held_records
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.records import quarantine
from schema.records.call_records import CallRecord

_KIND = "HeldRecord"
strawberry.enum(
    review.HeldState,
    name="HeldState",
    description=(
        "State of a held record. HELD: staff have to decide on it. ACCEPTED: it became the next"
        " revision. ANOTHER_CALL: it counts as a separate call. DISCARDED: it never counts."
    ),
)
strawberry.enum(
    review.HeldDecision,
    name="HeldDecision",
    description="Result of accepting a held record: the next revision of the record that counts"
    " (NEXT_REVISION), or a call of its own beside it, because the switch used the call id twice"
    " (ANOTHER_CALL).",
)


@permissions.open_type
@strawberry.type(
    description=(
        "A record that has the same key and revision as the one that counts, but other content."
        " It does not count until staff accept it."
    )
)
class HeldRecord:
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    switch: str = strawberry.field(description="The switch that sent it.")
    call_id: str = strawberry.field(description="The switch's call id.")
    leg: int = strawberry.field(description="Number of the offer to a carrier, from 0.")
    state: review.HeldState = strawberry.field(
        description="Whether staff still have to decide on it."
    )
    received_at: datetime = strawberry.field(description="When it was received.")
    held: CallRecord = strawberry.field(
        description="The content of the held record.", metadata=prices.price(6)
    )
    counts: CallRecord | None = strawberry.field(
        description=(
            "The record that counts now: the existing one, or the one that was accepted from"
            " this. Null if it has been archived with its hour."
        ),
        metadata=prices.price(6),
    )

    @classmethod
    def of(cls, account_id: int, row: held_records.HeldRecord) -> "HeldRecord":
        return cls(
            id=base.encode_id(_KIND, account_id, row.id),
            switch=row.content.switch,
            call_id=row.content.call_id,
            leg=row.content.leg,
            state=row.state,
            received_at=row.received_at,
            held=CallRecord.of(account_id, row.content),
            counts=None if row.counted is None else CallRecord.of(account_id, row.counted),
        )


@permissions.open_type
@strawberry.type(description="The result of a decision on a held record.")
class DecidedRecord:
    record: HeldRecord = strawberry.field(description="The record in its present state.")
    code: str | None = strawberry.field(
        description=(
            "Why it could not be accepted, such as SECOND_FINAL_LEG. Null if it was accepted, or"
            " had been decided on before."
        )
    )
    message: str | None = strawberry.field(
        description="The problem, in the caller's language. Null if there is none."
    )

    @classmethod
    def of(cls, info: base.Info, account_id: int, decided: held_records.Decided) -> "DecidedRecord":
        refusal = decided.refusal
        return cls(
            record=HeldRecord.of(account_id, decided.held),
            code=None if refusal is None else refusal.code,
            message=None if refusal is None else info.context.say(refusal.text),
        )


@permissions.open_type
@strawberry.type(description="The results of decisions on held records.")
class DecidedRecords:
    records: list[DecidedRecord] = strawberry.field(
        description=(
            "The records in the order of the ids, then the other held legs that became another"
            " call together with them."
        )
    )


@strawberry.input(description="Filter of held records. Null matches everything.")
class HeldFilter:
    switch: str | None = strawberry.field(
        default=None, description="Only records from this switch."
    )
    from_: datetime | None = strawberry.field(
        name="from", default=None, description="Only records received at this time or later."
    )
    to: datetime | None = strawberry.field(
        default=None, description="Only records received before this time."
    )


@strawberry.input(description="The held records to accept.")
class AcceptHeldInput:
    ids: list[strawberry.ID] = prices.list_field("At least one.", limit=review.MAX_RECORDS, each=60)
    decision: review.HeldDecision = strawberry.field(
        default=review.HeldDecision.NEXT_REVISION,
        description="ANOTHER_CALL also accepts the other held legs of the same attempt. It refuses"
        " a record that has the setup time of the record that counts (SAME_CALL).",
    )


@strawberry.input(description="The held records to discard.")
class DiscardHeldInput:
    ids: list[strawberry.ID] = prices.list_field("At least one.", limit=review.MAX_RECORDS, each=60)


AcceptHeldResult: TypeAlias = Annotated[
    DecidedRecords | base.Refused,
    strawberry.union("AcceptHeldResult", description="The records, or a refusal."),
]
DiscardHeldResult: TypeAlias = Annotated[
    DecidedRecords | base.Refused,
    strawberry.union("DiscardHeldResult", description="The records, or a refusal."),
]


@strawberry.type
class HeldQuery:
    @permissions.field(
        requires=Capability.REVIEW_RECORDS,
        whole_account=True,
        description="Held records on which staff have to decide, newest first.",
    )
    async def held_records(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            HeldFilter | None, strawberry.argument(description="A filter. Null: all.")
        ] = None,
    ) -> base.Connection[HeldRecord] | None:
        size, caller, filter_input = base.page_size(first), info.context.signed_in(), filter
        selection = held_records.Filter()
        if filter_input is not None:
            selection = held_records.Filter(
                filter_input.switch, filter_input.from_, filter_input.to
            )
        place = base.decode_time_cursor(after)
        rows = await held_records.page(caller, selection, place, size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda row: base.encode_time_cursor(row.received_at, row.id),
            lambda row: HeldRecord.of(caller.account_id, row),
        )


@strawberry.type
class HeldMutation:
    @permissions.mutation(
        requires=Capability.REVIEW_RECORDS,
        description=(
            "Accepts held records, in the order of the ids, as the next revisions of the records"
            " that count, or as separate calls. The worker rebuilds the affected hours."
        ),
    )
    async def accept_held(
        self,
        info: base.Info,
        input: Annotated[AcceptHeldInput, strawberry.argument(description="The records.")],
    ) -> AcceptHeldResult:
        caller, now = info.context.signed_in(), info.context.now
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        decided = await held_records.accept(
            caller, quarantine.intake(info), ids, now, input.decision
        )
        return _decided(info, decided)

    @permissions.mutation(
        requires=Capability.REVIEW_RECORDS,
        description="Discards held records: they do not count, even if they are sent again.",
    )
    async def discard_held(
        self,
        info: base.Info,
        input: Annotated[DiscardHeldInput, strawberry.argument(description="The records.")],
    ) -> DiscardHeldResult:
        caller = info.context.signed_in()
        ids = [base.decode_id(id, _KIND, caller.account_id) for id in input.ids]
        decided = await held_records.discard(caller, ids, info.context.now)
        return _decided(info, decided)


def _decided(info: base.Info, decided: list[held_records.Decided]) -> DecidedRecords:
    account_id = info.context.signed_in().account_id
    return DecidedRecords(
        records=[DecidedRecord.of(info, account_id, record) for record in decided]
    )
