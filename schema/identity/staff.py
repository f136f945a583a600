"""Staff, the people of the account."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from models import tables
from resolvers.access import Capability
from resolvers.identity import accounts as account_resolvers
from resolvers.identity import staff
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.identity import accounts, logins

strawberry.enum(callers.Role, name="Role", description="Role of staff.")


@permissions.open_type
@strawberry.type(description="A person who belongs to the account and has a login.")
class Staff(logins.HasLogin):
    role: callers.Role = strawberry.field(description="Its role.")
    email_verified_at: datetime | None = strawberry.field(
        description="When the address was verified. Null if it was not."
    )
    mobile: str | None = strawberry.field(description="E.164 number. Null if there is none.")
    mobile_verified_at: datetime | None = strawberry.field(
        description="When the number was verified. Null if it was not."
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

    @strawberry.field(description="The account of this person.")
    async def account(self) -> accounts.Account:
        return accounts.Account.of(await account_resolvers.existing(self.account_id))


@strawberry.input(description="A new member of staff.")
class CreateStaffInput:
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    role: callers.Role = strawberry.field(description="The role of the person.")
    password: str | None = strawberry.field(
        default=None,
        description=(
            "At least 10 characters. Null: the person is invited by e-mail to set a password."
        ),
    )


CreateStaffResult: TypeAlias = Annotated[
    Staff | base.Refused,
    strawberry.union("CreateStaffResult", description="The created person, or a refusal."),
]


@strawberry.type
class StaffQuery:
    @permissions.field(
        requires=Capability.SEE_STAFF,
        whole_account=True,
        description="The account's staff, oldest first.",
    )
    async def staff(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[Staff] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        rows = await staff.page(caller, base.decode_number_cursor(after), size + 1)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), Staff.of)


@strawberry.type
class StaffMutation:
    @permissions.mutation(
        requires=Capability.MANAGE_STAFF,
        description="Creates staff with a login.",
        metadata=prices.password_price(only_with="password"),
    )
    async def create_staff(
        self,
        info: base.Info,
        input: Annotated[CreateStaffInput, strawberry.argument(description="The person.")],
    ) -> CreateStaffResult:
        row = await staff.create(
            info.context.services.sign_in,
            info.context.signed_in(),
            input.name,
            input.email,
            input.password,
            input.role,
            info.context.now,
        )
        return Staff.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Staff | None:
    row = await staff.find(info.context.signed_in(), base.single(parts))
    return None if row is None else Staff.of(row)
