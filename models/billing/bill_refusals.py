"""Refusals while an invoice is created or issued."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from domain.messaging import texts
from domain.refusals import Refusal


def already_invoiced(hours: Sequence[datetime], holders: Sequence[str | texts.Text]) -> Refusal:
    text = texts.pluralize(
        "{count:,} of the selected hours, {first:utc}, is already on {invoices}. Leave its row"
        " out.",
        "{count:,} of the selected hours, from {first:utc} on, are already on {invoices}. Leave"
        " those rows out.",
        len(hours),
        first=hours[0],
        invoices=_listed(holders),
    )
    return Refusal("HOURS_ALREADY_INVOICED", text, "rowIds")


def hours_pending(hours: int, field: str) -> Refusal:
    text = texts.pluralize(
        "{count:,} hour has records that are not summed up yet. Try again in a minute.",
        "{count:,} hours have records that are not summed up yet. Try again in a minute.",
        hours,
    )
    return Refusal("HOURS_PENDING", text, field)


def not_a_draft(status: str) -> Refusal:
    return Refusal(
        "NOT_A_DRAFT",
        "This invoice is {status}. Only a draft can be issued or discarded.",
        "id",
        status=status,
    )


def nothing_to_invoice(has_rows: bool, field: str) -> Refusal:
    if has_rows:
        return Refusal(
            "NOTHING_TO_INVOICE",
            "The selected rows have no calls. Select rows with calls.",
            field,
        )
    return Refusal(
        "NOTHING_TO_INVOICE",
        "No billed hour of this customer has changed. Select rows with calls.",
        field,
    )


def refuse_unrated(calls: int, field: str) -> None:
    if calls:
        text = texts.pluralize(
            "{count:,} of the selected calls has no rate. Rate it, then invoice it.",
            "{count:,} of the selected calls have no rate. Rate them, then invoice them.",
            calls,
        )
        raise Refusal("UNRATED_CALLS", text, field)


def rows_changed(now: Decimal) -> Refusal:
    return Refusal(
        "SUBTOTAL_CHANGED",
        "The selected rows now sum to {sum}. Read them again and confirm.",
        "expectedSubtotal",
        sum=now,
    )


def adjustments_changed(now: Decimal) -> Refusal:
    return Refusal(
        "SUBTOTAL_CHANGED",
        "The pending adjustments now sum to {sum}. Confirm this sum.",
        "expectedSubtotal",
        sum=now,
    )


def draft_changed(now: Decimal) -> Refusal:
    return Refusal(
        "SUBTOTAL_CHANGED",
        "The subtotal of the draft is now {sum}. Read the draft again, then confirm this sum.",
        "expectedSubtotal",
        sum=now,
    )


def _listed(names: Sequence[str | texts.Text]) -> object:
    first_names = list(names[:5])
    if len(names) <= 5:
        return first_names
    return texts.Text("{names} and {more:,} more", {"names": first_names, "more": len(names) - 5})
