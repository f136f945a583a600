"""Customers, contacts, carriers, staff and API keys: made and read, as the caller may."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import callers, checklist, people, refusals, tokens
from models import checklists, credentials, db
from models import people as stored
from models.tables import Account, ApiKey, Carrier, Contact, Customer, Staff
from resolvers import access, sign_in
from resolvers.access import Capability


@dataclass(frozen=True, slots=True)
class NewAccount:
    account: Account
    owner: Staff


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the whole bearer token, shown once."""

    key: ApiKey
    secret: str


async def create_account(name: str, email: str, password: str, now: datetime) -> NewAccount:
    """An account with its owner; EMAIL_TAKEN, INVALID."""
    name, email = people.name(name), people.email(email)
    password_hash = await sign_in.hash_password(people.password(password))
    async with db.transaction():
        account = await stored.insert_account(name, now)
        login_id = await stored.insert_login(account.id, email, password_hash, now)
        owner = await stored.insert_staff(account.id, login_id, email, callers.Role.OWNER, now)
        await stored.insert_audit(account.id, "system", "account.create", f"staff:{owner.id}", now)
    return NewAccount(account, owner)


async def create_staff(
    caller: callers.Caller, name: str, email: str, password: str, role: callers.Role, now: datetime
) -> Staff:
    access.require_account(caller, Capability.MANAGE_STAFF)
    name, email = people.name(name), people.email(email)
    password_hash = await sign_in.hash_password(people.password(password))
    async with db.transaction():
        login_id = await stored.insert_login(caller.account_id, email, password_hash, now)
        staff = await stored.insert_staff(caller.account_id, login_id, name, role, now)
        await _audit(caller, "staff.create", f"staff:{staff.id}", now)
    return staff


async def create_customer(
    caller: callers.Caller,
    *,
    name: str,
    reference: str,
    currency: str,
    channel_limit: int | None,
    debit_limit: Decimal,
    tax_percent: Decimal,
    now: datetime,
) -> Customer:
    """REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    async with db.transaction():
        customer = await stored.insert_customer(
            caller.account_id,
            name=people.name(name),
            reference=people.reference(reference),
            currency=people.currency(currency),
            channel_limit=people.channel_limit(channel_limit),
            debit_limit=people.debit_limit(debit_limit),
            tax_percent=people.percent(tax_percent),
            now=now,
        )
        await _audit(caller, "customer.create", f"customer:{customer.id}", now)
    return customer


async def create_carrier(
    caller: callers.Caller,
    *,
    name: str,
    reference: str,
    currency: str,
    sip_uri: str | None,
    now: datetime,
) -> Carrier:
    """REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        carrier = await stored.insert_carrier(
            caller.account_id,
            name=people.name(name),
            reference=people.reference(reference),
            currency=people.currency(currency),
            sip_uri=None if sip_uri is None else people.sip_uri(sip_uri),
            now=now,
        )
        await _audit(caller, "carrier.create", f"carrier:{carrier.id}", now)
    return carrier


async def create_contact(
    caller: callers.Caller,
    customer_id: int,
    *,
    name: str,
    email: str,
    password: str,
    mobile: str | None,
    time_zone: str,
    language: str,
    now: datetime,
) -> Contact:
    """NOT_FOUND, EMAIL_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    await existing_customer(caller.account_id, customer_id)
    name, email = people.name(name), people.email(email)
    mobile = None if mobile is None else people.mobile(mobile)
    time_zone, language = people.time_zone(time_zone), people.language(language)
    password_hash = await sign_in.hash_password(people.password(password))
    async with db.transaction():
        login_id = await stored.insert_login(caller.account_id, email, password_hash, now)
        contact = await stored.insert_contact(
            caller.account_id,
            customer_id,
            login_id,
            name=name,
            email=email,
            mobile=mobile,
            language=language,
            time_zone=time_zone,
            now=now,
        )
        await _audit(caller, "contact.create", f"contact:{contact.id}", now)
    return contact


async def create_api_key(
    caller: callers.Caller,
    name: str,
    scopes: Iterable[callers.Scope],
    customer_id: int | None,
    now: datetime,
) -> NewKey:
    """A key of the whole account, or of one customer; NOT_FOUND, INVALID."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    chosen = sorted(set(scopes))
    if not chosen:
        raise refusals.Refusal("INVALID", "Give at least one scope.", "scopes")
    if customer_id is not None:
        await existing_customer(caller.account_id, customer_id)
        if callers.Scope.INGEST in chosen:
            raise refusals.Refusal(
                "INVALID", "INGEST is of the whole account; leave the customer out.", "scopes"
            )
    secret = sign_in.new_secret()
    async with db.transaction():
        key = await credentials.insert_key(
            caller.account_id,
            name=people.name(name),
            scopes=chosen,
            customer_id=customer_id,
            secret_hash=tokens.digest(secret),
            now=now,
        )
        await _audit(caller, "key.create", f"key:{key.id}", now)
    return NewKey(key, str(tokens.Token(caller.account_id, tokens.Of.KEY, key.id, secret)))


async def revoke_api_key(caller: callers.Caller, key_id: int, now: datetime) -> ApiKey:
    """NOT_FOUND. A key revoked before stays as it is."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    async with db.transaction():
        if not await credentials.revoke_key(caller.account_id, key_id, now):
            raise refusals.Refusal("NOT_FOUND", "There is no such ApiKey; check its id.", "id")
        await _audit(caller, "key.revoke", f"key:{key_id}", now)
        key = await credentials.key(caller.account_id, key_id)
    assert key is not None
    return key


async def customer(caller: callers.Caller, customer_id: int) -> Customer | None:
    """None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if caller.customer_id not in (None, customer_id):
        return None
    return await stored.customer(caller.account_id, customer_id)


async def customers(caller: callers.Caller, after: int | None, limit: int) -> list[Customer]:
    """In order of their ids; just its own for whoever sees one customer."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if caller.customer_id is not None:
        own = await stored.customer(caller.account_id, caller.customer_id)
        return [own] if own is not None and own.id > (after or 0) else []
    return await stored.customers_page(caller.account_id, after, limit)


async def carriers(caller: callers.Caller, after: int | None, limit: int) -> list[Carrier]:
    access.require_account(caller, Capability.SEE_LIVE)
    return await stored.carriers_page(caller.account_id, after, limit)


async def contact(caller: callers.Caller, contact_id: int) -> Contact | None:
    """Itself, one of its customer's, or any for staff; None where there is none."""
    found = await stored.contact(caller.account_id, contact_id)
    if found is None or caller.kind is callers.Kind.KEY:
        return None
    return found if caller.customer_id in (None, found.customer_id) else None


async def staff(caller: callers.Caller, staff_id: int) -> Staff | None:
    """None where there is none, and to all but staff."""
    if caller.kind is not callers.Kind.STAFF:
        return None
    return await stored.staff(caller.account_id, staff_id)


async def api_key(caller: callers.Caller, key_id: int) -> ApiKey | None:
    """None where there is none; a key sees itself, staff see all."""
    own = caller.kind is callers.Kind.KEY and caller.id == key_id
    if not own and caller.kind is not callers.Kind.STAFF:
        return None
    return await credentials.key(caller.account_id, key_id)


async def sees_carrier_names(caller: callers.Caller) -> bool:
    """False for whoever sees one customer, if the account hides its carriers."""
    return caller.sees_carriers


async def outstanding(caller: callers.Caller, customer_id: int) -> list[checklist.Outstanding]:
    """What the customer has to put right: of verifications a contact's own, or (staff, keys) those
    of all its contacts."""
    access.require_customer(caller, Capability.SEE_CUSTOMERS, customer_id)
    if caller.kind is not callers.Kind.CONTACT:
        return checklist.outstanding(await checklists.of_customer(caller.account_id, customer_id))
    contact = await stored.contact(caller.account_id, caller.person)
    assert contact is not None
    facts = checklist.Facts(
        unverified_emails=int(contact.email_verified_at is None),
        unverified_mobiles=int(contact.mobile_verified_at is None),
        unrated_calls=await stored.unrated_calls(caller.account_id, customer_id),
        asked_by_contact=True,
        mobile=contact.mobile,
    )
    return checklist.outstanding(facts)


async def existing_customer(account_id: int, customer_id: int) -> Customer:
    found = await stored.customer(account_id, customer_id)
    if found is None:
        raise refusals.Refusal(
            "NOT_FOUND", "There is no such Customer; check its id.", "customerId"
        )
    return found


async def _audit(caller: callers.Caller, action: str, subject: str, now: datetime) -> None:
    await stored.insert_audit(caller.account_id, caller.actor, action, subject, now)
