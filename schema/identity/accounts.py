"""The account, as the caller can see it."""

from enum import Enum

import strawberry

from models import tables
from resolvers import access
from resolvers.access import Capability
from resolvers.checklists import checklists
from resolvers.identity import accounts
from schema.checklists import checklist as schema_checklist
from schema.directory import customers as customer_types
from schema.engine import base, permissions
from schema.live import live_channels
from schema.numbering import number_blocks, sip_users
from schema.records import call_list
from schema.summaries import graph_types, summaries


@strawberry.enum(description="What each line of an invoice covers.")
class InvoiceGrouping(Enum):
    DAY = "DAY"
    DESTINATION = "DESTINATION"


@strawberry.type(
    description="The carrier's own tenancy. Everything belongs to exactly one account."
)
class Account(
    live_channels.HasChannels,
    graph_types.HasStats,
    summaries.HasAccountSummary,
    call_list.HasAccountCalls,
    number_blocks.HasRange,
    sip_users.HasSipUsers,
    base.Node,
):
    name: str = permissions.open_field(description="The account's name.")
    hide_carriers: bool = permissions.open_field(
        description="Whether the names of carriers are hidden from customers."
    )
    invoice_grouping: InvoiceGrouping = permissions.open_field(
        description="What each line of an invoice covers."
    )
    language: str = permissions.open_field(
        description="BCP 47 tag of the language of messages sent in the account's name."
    )
    version: base.Long = permissions.open_field(
        description="Increases with every change. Pass it as `expectedVersion`."
    )

    @classmethod
    def of(cls, row: tables.Account) -> "Account":
        return cls(
            account_id=row.id,
            customer_id=None,
            id=base.encode_id("Account", row.id, row.id),
            name=row.name,
            hide_carriers=row.hide_carriers,
            invoice_grouping=InvoiceGrouping(row.invoice_grouping),
            language=row.language,
            version=row.version,
        )

    @permissions.field(
        requires=Capability.SEE_CUSTOMERS,
        whole_account=True,
        description="The checklist of the account itself, without the items of its customers.",
    )
    async def checklist(self, info: base.Info) -> schema_checklist.Checklist | None:
        context = info.context
        items = await checklists.of_account(context.signed_in(), context.now)
        return schema_checklist.Checklist.of(items)

    @permissions.field(
        requires=Capability.SEE_CUSTOMERS, description="Its customers, oldest first."
    )
    async def customers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
        status: customer_types.Status = None,
    ) -> base.Connection[customer_types.Customer] | None:
        return await customer_types.page(info, first, after, search, status)


async def node(info: base.Info, parts: tuple[str, ...]) -> Account | None:
    caller = info.context.signed_in()
    if not access.sees_account(caller) or base.single(parts) != caller.account_id:
        return None
    return Account.of(await accounts.existing(caller.account_id))
