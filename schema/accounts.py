"""The account, as the caller may see it."""

import strawberry

from models import accounts as stored_accounts
from models import tables
from resolvers import checklists as resolve_checklists
from schema import base, customers, live, stats, summaries
from schema import checklist as schema_checklist


@strawberry.type(description="The carrier's own tenancy; everything belongs to exactly one.")
class Account(live.HasChannels, stats.HasStats, summaries.HasAccountSummary, base.Node):
    name: str = strawberry.field(description="The account's name.")

    @classmethod
    def of(cls, row: tables.Account) -> "Account":
        return cls(
            account_id=row.id,
            customer_id=None,
            id=base.encode_id("Account", row.id, row.id),
            name=row.name,
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
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[customers.Customer]:
        return await customers.page(info, first, after)


async def node(info: base.Info, parts: tuple[str, ...]) -> Account | None:
    caller = info.context.signed_in()
    if caller.customer_id is not None or base.single(parts) != caller.account_id:
        return None
    return Account.of(await stored_accounts.get(caller.account_id))
