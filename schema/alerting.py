"""Alert rules, as staff make, change, test and remove them."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import alert_rules as domain_rules
from domain import alerts as domain
from domain import messages
from resolvers import alerts as resolve
from schema import base, given
from schema.alerts import AlertRecipient, AlertRule

_RESET = (
    "Where it is cleared: at the threshold or beyond it on its good side, so that a value about"
    " the threshold raises it once."
)


@strawberry.input(description="Somebody to tell of a rule's alerts.")
class AlertRecipientInput:
    channel: messages.Channel = strawberry.field(description="How.")
    to: str = strawberry.field(
        description="E-mail address, phone number with its country code, or http(s) address."
    )
    language: str = strawberry.field(
        default="en", description="BCP 47 tag of the language it is told in: see `languages`."
    )


@strawberry.input(description="A new alert rule: about a customer, a carrier, or the account.")
class CreateAlertRuleInput:
    title: str = strawberry.field(
        description="What it is called; the customer it is about sees it too."
    )
    metric: domain.Metric = strawberry.field(description="What is watched.")
    operator: domain.Operator = strawberry.field(description="On which side it is raised.")
    threshold: Decimal = strawberry.field(description="In the metric's unit.")
    reset_threshold: Decimal | None = strawberry.field(
        default=None, description=_RESET + " Null: the threshold itself."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The customer it is about."
    )
    carrier_id: strawberry.ID | None = strawberry.field(
        default=None, description="The carrier it is about."
    )
    sample_minutes: base.Long | None = strawberry.field(
        default=None,
        description="The calls that ended in so many minutes, 1 to 15, are looked at; null: of"
        " BALANCE, CPS and CHANNELS, which are of the moment.",
    )
    minimum_sample: base.Long = strawberry.field(
        default=1, description="A reading of fewer calls says nothing."
    )
    cool_down_seconds: base.Long = strawberry.field(
        default=300, description="The least time between two messages of a raising, to 7 days."
    )
    repeat_seconds: base.Long | None = strawberry.field(
        default=None,
        description="While it is raised, told again so often; 60 or more, no sooner than the"
        " cool-down. Null: once.",
    )
    level: domain.Level = strawberry.field(
        default=domain.Level.WARNING, description="How grave it is."
    )
    recipients: list[AlertRecipientInput] = strawberry.field(
        default_factory=list, description="Whom to tell, 20 at most."
    )


@strawberry.input(
    description="Changes of a rule; what it watches, and of whom, stays. " + given.KEEPS
)
class UpdateAlertRuleInput:
    rule_id: strawberry.ID = strawberry.field(description="The rule.")
    expected_version: base.Long | None = strawberry.field(
        default=None,
        description="The version that was read; refused as CHANGED_MEANWHILE where it is another by"
        " now. null: whatever it is.",
    )
    title: str | None = given.optional("What it is called.")
    operator: domain.Operator | None = given.optional("On which side it is raised.")
    threshold: Decimal | None = given.optional("In the metric's unit.")
    reset_threshold: Decimal | None = given.optional(_RESET)
    sample_minutes: base.Long | None = given.optional("Minutes of calls looked at, 1 to 15.")
    minimum_sample: base.Long | None = given.optional("A reading of fewer calls says nothing.")
    cool_down_seconds: base.Long | None = given.optional(
        "The least time between two of its messages."
    )
    repeat_seconds: base.Long | None = given.optional("How often it is told again; null: once.")
    level: domain.Level | None = given.optional("How grave it is.")
    recipients: list[AlertRecipientInput] | None = given.optional("Whom to tell: all of them.")


@strawberry.input(description="A rule.")
class TestAlertRuleInput:
    id: strawberry.ID = strawberry.field(description="The rule.")


@strawberry.input(description="A rule.")
class RemoveAlertRuleInput:
    id: strawberry.ID = strawberry.field(description="The rule.")


@strawberry.type(description="Test messages are on their way.")
class AlertRuleTested:
    rule: AlertRule = strawberry.field(description="The rule.")
    sent_to: list[AlertRecipient] = strawberry.field(description="To whom.")


CreateAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("CreateAlertRuleResult", description="The rule, or why there is none."),
]
UpdateAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("UpdateAlertRuleResult", description="The rule, or why it is as before."),
]
RemoveAlertRuleResult: TypeAlias = Annotated[
    AlertRule | base.Refused,
    strawberry.union("RemoveAlertRuleResult", description="The rule as it was, or why it stays."),
]
TestAlertRuleResult: TypeAlias = Annotated[
    AlertRuleTested | base.Refused,
    strawberry.union("TestAlertRuleResult", description="Whom it was sent to, or why nobody."),
]


def _recipients(given: list[AlertRecipientInput]) -> tuple[domain_rules.Recipient, ...]:
    return tuple(domain_rules.Recipient(one.channel, one.to, one.language) for one in given)


def _number(info: base.Info, id: str | None, kind: str) -> int | None:
    account_id = info.context.signed_in().account_id
    return None if id is None else base.decode_id(id, kind, account_id)


@strawberry.type
class AlertMutation:
    @strawberry.mutation(
        description="Makes a rule, which is watched from now on. Refused as BAD_SCOPE,"
        " BAD_THRESHOLD, BAD_RESET, BAD_SAMPLE, BAD_COOL_DOWN, BAD_REPEAT or BAD_RECIPIENT where it"
        " makes no sense. Owner and support."
    )
    async def create_alert_rule(
        self,
        info: base.Info,
        input: Annotated[CreateAlertRuleInput, strawberry.argument(description="The rule.")],
    ) -> CreateAlertRuleResult:
        caller = info.context.signed_in()
        customer, carrier, reset = input.customer_id, input.carrier_id, input.reset_threshold
        wanted = domain_rules.Wanted(
            title=input.title,
            metric=input.metric,
            scope=domain.Scope.ACCOUNT,
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
        row = await resolve.create(
            caller,
            wanted,
            customer_id=_number(info, customer, "Customer"),
            carrier_id=_number(info, carrier, "Carrier"),
            now=info.context.now,
        )
        return AlertRule.of(row)

    @strawberry.mutation(
        description="Changes a rule. One that is raised stays so until it is cleared by what it is"
        " now. Refused as createAlertRule. Owner and support."
    )
    async def update_alert_rule(
        self,
        info: base.Info,
        input: Annotated[UpdateAlertRuleInput, strawberry.argument(description="What to change.")],
    ) -> UpdateAlertRuleResult:
        caller = info.context.signed_in()
        changes = given.values(input, {"rule_id", "expected_version", "recipients"})
        if input.recipients is not strawberry.UNSET:
            told = input.recipients
            changes["recipients"] = None if told is None else _recipients(told)
        row = await resolve.update(
            caller,
            base.decode_id(input.rule_id, "AlertRule", caller.account_id),
            changes,
            input.expected_version,
            info.context.now,
        )
        return AlertRule.of(row)

    @strawberry.mutation(
        description="Sends each recipient of a rule a message that is marked as a test, the way its"
        " alerts go. NO_RECIPIENTS where it has none. Owner and support."
    )
    async def test_alert_rule(
        self,
        info: base.Info,
        input: Annotated[TestAlertRuleInput, strawberry.argument(description="Which rule.")],
    ) -> TestAlertRuleResult:
        context, caller = info.context, info.context.signed_in()
        id = base.decode_id(input.id, "AlertRule", caller.account_id)
        row, sent = await resolve.test(caller, context.redis, id, context.now)
        return AlertRuleTested(
            rule=AlertRule.of(row), sent_to=[AlertRecipient.of(one) for one in sent]
        )

    @strawberry.mutation(
        description="Ends a rule, and its alert if it is raised: CLEARED without a value. What it"
        " told stays in `alerts`. Owner and support."
    )
    async def remove_alert_rule(
        self,
        info: base.Info,
        input: Annotated[RemoveAlertRuleInput, strawberry.argument(description="Which rule.")],
    ) -> RemoveAlertRuleResult:
        context, caller = info.context, info.context.signed_in()
        id = base.decode_id(input.id, "AlertRule", caller.account_id)
        return AlertRule.of(await resolve.remove(caller, context.redis, id, context.now))
