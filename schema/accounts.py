"""The account, as the caller may see it."""

from enum import Enum

import strawberry

from models import accounts as stored_accounts
from models import tables
from resolvers import checklists as resolve_checklists
from schema import base, customers, live, numbers, sip_users, stats, summaries
from schema import checklist as schema_checklist


@strawberry.enum(description="What an invoice has a line for.")
class InvoiceGrouping(Enum):
    DAY = "DAY"
    DESTINATION = "DESTINATION"


@strawberry.type(description="The carrier's own tenancy; everything belongs to exactly one.")
class Account(
    live.HasChannels,
    stats.HasStats,
    summaries.HasAccountSummary,
    numbers.HasRange,
    sip_users.HasSipUsers,
    base.Node,
):
    name: str = strawberry.field(description="The account's name.")
    hide_carriers: bool = strawberry.field(
        description="Whether customers are shown no names of carriers."
    )
    invoice_grouping: InvoiceGrouping = strawberry.field(
        description="What its invoices have a line for."
    )
    language: str = strawberry.field(description="BCP 47 tag of what is written in its name.")
    version: base.Long = strawberry.field(
        description="Rises with every change; for `expectedVersion`."
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

    @strawberry.field(
        description="What it has to put right itself, besides what its customers have to."
    )
    async def checklist(self, info: base.Info) -> schema_checklist.Checklist:
        context = info.context
        shown = await resolve_checklists.of_account(context.signed_in(), context.now)
        return schema_checklist.Checklist.of(shown)

    @strawberry.field(description="Its customers, the oldest first.")
    async def customers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
        status: customers.Status = None,
    ) -> base.Connection[customers.Customer]:
        return await customers.page(info, first, after, search, status)


async def node(info: base.Info, parts: tuple[str, ...]) -> Account | None:
    caller = info.context.signed_in()
    if caller.customer_id is not None or base.single(parts) != caller.account_id:
        return None
    return Account.of(await stored_accounts.get(caller.account_id))
