"""People of the customers: made and read, as the caller may."""

from datetime import datetime

from domain import callers, people
from models import contacts as stored
from models import db, logins
from models.tables import Contact
from resolvers import access, audit, customers, sign_in
from resolvers.access import Capability


async def create(
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
    await customers.existing(caller.account_id, customer_id)
    name, email = people.name(name), people.email(email)
    mobile = None if mobile is None else people.mobile(mobile)
    time_zone, language = people.time_zone(time_zone), people.language(language)
    password_hash = await sign_in.hash_password(people.password(password))
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
        await audit.write(caller, "contact.create", f"contact:{contact.id}", now)
    return contact


async def one(caller: callers.Caller, contact_id: int) -> Contact | None:
    """Itself, one of its customer's, or any for staff; None where there is none."""
    found = await stored.get(caller.account_id, contact_id)
    if found is None or caller.kind is callers.Kind.KEY:
        return None
    return found if caller.customer_id in (None, found.customer_id) else None
