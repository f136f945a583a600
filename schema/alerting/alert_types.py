"""Alert rules and alerts for reading; `rule_mutations` changes them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import strawberry

from domain.alerting import alert_messages, alert_rules, evaluation
from domain.messaging import messages
from models import tables
from resolvers.access import Capability
from resolvers.alerting import rule_management
from schema.directory import carriers, customers
from schema.engine import base, permissions

strawberry.enum(
    evaluation.Metric,
    name="AlertMetric",
    description=(
        "Metric of an alert rule. BALANCE: of a customer, in its currency. ASR, NER: percent."
        " ACD: seconds. PDD: milliseconds. CPS: attempts per second over the last 10 seconds."
        " CHANNELS: active calls. CONSECUTIVE_FAILURES: calls since the last one that ended with"
        " 200, 3xx, 480, 486, 600 or 603."
    ),
)
strawberry.enum(
    evaluation.Scope,
    name="AlertScope",
    description=(
        "Scope of an alert rule. For a carrier, every leg offered to it counts; for a customer"
        " or the account, every attempt."
    ),
)
strawberry.enum(
    evaluation.Operator,
    name="AlertOperator",
    description=(
        "Side of the threshold on which a rule is raised. At the threshold itself it is not."
    ),
)
strawberry.enum(evaluation.Level, name="AlertLevel", description="Severity.")
strawberry.enum(
    evaluation.Kind,
    name="AlertKind",
    description=(
        "Kind of an alert event. RAISED: the threshold was crossed. REPEATED: it is still"
        " crossed, and the recipients were reminded. CLEARED: the reset threshold was reached,"
        " or the rule was removed."
    ),
)
strawberry.enum(
    messages.Channel, name="AlertChannel", description="Channel by which a recipient is notified."
)


@permissions.open_type
@strawberry.type(description="A recipient of a rule's notifications.")
class AlertRecipient:
    channel: messages.Channel = strawberry.field(description="The channel of the notifications.")
    to: str = strawberry.field(description="E-mail address, E.164 number or URL.")
    language: str = strawberry.field(description="BCP 47 tag of the language of its notifications.")

    @classmethod
    def of(cls, recipient: alert_rules.Recipient) -> "AlertRecipient":
        return cls(channel=recipient.channel, to=recipient.to, language=recipient.language)


def value_field(
    *, description: str, is_balance: Callable[[Any, base.Info], bool | Awaitable[bool]]
) -> Any:
    """A field with a value of a rule's metric, which is null if it is a balance and the caller
    cannot see balances."""
    return permissions.field(
        requires=Capability.SEE_BILLING,
        hidden=True,
        when=permissions.Condition("it is a balance", is_balance),
        description=description,
    )


def measures_balance(row: tables.AlertRule) -> bool:
    return bool(row.metric == evaluation.Metric.BALANCE)


def _is_balance(rule: "AlertRule", _: base.Info) -> bool:
    return measures_balance(rule.row)


@strawberry.type(
    description="A rule that watches a metric. It is evaluated every 10 s. It is raised when the"
    " metric crosses the threshold, and cleared when the metric reaches the reset threshold. A"
    " sample with fewer calls than the minimum changes nothing."
)
class AlertRule(base.Node):
    row: strawberry.Private[tables.AlertRule]
    wanted: strawberry.Private[alert_rules.RuleDefinition]
    title: str = permissions.open_field(description="Title, visible to everyone who sees the rule.")
    metric: evaluation.Metric = permissions.open_field(description="The metric that is watched.")
    scope: evaluation.Scope = permissions.open_field(description="Scope of the rule.")
    operator: evaluation.Operator = permissions.open_field(
        description="Side of the threshold on which it is raised."
    )
    sample_minutes: base.Long | None = permissions.open_field(
        description=(
            "Minutes of the sample: the calls that ended in them are evaluated. Null for metrics"
            " of the present state."
        )
    )
    minimum_sample: base.Long = permissions.open_field(
        description=(
            "Minimum calls in a sample: for ASR and NER the calls that count, for ACD the"
            " answered calls, for PDD the calls that rang."
        )
    )
    cool_down_seconds: base.Long = permissions.open_field(
        description="Minimum seconds between two notifications that the alert was raised."
    )
    repeat_seconds: base.Long | None = permissions.open_field(
        description="Seconds between two reminders while it is raised. Null: no reminders."
    )
    level: evaluation.Level = permissions.open_field(description="Severity.")
    raised_at: datetime | None = permissions.open_field(
        description="When it was raised. Null if it is not raised."
    )
    created_at: datetime = permissions.open_field(description="When it was created.")
    removed_at: datetime | None = permissions.open_field(
        description="When it was removed. Null if it was not."
    )
    version: base.Long = permissions.open_field(
        description="Increases with every change. Pass it as `expectedVersion`."
    )

    @classmethod
    def of(cls, row: tables.AlertRule) -> "AlertRule":
        definition = rule_management.definition_of(row)
        return cls(
            row=row,
            wanted=definition,
            id=base.encode_id("AlertRule", row.account_id, row.id),
            title=row.title,
            metric=definition.metric,
            scope=definition.scope,
            operator=definition.operator,
            sample_minutes=row.sample_minutes,
            minimum_sample=row.minimum_sample,
            cool_down_seconds=row.cool_down_seconds,
            repeat_seconds=row.repeat_seconds,
            level=definition.level,
            raised_at=row.raised_at,
            created_at=row.created_at,
            removed_at=row.removed_at,
            version=row.version,
        )

    @value_field(description="Threshold in the metric's unit.", is_balance=_is_balance)
    def threshold(self) -> Decimal | None:
        return self.row.threshold

    @value_field(
        description="Value at which it is cleared, in the metric's unit.", is_balance=_is_balance
    )
    def reset_threshold(self) -> Decimal | None:
        return self.row.reset_threshold

    @permissions.open_field(
        description="The customer that it watches. Null if the rule is not about one customer."
    )
    async def customer(self, info: base.Info) -> customers.Customer | None:
        id = self.row.customer_id
        return None if id is None else await customers.of(info, self.row.account_id, id)

    @permissions.open_field(
        description="The carrier that it watches. Null if the rule is not about one carrier."
    )
    async def carrier(self, info: base.Info) -> carriers.Carrier | None:
        id = self.row.carrier_id
        return None if id is None else (await carriers.of(info, [id]))[0]

    @permissions.field(
        requires=Capability.MANAGE_ALERTS,
        description="Recipients of its notifications.",
    )
    def recipients(self) -> list[AlertRecipient] | None:
        return [AlertRecipient.of(recipient) for recipient in self.wanted.recipients]

    @permissions.field(
        requires=Capability.MANAGE_ALERTS,
        hidden=True,
        description=(
            "Secret with which the requests to its webhooks are signed: see docs/alerts.md."
        ),
    )
    def webhook_secret(self, info: base.Info) -> str | None:
        key = info.context.services.sign_in.secret_key
        return alert_messages.webhook_secret(key, self.row.account_id, self.row.id)


CustomerId: TypeAlias = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Only rules of this customer. Null: all rules that the caller can access."
    ),
]


@strawberry.type
class AlertQuery:
    @permissions.field(
        requires=Capability.SEE_ALERTS,
        description=(
            "Alert rules that have not been removed, oldest first. Callers that can access only"
            " one customer see only its rules."
        ),
    )
    async def alert_rules(
        self,
        info: base.Info,
        customer_id: CustomerId = None,
        first: base.First = 50,
        after: base.After = None,
    ) -> base.Connection[AlertRule] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        of = customer_number(info, customer_id)
        rows = await rule_management.page(caller, of, base.decode_number_cursor(after), size + 1)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), AlertRule.of)

    @permissions.field(
        requires=Capability.SEE_ALERTS,
        description=(
            "An alert rule, also a removed one. Null if it does not exist or the caller cannot"
            " access it."
        ),
    )
    async def alert_rule(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> AlertRule | None:
        return await node(info, base.parts_of(id, "AlertRule", info.context.signed_in().account_id))


def customer_number(info: base.Info, id: str | None) -> int | None:
    account_id = info.context.signed_in().account_id
    return base.decode_optional_id(id, "Customer", account_id)


async def node(info: base.Info, parts: tuple[str, ...]) -> AlertRule | None:
    row = await rule_management.find(info.context.signed_in(), base.single(parts))
    return None if row is None else AlertRule.of(row)
