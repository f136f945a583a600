"""Alert rules and the times they were raised, as they are read; schema/alerting.py changes them."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

from domain import alert_messages, messages
from domain import alert_rules as domain_rules
from domain import alerts as domain
from models import alert_rules, tables
from resolvers import access
from resolvers import alerts as resolve
from resolvers.access import Capability
from schema import base, carriers, numbers

if TYPE_CHECKING:
    from schema.customers import Customer

strawberry.enum(
    domain.Metric,
    name="AlertMetric",
    description="What is watched. BALANCE: of a customer, in its currency. ASR, NER: percent. ACD:"
    " seconds. PDD: milliseconds. CPS: attempts per second over the last 10. CHANNELS: calls up."
    " CONSECUTIVE_FAILURES: calls since the last that was answered, redirected, or not taken by"
    " the called one (200, 3xx, 480, 486, 600, 603).",
)
strawberry.enum(
    domain.Scope,
    name="AlertScope",
    description="What a rule is about. Of a carrier every leg offered to it counts, of customers"
    " and the account every attempt.",
)
strawberry.enum(
    domain.Operator,
    name="AlertOperator",
    description="On which side of its threshold a rule is raised; at the threshold it is not.",
)
strawberry.enum(domain.Level, name="AlertLevel", description="How grave it is.")
strawberry.enum(
    domain.Kind,
    name="AlertKind",
    description="What has happened. RAISED: the threshold was passed. REPEATED: it still is, and"
    " its recipients were told so. CLEARED: the reset threshold was reached, or the rule removed.",
)
strawberry.enum(
    messages.Channel, name="AlertChannel", description="How a recipient is told of an alert."
)


@strawberry.type(description="Whom a rule tells.")
class AlertRecipient:
    channel: messages.Channel = strawberry.field(description="How.")
    to: str = strawberry.field(description="E-mail address, E.164 number or URL.")
    language: str = strawberry.field(description="BCP 47 tag of the language it is told in.")

    @classmethod
    def of(cls, one: domain_rules.Recipient) -> "AlertRecipient":
        return cls(channel=one.channel, to=one.to, language=one.language)


@strawberry.type(
    description="A threshold that is watched. It is compared every 10 s; raised when a reading"
    " passes the threshold, cleared when one has come back to the reset threshold. A reading of"
    " fewer calls than the minimum sample, or none at all, does neither."
)
class AlertRule(base.Node):
    row: strawberry.Private[tables.AlertRule]
    wanted: strawberry.Private[domain_rules.Wanted]
    title: str = strawberry.field(description="What it is called, by all who see it.")
    metric: domain.Metric = strawberry.field(description="What is watched.")
    scope: domain.Scope = strawberry.field(description="What it is about.")
    operator: domain.Operator = strawberry.field(description="On which side it is raised.")
    sample_minutes: base.Long | None = strawberry.field(
        description="It looks at the calls that ended in so many minutes; null: at the moment."
    )
    minimum_sample: base.Long = strawberry.field(
        description="Calls there have to be in a reading: of ASR and NER those that count, of ACD"
        " those answered, of PDD those that rang."
    )
    cool_down_seconds: base.Long = strawberry.field(
        description="Its recipients are told of a raising no sooner than so many seconds after the"
        " last time."
    )
    repeat_seconds: base.Long | None = strawberry.field(
        description="They are told again every so many seconds while it is raised; null: once."
    )
    level: domain.Level = strawberry.field(description="How grave it is.")
    raised_at: datetime | None = strawberry.field(description="Since when; null: not raised.")
    created_at: datetime = strawberry.field(description="When it was made.")
    removed_at: datetime | None = strawberry.field(
        description="Since when it watches no more; null: it does."
    )
    version: base.Long = strawberry.field(
        description="Rises with every change; for `expectedVersion`."
    )

    @classmethod
    def of(cls, row: tables.AlertRule) -> "AlertRule":
        wanted = alert_rules.wanted_of(row)
        return cls(
            row=row,
            wanted=wanted,
            id=base.encode_id("AlertRule", row.account_id, row.id),
            title=row.title,
            metric=wanted.metric,
            scope=wanted.scope,
            operator=wanted.operator,
            sample_minutes=row.sample_minutes,
            minimum_sample=row.minimum_sample,
            cool_down_seconds=row.cool_down_seconds,
            repeat_seconds=row.repeat_seconds,
            level=wanted.level,
            raised_at=row.raised_at,
            created_at=row.created_at,
            removed_at=row.removed_at,
            version=row.version,
        )

    @strawberry.field(
        description="In the metric's unit. Null to who does not see balances, if it is one."
    )
    def threshold(self, info: base.Info) -> Decimal | None:
        return shown(info, self.row, self.row.threshold)

    @strawberry.field(
        description="Where it is cleared. Null to who does not see balances, if it is one."
    )
    def reset_threshold(self, info: base.Info) -> Decimal | None:
        return shown(info, self.row, self.row.reset_threshold)

    @strawberry.field(description="The customer it is about; null: none in particular.")
    async def customer(
        self, info: base.Info
    ) -> Annotated["Customer", strawberry.lazy("schema.customers")] | None:
        id = self.row.customer_id
        return None if id is None else await numbers.customer_of(info, self.row.account_id, id)

    @strawberry.field(description="The carrier it is about; null: none in particular.")
    async def carrier(self, info: base.Info) -> carriers.Carrier | None:
        id = self.row.carrier_id
        return None if id is None else (await carriers.of(info, [id]))[0]

    @strawberry.field(description="Whom it tells. FORBIDDEN to all who may not change alert rules.")
    def recipients(self, info: base.Info) -> list[AlertRecipient]:
        access.require(info.context.signed_in(), Capability.MANAGE_ALERTS)
        return [AlertRecipient.of(one) for one in self.wanted.recipients]

    @strawberry.field(
        description="What the posts to its webhooks are signed with: docs/alerts.md. Null to all"
        " who may not change alert rules."
    )
    def webhook_secret(self, info: base.Info) -> str | None:
        if not access.may(info.context.signed_in(), Capability.MANAGE_ALERTS):
            return None
        key = info.context.secret_key
        return alert_messages.secret(key, self.row.account_id, self.row.id)


def shown(info: base.Info, row: tables.AlertRule, value: Decimal | None) -> Decimal | None:
    """A value of the rule's metric, as the caller may see it."""
    return value if resolve.sees_values(info.context.signed_in(), row) else None


CustomerId: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Of this customer; null: all that the caller sees."),
]


@strawberry.type
class AlertQuery:
    @strawberry.field(
        description="The rules that stand, the oldest first. Whoever sees one customer sees those"
        " about it alone."
    )
    async def alert_rules(
        self,
        info: base.Info,
        customer_id: CustomerId = None,
        first: base.First = 50,
        after: base.After = None,
    ) -> base.Connection[AlertRule]:
        size, caller = base.page_size(first), info.context.signed_in()
        of = customer_number(info, customer_id)
        rows = await resolve.page(caller, of, base.decode_number_cursor(after), size + 1)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), AlertRule.of)

    @strawberry.field(
        description="A rule, one that was removed too; null: none, or not for the caller."
    )
    async def alert_rule(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> AlertRule | None:
        return await node(info, base.parts_of(id, "AlertRule", info.context.signed_in().account_id))


def customer_number(info: base.Info, id: str | None) -> int | None:
    account_id = info.context.signed_in().account_id
    return None if id is None else base.decode_id(id, "Customer", account_id)


async def node(info: base.Info, parts: tuple[str, ...]) -> AlertRule | None:
    row = await resolve.one(info.context.signed_in(), base.single(parts))
    return None if row is None else AlertRule.of(row)
