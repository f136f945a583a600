"""The whole schema, composed of the fields of its parts."""

from typing import Annotated

import strawberry
from strawberry.schema.config import StrawberryConfig

from resolvers.access import Capability, Identity
from schema.alerting import alert_history, alert_types, rule_mutations
from schema.billing import invoice_types, invoicing, rate_cards, rates, reconciliation
from schema.checklists import checklist
from schema.directory import audit_log, carriers, customer_of, customers, management, switches
from schema.engine import base, errors, executing, permissions, storable_input
from schema.engine.documents import bounded, variables
from schema.identity import (
    accounts,
    allowed_networks,
    api_keys,
    contacts,
    languages,
    own_profile,
    passwords,
    people,
    second_factor,
    session_types,
    staff,
    verification,
    viewer,
)
from schema.live import fact_subscriptions, live_channels
from schema.numbering import number_blocks, sip_user_mutations, sip_users
from schema.records import call_list, call_types, held_records, quarantine, unrated_calls
from schema.summaries import cells, channel_minutes, summaries, updates

# What `node(id:)` finds, by the kind in the id. Each resolver gets the id's parts and returns None
# for an object that does not exist or that the caller cannot see.
NODES: dict[str, permissions.NodeKind] = {
    "Account": permissions.NodeKind(accounts.node, requires=Identity.SIGNED_IN),
    "AlertRule": permissions.NodeKind(alert_types.node, requires=Capability.SEE_ALERTS),
    "ApiKey": permissions.NodeKind(api_keys.node, requires=Identity.SIGNED_IN),
    "Call": permissions.NodeKind(call_types.node, requires=Capability.SEE_CALLS),
    "Carrier": permissions.NodeKind(carriers.node, requires=Capability.SEE_LIVE),
    "Contact": permissions.NodeKind(contacts.node, requires=Capability.SEE_CONTACTS, hidden=True),
    "Customer": permissions.NodeKind(customers.node, requires=Capability.SEE_CUSTOMERS),
    "Invoice": permissions.NodeKind(invoice_types.invoice_node, requires=Capability.SEE_BILLING),
    "NumberBlock": permissions.NodeKind(number_blocks.node, requires=Capability.SEE_NUMBERS),
    "SipUser": permissions.NodeKind(sip_users.node, requires=Capability.SEE_NUMBERS),
    "Staff": permissions.NodeKind(staff.node, requires=Capability.SEE_STAFF, hidden=True),
    "SummaryRow": permissions.NodeKind(summaries.row_node, requires=Capability.SEE_SUMMARIES),
}


@strawberry.type(description="All queries.")
class Query(
    viewer.ViewerQuery,
    session_types.SessionQuery,
    second_factor.SecondFactorQuery,
    api_keys.KeyQuery,
    customers.CustomerQuery,
    carriers.CarrierQuery,
    contacts.ContactQuery,
    staff.StaffQuery,
    audit_log.AuditQuery,
    invoice_types.BillingQuery,
    reconciliation.ReconciliationQuery,
    cells.CellsQuery,
    switches.SwitchQuery,
    quarantine.QuarantineQuery,
    held_records.HeldQuery,
    rate_cards.RatesQuery,
    unrated_calls.UnratedQuery,
    call_list.CallQuery,
    languages.LanguageQuery,
    alert_types.AlertQuery,
    alert_history.AlertHistoryQuery,
):
    @permissions.field(
        requires=Identity.SIGNED_IN,
        description=(
            "The object with this id. Null if it does not exist or the caller cannot access it."
            " Refused: FORBIDDEN if the caller may not see any object of this kind."
        ),
    )
    async def node(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Any id of this API.")],
    ) -> base.Node | None:
        caller = info.context.signed_in()
        kind = (base.split_id(id) or ("",))[0]
        node_kind = NODES.get(kind)
        if node_kind is None or not node_kind.requirement.is_met(info.context):
            return None
        node: base.Node | None = await node_kind.find(
            info, base.parts_of(id, kind, caller.account_id)
        )
        return node


@strawberry.type(description="Every mutation returns its success or an expected refusal.")
class Mutation(
    viewer.ViewerMutation,
    session_types.SessionMutation,
    passwords.PasswordMutation,
    second_factor.SecondFactorMutation,
    allowed_networks.NetworkMutation,
    customers.CustomerMutation,
    carriers.CarrierMutation,
    contacts.ContactMutation,
    staff.StaffMutation,
    own_profile.ProfileMutation,
    people.PeopleMutation,
    management.ManagingMutation,
    api_keys.KeyMutation,
    switches.SwitchMutation,
    quarantine.QuarantineMutation,
    held_records.HeldMutation,
    unrated_calls.UnratedMutation,
    rates.RatesMutation,
    invoicing.BillingMutation,
    number_blocks.NumberMutation,
    sip_user_mutations.SipUserMutation,
    checklist.ChecklistMutation,
    verification.VerificationMutation,
    rule_mutations.AlertMutation,
):
    pass


@strawberry.type(description="All subscriptions, over a WebSocket or server-sent events.")
class Subscription(
    live_channels.LiveSubscription,
    updates.SummarySubscription,
    channel_minutes.ChannelMinuteSubscription,
    fact_subscriptions.FactSubscription,
):
    pass


# Subscriptions of which only the latest state matters. All others are facts: every event in order.
GAUGES = frozenset({"liveChannels", "liveStats"})
# Facts without numbers: clients resume with `since`, a time.
BY_TIME = frozenset({"summaryUpdated", "channelMinutes"})
# Every subscriber first receives the latest event, although all of them matter.
START_WITH_LATEST = frozenset({"channelMinutes"})

customer_of.install()
call_list.install()
storable_input.install()
variables.install()
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
