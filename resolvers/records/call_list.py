"""Lists of calls and single calls, as the caller can see them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from domain import refusals
from domain.identity import callers
from domain.records import calls
from domain.records.call_filters import Filter
from models.directory import carriers
from models.records import call_keys, call_list, call_lookup
from models.records.call_list import MAX_COMPARED as MAX_COMPARED
from models.records.call_list import MAX_SPANS as MAX_SPANS
from models.records.call_list import Page as Page
from models.records.call_list import Scope as Scope
from models.records.stored_records import Position as Position
from resolvers import access
from resolvers.access import Capability


async def page(
    caller: callers.Caller,
    scope: Scope,
    filter: Filter,
    before: Position | None,
    limit: int,
    now: datetime,
) -> Page:
    """Calls before a position, newest first. Refuses FORBIDDEN, NOT_FOUND."""
    access.require_scope(caller, Capability.SEE_CALLS, scope.customer_id)
    if filter.carrier_ids is not None:
        carrier_ids = list(dict.fromkeys(filter.carrier_ids))
        existing = await carriers.by_ids(caller.account_id, carrier_ids)
        if any(carrier_id not in existing for carrier_id in carrier_ids):
            raise refusals.not_found("Carrier", "carrierIds")
        filter = replace(filter, carrier_ids=carrier_ids)
    if filter.matches_nothing:
        return Page([], None)
    return await call_list.page(scope, filter, before, limit, now)


async def get(caller: callers.Caller, call_key: bytes, leg: int) -> calls.Record | None:
    """The record of a leg; None if there is none, or no longer, or the caller cannot see it.

    A caller of one customer sees only final legs, because routing is hidden from customers.
    """
    access.require(caller, Capability.SEE_CALLS)
    record = await call_lookup.record(caller.account_id, call_key, leg)
    if record is None or not access.sees_customer(caller, record.customer_id):
        return None
    return record if record.final or access.sees_account(caller) else None


def key_of(record: calls.Record) -> bytes:
    """The key of the record's call, 16 bytes, which `get` accepts."""
    return call_keys.key_bytes(record.switch, record.call_id)


async def legs(
    keys: Sequence[tuple[int, calls.Record]],
) -> list[list[calls.Record]]:
    """The legs of calls (account, record of a leg), all of one account."""
    return await call_lookup.legs(keys[0][0], [record for _, record in keys])
