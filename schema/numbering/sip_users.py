"""SIP users, and the usernames that a customer can pick."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from domain.numbering import number_ranges
from resolvers.access import Capability
from resolvers.numbering import sip_users
from schema.engine import base, permissions

strawberry.enum(
    number_ranges.Status,
    name="SipUserStatus",
    description="Whether a SIP user may register at the switch.",
)
_StartingWith: TypeAlias = Annotated[
    str | None,
    strawberry.argument(description="The first digits of the username. Null: any username."),
]


@permissions.open_type
@strawberry.type(description="An extension in use, with which a phone registers at the switch.")
class SipUser(base.Node):
    row: strawberry.Private[sip_users.SipUser]
    username: str = strawberry.field(
        description="A number in digits without leading zeros; unique in the account."
    )
    realm: str = strawberry.field(description="Digest realm of its secret, as sent by the switch.")
    display_name: str | None = strawberry.field(description="Name shown to people. Null: none.")
    status: number_ranges.Status = strawberry.field(
        description="Whether it may register at the switch."
    )
    created_at: datetime = strawberry.field(description="When it was created.")
    secret: str | None = strawberry.field(
        default=None,
        description=(
            "Secret with which the phone registers. Shown only in the results of createSipUser"
            " and resetSipUserSecret; null everywhere else. Only its digests are stored."
        ),
    )

    @classmethod
    def of(cls, row: sip_users.SipUser, secret: str | None = None) -> "SipUser":
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


# Read ----------------------------------------------------------------------------------------


@permissions.open_type
@strawberry.type(description="A free username, with its cursor.")
class UsernameEdge:
    cursor: str = strawberry.field(
        description="Opaque. Pass it as `after` to continue after this item."
    )
    node: str = strawberry.field(description="The username.")


@permissions.open_type
@strawberry.type(description="A page of free usernames.")
class UsernameConnection:
    edges: list[UsernameEdge] = strawberry.field(
        description="The usernames of this page, in order."
    )
    page_info: base.PageInfo = strawberry.field(description="Whether and where the list continues.")


@strawberry.type
class HasSipUsers(base.Scoped):
    """Fields of a customer and of an account."""

    @permissions.field(
        requires=Capability.SEE_NUMBERS, description="SIP users, in order of their numbers."
    )
    async def sip_users(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        starting_with: _StartingWith = None,
    ) -> base.Connection[SipUser] | None:
        size = base.page_size(first)
        caller, start = info.context.signed_in(), base.decode_number_cursor(after)
        page_arguments = (caller, start, starting_with, size + 1)
        if self.customer_id is None:
            rows = await sip_users.page(*page_arguments)
        else:
            key = (self.customer_id, page_arguments)
            rows = await info.context.loader(_pages, cached=False).load(key)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.number), SipUser.of)


_Page: TypeAlias = tuple[callers.Caller, int | None, str | None, int]  # see `sip_users.page`


async def _pages(keys: list[tuple[int, _Page]]) -> Sequence[list[sip_users.SipUser]]:
    """The page of each customer. Customers with an equal page share a statement."""
    customers = base.grouped(keys)
    users = {
        page: await sip_users.pages(page[0], ids, *page[1:]) for page, ids in customers.items()
    }
    return [users[page][customer_id] for customer_id, page in keys]


@strawberry.type
class HasUsernames(base.Scoped):
    """Fields of a customer."""

    @permissions.field(
        requires=Capability.SEE_NUMBERS,
        description=(
            "Usernames that it may pick, in order: free numbers of its blocks. Without blocks,"
            " free numbers of the account's range that are in no block."
        ),
    )
    async def available_usernames(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        starting_with: _StartingWith = None,
    ) -> UsernameConnection | None:
        size = base.page_size(first)
        assert self.customer_id is not None
        numbers = await sip_users.available(
            info.context.signed_in(),
            self.customer_id,
            base.decode_number_cursor(after),
            starting_with,
            size + 1,
        )
        edges = [
            UsernameEdge(cursor=base.encode_cursor(number), node=str(number))
            for number in numbers[:size]
        ]
        page_info = base.page_info(edges, after, has_next=len(numbers) > size)
        return UsernameConnection(edges=edges, page_info=page_info)


async def node(info: base.Info, parts: tuple[str, ...]) -> SipUser | None:
    number = base.single(parts)
    row = None if number is None else await sip_users.find(info.context.signed_in(), number)
    return None if row is None else SipUser.of(row)
