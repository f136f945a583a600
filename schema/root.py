"""The whole schema: every part's fields, put together."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema import (
    accounts,
    alert_history,
    alerting,
    alerts,
    audit,
    base,
    billing,
    bounded,
    carriers,
    cells,
    checklist,
    contacts,
    customers,
    errors,
    executing,
    facts,
    held,
    invoicing,
    keys,
    languages,
    live,
    managing,
    networks,
    numbers,
    passwords,
    people,
    profile,
    quarantine,
    rate_cards,
    rates,
    reconciliation,
    second_factor,
    sessions,
    sip_users,
    staff,
    summaries,
    switches,
    unrated,
    updates,
    verification,
    viewer,
)

# What `node(id:)` finds, by the kind an id names. Each is given the id's parts, and answers None
# for what does not exist or not for the caller.
NODES: dict[str, Callable[[base.Info, tuple[str, ...]], Awaitable[Any]]] = {
    "Account": accounts.node,
    "AlertRule": alerts.node,
    "ApiKey": keys.node,
    "Carrier": carriers.node,
    "Contact": contacts.node,
    "Customer": customers.node,
    "Invoice": billing.invoice_node,
    "NumberBlock": numbers.node,
    "SipUser": sip_users.node,
    "Staff": staff.node,
    "SummaryRow": summaries.row_node,
}


@strawberry.type(description="What can be asked.")
class Query(
    viewer.ViewerQuery,
    sessions.SessionQuery,
    second_factor.SecondFactorQuery,
    keys.KeyQuery,
    customers.CustomerQuery,
    carriers.CarrierQuery,
    contacts.ContactQuery,
    staff.StaffQuery,
    audit.AuditQuery,
    billing.BillingQuery,
    reconciliation.ReconciliationQuery,
    cells.CellsQuery,
    switches.SwitchQuery,
    quarantine.QuarantineQuery,
    held.HeldQuery,
    rate_cards.RatesQuery,
    unrated.UnratedQuery,
    languages.LanguageQuery,
    alerts.AlertQuery,
    alert_history.AlertHistoryQuery,
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
        kind = (base.split_id(id) or ("",))[0]
        find = NODES.get(kind)
        if find is None:
            return None
        found: base.Node | None = await find(info, base.parts_of(id, kind, caller.account_id))
        return found


@strawberry.type(description="What can be done. Each answers its success or an expected refusal.")
class Mutation(
    viewer.ViewerMutation,
    sessions.SessionMutation,
    passwords.PasswordMutation,
    second_factor.SecondFactorMutation,
    networks.NetworkMutation,
    customers.CustomerMutation,
    carriers.CarrierMutation,
    contacts.ContactMutation,
    staff.StaffMutation,
    profile.ProfileMutation,
    people.PeopleMutation,
    managing.ManagingMutation,
    keys.KeyMutation,
    switches.SwitchMutation,
    quarantine.QuarantineMutation,
    held.HeldMutation,
    unrated.UnratedMutation,
    rates.RatesMutation,
    invoicing.BillingMutation,
    numbers.NumberMutation,
    sip_users.SipUserMutation,
    checklist.ChecklistMutation,
    verification.VerificationMutation,
    alerting.AlertMutation,
):
    pass


@strawberry.type(description="What can be listened to, over a WebSocket or server-sent events.")
class Subscription(live.LiveSubscription, updates.SummarySubscription, facts.FactSubscription):
    pass


# Subscriptions of which only the latest state counts. All others are facts: every one, in order.
GAUGES = frozenset({"liveChannels", "liveStats"})
# Facts without numbers of their own: what follows an instant is asked for with `since`.
BY_TIME = frozenset({"summaryUpdated"})

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
