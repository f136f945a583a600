"""Checklists as the caller can see them, and snoozing of their items."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from redis.asyncio import Redis

from domain import facts
from domain.checklists import checklist_items, conditions
from domain.identity import callers
from live import fact_signals
from models import db, faults
from models.checklists import checklist_state
from models.identity import contacts, staff
from models.tables import Contact
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers

# Items that only callers with a capability see; `domain` declares the other rules of an item.
REQUIRES: Mapping[str, Capability] = {"PAYMENT_OVERDUE": Capability.SEE_BILLING}

_log = structlog.get_logger("resolvers")


@dataclass(frozen=True, slots=True)
class Shown:
    """What is outstanding, without and with what the person does not want to see for now."""

    items: Sequence[conditions.OutstandingItem]
    snoozed: Sequence[conditions.OutstandingItem]


async def of_customers(
    caller: callers.Caller, customer_ids: Sequence[int], now: datetime
) -> list[Shown]:
    """The checklists of these customers, in this order. The number of statements does not depend on
    the number of customers.

    A contact sees its own verifications; staff and keys see those of all contacts of the customer.
    """
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_CUSTOMERS, customer_id)
    facts = await checklist_state.customer_facts(caller.account_id, customer_ids, now)
    login_id = None
    if caller.kind is callers.Kind.CONTACT and facts:
        contact = await contacts.get(caller.account_id, caller.person_id)
        assert contact is not None
        login_id = contact.login_id
        facts = {id: _as_contact(contact, looked_at) for id, looked_at in facts.items()}
    items = {id: _of_customer(caller, looked_at) for id, looked_at in facts.items()}
    shown = await _without_snoozed(caller, items, now, login_id)
    return [shown.get(id, Shown([], [])) for id in customer_ids]


def _of_customer(
    caller: callers.Caller, facts: conditions.CustomerFacts
) -> Sequence[conditions.OutstandingItem]:
    items = conditions.outstanding_items(
        checklist_items.CUSTOMER_ITEMS, facts, caller.language, _viewer(caller)
    )
    return [
        item
        for item in items
        if item.code not in REQUIRES or access.may(caller, REQUIRES[item.code])
    ]


async def of_account(caller: callers.Caller, now: datetime) -> Shown:
    """The account's checklist. A person sees its own verifications, a key those of all staff. An
    owner sees its own second factor."""
    access.require_account(caller, Capability.SEE_CUSTOMERS)
    facts = await checklist_state.account_facts(caller.account_id)
    if caller.kind is callers.Kind.STAFF and caller.id is not None:
        facts = await _as_staff(caller, facts)
    if caller.role is callers.Role.OWNER and caller.id is not None:
        has_factor = await checklist_state.owner_has_factor(caller.account_id, caller.id)
        facts = replace(facts, is_for_owner=True, owner_lacks_factor=has_factor is False)
    items = conditions.outstanding_items(
        checklist_items.ACCOUNT_ITEMS, facts, caller.language, _viewer(caller)
    )
    return (await _without_snoozed(caller, {checklist_state.ACCOUNT: items}, now))[
        checklist_state.ACCOUNT
    ]


async def snooze(
    caller: callers.Caller, customer_id: int | None, code: str, until: datetime, now: datetime
) -> Shown:
    """Hides the item from this person until the given time. Refuses FORBIDDEN, NOT_FOUND,
    NOT_SNOOZABLE, INVALID."""
    of, login_id = await _own(caller, customer_id)
    until = (
        conditions.validate_snooze(checklist_items.CUSTOMER_ITEMS, code, until, now)
        if of
        else conditions.validate_snooze(checklist_items.ACCOUNT_ITEMS, code, until, now)
    )
    async with db.transaction():
        await checklist_state.snooze(caller.account_id, of, login_id, code, until)
        after = {"code": code, "until": until}
        await audit_entries.write(caller, "checklist.snooze", _subject(of), now, after=after)
    return await _shown(caller, of, now)


async def unsnooze(
    caller: callers.Caller, customer_id: int | None, code: str, now: datetime
) -> Shown:
    """Shows a snoozed item again; no effect if it is not snoozed. Refuses FORBIDDEN, NOT_FOUND."""
    of, login_id = await _own(caller, customer_id)
    async with db.transaction():
        await checklist_state.unsnooze(caller.account_id, of, login_id, code)
        await audit_entries.write(
            caller, "checklist.unsnooze", _subject(of), now, after={"code": code}
        )
    return await _shown(caller, of, now)


async def settle(
    account_id: int, customer_ids: Collection[int | None], redis: Redis, now: datetime
) -> None:
    """Publishes the outstanding items after the commit that changed them; None is the account's own
    checklist. If this fails, the worker does it within 15 s."""
    ids = [checklist_state.ACCOUNT if id is None else id for id in customer_ids]
    try:
        # Most changes do not change a checklist and need no lock.
        changed = await checklist_state.changed_checklists(account_id, now, ids)
        changes_of_items = await checklist_state.settle(account_id, changed, now) if changed else {}
    except faults.UnavailableError:
        return
    except Exception:  # the caller's change is committed
        _log.exception("checklist not settled", account=account_id)
        return
    numbers = {id or None: number for id, number in changes_of_items.items()}
    await fact_signals.publish_many(redis, account_id, facts.Kind.CHECKLIST_CHANGED, numbers)


async def _shown(caller: callers.Caller, of: int, now: datetime) -> Shown:
    return (await of_customers(caller, [of], now))[0] if of else await of_account(caller, now)


def _as_contact(contact: Contact, facts: conditions.CustomerFacts) -> conditions.CustomerFacts:
    return replace(
        facts,
        unverified_emails=int(contact.email_verified_at is None),
        unverified_mobiles=int(contact.mobile_verified_at is None),
        is_for_contact=True,
        mobile=contact.mobile,
    )


async def _as_staff(
    caller: callers.Caller, facts: conditions.AccountFacts
) -> conditions.AccountFacts:
    person = await staff.get(caller.account_id, caller.person_id)
    assert person is not None
    return replace(
        facts,
        unverified_emails=int(person.email_verified_at is None),
        unverified_mobiles=int(person.mobile_verified_at is None),
        is_for_staff=True,
        mobile=person.mobile,
    )


async def _without_snoozed(
    caller: callers.Caller,
    items: Mapping[int, Sequence[conditions.OutstandingItem]],
    now: datetime,
    login_id: int | None = None,
) -> dict[int, Shown]:
    """Items by customer, without those that the caller has snoozed. Programs snooze none.

    `login_id` is the person's, None if it is not known yet.
    """
    if caller.id is None or caller.kind is callers.Kind.KEY:
        return {of: Shown(all_items, []) for of, all_items in items.items()}
    login_id = login_id or await _login(caller)
    until = await checklist_state.active_snoozes(caller.account_id, list(items), login_id, now)
    return {of: _split(all_items, until[of]) for of, all_items in items.items()}


def _split(items: Sequence[conditions.OutstandingItem], until: Mapping[str, datetime]) -> Shown:
    marked = [replace(item, snoozed_until=until.get(item.code)) for item in items]
    return Shown(
        [item for item in marked if item.snoozed_until is None],
        [item for item in marked if item.snoozed_until is not None],
    )


async def _own(caller: callers.Caller, customer_id: int | None) -> tuple[int, int]:
    """The customer of the checklist (by default a contact's own customer, or the account), and the
    person's login."""
    access.require_identity(caller, access.Identity.PERSON)
    of = caller.customer_id if customer_id is None else customer_id
    access.require_scope(caller, Capability.SEE_CUSTOMERS, of)
    if of is not None:
        await customers.existing(caller.account_id, of)
    return of or checklist_state.ACCOUNT, await _login(caller)


async def _login(caller: callers.Caller) -> int:
    """The login of the person, to which snoozes belong."""
    get = contacts.get if caller.kind is callers.Kind.CONTACT else staff.get
    person = await get(caller.account_id, caller.person_id)
    assert person is not None
    return int(person.login_id)


def _viewer(caller: callers.Caller) -> conditions.Assignee:
    """The viewer. Staff signed in as a contact see what the contact sees."""
    if caller.kind is callers.Kind.STAFF and caller.role is not None:
        return caller.role
    return caller.kind


def _subject(of: int) -> str:
    return f"customer:{of}" if of else "account"
