"""What is still to be put right."""

import strawberry

from domain import checklist
from schema import base


@strawberry.type(description="Something the customer has to put right.")
class ChecklistItem:
    code: str = strawberry.field(description="Stable, for programs, such as VERIFY_EMAIL.")
    title: str = strawberry.field(description="What it is about, in the language of who asks.")
    detail: str = strawberry.field(description="What to do, in the language of who asks.")

    @classmethod
    def of(cls, item: checklist.Outstanding) -> "ChecklistItem":
        return cls(code=item.code, title=item.title, detail=item.detail)


@strawberry.type(
    description="What is still to be put right. Items close themselves when their condition is met."
)
class Checklist:
    items: list[ChecklistItem] = strawberry.field(
        description="The outstanding items. A contact is shown its own verifications; others, each"
        " verification that any of the customer's contacts has to do."
    )

    @strawberry.field(description="How many items are outstanding.")
    def outstanding(self) -> base.Long:
        return base.Long(len(self.items))
