"""Proves that records, rows, ledger and invoices agree.

In every hour without a mark: records = rows = ledger. In every invoiced hour: last billed + pending
adjustment = row. Hours that are marked, open or not invoiced yet are pending.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain import money
from domain.billing import invoices
from domain.messaging.texts import Text


class Reason(StrEnum):
    """Why an hour is pending: the first reason that applies."""

    MARKED = "MARKED"  # records were stored since its last rebuild
    OPEN = "OPEN"  # it has not ended, or its charge is not posted yet
    ADJUSTMENT_PENDING = "ADJUSTMENT_PENDING"  # its charge changed since it was last billed
    NOT_INVOICED = "NOT_INVOICED"  # it has calls, and no issued invoice holds it


@dataclass(frozen=True, slots=True)
class PendingHour:
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
    """All stored sums of one hour of a customer. `version` is 0 without a head.

    `billed_charge` is its last billed charge, without void invoices. `billed` is the head's flag
    that invoices bill its current charge. `row_counts` and `head_counts`: the counts of the rows
    and SIP codes, and those of the head, in the same order. `records` sums the final legs, `legs`
    counts all stored legs, and `row_legs` the legs in the rows.
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
        """Whether its records have to agree with its rows.

        Records of a marked hour may differ until its rebuild. Those of a frozen hour are removed
        all at once.
        """
        return bool(self.legs) if self.frozen else not self.marked

    @property
    def has_no_records_left(self) -> bool:
        """Whether its records were removed. Their keys remain and are compared with its rows."""
        return self.frozen and not self.legs


@dataclass(frozen=True, slots=True)
class Proof:
    """The sums of one customer and period, the pending hours and the differences.

    `frozen_hours` is the number of hours that never change again. After their records are removed,
    `rows` includes them and `records` does not.
    """

    currency: str
    records: Sums
    rows: Sums
    ledger: Decimal
    invoiced: Decimal
    pending: Sequence[PendingHour]
    differences: Sequence[Difference]
    frozen_hours: int

    @property
    def is_balanced(self) -> bool:
        return not self.differences


def pending_reason(hour: Hour) -> Reason | None:
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
    """Yields the differences within an hour."""
    for detail in (
        *_record_differences(hour),
        *_row_differences(hour),
        *_ledger_differences(hour, currency),
        *_billing_differences(hour),
    ):
        yield Difference(hour.hour, detail)


def _record_differences(hour: Hour) -> Iterator[Text]:
    if hour.frozen and hour.marked:
        yield Text(
            "the hour is frozen and marked: its rows do not include records that arrived since"
        )
    if not hour.has_comparable_records:
        return
    if hour.records.calls != hour.rows.calls:
        counts = {"records": hour.records.calls, "rows": hour.rows.calls}
        yield Text("records have {records} calls, rows {rows}", counts)
    if hour.records.charge != hour.rows.charge:
        charges = {"records": hour.records.charge, "rows": hour.rows.charge}
        yield Text("records charge {records}, rows {rows}", charges)


def _row_differences(hour: Hour) -> Iterator[Text]:
    head = _sums_text(hour.head)
    if hour.rows != hour.head or list(hour.row_counts) != list(hour.head_counts):
        sums = {"rows": _sums_text(hour.rows), "hour": head}
        yield Text("rows ({rows}) differ from the hour's sums ({hour})", sums)
    if hour.destinations != hour.head:
        sums = {"destinations": _sums_text(hour.destinations)}
        yield Text("destinations ({destinations}) differ from the hour's sums", sums)
    if hour.code_calls != hour.head.calls:
        counts = {"codes": hour.code_calls, "hour": hour.head.calls}
        yield Text("SIP codes have {codes} calls, the hour {hour}", counts)


def _ledger_differences(hour: Hour, currency: str) -> Iterator[Text]:
    posted_charge = hour.posted_charge
    if hour.ledger != posted_charge:
        charges = {"ledger": hour.ledger, "posted": posted_charge}
        yield Text("the ledger has {ledger}, but {posted} was posted", charges)
    if hour.posted_version > hour.version:
        versions = {"posted": hour.posted_version, "hour": hour.version}
        yield Text("version {posted} was posted, the hour is at {hour}", versions)
    if hour.posted_version == hour.version and posted_charge != hour.head.charge:
        charges = {"hour": hour.head.charge, "posted": posted_charge}
        yield Text("the hour charges {hour}, but {posted} was posted for this version", charges)
    if any(other != currency for other in hour.currencies):
        currencies = {"currencies": list(hour.currencies), "currency": currency}
        yield Text("the ledger has entries in {currencies} beside {currency}", currencies)


def _billing_differences(hour: Hour) -> Iterator[Text]:
    if hour.billed and hour.billed_charge != hour.head.charge:
        charges = {"billed": hour.billed_charge, "hour": hour.head.charge}
        yield Text(
            "its charge of {hour} is recorded as billed, but invoices bill {billed}", charges
        )
    if hour.billed_version is None:
        return
    if hour.billed_version > hour.version:
        versions = {"billed": hour.billed_version, "hour": hour.version}
        yield Text("version {billed} was billed, the hour is at {hour}", versions)
    elif hour.billed_version == hour.version and hour.billed_charge != hour.head.charge:
        yield Text(
            "{billed} was billed for version {version}, which charges {hour}",
            {
                "billed": hour.billed_charge,
                "version": hour.version,
                "hour": hour.head.charge,
            },
        )


@dataclass(frozen=True, slots=True)
class Balance:
    """The stored balance of a customer (`posted`, in `currency`) and the sum of its ledger entries.

    `currency` None: no balance is stored.
    """

    posted: Decimal
    currency: str | None
    ledger: Decimal


def balance_differences(balance: Balance, currency: str, hour: datetime) -> Iterator[Difference]:
    """Yields the differences of a balance, with `hour`, because a balance has no hour."""
    if balance.posted != balance.ledger:
        sums = {"balance": balance.posted, "ledger": balance.ledger}
        yield Difference(
            hour, Text("the stored balance is {balance}, the ledger sums to {ledger}", sums)
        )
    if balance.currency not in (None, currency):
        currencies = {"found": balance.currency, "currency": currency}
        text = Text("the stored balance is in {found}, not in {currency}", currencies)
        yield Difference(hour, text)


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An issued invoice with its pins, adjustments (in the order of its lines) and ledger sums."""

    invoice: invoices.Invoice
    pins: Sequence[invoices.Pin]
    changes: Sequence[invoices.Change]
    posted_tax: Decimal
    posted_rounding: Decimal


def invoice_faults(issued: IssuedInvoice) -> Iterator[Text]:
    """Yields the contradictions between an invoice and its own lines, pins and ledger sums."""
    invoice = issued.invoice
    usage = [line for line in invoice.lines if line.kind is invoices.LineKind.USAGE]
    adjusted = [line for line in invoice.lines if line.kind is invoices.LineKind.ADJUSTMENT]
    if invoices.subtotal(invoice.lines) != invoice.subtotal:
        yield Text("its lines do not sum to its subtotal")
    if invoices.subtotal(usage) != money.add(pin.charge for pin in issued.pins):
        yield Text("its usage lines do not sum to its hours")
    if [line.amount for line in adjusted] != [change.amount for change in issued.changes]:
        yield Text("its adjustment lines do not match the changes of their hours")
    stored = invoices.Totals(invoice.subtotal, invoice.tax, invoice.rounding, invoice.total)
    if invoices.totals(invoice.subtotal, invoice.tax_percent, invoice.currency) != stored:
        yield Text("its tax, rounding and total do not follow from its subtotal")
    if (issued.posted_tax, issued.posted_rounding) != (invoice.tax, invoice.rounding):
        yield Text("its tax and rounding differ from those in the ledger")
    if invoices.content_hash(invoice, issued.pins, issued.changes) != invoice.content_hash:
        yield Text("its content does not match its hash")


def _sums_text(sums: Sums) -> Text:
    return Text("{calls} calls, {charge}", {"calls": sums.calls, "charge": sums.charge})
