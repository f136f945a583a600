"""Mutations of alert rules: create, change, test and remove."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain.alerting import alert_rules, evaluation
from domain.messaging import messages
from resolvers.access import Capability
from resolvers.alerting import rule_management
from schema.alerting.alert_types import AlertRecipient, AlertRule
from schema.engine import base, partial_inputs, permissions, target_ids
from schema.engine.documents import prices

_RESET = (
    "Value at which it is cleared: the threshold, or a better value so that a metric that"
    " fluctuates around the threshold raises the rule once."
)


@strawberry.input(description="A recipient of a rule's notifications.")
class AlertRecipientInput:
    channel: messages.Channel = strawberry.field(description="The channel of the notifications.")
    to: str = strawberry.field(
        description="E-mail address, phone number with its country code, or http(s) address."
    )
    language: str = strawberry.field(
        default="en",
        description="BCP 47 tag of the language of its notifications: see `languages`.",
    )


@strawberry.input(description="A new alert rule: about a customer, a carrier, or the account.")
class CreateAlertRuleInput:
    title: str = strawberry.field(
        description="Title, also visible to the customer that the rule watches."
    )
    metric: evaluation.Metric = strawberry.field(description="The metric that is watched.")
    operator: evaluation.Operator = strawberry.field(
        description="Side of the threshold on which it is raised."
    )
    threshold: Decimal = strawberry.field(description="Threshold in the metric's unit.")
    reset_threshold: Decimal | None = strawberry.field(
        default=None, description=_RESET + " Null: the threshold itself."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The customer to watch."
    )
    carrier_id: strawberry.ID | None = strawberry.field(
        default=None, description="The carrier to watch."
    )
    sample_minutes: base.Long | None = strawberry.field(
        default=None,
        description=(
            "Minutes of the sample, 1 to 15: the calls that ended in them are evaluated. Null"
            " for BALANCE, CPS and CHANNELS, which are metrics of the present state."
        ),
    )
    minimum_sample: base.Long = strawberry.field(
        default=1, description="Minimum calls in a sample. Samples with fewer calls are ignored."
    )
    cool_down_seconds: base.Long = strawberry.field(
        default=300,
        description=(
            "Minimum seconds between two notifications that the alert was raised, up to 7 days."
        ),
    )
    repeat_seconds: base.Long | None = strawberry.field(
        default=None,
        description=(
            "Seconds between two reminders while it is raised: at least 60, and at least the"
            " cool-down. Null: no reminders."
        ),
    )
    level: evaluation.Level = strawberry.field(
        default=evaluation.Level.WARNING, description="Severity."
    )
    recipients: list[AlertRecipientInput] = prices.list_field(
        "Recipients of its notifications.", limit=alert_rules.MAX_RECIPIENTS, default_factory=list
    )


@strawberry.input(
    description="Changes of an alert rule. Its metric and scope cannot be changed. "
    + partial_inputs.PARTIAL
)
class UpdateAlertRuleInput:
    id: strawberry.ID | None = target_ids.id_field("The rule.")
    rule_id: strawberry.ID | None = target_ids.deprecated_id("The rule.")
    expected_version: base.Long | None = strawberry.field(
        default=None,
        description=(
            "The `version` as last read. Refused with CHANGED_MEANWHILE if it differs now. Null:"
            " any version."
        ),
    )
    title: str | None = partial_inputs.optional("Title.")
    operator: evaluation.Operator | None = partial_inputs.optional(
        "Side of the threshold on which it is raised."
    )
    threshold: Decimal | None = partial_inputs.optional("Threshold in the metric's unit.")
    reset_threshold: Decimal | None = partial_inputs.optional(_RESET)
    sample_minutes: base.Long | None = partial_inputs.optional("Minutes of the sample, 1 to 15.")
    minimum_sample: base.Long | None = partial_inputs.optional(
        "Minimum calls in a sample. Samples with fewer calls are ignored."
    )
    cool_down_seconds: base.Long | None = partial_inputs.optional(
        "Minimum seconds between two notifications that the alert was raised."
    )
    repeat_seconds: base.Long | None = partial_inputs.optional(
        "Seconds between two reminders while it is raised. Null: no reminders."
    )
    level: evaluation.Level | None = partial_inputs.optional("Severity.")
    recipients: list[AlertRecipientInput] | None = prices.list_field(
        "All recipients of its notifications.",
        limit=alert_rules.MAX_RECIPIENTS,
        default=strawberry.UNSET,
    )


@strawberry.input(description="The alert rule.")
class TestAlertRuleInput:
    id: strawberry.ID = strawberry.field(description="The rule.")


@strawberry.input(description="The alert rule.")
class RemoveAlertRuleInput:
    id: strawberry.ID = strawberry.field(description="The rule.")


@permissions.open_type
@strawberry.type(description="Test messages are being sent.")
class AlertRuleTested:
    rule: AlertRule = strawberry.field(description="The rule.")
    sent_to: list[AlertRecipient] = strawberry.field(description="The recipients.")


CreateAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("CreateAlertRuleResult", description="The created rule, or a refusal."),
]
UpdateAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("UpdateAlertRuleResult", description="The updated rule, or a refusal."),
]
RemoveAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("RemoveAlertRuleResult", description="The removed rule, or a refusal."),
]
TestAlertRuleResult: TypeAlias = Annotated[
    AlertRuleTested | base.Refused,
    strawberry.union(
        "TestAlertRuleResult", description="The recipients of the test, or a refusal."
    ),
]


def _recipients(inputs: list[AlertRecipientInput]) -> tuple[alert_rules.Recipient, ...]:
    return tuple(
        alert_rules.Recipient(recipient.channel, recipient.to, recipient.language)
        for recipient in inputs
    )


def _number(info: base.Info, id: str | None, kind: str) -> int | None:
    account_id = info.context.signed_in().account_id
    return base.decode_optional_id(id, kind, account_id)


@strawberry.type
class AlertMutation:
    @permissions.mutation(
        requires=Capability.MANAGE_ALERTS,
        description=(
            "Creates an alert rule, which takes effect at once. Refused: BAD_SCOPE,"
            " BAD_THRESHOLD, BAD_RESET, BAD_SAMPLE, BAD_COOL_DOWN, BAD_REPEAT, BAD_RECIPIENT."
        ),
    )
    async def create_alert_rule(
        self,
        info: base.Info,
        input: Annotated[CreateAlertRuleInput, strawberry.argument(description="The rule.")],
    ) -> CreateAlertRuleResult:
        caller = info.context.signed_in()
        customer, carrier, reset = input.customer_id, input.carrier_id, input.reset_threshold
        definition = alert_rules.RuleDefinition(
            title=input.title,
            metric=input.metric,
            scope=evaluation.Scope.ACCOUNT,
            operator=input.operator,
            threshold=input.threshold,
            reset_threshold=input.threshold if reset is None else reset,
            sample_minutes=input.sample_minutes,
            minimum_sample=input.minimum_sample,
            cool_down_seconds=input.cool_down_seconds,
            repeat_seconds=input.repeat_seconds,
            level=input.level,
            recipients=_recipients(input.recipients),
        )
        row = await rule_management.create(
            caller,
            definition,
            customer_id=_number(info, customer, "Customer"),
            carrier_id=_number(info, carrier, "Carrier"),
            now=info.context.now,
        )
        return AlertRule.of(row)

    @permissions.mutation(
        requires=Capability.MANAGE_ALERTS,
        description=(
            "Changes an alert rule. A raised rule remains raised until its new settings clear"
            " it. Refused as in `createAlertRule`."
        ),
    )
    async def update_alert_rule(
        self,
        info: base.Info,
        input: Annotated[UpdateAlertRuleInput, strawberry.argument(description="The changes.")],
    ) -> UpdateAlertRuleResult:
        caller = info.context.signed_in()
        changes = partial_inputs.values(input, {"id", "rule_id", "expected_version", "recipients"})
        if input.recipients is not strawberry.UNSET:
            recipients = input.recipients
            changes["recipients"] = None if recipients is None else _recipients(recipients)
        row = await rule_management.update(
            caller,
            target_ids.number(input.id, input.rule_id, "AlertRule", caller.account_id),
            changes,
            input.expected_version,
            info.context.now,
        )
        return AlertRule.of(row)

    @permissions.mutation(
        requires=Capability.MANAGE_ALERTS,
        description=(
            "Sends a message marked as a test to each recipient of a rule, through the channels"
            " of its notifications. Refused: NO_RECIPIENTS."
        ),
    )
    async def test_alert_rule(
        self,
        info: base.Info,
        input: Annotated[TestAlertRuleInput, strawberry.argument(description="The rule.")],
    ) -> TestAlertRuleResult:
        context, caller = info.context, info.context.signed_in()
        id = base.decode_id(input.id, "AlertRule", caller.account_id)
        row, recipients = await rule_management.test(caller, id, context.now)
        return AlertRuleTested(
            rule=AlertRule.of(row),
            sent_to=[AlertRecipient.of(recipient) for recipient in recipients],
        )

    @permissions.mutation(
        requires=Capability.MANAGE_ALERTS,
        description=(
            "Removes an alert rule. If it is raised, its alert is CLEARED without a value. Its"
            " alerts remain in `alerts`."
        ),
    )
    async def remove_alert_rule(
        self,
        info: base.Info,
        input: Annotated[RemoveAlertRuleInput, strawberry.argument(description="The rule.")],
    ) -> RemoveAlertRuleResult:
        context, caller = info.context, info.context.signed_in()
        id = base.decode_id(input.id, "AlertRule", caller.account_id)
        return AlertRule.of(
            await rule_management.remove(caller, context.services.redis, id, context.now)
        )
