"""Alerts and their history."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from models import tables
from resolvers.access import Capability
from resolvers.alerting import rule_management
from schema.alerting import alert_types
from schema.engine import base, permissions


async def _is_balance(alert: "Alert", info: base.Info) -> bool:
    return alert_types.measures_balance(await alert.rule_row(info))


@strawberry.type(description="One occasion on which an alert rule was raised.")
class Alert:
    account_id: strawberry.Private[int]
    alert: strawberry.Private[rule_management.Alert]
    id: strawberry.ID = permissions.open_field(description="Opaque; `node(id:)` does not find it.")
    raised_at: datetime = permissions.open_field(description="When it was raised.")
    cleared_at: datetime | None = permissions.open_field(
        description="When it was cleared. Null while it is raised."
    )

    @classmethod
    def of(cls, account_id: int, alert: rule_management.Alert) -> "Alert":
        return cls(
            account_id=account_id,
            alert=alert,
            id=base.encode_id("Alert", account_id, alert.id),
            raised_at=alert.raised_at,
            cleared_at=alert.cleared_at,
        )

    @permissions.open_field(description="The rule in its present state.")
    async def rule(self, info: base.Info) -> alert_types.AlertRule:
        return alert_types.AlertRule.of(await self.rule_row(info))

    @alert_types.value_field(
        description="Value of the metric that raised it, in the metric's unit.",
        is_balance=_is_balance,
    )
    async def raised_value(self) -> Decimal | None:
        return self.alert.raised_value

    @alert_types.value_field(
        description=(
            "Value of the metric that cleared it. Null while it is raised, or if the rule was"
            " removed."
        ),
        is_balance=_is_balance,
    )
    async def cleared_value(self) -> Decimal | None:
        return self.alert.cleared_value

    async def rule_row(self, info: base.Info) -> tables.AlertRule:
        key = self.account_id, self.alert.rule_id
        return await info.context.loader(rule_management.rows).load(key)


@strawberry.type
class AlertHistoryQuery:
    @permissions.field(
        requires=Capability.SEE_ALERTS,
        description="Alerts, newest first.",
    )
    async def alerts(
        self,
        info: base.Info,
        customer_id: alert_types.CustomerId = None,
        rule_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Only alerts of this rule. Null: all rules."),
        ] = None,
        first: base.First = 50,
        after: base.After = None,
    ) -> base.Connection[Alert] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        account_id, of = caller.account_id, alert_types.customer_number(info, customer_id)
        rule = base.decode_optional_id(rule_id, "AlertRule", account_id)
        before = base.decode_number_cursor(after)
        rows = await rule_management.history(caller, of, rule, before, size + 1)
        return base.page(
            rows,
            size,
            after,
            lambda alert: base.encode_cursor(alert.id),
            lambda alert: Alert.of(account_id, alert),
        )
