"""An account with customers, carriers, rules and calls, inserted into the tables."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain import facts
from domain.alerting import alert_rules
from domain.alerting.alert_rules import Recipient, RuleDefinition
from domain.alerting.evaluation import Level, Metric, Operator, Reading, Scope
from domain.messaging.messages import Channel
from models import db, fact_log
from models.alerting import alert_states, rule_store
from models.alerting.alert_states import ActiveRule
from models.identity import accounts
from models.records import partitions

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
OPS = Recipient(Channel.EMAIL, "ops@voice.example")
ASR = RuleDefinition(
    title="Few calls are answered",
    metric=Metric.ASR,
    scope=Scope.ACCOUNT,
    operator=Operator.BELOW,
    threshold=Decimal(40),
    reset_threshold=Decimal(50),
    sample_minutes=5,
    minimum_sample=1,
    cool_down_seconds=0,
    repeat_seconds=None,
    level=Level.CRITICAL,
    recipients=(OPS,),
)
LOW, HIGH = Reading(Decimal(30)), Reading(Decimal(60))


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@dataclass
class Account:
    id: int
    customers: list[int]
    carriers: list[int]
    made: int = field(default=0)

    @classmethod
    async def create(cls) -> "Account":
        account_id = (await accounts.insert("Example Voice", NOW)).id
        day = NOW.date()
        await partitions.ensure_period(day - timedelta(days=1), day)
        return cls(
            account_id,
            [await _named("customers", account_id, name) for name in ("Acme", "Other")],
            [await _named("carriers", account_id, name) for name in ("Carrier A", "Carrier B")],
        )

    async def rule(
        self,
        definition: RuleDefinition = ASR,
        *,
        customer: int | None = None,
        carrier: int | None = None,
    ) -> int:
        """Its id; `customer` and `carrier` are places in the lists."""
        inserted_rule = await rule_store.insert(
            self.id,
            alert_rules.validate(definition),
            customer_id=None if customer is None else self.customers[customer],
            carrier_id=None if carrier is None else self.carriers[carrier],
            now=NOW,
        )
        return inserted_rule.id

    async def seen(self, rule_id: int) -> ActiveRule:
        [rule] = [rule for rule in await alert_states.active_rules(self.id) if rule.id == rule_id]
        return rule

    async def take(
        self, rule_id: int, read: Reading, seconds: float
    ) -> alert_states.AlertFact | None:
        return await alert_states.apply_reading(await self.seen(rule_id), read, after(seconds))

    async def told(self, customer: int | None = None) -> list[tuple[int, str]]:
        """(number, kind) of the facts of the customer, or the whole account."""
        scope = None if customer is None else self.customers[customer]
        alert_facts = await fact_log.read_after(self.id, scope, facts.Kind.ALERT, 0, 1_000)
        return [(fact.number, fact.detail["kind"]) for fact in alert_facts]

    async def call(
        self,
        ended: float,
        *,
        customer: int = 0,
        carrier: int = 0,
        leg: int = 0,
        final: bool = True,
        talk: float | None = None,
        code: int | None = 200,
        rang: float | None = None,
        offered: float = 0,
    ) -> None:
        """A leg that ended `ended` seconds after NOW. With `talk` None it was not answered. It
        was set up 20 s before it was answered or ended. It was offered and rang at the given
        seconds after that."""
        self.made += 1
        end_at = after(ended)
        answer_at = None if talk is None else end_at - timedelta(seconds=talk)
        setup_at = (answer_at or end_at) - timedelta(seconds=20)
        row: dict[str, Any] = {
            "account_id": self.id,
            "customer_id": self.customers[customer],
            "carrier_id": self.carriers[carrier],
            "setup_at": setup_at,
            "switch": "edge-1",
            "call_id": f"call-{self.made}",
            "leg": leg,
            "revision": 0,
            "final": final,
            "source": "+441632960000",
            "destination": "+15550100",
            "offered_at": setup_at + timedelta(seconds=offered),
            "ringing_at": None if rang is None else setup_at + timedelta(seconds=rang),
            "answer_at": answer_at,
            "end_at": end_at,
            "talk_us": int((talk or 0) * 1_000_000),
            "sip_code": code,
        }
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        async with db.connection() as conn:
            await conn.execute(
                f"INSERT INTO call_records ({', '.join(row)}) VALUES ({places})", *row.values()
            )


async def _named(table: str, account_id: int, name: str) -> int:
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            f"INSERT INTO {table} (account_id, reference, name, currency, created_at)"
            " VALUES ($1, $2, $3, 'EUR', $4) RETURNING id",
            account_id,
            name.lower().replace(" ", "-"),
            name,
            NOW,
        )
    return id


async def rows(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with db.connection() as conn:
        return [tuple(row) for row in await conn.fetch(sql, *arguments)]
