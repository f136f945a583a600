"""SIP users, and the usernames a customer may still pick."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from domain import callers
from domain import numbers as rules
from models import sip_users as stored
from resolvers import sip_users as resolve
from schema import base, numbers

if TYPE_CHECKING:
    from schema.customers import Customer

strawberry.enum(
    rules.Status, name="SipUserStatus", description="Whether it may sign in to the switch."
)
_StartingWith: TypeAlias = Annotated[
    str | None,
    strawberry.argument(description="The first digits of the username; null: any."),
]


@strawberry.type(description="One extension in use: what a phone signs in to the switch as.")
class SipUser(base.Node):
    row: strawberry.Private[stored.SipUser]
    username: str = strawberry.field(
        description="A number in digits without leading zeros; unique in the account."
    )
    realm: str = strawberry.field(description="What its secret is for, as the switch asks for it.")
    display_name: str | None = strawberry.field(description="Shown to people; null: none.")
    status: rules.Status = strawberry.field(description="Whether it may sign in.")
    created_at: datetime = strawberry.field(description="When it was made.")
    secret: str | None = strawberry.field(
        default=None,
        description="What the phone signs in with: shown this once in the answers of createSipUser"
        " and resetSipUserSecret, null everywhere else. Only digests of it are kept.",
    )

    @classmethod
    def of(cls, row: stored.SipUser, secret: str | None = None) -> "SipUser":
        return cls(
            row=row,
            id=base.encode_id("SipUser", row.account_id, row.id),
            username=row.username,
            realm=row.realm,
            display_name=row.display_name,
            status=row.status,
            created_at=row.created_at,
            secret=secret,
        )

    @strawberry.field(description="Whose it is.")
    async def customer(
        self, info: base.Info
    ) -> Annotated["Customer", strawberry.lazy("schema.customers")]:
        return await numbers.customer_of(info, self.row.account_id, self.row.customer_id)


# Read ----------------------------------------------------------------------------------------


@strawberry.type(description="A username that is free, with its place.")
class UsernameEdge:
    cursor: str = strawberry.field(description="Opaque; give it to `after` for what follows.")
    node: str = strawberry.field(description="The username.")


@strawberry.type(description="A page of usernames that are free.")
class UsernameConnection:
    edges: list[UsernameEdge] = strawberry.field(description="Those of this page, in order.")
    page_info: base.PageInfo = strawberry.field(description="Whether and where the list goes on.")


@strawberry.type
class HasSipUsers(base.Scoped):
    """Of a customer or an account."""

    @strawberry.field(description="SIP users, in order of their numbers.")
    async def sip_users(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        starting_with: _StartingWith = None,
    ) -> base.Connection[SipUser]:
        size = base.page_size(first)
        caller, start = info.context.signed_in(), base.decode_number_cursor(after)
        asked = (caller, start, starting_with, size + 1)
        if self.customer_id is None:
            rows = await resolve.page(*asked)
        else:
            key = (self.customer_id, asked)
            rows = await info.context.loader(_pages, cached=False).load(key)
        return base.page(rows, size, lambda row: base.encode_cursor(row.number), SipUser.of)


_Page: TypeAlias = tuple[callers.Caller, int | None, str | None, int]  # see `resolve.page`


async def _pages(keys: list[tuple[int, _Page]]) -> Sequence[list[stored.SipUser]]:
    """Of each customer; those that are asked for the same page, in one statement."""
    customers = base.grouped(keys)
    found = {page: await resolve.pages(page[0], ids, *page[1:]) for page, ids in customers.items()}
    return [found[page][customer_id] for customer_id, page in keys]


@strawberry.type
class HasUsernames(base.Scoped):
    """Of a customer."""

    @strawberry.field(
        description="Usernames that it may pick, in order: free numbers of its blocks or, while it"
        " has none, of the account's range in no other customer's block."
    )
    async def available_usernames(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        starting_with: _StartingWith = None,
    ) -> UsernameConnection:
        size = base.page_size(first)
        assert self.customer_id is not None
        found = await resolve.available(
            info.context.signed_in(),
            self.customer_id,
            base.decode_number_cursor(after),
            starting_with,
            size + 1,
        )
        edges = [
            UsernameEdge(cursor=base.encode_cursor(number), node=str(number))
            for number in found[:size]
        ]
        page_info = base.PageInfo(
            has_next_page=len(found) > size, end_cursor=edges[-1].cursor if edges else None
        )
        return UsernameConnection(edges=edges, page_info=page_info)


async def node(info: base.Info, parts: tuple[str, ...]) -> SipUser | None:
    number = base.single(parts)
    row = None if number is None else await resolve.one(info.context.signed_in(), number)
    return None if row is None else SipUser.of(row)


# Change --------------------------------------------------------------------------------------

_PASSWORD = (
    "The secret, 12 to 64 printable ASCII characters without space, quote, backslash and colon;"
    " null: a strong one is made up."
)


@strawberry.input(description="A new SIP user.")
class CreateSipUserInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose it is.")
    username: str = strawberry.field(
        description="A number that is free, such as one of the customer's availableUsernames."
    )
    display_name: str | None = strawberry.field(
        default=None, description="Shown to people; null: none."
    )
    password: str | None = strawberry.field(default=None, description=_PASSWORD)


@strawberry.input(description="What is to change of a SIP user.")
class UpdateSipUserInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")
    display_name: str | None = strawberry.field(
        default=None, description='Shown to people; null: as it is; "": none.'
    )
    status: rules.Status | None = strawberry.field(
        default=None, description="Whether it may sign in; null: as it is."
    )


@strawberry.input(description="A SIP user that gets a new secret.")
class ResetSipUserSecretInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")
    password: str | None = strawberry.field(default=None, description=_PASSWORD)


@strawberry.input(description="A SIP user to remove.")
class RemoveSipUserInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")


CreateSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union(
        "CreateSipUserResult", description="The SIP user with its secret, or why there is none."
    ),
]
UpdateSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union("UpdateSipUserResult", description="The SIP user, or why it stays."),
]
ResetSipUserSecretResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union(
        "ResetSipUserSecretResult", description="The SIP user with its new secret, or why not."
    ),
]
RemoveSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union("RemoveSipUserResult", description="The SIP user as it was, or why it stays."),
]


@strawberry.type
class SipUserMutation:
    @strawberry.mutation(
        description="Makes a SIP user and shows its secret this once. NUMBER_NOT_YOURS,"
        " USERNAME_TAKEN, NO_NUMBER_RANGE. Owner, support and the customer's contacts."
    )
    async def create_sip_user(
        self,
        info: base.Info,
        input: Annotated[CreateSipUserInput, strawberry.argument(description="The SIP user.")],
    ) -> CreateSipUserResult:
        caller = info.context.signed_in()
        made = await resolve.create(
            caller,
            base.decode_id(input.customer_id, "Customer", caller.account_id),
            input.username,
            realm=info.context.sip_realm,
            display_name=input.display_name,
            secret=input.password,
            now=info.context.now,
        )
        return SipUser.of(made.user, made.secret)

    @strawberry.mutation(
        description="Renames a SIP user, or keeps it from signing in and lets it again. Owner,"
        " support and the customer's contacts."
    )
    async def update_sip_user(
        self,
        info: base.Info,
        input: Annotated[UpdateSipUserInput, strawberry.argument(description="What changes.")],
    ) -> UpdateSipUserResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        return SipUser.of(
            await resolve.update(caller, id, input.display_name, input.status, info.context.now)
        )

    @strawberry.mutation(
        description="Gives a SIP user a new secret and shows it this once; the old one ends. Owner,"
        " support and the customer's contacts."
    )
    async def reset_sip_user_secret(
        self,
        info: base.Info,
        input: Annotated[ResetSipUserSecretInput, strawberry.argument(description="Of which.")],
    ) -> ResetSipUserSecretResult:
        caller, context = info.context.signed_in(), info.context
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        made = await resolve.reset_secret(
            caller, id, context.sip_realm, input.password, context.now
        )
        return SipUser.of(made.user, made.secret)

    @strawberry.mutation(
        description="Removes a SIP user; its number is free at once. Owner, support and the"
        " customer's contacts."
    )
    async def remove_sip_user(
        self,
        info: base.Info,
        input: Annotated[RemoveSipUserInput, strawberry.argument(description="Which SIP user.")],
    ) -> RemoveSipUserResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        return SipUser.of(await resolve.remove(caller, id, info.context.now))
