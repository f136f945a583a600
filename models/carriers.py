"""Providers that terminate calls for the account."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import changes, lists
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
    """REFERENCE_TAKEN where the account has a carrier of that reference."""
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


async def many(account_id: int, carrier_ids: Sequence[int]) -> dict[int, Carrier]:
    """The account's carriers among these ids, by id."""
    found = await Carrier.filter(account_id=account_id, id__in=list(set(carrier_ids)))
    return {carrier.id: carrier for carrier in found}


async def page(account_id: int, wanted: lists.Wanted) -> list[Carrier]:
    return await lists.page(Carrier, account_id, wanted)


async def change(
    account_id: int, carrier_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Carrier] | None:
    """In the open transaction; None where there is no such carrier.

    CHANGED_MEANWHILE, REFERENCE_TAKEN.
    """
    key = {"account_id": account_id, "id": carrier_id}
    try:
        return await changes.change(Carrier, key, wanted, expected_version)
    except IntegrityError as error:
        raise _reference_taken() from error


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another carrier has this reference; choose another.", "reference"
    )
