"""The whole schema: every part's fields, put together."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema import (
    base,
    billing,
    bounded,
    cells,
    errors,
    executing,
    facts,
    invoicing,
    live,
    people,
    rates,
    reconciliation,
    setup,
    summaries,
    switches,
    updates,
    viewer,
)

# What `node(id:)` finds, by the kind an id names. Each is given the id's parts, and answers None
# for what does not exist or not for the caller.
NODES: dict[str, Callable[[base.Info, tuple[str, ...]], Awaitable[Any]]] = {
    "Account": people.account_node,
    "ApiKey": people.key_node,
    "Carrier": people.carrier_node,
    "Contact": people.contact_node,
    "Customer": people.customer_node,
    "Invoice": billing.invoice_node,
    "Staff": people.staff_node,
    "SummaryRow": summaries.row_node,
}


@strawberry.type(description="What can be asked.")
class Query(
    viewer.ViewerQuery,
    people.PeopleQuery,
    billing.BillingQuery,
    reconciliation.ReconciliationQuery,
    cells.CellsQuery,
    switches.SwitchQuery,
):
    @strawberry.field(
        description="Whatever has this id; null if there is none, or not for the caller."
        " FORBIDDEN to a caller that may see nothing of its kind."
    )
    async def node(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Any id of this API.")],
    ) -> base.Node | None:
        caller = info.context.signed_in()
        kind, account_id, parts = base.split_id(id) or ("", 0, ())
        find = NODES.get(kind)
        if find is None or account_id != caller.account_id:
            return None
        found: base.Node | None = await find(info, parts)
        return found


@strawberry.type(description="What can be done. Each answers its success or an expected refusal.")
class Mutation(
    viewer.ViewerMutation,
    setup.SetupMutation,
    switches.SwitchMutation,
    rates.RatesMutation,
    invoicing.BillingMutation,
):
    pass


@strawberry.type(description="What can be listened to, over a WebSocket or server-sent events.")
class Subscription(live.LiveSubscription, updates.SummarySubscription, facts.FactSubscription):
    pass


# Subscriptions of which only the latest state counts. All others are facts: every one, in order.
GAUGES = frozenset({"liveChannels", "liveStats"})

api = bounded.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[base.InvalidInput, base.NotFound, base.NotPermitted, base.Conflict],
    extensions=[errors.Masked],
    execution_context_class=executing.Execution,
    config=StrawberryConfig(scalar_map=base.SCALARS, relay_max_results=base.MAX_PAGE),
    exception_handlers=[base.RefusalHandler()],
)
