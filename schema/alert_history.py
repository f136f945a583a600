"""The times that alert rules were raised."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from models import alert_history, alert_rules, tables
from resolvers import alerts as resolve
from schema import alerts, base

_VALUE = " Null to who does not see balances, if it is one."


@strawberry.type(description="One time that a rule was raised.")
class Alert:
    account_id: strawberry.Private[int]
    alert: strawberry.Private[alert_history.Alert]
    id: strawberry.ID = strawberry.field(description="Opaque; `node(id:)` does not find it.")
    raised_at: datetime = strawberry.field(description="When it was raised.")
    cleared_at: datetime | None = strawberry.field(
        description="When it was cleared; null: it still is raised."
    )

    @classmethod
    def of(cls, account_id: int, alert: alert_history.Alert) -> "Alert":
        return cls(
            account_id=account_id,
            alert=alert,
            id=base.encode_id("Alert", account_id, alert.id),
            raised_at=alert.raised_at,
            cleared_at=alert.cleared_at,
        )

    @strawberry.field(description="The rule, as it is now.")
    async def rule(self, info: base.Info) -> alerts.AlertRule:
        return alerts.AlertRule.of(await self._rule(info))

    @strawberry.field(description="The reading that raised it, in the metric's unit." + _VALUE)
    async def raised_value(self, info: base.Info) -> Decimal | None:
        return alerts.shown(info, await self._rule(info), self.alert.raised_value)

    @strawberry.field(
        description="The reading that cleared it; null: none yet, or the rule was removed." + _VALUE
    )
    async def cleared_value(self, info: base.Info) -> Decimal | None:
        return alerts.shown(info, await self._rule(info), self.alert.cleared_value)

    async def _rule(self, info: base.Info) -> tables.AlertRule:
        key = self.account_id, self.alert.rule_id
        return await info.context.loader(_rules).load(key)


async def _rules(keys: list[tuple[int, int]]) -> Sequence[tables.AlertRule]:
    found = await alert_rules.many(keys[0][0], [rule_id for _, rule_id in keys])
    return [found[rule_id] for _, rule_id in keys]


@strawberry.type
class AlertHistoryQuery:
    @strawberry.field(description="The times that rules were raised, newest first.")
    async def alerts(
        self,
        info: base.Info,
        customer_id: alerts.CustomerId = None,
        rule_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this rule; null: of any.")
        ] = None,
        first: base.First = 50,
        after: base.After = None,
    ) -> base.Connection[Alert]:
        size, caller = base.page_size(first), info.context.signed_in()
        account_id, of = caller.account_id, alerts.customer_number(info, customer_id)
        rule = None if rule_id is None else base.decode_id(rule_id, "AlertRule", account_id)
        before = base.decode_number_cursor(after)
        rows = await resolve.history(caller, of, rule, before, size + 1)
        return base.page(
            rows,
            size,
            lambda alert: base.encode_cursor(alert.id),
            lambda alert: Alert.of(account_id, alert),
        )
