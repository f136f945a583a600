"""People of the customers: made, changed and read, as the caller may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import callers, people, profiles, refusals
from models import contacts as stored
from models import db, lists, logins
from models.tables import Contact
from resolvers import access, addressees, audit, customers, invitations, sign_in
from resolvers.access import Capability


async def create(
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
    """Without a password it is invited by e-mail. NOT_FOUND, EMAIL_TAKEN, INVALID with the
    field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    await customers.existing(caller.account_id, customer_id)
    name, email = people.name(name), people.email(email)
    mobile = None if mobile is None else people.mobile(mobile)
    time_zone, language = people.time_zone(time_zone), people.language(language)
    password_hash = await sign_in.hash_given(password)
    async with db.transaction():
        login_id = await logins.insert(caller.account_id, email, password_hash, now)
        contact = await stored.insert(
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
        subject = f"contact:{contact.id}"
        if password_hash is None:
            to = invitations.Invited(login_id, name, language, subject, customer_id)
            await invitations.send(caller, to, email, now)
        await audit.write(
            caller,
            "contact.create",
            subject,
            now,
            customer_id=customer_id,
            after={"name": name, "email": email, "mobile": mobile, "invited": password is None},
        )
    return contact


async def update(
    caller: callers.Caller,
    contact_id: int,
    given: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Contact:
    """Changes what is given alone. NOT_FOUND, INVALID with the field, EMAIL_TAKEN,
    CHANGED_MEANWHILE. Another e-mail address or mobile number has to be verified again."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    wanted = profiles.checked(profiles.CONTACT_BY_STAFF, given)
    return await change(caller, contact_id, wanted, expected_version, now)


async def change(
    caller: callers.Caller,
    contact_id: int,
    wanted: Mapping[str, Any],
    expected_version: int | None,
    now: datetime,
) -> Contact:
    """What is wanted has been checked, and whether the caller may."""
    account_id = caller.account_id
    found = await stored.get(account_id, contact_id)
    if found is None:
        raise refusals.no_such("Contact", "contactId")
    async with db.transaction():
        await logins.lock(account_id, found.login_id)
        plain = {name: wanted[name] for name in wanted if name not in ("email", "mobile")}
        made = await stored.change(account_id, contact_id, plain, expected_version)
        before, after = dict(made.before), dict(made.after)
        if "email" in wanted and await stored.change_email(
            account_id, contact_id, wanted["email"], now
        ):
            before["email"], after["email"] = made.row.email, wanted["email"]
            at = made.row.email, wanted["email"]
            await addressees.moved(caller, made.row.login_id, made.row.language, *at, now)
        if "mobile" in wanted and await stored.change_mobile(
            account_id, contact_id, wanted["mobile"], now
        ):
            before["mobile"], after["mobile"] = made.row.mobile, wanted["mobile"]
        if after:
            await audit.write(
                caller,
                "contact.update",
                f"contact:{contact_id}",
                now,
                customer_id=made.row.customer_id,
                before=before,
                after=after,
            )
    return await stored.existing(account_id, contact_id)


async def set_disabled(
    caller: callers.Caller, contact_id: int, disabled: bool, now: datetime
) -> Contact:
    """Whether it may sign in; its sessions end at once. NOT_FOUND. The same again is no change."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    found = await stored.get(caller.account_id, contact_id)
    if found is None:
        raise refusals.no_such("Contact", "contactId")
    async with db.transaction():
        if await logins.set_disabled(caller.account_id, found.login_id, disabled, now):
            await audit.write(
                caller,
                "contact.disable" if disabled else "contact.enable",
                f"contact:{contact_id}",
                now,
                customer_id=found.customer_id,
            )
    return found


async def one(caller: callers.Caller, contact_id: int) -> Contact | None:
    """Itself, one of its customer's, or any for staff; None where there is none."""
    found = await stored.get(caller.account_id, contact_id)
    if found is None or not access.may(caller, Capability.SEE_CONTACTS):
        return None
    return found if caller.customer_id in (None, found.customer_id) else None


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    after: int | None,
    limit: int,
    search: str | None = None,
) -> list[Contact]:
    """Of the customer, or (None) of all that the caller sees, in order of their ids.

    FORBIDDEN, NOT_FOUND.
    """
    access.require(caller, Capability.SEE_CONTACTS)
    of = caller.customer_id if customer_id is None else customer_id
    if of is not None:
        access.require_customer(caller, Capability.SEE_CONTACTS, of)
        await customers.existing(caller.account_id, of)
    equal = {} if of is None else {"customer_id": of}
    wanted = lists.Wanted(after, limit, profiles.search(search), equal)
    return await stored.page(caller.account_id, wanted)
