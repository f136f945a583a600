"""The summary."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from domain import cells, periods, refusals
from domain import stats as rules
from resolvers import access, summaries
from resolvers.access import Capability
from schema import base, billing
from schema.stats import as_float

Granularity = strawberry.enum(
    periods.Granularity,
    name="Granularity",
    description="LIVE: the current UTC hour and the 23 before it, a row an hour. DAILY, WEEKLY"
    " (ISO weeks, from Monday) and MONTHLY: UTC.",
)


def row_id(key: periods.RowKey) -> strawberry.ID:
    return base.encode_id("SummaryRow", key.account_id, *key.parts())


def row_key(global_id: str, account_id: int) -> periods.RowKey:
    """What a row's id names; NOT_FOUND for anything that is no row's id of this account."""
    return periods.RowKey.of(account_id, base.parts_of(global_id, "SummaryRow", account_id))


@strawberry.type(description="A period's sums, of final legs. A call is in the hour of its setup.")
class SummarySums(base.Node):
    period_start: datetime = strawberry.field(description="Inclusive, UTC.")
    period_end: datetime = strawberry.field(description="Exclusive, UTC.")
    open: bool = strawberry.field(description="Whether the period has not ended yet.")
    version: base.Long = strawberry.field(
        description="Rises whenever a sum of the row changes; the sum of its hours' versions. 0:"
        " there never was a call."
    )
    attempts: base.Long = strawberry.field(description="Calls tried.")
    answered: base.Long = strawberry.field(description="Attempts that have an answer time.")
    asr: float | None = strawberry.field(
        description="Percent: 100 × answered ÷ attempts; null without attempts."
    )
    acd_seconds: float | None = strawberry.field(
        description="Seconds of talk ÷ answered; null without answers."
    )
    talk_seconds: base.Long = strawberry.field(
        description="Answer to end, in whole seconds, rounded half up; exact in `talkTime`."
    )
    talk_time: Decimal = strawberry.field(
        description="Answer to end, in seconds, exact to the microsecond."
    )
    billed_seconds: base.Long = strawberry.field(
        description="Talk time after the customer's increments, in seconds."
    )


@strawberry.type(
    description="A row of a customer's summary. The customer summary (DAILY, WEEKLY, MONTHLY) is"
    " the only data valid for billing."
)
class SummaryRow(SummarySums):
    key: strawberry.Private[periods.RowKey]
    charge: base.Money = strawberry.field(
        description="What the customer pays for these calls: the exact sum of the rounded charges"
        " of its calls."
    )

    @classmethod
    def of(cls, row: cells.Row, currency: str, now: datetime) -> "SummaryRow":
        charge = base.Money.of(row.charge, currency)
        return cls(key=row.key, charge=charge, **_sums(row, now))

    @strawberry.field(
        description="The live invoice or draft that holds the row's hours (the newest, where"
        " several hold some of them); null while none does."
    )
    async def invoice(self, info: base.Info) -> billing.Invoice | None:
        access.require(info.context.signed_in(), Capability.SEE_BILLING)
        held = await info.context.loader(summaries.holders).load(self.key)
        return None if held is None else billing.Invoice.of(self.key.account_id, held)


@strawberry.type(description="A row of the account's summary, over all its customers.")
class AccountSummaryRow(SummarySums):
    charges: list[base.Money] = strawberry.field(
        description="What the customers pay for these calls, a sum a currency."
    )

    @classmethod
    def of(cls, row: cells.Row, now: datetime) -> "AccountSummaryRow":
        charges = [
            base.Money.of(row.charges[currency], currency) for currency in sorted(row.charges)
        ]
        return cls(charges=charges, **_sums(row, now))


def _sums(row: cells.Row, now: datetime) -> dict[str, Any]:
    period = row.key.period
    return {
        "id": row_id(row.key),
        "period_start": period.start,
        "period_end": period.end,
        "open": period.is_open(now),
        "version": row.version,
        "attempts": row.attempts,
        "answered": row.answered,
        "asr": as_float(rules.asr(row.attempts, row.answered)),
        "acd_seconds": as_float(rules.acd_seconds(row.answered, row.talk_us)),
        "talk_seconds": (row.talk_us + 500_000) // 1_000_000,
        "talk_time": cells.talk_seconds(row),
        "billed_seconds": row.billed_seconds,
    }


@strawberry.type
class _Facts:
    as_of: datetime = strawberry.field(
        description="When the rows were read. What was recorded up to a minute before is in them."
    )
    billable: bool = strawberry.field(
        description="Whether invoices can be made from these rows: a customer's DAILY, WEEKLY and"
        " MONTHLY rows, once closed. Nothing else is valid for billing."
    )


@strawberry.type(description="A page of a customer's summary rows, the newest first.")
class SummaryConnection(_Facts, base.Connection[SummaryRow]):
    pass


@strawberry.type(description="A page of the account's summary rows, the newest first.")
class AccountSummaryConnection(_Facts, base.Connection[AccountSummaryRow]):
    pass


_ABOUT = (
    "LIVE: always 24 rows, an hour each. The others: the periods that have calls."
    " Newest first; current within a minute."
)
GranularityArgument = Annotated[
    periods.Granularity, strawberry.argument(description="How long a row's period is.")
]


@strawberry.type
class HasSummary(base.Scoped):
    @strawberry.field(
        description=f"The customer's summary, the only data valid for billing. {_ABOUT}"
    )
    async def summary(
        self,
        info: base.Info,
        granularity: GranularityArgument,
        first: base.First = 24,
        after: base.After = None,
    ) -> SummaryConnection:
        page = await _page(info, self.customer_id, granularity, first, after)
        now, currency = info.context.now, page.currency or ""
        edges, page_info = base.paged(
            page.rows, first, _cursor, lambda row: SummaryRow.of(row, currency, now)
        )
        return SummaryConnection(
            edges=edges, page_info=page_info, as_of=page.as_of, billable=page.billable
        )


@strawberry.type
class HasAccountSummary(base.Scoped):
    @strawberry.field(description=f"The summary of all customers, not for billing. {_ABOUT}")
    async def summary(
        self,
        info: base.Info,
        granularity: GranularityArgument,
        first: base.First = 24,
        after: base.After = None,
    ) -> AccountSummaryConnection:
        page = await _page(info, None, granularity, first, after)
        now = info.context.now
        edges, page_info = base.paged(
            page.rows, first, _cursor, lambda row: AccountSummaryRow.of(row, now)
        )
        return AccountSummaryConnection(
            edges=edges, page_info=page_info, as_of=page.as_of, billable=page.billable
        )


async def _page(
    info: base.Info,
    customer_id: int | None,
    granularity: periods.Granularity,
    first: int,
    after: str | None,
) -> summaries.Page:
    context = info.context
    size = base.page_size(first)
    caller, before = context.signed_in(), _before(after)
    return await summaries.page(caller, customer_id, granularity, size, before, context.now)


def _cursor(row: cells.Row) -> str:
    return base.encode_cursor(int(row.key.start.timestamp()))


def _before(after: str | None) -> datetime | None:
    seconds = base.decode_number_cursor(after)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise base.bad_cursor() from error


async def row_node(
    info: base.Info, parts: tuple[str, ...]
) -> SummaryRow | AccountSummaryRow | None:
    """What `node(id:)` finds of a row's id."""
    caller, now = info.context.signed_in(), info.context.now
    access.require(caller, Capability.SEE_STATS)
    try:
        row, currency = await summaries.row(caller, periods.RowKey.of(caller.account_id, parts))
    except refusals.Refusal as refusal:
        if refusal.code == "NOT_FOUND":
            return None
        raise
    return AccountSummaryRow.of(row, now) if currency is None else SummaryRow.of(row, currency, now)
