"""Contacts: created, changed and read, with the caller's permissions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import refusals
from domain.directory import profiles
from domain.identity import callers, personal_data
from models import db, listing
from models.identity import contacts, logins
from models.tables import Contact
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers
from resolvers.identity import addressees, invitations, sign_in, sign_in_services, try_limits


async def create(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    customer_id: int,
    *,
    name: str,
    email: str,
    password: str | None,
    mobile: str | None,
    time_zone: str,
    language: str,
    now: datetime,
) -> Contact:
    """Creates a contact. Without a password it is invited by e-mail. Refuses NOT_FOUND,
    EMAIL_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    await customers.existing(caller.account_id, customer_id)
    name, email = personal_data.validate_name(name), personal_data.validate_email(email)
    mobile = None if mobile is None else personal_data.validate_mobile(mobile)
    time_zone, language = (
        personal_data.validate_time_zone(time_zone),
        personal_data.validate_language(language),
    )
    password_hash = await sign_in.hash_given(caller, password)
    async with try_limits.setting_email(services.throttle, caller), db.transaction():
        login_id = await logins.insert(caller.account_id, email, password_hash, now)
        contact = await contacts.insert(
            caller.account_id,
            contacts.NewContact(
                customer_id=customer_id,
                login_id=login_id,
                name=name,
                email=email,
                mobile=mobile,
                language=language,
                time_zone=time_zone,
            ),
            now,
        )
        subject = f"contact:{contact.id}"
        if password_hash is None:
            to = invitations.Invited(login_id, name, language, subject, customer_id)
            await invitations.send(caller, to, email, now)
        await audit_entries.write(
            caller,
            "contact.create",
            subject,
            now,
            customer_id=customer_id,
            after={"name": name, "email": email, "mobile": mobile, "invited": password is None},
        )
    return contact


async def update(
    services: sign_in_services.SignInServices,
    caller: callers.Caller,
    contact_id: int,
    fields: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Contact:
    """Changes only the given values. Refuses NOT_FOUND, INVALID with the field, EMAIL_TAKEN,
    CHANGED_MEANWHILE. A new e-mail address or mobile number has to be verified."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    values = profiles.validate(profiles.CONTACT_BY_STAFF, fields)
    async with try_limits.setting_email(services.throttle, caller, is_set="email" in values):
        return await change(caller, contact_id, values, expected_version, now)


async def change(
    caller: callers.Caller,
    contact_id: int,
    fields: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> Contact:
    """Applies changes that have been validated and permitted."""
    account_id = caller.account_id
    contact = await contacts.get(account_id, contact_id)
    if contact is None:
        raise refusals.not_found("Contact", "id")
    async with db.transaction():
        await logins.lock(account_id, contact.login_id)
        plain = {name: fields[name] for name in fields if name not in ("email", "mobile")}
        result = await contacts.change(account_id, contact_id, plain, expected_version)
        before, after = dict(result.before), dict(result.after)
        if "email" in fields and await contacts.change_email(
            account_id, contact_id, fields["email"], now
        ):
            before["email"], after["email"] = result.row.email, fields["email"]
            at = result.row.email, fields["email"]
            await addressees.moved(caller, result.row.login_id, result.row.language, *at, now)
        if "mobile" in fields and await contacts.change_mobile(
            account_id, contact_id, fields["mobile"], now
        ):
            before["mobile"], after["mobile"] = result.row.mobile, fields["mobile"]
        if after:
            await audit_entries.write(
                caller,
                "contact.update",
                f"contact:{contact_id}",
                now,
                customer_id=result.row.customer_id,
                before=before,
                after=after,
            )
    return await contacts.get_existing(account_id, contact_id)


async def set_disabled(
    caller: callers.Caller, contact_id: int, disabled: bool, now: datetime
) -> Contact:
    """Disables or enables the login; disabling ends its sessions at once. Refuses NOT_FOUND."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    contact = await contacts.get(caller.account_id, contact_id)
    if contact is None:
        raise refusals.not_found("Contact", "id")
    async with db.transaction():
        if await logins.set_disabled(caller.account_id, contact.login_id, disabled, now):
            await audit_entries.write(
                caller,
                "contact.disable" if disabled else "contact.enable",
                f"contact:{contact_id}",
                now,
                customer_id=contact.customer_id,
            )
    return contact


async def find(caller: callers.Caller, contact_id: int) -> Contact | None:
    """A contact: itself, one of the same customer, or any for staff. None if there is none."""
    contact = await contacts.get(caller.account_id, contact_id)
    if contact is None or not access.may(caller, Capability.SEE_CONTACTS):
        return None
    return contact if access.sees_customer(caller, contact.customer_id) else None


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    after: int | None,
    limit: int,
    search: str | None = None,
) -> list[Contact]:
    """Contacts of the customer, or (None) of all that the caller can access, in order of their
    ids.

    Refuses FORBIDDEN, NOT_FOUND.
    """
    access.require(caller, Capability.SEE_CONTACTS)
    of = caller.customer_id if customer_id is None else customer_id
    if of is not None:
        access.require_customer(caller, Capability.SEE_CONTACTS, of)
        await customers.existing(caller.account_id, of)
    equal = {} if of is None else {"customer_id": of}
    request = listing.PageRequest(after, limit, profiles.validate_search(search), equal)
    return await contacts.page(caller.account_id, request)
