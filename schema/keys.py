"""Logins of programs."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from models import accounts as stored_accounts
from models import customers as stored_customers
from models import tables
from resolvers import keys as resolve
from schema import accounts, base, customers

strawberry.enum(callers.Scope, name="Scope", description="What a key may do.")


@strawberry.type(description="A program's login.")
class ApiKey(base.Node):
    row: strawberry.Private[tables.ApiKey]
    name: str = strawberry.field(description="What it is for.")
    scopes: list[callers.Scope] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    prefix: str = strawberry.field(
        description="How its secret begins, to know it again: `cb_<account>_k<number>_` and six"
        " characters more."
    )
    expires_at: datetime | None = strawberry.field(
        description="When it ends by itself; null: never."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute; null: not yet."
    )
    revoked_at: datetime | None = strawberry.field(
        description="When it was revoked; null while it is in force."
    )

    @classmethod
    def of(cls, row: tables.ApiKey) -> "ApiKey":
        return cls(
            row=row,
            id=base.encode_id("ApiKey", row.account_id, row.id),
            name=row.name,
            scopes=[callers.Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            prefix=f"cb_{row.account_id}_k{row.id}_{row.prefix}",
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )

    @strawberry.field(description="The account it belongs to.")
    async def account(self) -> accounts.Account:
        return accounts.Account.of(await stored_accounts.get(self.row.account_id))

    @strawberry.field(description="The one customer it sees; null for the whole account.")
    async def restricted_to(self) -> customers.Customer | None:
        if self.row.customer_id is None:
            return None
        row = await stored_customers.get(self.row.account_id, self.row.customer_id)
        return None if row is None else customers.Customer.of(row)


@strawberry.input(description="A new login of a program.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What it is for.")
    scopes: list[callers.Scope] = strawberry.field(description="What it may do, at least one.")
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The one customer it sees; null for the whole account."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends by itself, in the future; null: never."
    )


@strawberry.input(description="A login of a program to end.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id.")


@strawberry.type(description="A new key. Keep the secret: it is shown this once.")
class CreatedApiKey:
    id: strawberry.ID = strawberry.field(description="The key's id.")
    secret: str = strawberry.field(
        description="The whole bearer token: `Authorization: Bearer <secret>`."
    )
    key: ApiKey = strawberry.field(description="What was made.")


CreateApiKeyResult: TypeAlias = Annotated[
    CreatedApiKey | base.Refused,
    strawberry.union("CreateApiKeyResult", description="The key, or why there is none."),
]


RevokeApiKeyResult: TypeAlias = Annotated[
    ApiKey | base.Refused,
    strawberry.union("RevokeApiKeyResult", description="The revoked key, or why it is not."),
]


@strawberry.type
class KeyQuery:
    @strawberry.field(
        description="The account's keys, the oldest first, revoked and expired ones too. Owner."
    )
    async def api_keys(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[ApiKey]:
        size, last = base.page_size(first), base.decode_number_cursor(after)
        rows = await resolve.page(info.context.signed_in(), after=last, limit=size + 1)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), ApiKey.of)


@strawberry.type
class KeyMutation:
    @strawberry.mutation(description="Makes a key for a program. Owner.")
    async def create_api_key(
        self,
        info: base.Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")],
    ) -> CreateApiKeyResult:
        caller = info.context.signed_in()
        customer_id = None
        if input.customer_id is not None:
            customer_id = base.decode_id(input.customer_id, "Customer", caller.account_id)
        made = await resolve.create(
            caller, input.name, input.scopes, customer_id, info.context.now, input.expires_at
        )
        key = ApiKey.of(made.key)
        return CreatedApiKey(id=key.id, secret=made.secret, key=key)

    @strawberry.mutation(description="Ends a key within a second. Owner.")
    async def revoke_api_key(
        self,
        info: base.Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")],
    ) -> RevokeApiKeyResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "ApiKey", caller.account_id)
        return ApiKey.of(await resolve.revoke(caller, id, info.context.now))


async def node(info: base.Info, parts: tuple[str, ...]) -> ApiKey | None:
    row = await resolve.one(info.context.signed_in(), base.single(parts))
    return None if row is None else ApiKey.of(row)
