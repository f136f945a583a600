"""What is still to be put right, as the caller may see it, and what of it may wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from redis.asyncio import Redis

from domain import callers, checklist, checklist_items, facts
from domain.refusals import Refusal
from live import news
from models import checklists as stored
from models import contacts, db, staff
from resolvers import access, audit, customers
from resolvers.access import Capability

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is outstanding, without and with what the person does not want to see for now."""

    items: Sequence[checklist.Outstanding]
    snoozed: Sequence[checklist.Outstanding]


async def of_customers(
    caller: callers.Caller, customer_ids: Sequence[int], now: datetime
) -> list[Shown]:
    """Of each of these customers, in this order; as many statements for one as for a hundred.

    Of verifications a contact's own, or (staff, keys) those of all the customer's contacts.
    """
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_CUSTOMERS, customer_id)
    found = await stored.of_customers(caller.account_id, customer_ids, now)
    if caller.kind is callers.Kind.CONTACT:
        found = {id: await _as_contact(caller, looked_at) for id, looked_at in found.items()}
    items = {id: _of_customer(caller, looked_at) for id, looked_at in found.items()}
    shown = await _without_snoozed(caller, items, now)
    return [shown.get(id, Shown([], [])) for id in customer_ids]


def _of_customer(
    caller: callers.Caller, found: checklist.CustomerFacts
) -> Sequence[checklist.Outstanding]:
    items = checklist.outstanding(
        checklist_items.OF_CUSTOMER, found, caller.language, _viewer(caller)
    )
    if access.may(caller, Capability.SEE_BILLING):
        return items
    return [item for item in items if item.code != "PAYMENT_OVERDUE"]


async def of_account(caller: callers.Caller, now: datetime) -> Shown:
    """Of verifications a person's own, or (keys) those of all staff; an owner is shown its own
    second factor."""
    access.require_account(caller, Capability.SEE_CUSTOMERS)
    found = await stored.of_account(caller.account_id)
    if caller.kind is callers.Kind.STAFF and caller.id is not None:
        found = await _as_staff(caller, found)
    if caller.role is callers.Role.OWNER and caller.id is not None:
        has_factor = await stored.owner_has_factor(caller.account_id, caller.id)
        found = replace(found, asked_by_owner=True, asks_without_factor=has_factor is False)
    items = checklist.outstanding(
        checklist_items.OF_ACCOUNT, found, caller.language, _viewer(caller)
    )
    return (await _without_snoozed(caller, {stored.ACCOUNT: items}, now))[stored.ACCOUNT]


async def snooze(
    caller: callers.Caller, customer_id: int | None, code: str, until: datetime, now: datetime
) -> Shown:
    """Hides the item from this person alone until then. FORBIDDEN, NOT_FOUND, NOT_SNOOZABLE,
    INVALID."""
    of, login_id = await _own(caller, customer_id)
    until = (
        checklist.snooze_until(checklist_items.OF_CUSTOMER, code, until, now)
        if of
        else checklist.snooze_until(checklist_items.OF_ACCOUNT, code, until, now)
    )
    async with db.transaction():
        await stored.snooze(caller.account_id, of, login_id, code, until)
        after = {"code": code, "until": until}
        await audit.write(caller, "checklist.snooze", _subject(of), now, after=after)
    return await _shown(caller, of, now)


async def unsnooze(
    caller: callers.Caller, customer_id: int | None, code: str, now: datetime
) -> Shown:
    """Shows it again; one that is not snoozed stays as it is. FORBIDDEN, NOT_FOUND."""
    of, login_id = await _own(caller, customer_id)
    async with db.transaction():
        await stored.unsnooze(caller.account_id, of, login_id, code)
        await audit.write(caller, "checklist.unsnooze", _subject(of), now, after={"code": code})
    return await _shown(caller, of, now)


async def settle(
    account_id: int, customer_ids: Sequence[int | None], redis: Redis, now: datetime
) -> None:
    """Tells at once, after the commit that changed it, what is outstanding now; None is the
    account's own checklist. What fails here, the worker finds within 15 s."""
    ids = [stored.ACCOUNT if id is None else id for id in customer_ids]
    try:
        told = await stored.settle(account_id, ids, now)
    except Exception:  # what the caller asked for is done
        _log.exception("checklist not settled", account=account_id)
        return
    numbers = {id or None: number for id, number in told.items()}
    await news.tell_many(redis, account_id, facts.Kind.CHECKLIST_CHANGED, numbers)


async def _shown(caller: callers.Caller, of: int, now: datetime) -> Shown:
    return (await of_customers(caller, [of], now))[0] if of else await of_account(caller, now)


async def _as_contact(
    caller: callers.Caller, found: checklist.CustomerFacts
) -> checklist.CustomerFacts:
    contact = await contacts.get(caller.account_id, caller.person)
    assert contact is not None
    return replace(
        found,
        unverified_emails=int(contact.email_verified_at is None),
        unverified_mobiles=int(contact.mobile_verified_at is None),
        asked_by_contact=True,
        mobile=contact.mobile,
    )


async def _as_staff(
    caller: callers.Caller, found: checklist.AccountFacts
) -> checklist.AccountFacts:
    person = await staff.get(caller.account_id, caller.person)
    assert person is not None
    return replace(
        found,
        unverified_emails=int(person.email_verified_at is None),
        unverified_mobiles=int(person.mobile_verified_at is None),
        asked_by_staff=True,
        mobile=person.mobile,
    )


async def _without_snoozed(
    caller: callers.Caller, items: Mapping[int, Sequence[checklist.Outstanding]], now: datetime
) -> dict[int, Shown]:
    """By customer, as `items` are. Nobody in particular, and a program, has snoozed nothing."""
    if caller.id is None or caller.kind is callers.Kind.KEY:
        return {of: Shown(all_items, []) for of, all_items in items.items()}
    login_id = await _login(caller)
    until = await stored.snoozed(caller.account_id, list(items), login_id, now)
    return {of: _split(all_items, until[of]) for of, all_items in items.items()}


def _split(items: Sequence[checklist.Outstanding], until: Mapping[str, datetime]) -> Shown:
    marked = [replace(item, snoozed_until=until.get(item.code)) for item in items]
    return Shown(
        [item for item in marked if item.snoozed_until is None],
        [item for item in marked if item.snoozed_until is not None],
    )


async def _own(caller: callers.Caller, customer_id: int | None) -> tuple[int, int]:
    """Whose checklist is meant (a contact's customer's, or the account's, where none is named),
    and the person's login."""
    if caller.kind is callers.Kind.KEY:
        raise Refusal("FORBIDDEN", "Only a person snoozes what it does not want to see.")
    of = caller.customer_id if customer_id is None else customer_id
    access.require_scope(caller, Capability.SEE_CUSTOMERS, of)
    if of is not None:
        await customers.existing(caller.account_id, of)
    return of or stored.ACCOUNT, await _login(caller)


async def _login(caller: callers.Caller) -> int:
    """One sign-in a person: what it has snoozed is its own."""
    get = contacts.get if caller.kind is callers.Kind.CONTACT else staff.get
    person = await get(caller.account_id, caller.person)
    assert person is not None
    return int(person.login_id)


def _viewer(caller: callers.Caller) -> checklist.Doer:
    """Staff who signed in as a contact see what the contact does."""
    if caller.kind is callers.Kind.STAFF and caller.role is not None:
        return caller.role
    return caller.kind


def _subject(of: int) -> str:
    return f"customer:{of}" if of else "account"
