"""People of the account."""

from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from models import accounts as stored_accounts
from models import tables
from resolvers import staff as resolve
from schema import accounts, base, checklist

strawberry.enum(callers.Role, name="Role", description="What a person of the account may do.")


@strawberry.type(description="A person of the account with a login.")
class Staff(base.Node):
    account_id: strawberry.Private[int]
    name: str = strawberry.field(description="The person's name.")
    role: callers.Role = strawberry.field(description="What it may do.")

    @classmethod
    def of(cls, row: tables.Staff) -> "Staff":
        return cls(
            account_id=row.account_id,
            id=base.encode_id("Staff", row.account_id, row.id),
            name=row.name,
            role=callers.Role(row.role),
        )

    @strawberry.field(description="The account it works for.")
    async def account(self) -> accounts.Account:
        return accounts.Account.of(await stored_accounts.get(self.account_id))


@strawberry.input(description="A new person of the account.")
class CreateStaffInput:
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    password: str = strawberry.field(description="At least 10 characters.")
    role: callers.Role = strawberry.field(description="What the person may do.")


CreateStaffResult: TypeAlias = Annotated[
    Staff | base.Refused,
    strawberry.union("CreateStaffResult", description="The person, or why there is none."),
]


@strawberry.type
class StaffMutation:
    @strawberry.mutation(description="Makes a person of the account with a login. Owner.")
    async def create_staff(
        self,
        info: base.Info,
        input: Annotated[CreateStaffInput, strawberry.argument(description="The person.")],
    ) -> CreateStaffResult:
        row = await resolve.create(
            info.context.signed_in(),
            input.name,
            input.email,
            input.password,
            input.role,
            info.context.now,
        )
        await checklist.settle(info, None)
        return Staff.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Staff | None:
    number = base.single(parts)
    row = None if number is None else await resolve.one(info.context.signed_in(), number)
    return None if row is None else Staff.of(row)
