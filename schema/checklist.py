"""What is still to be put right."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import checklist
from resolvers import checklists as resolve
from schema import base


@strawberry.type(description="Something that has to be put right.")
class ChecklistItem:
    code: str = strawberry.field(description="Stable, for programs, such as VERIFY_EMAIL.")
    title: str = strawberry.field(description="What it is about, in the language of who asks.")
    detail: str = strawberry.field(description="What to do, in the language of who asks.")
    action: str = strawberry.field(
        description="The field of this API to go on with, such as"
        " `mutation requestEmailVerification`."
    )
    where: str = strawberry.field(
        description="The portal's path where it is done, such as /profile; stable."
    )
    may_wait: bool = strawberry.field(description="Whether it can be snoozed.")
    snoozed_until: datetime | None = strawberry.field(
        description="Until when this person does not want to see it; null: it is not snoozed."
    )

    @classmethod
    def of(cls, item: checklist.Outstanding) -> "ChecklistItem":
        return cls(
            code=item.code,
            title=item.title,
            detail=item.detail,
            action=item.action,
            where=item.where,
            may_wait=item.may_wait,
            snoozed_until=item.snoozed_until,
        )


@strawberry.type(
    description="What is still to be put right. Items close themselves when their condition is met."
)
class Checklist:
    items: list[ChecklistItem] = strawberry.field(
        description="The outstanding items, without the snoozed. People are shown what they may do"
        " the `action` of. A contact is shown its own verifications; others, each verification that"
        " any of the customer's contacts has to do. Of the account's, staff are shown their own"
        " verifications, and an owner its own second factor. Keys are shown all of it, and what any"
        " of them has to do."
    )
    snoozed: list[ChecklistItem] = strawberry.field(
        description="Outstanding items that this person does not want to see for now. They come"
        " back by themselves; those that are put right meanwhile do not."
    )

    @classmethod
    def of(cls, shown: resolve.Shown) -> "Checklist":
        return cls(
            items=[ChecklistItem.of(item) for item in shown.items],
            snoozed=[ChecklistItem.of(item) for item in shown.snoozed],
        )

    @strawberry.field(description="How many items are outstanding, without the snoozed.")
    def outstanding(self) -> base.Long:
        return base.Long(len(self.items))


_OF = "Whose checklist; null: a contact's customer's, for staff the account's own."


@strawberry.input(description="An item that may wait.")
class SnoozeChecklistItemInput:
    code: str = strawberry.field(description="The item's code.")
    until: datetime = strawberry.field(description="When it comes back; within 90 days.")
    customer_id: strawberry.ID | None = strawberry.field(default=None, description=_OF)


@strawberry.input(description="An item that was snoozed.")
class UnsnoozeChecklistItemInput:
    code: str = strawberry.field(description="The item's code.")
    customer_id: strawberry.ID | None = strawberry.field(default=None, description=_OF)


SnoozeChecklistItemResult: TypeAlias = Annotated[
    Checklist | base.Refused,
    strawberry.union(
        "SnoozeChecklistItemResult", description="The checklist as it is shown now, or why not."
    ),
]
UnsnoozeChecklistItemResult: TypeAlias = Annotated[
    Checklist | base.Refused,
    strawberry.union(
        "UnsnoozeChecklistItemResult", description="The checklist as it is shown now, or why not."
    ),
]


@strawberry.type
class ChecklistMutation:
    @strawberry.mutation(
        description="Hides an outstanding item from the person that asks, and nobody else, until"
        " an instant. NOT_SNOOZABLE where it cannot wait."
    )
    async def snooze_checklist_item(
        self,
        info: base.Info,
        input: Annotated[SnoozeChecklistItemInput, strawberry.argument(description="The item.")],
    ) -> SnoozeChecklistItemResult:
        customer_id = _customer(info, input.customer_id)
        caller, now = info.context.signed_in(), info.context.now
        return Checklist.of(await resolve.snooze(caller, customer_id, input.code, input.until, now))

    @strawberry.mutation(description="Shows a snoozed item again to the person that asks.")
    async def unsnooze_checklist_item(
        self,
        info: base.Info,
        input: Annotated[UnsnoozeChecklistItemInput, strawberry.argument(description="The item.")],
    ) -> UnsnoozeChecklistItemResult:
        customer_id = _customer(info, input.customer_id)
        caller, now = info.context.signed_in(), info.context.now
        return Checklist.of(await resolve.unsnooze(caller, customer_id, input.code, now))


async def settle(info: base.Info, *customer_ids: int | None) -> None:
    """For mutations whose effect these checklists look at (None: the account's own), last of all:
    who listens is told at once instead of within 15 s."""
    context = info.context
    account_id = context.signed_in().account_id
    await resolve.settle(account_id, customer_ids, context.redis, context.now)


def _customer(info: base.Info, id: str | None) -> int | None:
    if id is None:
        return None
    account_id = info.context.signed_in().account_id
    return base.decode_id(id, "Customer", account_id)
