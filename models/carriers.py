"""Providers that terminate calls for the account."""

from collections.abc import Sequence
from datetime import datetime

from tortoise.exceptions import IntegrityError

from domain import refusals
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


async def page(account_id: int, after: int | None, limit: int) -> list[Carrier]:
    query = Carrier.filter(account_id=account_id, id__gt=after or 0)
    return await query.order_by("id").limit(limit)


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another carrier has this reference; choose another.", "reference"
    )
