"""People of the customers."""

from datetime import datetime

from models.tables import Contact


async def insert(
    account_id: int,
    customer_id: int,
    login_id: int,
    *,
    name: str,
    email: str,
    mobile: str | None,
    language: str,
    time_zone: str,
    now: datetime,
) -> Contact:
    return await Contact.create(
        account_id=account_id,
        customer_id=customer_id,
        login_id=login_id,
        name=name,
        email=email.lower(),
        mobile=mobile,
        language=language,
        time_zone=time_zone,
        created_at=now,
    )


async def get(account_id: int, contact_id: int) -> Contact | None:
    return await Contact.get_or_none(account_id=account_id, id=contact_id)


async def of_customer(account_id: int, customer_id: int) -> list[Contact]:
    return await Contact.filter(account_id=account_id, customer_id=customer_id).order_by("id")
