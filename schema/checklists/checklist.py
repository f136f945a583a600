"""Checklists and snoozing of their items."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.checklists import conditions
from resolvers.access import Identity
from resolvers.checklists import checklists
from schema.engine import base, customer_ids, permissions


@permissions.open_type
@strawberry.type(description="An outstanding item.")
class ChecklistItem:
    code: str = strawberry.field(description="Stable, for programs, such as VERIFY_EMAIL.")
    title: str = strawberry.field(description="Title, in the caller's language.")
    detail: str = strawberry.field(description="What to do, in the caller's language.")
    action: str = strawberry.field(
        description=(
            "The field of this API that resolves it, such as `mutation requestEmailVerification`."
        )
    )
    where: str = strawberry.field(
        description="Path in the portal where it is resolved, such as /profile. Stable."
    )
    may_wait: bool = strawberry.field(description="Whether it can be snoozed.")
    snoozed_until: datetime | None = strawberry.field(
        description="Time until which this person has snoozed it. Null if it is not snoozed."
    )

    @classmethod
    def of(cls, item: conditions.OutstandingItem) -> "ChecklistItem":
        return cls(
            code=item.code,
            title=item.title,
            detail=item.detail,
            action=item.action,
            where=item.where,
            may_wait=item.may_wait,
            snoozed_until=item.snoozed_until,
        )


@permissions.open_type
@strawberry.type(
    description=(
        "Outstanding checklist items. An item closes automatically when its condition is met."
    )
)
class Checklist:
    items: list[ChecklistItem] = strawberry.field(
        description=(
            "The outstanding items that are not snoozed. A person sees the items whose `action`"
            " that person may perform. A contact sees its own verifications; other callers see"
            " the verifications of all contacts of the customer. On the account's checklist,"
            " staff see their own verifications, and an owner its own second factor. Keys see"
            " every item."
        )
    )
    snoozed: list[ChecklistItem] = strawberry.field(
        description=(
            "Outstanding items that this person has snoozed. They return automatically, except"
            " items that were resolved meanwhile."
        )
    )

    @classmethod
    def of(cls, items: checklists.Shown) -> "Checklist":
        return cls(
            items=[ChecklistItem.of(item) for item in items.items],
            snoozed=[ChecklistItem.of(item) for item in items.snoozed],
        )

    @strawberry.field(description="Number of outstanding items, without snoozed ones.")
    def outstanding(self) -> base.Long:
        return base.Long(len(self.items))


_OF = "The customer of the checklist. Null: the contact's customer; for staff, the account itself."


@strawberry.input(description="The item to snooze.")
class SnoozeChecklistItemInput:
    code: str = strawberry.field(description="The item's code.")
    until: datetime = strawberry.field(description="When it is shown again, within 90 days.")
    customer_id: strawberry.ID | None = strawberry.field(default=None, description=_OF)


@strawberry.input(description="The snoozed item to show again.")
class UnsnoozeChecklistItemInput:
    code: str = strawberry.field(description="The item's code.")
    customer_id: strawberry.ID | None = strawberry.field(default=None, description=_OF)


SnoozeChecklistItemResult: TypeAlias = Annotated[
    Checklist | base.Refused,
    strawberry.union(
        "SnoozeChecklistItemResult", description="The updated checklist, or a refusal."
    ),
]
UnsnoozeChecklistItemResult: TypeAlias = Annotated[
    Checklist | base.Refused,
    strawberry.union(
        "UnsnoozeChecklistItemResult", description="The updated checklist, or a refusal."
    ),
]


@strawberry.type
class ChecklistMutation:
    @permissions.mutation(
        requires=Identity.PERSON,
        description=(
            "Hides an outstanding item from the caller, and only from the caller, until a given"
            " time. Refused: NOT_SNOOZABLE."
        ),
    )
    async def snooze_checklist_item(
        self,
        info: base.Info,
        input: Annotated[SnoozeChecklistItemInput, strawberry.argument(description="The item.")],
    ) -> SnoozeChecklistItemResult:
        customer_id = _customer(info, input.customer_id)
        caller, now = info.context.signed_in(), info.context.now
        return Checklist.of(
            await checklists.snooze(caller, customer_id, input.code, input.until, now)
        )

    @permissions.mutation(
        requires=Identity.PERSON, description="Shows a snoozed item to the caller again."
    )
    async def unsnooze_checklist_item(
        self,
        info: base.Info,
        input: Annotated[UnsnoozeChecklistItemInput, strawberry.argument(description="The item.")],
    ) -> UnsnoozeChecklistItemResult:
        customer_id = _customer(info, input.customer_id)
        caller, now = info.context.signed_in(), info.context.now
        return Checklist.of(await checklists.unsnooze(caller, customer_id, input.code, now))


def _customer(info: base.Info, id: str | None) -> int | None:
    return customer_ids.optional(info.context.signed_in(), id)
