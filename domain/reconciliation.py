"""Reconciled: records = rows = ledger in every hour without a mark, and last billed + pending
adjustment = row in every invoiced hour. What is marked, open or not invoiced yet is pending.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain import billing, money
from domain.texts import Text


class Reason(StrEnum):
    """Why an hour is not settled yet, the first that holds."""

    MARKED = "MARKED"  # records came since it was rebuilt
    OPEN = "OPEN"  # not over, or its charge not posted yet
    ADJUSTMENT_PENDING = "ADJUSTMENT_PENDING"  # its charge changed since it was last billed
    NOT_INVOICED = "NOT_INVOICED"  # it has calls, and no issued invoice holds it


@dataclass(frozen=True, slots=True)
class Pending:
    hour: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Difference:
    hour: datetime
    detail: Text


@dataclass(frozen=True, slots=True)
class Sums:
    calls: int
    charge: Decimal


@dataclass(frozen=True, slots=True)
class Hour:
    """All that is stored of one hour of a customer. `version` is 0 without a head.

    `billed_charge` is from the live invoices; `billed` is whether the head says that they bill its
    charge.
    `counts` of rows and head: attempts, answered, talk µs, billed seconds, unrated, in this order.
    `records` are of final legs, `legs` counts all, and `row_legs` those of the rows.
    """

    hour: datetime
    records: Sums
    legs: int
    rows: Sums
    row_counts: Sequence[int]
    row_legs: int
    head: Sums
    head_counts: Sequence[int]
    version: int
    posted_charge: Decimal
    posted_version: int
    frozen: bool
    destinations: Sums
    code_calls: int
    ledger: Decimal
    currencies: Sequence[str]
    marked: bool
    open: bool
    billed_version: int | None
    billed_charge: Decimal
    billed: bool

    @property
    def has_comparable_records(self) -> bool:
        """Whether its records have to agree with its rows: those of a marked hour may differ for a
        while, and those of a frozen hour are removed all at once."""
        return bool(self.legs) if self.frozen else not self.marked

    @property
    def has_no_records_left(self) -> bool:
        """Whether its records were removed: their keys, which stay, are compared with its rows."""
        return self.frozen and not self.legs


@dataclass(frozen=True, slots=True)
class Proof:
    """The sums of one customer and period side by side, what is pending, what does not agree.

    `frozen_hours` never change again; once their records are removed, they are in the rows and not
    in the records.
    """

    currency: str
    records: Sums
    rows: Sums
    ledger: Decimal
    invoiced: Decimal
    pending: Sequence[Pending]
    differences: Sequence[Difference]
    frozen_hours: int

    @property
    def balanced(self) -> bool:
        return not self.differences


def pending(hour: Hour) -> Reason | None:
    if hour.marked:
        return Reason.MARKED
    if not hour.version:
        return None
    if hour.open or hour.posted_version < hour.version:
        return Reason.OPEN
    if hour.billed_version is None:
        return Reason.NOT_INVOICED if hour.head.calls or hour.head.charge else None
    if hour.billed_version < hour.version and hour.billed_charge != hour.head.charge:
        return Reason.ADJUSTMENT_PENDING
    return None


def differences(hour: Hour, currency: str) -> Iterator[Difference]:
    """What does not agree within an hour."""
    for detail in (*_records(hour), *_rows(hour), *_ledger(hour, currency), *_billed(hour)):
        yield Difference(hour.hour, detail)


def _records(hour: Hour) -> Iterator[Text]:
    if hour.frozen and hour.marked:
        yield Text("the hour is frozen, and marked: records that came since are not in its rows")
    if not hour.has_comparable_records:
        return
    if hour.records.calls != hour.rows.calls:
        counts = {"records": hour.records.calls, "rows": hour.rows.calls}
        yield Text("records have {records} calls, rows {rows}", counts)
    if hour.records.charge != hour.rows.charge:
        charges = {"records": hour.records.charge, "rows": hour.rows.charge}
        yield Text("records charge {records}, rows {rows}", charges)


def _rows(hour: Hour) -> Iterator[Text]:
    head = _sums(hour.head)
    if hour.rows != hour.head or list(hour.row_counts) != list(hour.head_counts):
        sums = {"rows": _sums(hour.rows), "hour": head}
        yield Text("rows ({rows}) are not the hour's sums ({hour})", sums)
    if hour.destinations != hour.head:
        sums = {"destinations": _sums(hour.destinations)}
        yield Text("destinations ({destinations}) are not the hour's sums", sums)
    if hour.code_calls != hour.head.calls:
        counts = {"codes": hour.code_calls, "hour": hour.head.calls}
        yield Text("SIP codes have {codes} calls, the hour {hour}", counts)


def _ledger(hour: Hour, currency: str) -> Iterator[Text]:
    posted = hour.posted_charge
    if hour.ledger != posted:
        charges = {"ledger": hour.ledger, "posted": posted}
        yield Text("the ledger has {ledger}, and {posted} was posted", charges)
    if hour.posted_version > hour.version:
        versions = {"posted": hour.posted_version, "hour": hour.version}
        yield Text("version {posted} was posted, the hour is at {hour}", versions)
    if hour.posted_version == hour.version and posted != hour.head.charge:
        charges = {"hour": hour.head.charge, "posted": posted}
        yield Text("the hour charges {hour}, and {posted} was posted of this version", charges)
    if any(found != currency for found in hour.currencies):
        found = {"currencies": list(hour.currencies), "currency": currency}
        yield Text("the ledger has entries in {currencies} beside {currency}", found)


def _billed(hour: Hour) -> Iterator[Text]:
    if hour.billed and hour.billed_charge != hour.head.charge:
        charges = {"billed": hour.billed_charge, "hour": hour.head.charge}
        yield Text("its charge of {hour} is noted as billed, and invoices bill {billed}", charges)
    if hour.billed_version is None:
        return
    if hour.billed_version > hour.version:
        versions = {"billed": hour.billed_version, "hour": hour.version}
        yield Text("version {billed} was billed, the hour is at {hour}", versions)
    elif hour.billed_version == hour.version and hour.billed_charge != hour.head.charge:
        yield Text(
            "{billed} was billed of version {version}, which charges {hour}",
            {
                "billed": hour.billed_charge,
                "version": hour.version,
                "hour": hour.head.charge,
            },
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """The stored sum of a customer's ledger, and the ledger summed again. `currency` None: no sum
    is stored."""

    posted: Decimal
    currency: str | None
    ledger: Decimal


def balance_differences(balance: Balance, currency: str, hour: datetime) -> Iterator[Difference]:
    """Reported with the first hour of the period: a balance belongs to no hour."""
    if balance.posted != balance.ledger:
        sums = {"balance": balance.posted, "ledger": balance.ledger}
        yield Difference(
            hour, Text("the stored balance is {balance}, the ledger sums to {ledger}", sums)
        )
    if balance.currency not in (None, currency):
        found = {"found": balance.currency, "currency": currency}
        yield Difference(hour, Text("the stored balance is in {found}, not in {currency}", found))


@dataclass(frozen=True, slots=True)
class Issued:
    """An issued invoice with what it pinned, adjusted (in the order of its lines) and posted."""

    invoice: billing.Invoice
    pins: Sequence[billing.Pin]
    changes: Sequence[billing.Change]
    posted_tax: Decimal
    posted_rounding: Decimal


def faults(issued: Issued) -> Iterator[Text]:
    """What an invoice says that its own lines, pins or posts deny."""
    invoice = issued.invoice
    usage = [line for line in invoice.lines if line.kind is billing.LineKind.USAGE]
    adjusted = [line for line in invoice.lines if line.kind is billing.LineKind.ADJUSTMENT]
    if billing.subtotal(invoice.lines) != invoice.subtotal:
        yield Text("its lines do not sum to its subtotal")
    if billing.subtotal(usage) != money.add(pin.charge for pin in issued.pins):
        yield Text("its usage lines do not sum to its hours")
    if [line.amount for line in adjusted] != [change.amount for change in issued.changes]:
        yield Text("its adjustment lines are not the differences of their hours")
    said = billing.Totals(invoice.subtotal, invoice.tax, invoice.rounding, invoice.total)
    if billing.totals(invoice.subtotal, invoice.tax_percent, invoice.currency) != said:
        yield Text("its tax, rounding and total do not follow from its subtotal")
    if (issued.posted_tax, issued.posted_rounding) != (invoice.tax, invoice.rounding):
        yield Text("the ledger has other sums of its tax and rounding")
    if billing.content_hash(invoice, issued.pins, issued.changes) != invoice.content_hash:
        yield Text("its content is not what its hash was made of")


def _sums(sums: Sums) -> Text:
    return Text("{calls} calls, {charge}", {"calls": sums.calls, "charge": sums.charge})
