"""The filter, the order and the cursors of the rows of a summary."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from fractions import Fraction
from typing import Annotated, Any, TypeAlias

import strawberry

from domain.billing import row_invoicing
from domain.summaries import cells, row_filters, row_order
from resolvers.summaries import summary_pages
from schema.engine import base
from schema.engine.documents import prices
from schema.summaries import columns

InvoicingState = strawberry.enum(
    row_invoicing.State,
    name="InvoicingState",
    description=(
        "Whether a row is invoiced. NONE: no hour of the row is on an invoice. PARTLY: some"
        " hours are. FULLY: all hours are; never for an open row."
    ),
)


@strawberry.enum(description="A direction of an order.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Smallest first.")
    DESC = strawberry.enum_value("DESC", description="Largest first.")


_FROM = "Only rows of periods that start at this time or later. Null: from the first."
_TO = "Only rows of periods that start before this time. Null: to the last."
_OPEN = "True: only rows of periods that have not ended yet. False: only the others. Null: both."


@strawberry.input(
    description="Filter of the rows of the account's summary. Null matches everything. Refused:"
    " BAD_RANGE."
)
class AccountSummaryFilter:
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)
    open: bool | None = strawberry.field(default=None, description=_OPEN)

    def to_rule(self) -> row_filters.Filter:
        return row_filters.Filter(self.from_, self.to, self.open)


@strawberry.input(
    description="Filter of the rows of a customer's summary. Null matches everything. Refused:"
    " BAD_RANGE, EMPTY_SELECTION."
)
class SummaryFilter:
    from_: datetime | None = strawberry.field(name="from", default=None, description=_FROM)
    to: datetime | None = strawberry.field(default=None, description=_TO)
    open: bool | None = strawberry.field(default=None, description=_OPEN)
    invoicing: list[row_invoicing.State] | None = prices.list_field(
        "Only rows whose `invoicing` has one of these states. Requires `from`, permission to see"
        f" invoices, and at most {row_filters.MAX_DAYS} days. LIVE needs no `from`.",
        limit=prices.MAX_ENUM_ITEMS,
        default=None,
    )

    def to_rule(self) -> row_filters.Filter:
        states = None if self.invoicing is None else frozenset(self.invoicing)
        return row_filters.Filter(self.from_, self.to, self.open, states)


@strawberry.input(
    description="Order of the rows of a summary. Rows with equal values: newest first. Rows"
    " without a value come last."
)
class SummaryOrder:
    column: columns.SummaryColumn | None = strawberry.field(
        default=None,
        description="Null: the start of the period. A column requires `from` in the filter and at"
        f" most {row_filters.MAX_DAYS} days (else BAD_RANGE); LIVE needs no `from`. Columns of"
        " money require rows of one currency (else MIXED_CURRENCIES).",
    )
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.DESC, description="The direction."
    )

    def to_rule(self) -> row_order.Order:
        column = None if self.column is None else columns.column_of(self.column)
        return row_order.Order(column, self.direction is OrderDirection.ASC)


OrderArgument: TypeAlias = Annotated[
    SummaryOrder | None, strawberry.argument(description="The order. Null: newest first.")
]
_WORK_PER_DAY = 1.5  # reading and comparing a row, in units of `prices`
_LATEST_TEXT = "3000-01-01T00:00:00Z"


def work(arguments: prices.Arguments) -> float:
    """The price of rows that are read to be ordered by a column or filtered by invoicing. The
    arguments are not validated yet."""
    filter_, order = (_mapping(arguments.get(name)) for name in ("filter", "orderBy"))
    if order.get("column") is None and filter_.get("invoicing") is None:
        return 0.0
    period = {"from": filter_.get("from"), "to": filter_.get("to") or _LATEST_TEXT}
    return min(prices.hours(period) / 24, row_filters.MAX_DAYS) * _WORK_PER_DAY


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def request_of(
    first: int,
    after: str | None,
    filter: SummaryFilter | AccountSummaryFilter | None,
    order_by: SummaryOrder | None,
) -> summary_pages.Request:
    """Refuses BAD_PAGE_SIZE, BAD_RANGE, EMPTY_SELECTION and BAD_CURSOR."""
    size = base.page_size(first)
    rule = row_filters.Filter() if filter is None else filter.to_rule()
    order = row_order.Order() if order_by is None else order_by.to_rule()
    return summary_pages.Request(size, _position(after, order), rule, order)


# Cursors. That of the default order is a number, which clients may have stored.

_DEFAULT = row_order.Order()
_FRACTION = re.compile(r"(?:0|-?[1-9][0-9]{0,200})/[1-9][0-9]{0,200}")


def cursor(row: cells.Row, order: row_order.Order) -> str:
    seconds = int(row.key.start.timestamp())
    if order == _DEFAULT:
        return base.encode_cursor(seconds)
    value = order.position(row).value
    text = "" if value is None else f"{value.numerator}/{value.denominator}"
    return base.encode_cursor(_name(order), text, seconds)


def _name(order: row_order.Order) -> str:
    column = "PERIOD" if order.column is None else order.column.name
    return f"{column}.{'ASC' if order.is_ascending else 'DESC'}"


def _position(after: str | None, order: row_order.Order) -> row_order.Position | None:
    """Refuses BAD_CURSOR if it is a cursor of another order."""
    if after is None:
        return None
    if order == _DEFAULT:
        key = base.decode_cursor(after)
        return None if key is None else row_order.Position(None, _start(key[0]))
    key = base.decode_cursor(after, 3)
    if key is None or key[0] != _name(order) or not (key[1] == "" or _FRACTION.fullmatch(key[1])):
        raise base.bad_cursor()
    value = Fraction(key[1]) if key[1] else None
    if order.column is None and value is not None:
        raise base.bad_cursor()
    return row_order.Position(value, _start(key[2]))


def _start(seconds: str) -> datetime:
    number = base.as_number(seconds)
    try:
        start = None if number is None else datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise base.bad_cursor() from error
    if start is None or start >= row_filters.LATEST:
        raise base.bad_cursor()
    return start
