"""People of the account."""

from datetime import datetime

from models.tables import Staff


async def insert(account_id: int, login_id: int, name: str, role: str, now: datetime) -> Staff:
    return await Staff.create(
        account_id=account_id, login_id=login_id, name=name, role=role, created_at=now
    )


async def get(account_id: int, staff_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, id=staff_id)
