"""Providers that terminate calls for the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import db, listing, row_changes
from models.summaries import revisions
from models.tables import Carrier


async def insert(
    account_id: int,
    *,
    reference: str,
    name: str,
    currency: str,
    sip_uri: str | None,
    now: datetime,
) -> Carrier:
    """Refuses REFERENCE_TAKEN if the account has a carrier with this reference."""
    try:
        return await Carrier.create(
            account_id=account_id,
            reference=reference,
            name=name,
            currency=currency,
            sip_uri=sip_uri,
            created_at=now,
        )
    except IntegrityError as error:
        raise _reference_taken() from error


async def by_ids(account_id: int, carrier_ids: Sequence[int]) -> dict[int, Carrier]:
    """The account's carriers among these ids, by id."""
    rows = await Carrier.filter(account_id=account_id, id__in=list(set(carrier_ids)))
    return {carrier.id: carrier for carrier in rows}


async def page(account_id: int, request: listing.PageRequest) -> list[Carrier]:
    return await listing.page(Carrier, account_id, request)


async def change(
    account_id: int, carrier_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[Carrier] | None:
    """Changes the carrier in the open transaction; None if there is no such carrier.

    Refuses CHANGED_MEANWHILE, REFERENCE_TAKEN.
    """
    key = {"account_id": account_id, "id": carrier_id}
    try:
        changed = await row_changes.change(Carrier, key, values, expected_version)
    except IntegrityError as error:
        raise _reference_taken() from error
    if changed is not None and changed.after:
        async with db.connection() as conn:
            await revisions.increase(conn, account_id, revisions.ACCOUNT, revisions.Source.NAMES)
    return changed


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another carrier has this reference. Set another one.", "reference"
    )
