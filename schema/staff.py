"""People of the account."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from live import wake
from models import accounts as stored_accounts
from models import tables
from resolvers import staff as resolve
from schema import accounts, base, checklist, logins

strawberry.enum(callers.Role, name="Role", description="What a person of the account may do.")


@strawberry.type(description="A person of the account with a login.")
class Staff(logins.HasLogin):
    role: callers.Role = strawberry.field(description="What it may do.")
    email_verified_at: datetime | None = strawberry.field(
        description="When the address was proven; null: not yet."
    )
    mobile: str | None = strawberry.field(description="E.164 number; null if none was given.")
    mobile_verified_at: datetime | None = strawberry.field(
        description="When the number was proven; null: not yet."
    )

    @classmethod
    def of(cls, row: tables.Staff) -> "Staff":
        return cls(
            account_id=row.account_id,
            login_id=row.login_id,
            id=base.encode_id("Staff", row.account_id, row.id),
            name=row.name,
            role=callers.Role(row.role),
            email_verified_at=row.email_verified_at,
            mobile=row.mobile,
            mobile_verified_at=row.mobile_verified_at,
            language=row.language,
            time_zone=row.time_zone,
            version=row.version,
            created_at=row.created_at,
        )

    @strawberry.field(description="The login.")
    async def email(self, info: base.Info) -> str:
        return await logins.email_of(info, self.account_id, self.login_id)

    @strawberry.field(description="The account it works for.")
    async def account(self) -> accounts.Account:
        return accounts.Account.of(await stored_accounts.get(self.account_id))


@strawberry.input(description="A new person of the account.")
class CreateStaffInput:
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    role: callers.Role = strawberry.field(description="What the person may do.")
    password: str | None = strawberry.field(
        default=None,
        description="At least 10 characters; null: the person is invited by e-mail to set one.",
    )


CreateStaffResult: TypeAlias = Annotated[
    Staff | base.Refused,
    strawberry.union("CreateStaffResult", description="The person, or why there is none."),
]


@strawberry.type
class StaffQuery:
    @strawberry.field(description="People of the account, the oldest first. Staff.")
    async def staff(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[Staff]:
        size, caller = base.page_size(first), info.context.signed_in()
        rows = await resolve.page(caller, base.decode_number_cursor(after), size + 1)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), Staff.of)


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
        await wake.hint(info.context.redis, wake.For.MESSAGES)  # it may be invited
        return Staff.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Staff | None:
    row = await resolve.one(info.context.signed_in(), base.single(parts))
    return None if row is None else Staff.of(row)
