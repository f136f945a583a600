"""API keys, the logins of programs."""

from datetime import datetime, timedelta
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from models import tables
from resolvers.access import Capability
from resolvers.identity import accounts as account_resolvers
from resolvers.identity import api_keys
from schema.directory import customers
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.identity import accounts

strawberry.enum(
    callers.Scope,
    name="Scope",
    description=(
        "Permissions of an API key. INGEST: report calls. LIVE_READ: see active calls, graphs"
        " and alerts, without money. STATS_READ: see graphs and summaries, with charges."
        " BILLING_READ: see summaries, single calls, balances, invoices and reconciliation."
        " BILLING_WRITE: BILLING_READ, and create invoices and post payments."
    ),
)


@permissions.open_type
@strawberry.type(description="The login of a program.")
class ApiKey(base.Node):
    row: strawberry.Private[tables.ApiKey]
    name: str = strawberry.field(description="Its purpose.")
    scopes: list[callers.Scope] = strawberry.field(description="Its scopes.")
    created_at: datetime = strawberry.field(description="When it was created.")
    prefix: str = strawberry.field(
        description=(
            "Start of its secret, to recognize it: `cb_<account>_k<number>_` and six more"
            " characters."
        )
    )
    expires_at: datetime | None = strawberry.field(description="When it expires. Null: never.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute. Null if it has not been used."
    )
    revoked_at: datetime | None = strawberry.field(
        description="When it was revoked. Null if it was not."
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
        return accounts.Account.of(await account_resolvers.existing(self.row.account_id))

    @strawberry.field(
        description="The only customer that it can access. Null for the whole account."
    )
    async def restricted_to(self, info: base.Info) -> customers.Customer | None:
        if self.row.customer_id is None:
            return None
        return await customers.of(info, self.row.account_id, self.row.customer_id)


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="Its purpose.")
    scopes: list[callers.Scope] = prices.list_field(
        "Its scopes, at least one.", limit=prices.MAX_ENUM_ITEMS
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The only customer that it can access. Null for the whole account.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it expires, in the future. Null: never."
    )


@strawberry.input(description="The API key to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id.")


@strawberry.input(description="The API key to replace.")
class RotateApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id.")
    overlap_seconds: int = strawberry.field(
        default=api_keys.DEFAULT_OVERLAP_SECONDS,
        description="Seconds for which the old key remains valid beside the new one, 0 to"
        f" {api_keys.MAX_OVERLAP_SECONDS}. Does not extend the old key.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description=(
            "When the new key expires, in the future. Null: never if the old key never expires;"
            " otherwise after the same lifetime as the old key's."
        ),
    )


@permissions.open_type
@strawberry.type(description="A new key. Store the secret: it is shown only once.")
class CreatedApiKey:
    id: strawberry.ID = strawberry.field(description="The key's id.")
    secret: str = strawberry.field(
        description="The complete bearer token: `Authorization: Bearer <secret>`."
    )
    key: ApiKey = strawberry.field(description="The created key.")


CreateApiKeyResult: TypeAlias = Annotated[
    CreatedApiKey | base.Refused,
    strawberry.union("CreateApiKeyResult", description="The created key, or a refusal."),
]


RotateApiKeyResult: TypeAlias = Annotated[
    CreatedApiKey | base.Refused,
    strawberry.union("RotateApiKeyResult", description="The new key, or a refusal."),
]


RevokeApiKeyResult: TypeAlias = Annotated[
    ApiKey | base.Refused,
    strawberry.union("RevokeApiKeyResult", description="The revoked key, or a refusal."),
]


@strawberry.type
class KeyQuery:
    @permissions.field(
        requires=Capability.MANAGE_STAFF,
        whole_account=True,
        description="The account's API keys, including revoked and expired ones, oldest first.",
    )
    async def api_keys(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[ApiKey] | None:
        size, last = base.page_size(first), base.decode_number_cursor(after)
        rows = await api_keys.page(info.context.signed_in(), after=last, limit=size + 1)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), ApiKey.of)


@strawberry.type
class KeyMutation:
    @permissions.mutation(requires=Capability.MANAGE_STAFF, description="Creates an API key.")
    async def create_api_key(
        self,
        info: base.Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")],
    ) -> CreateApiKeyResult:
        caller = info.context.signed_in()
        customer_id = None
        if input.customer_id is not None:
            customer_id = base.decode_id(input.customer_id, "Customer", caller.account_id)
        new_key = await api_keys.create(
            caller, input.name, input.scopes, customer_id, info.context.now, input.expires_at
        )
        key = ApiKey.of(new_key.key)
        return CreatedApiKey(id=key.id, secret=new_key.secret, key=key)

    @permissions.mutation(
        requires=Capability.MANAGE_STAFF,
        description=(
            "Creates a key with the name, scopes and customer of an existing key, which then"
            " expires after `overlapSeconds`. Refused: NOT_FOUND, KEY_NOT_ACTIVE, INVALID."
        ),
    )
    async def rotate_api_key(
        self,
        info: base.Info,
        input: Annotated[RotateApiKeyInput, strawberry.argument(description="The old key.")],
    ) -> RotateApiKeyResult:
        caller = info.context.signed_in()
        created = await api_keys.rotate(
            caller,
            base.decode_id(input.id, "ApiKey", caller.account_id),
            timedelta(seconds=input.overlap_seconds),
            info.context.now,
            input.expires_at,
        )
        key = ApiKey.of(created.key)
        return CreatedApiKey(id=key.id, secret=created.secret, key=key)

    @permissions.mutation(
        requires=Capability.MANAGE_STAFF,
        description="Revokes a key. Takes effect within a second.",
    )
    async def revoke_api_key(
        self,
        info: base.Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="The key.")],
    ) -> RevokeApiKeyResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "ApiKey", caller.account_id)
        return ApiKey.of(await api_keys.revoke(caller, id, info.context.now))


async def node(info: base.Info, parts: tuple[str, ...]) -> ApiKey | None:
    row = await api_keys.find(info.context.signed_in(), base.single(parts))
    return None if row is None else ApiKey.of(row)
