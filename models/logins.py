"""Logins: what people sign in with; an e-mail is unique in the installation.

The order of locks: the account (`staff.lock_owners`), the login (`lock`), its staff or contact, its
proofs, its sessions (by their ids), its recovery codes. Whoever changes how a person signs in or
is reached, its password, second factor, addresses, links and codes, locks the login first and reads
after that. So two who do so at once wait for each other, and never crosswise.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tortoise.exceptions import IntegrityError

from domain import callers, refusals
from models import db
from models.tables import Login


@dataclass(frozen=True, slots=True)
class Person:
    """A login with whom it is of. `is_at_home`: it has signed in from there before."""

    account_id: int
    id: int
    email: str
    password_hash: str | None
    disabled_at: datetime | None
    totp_secret: bytes | None
    totp_confirmed_at: datetime | None
    staff_id: int | None
    role: str | None
    contact_id: int | None
    customer_id: int | None
    language: str
    networks: list[str]
    is_at_home: bool

    @property
    def subject(self) -> str:
        """As the audit log names the person, such as `contact:3`."""
        if self.staff_id is not None:
            return f"staff:{self.staff_id}"
        return f"contact:{self.contact_id}"

    def caller(self, address: str | None) -> callers.Caller:
        """As whom it does what is no session's: signing in, setting a password by a link."""
        is_staff = self.staff_id is not None
        return callers.Caller(
            self.account_id,
            callers.Kind.STAFF if is_staff else callers.Kind.CONTACT,
            self.staff_id if is_staff else self.contact_id,
            role=None if self.role is None else callers.Role(self.role),
            customer_id=self.customer_id,
            language=self.language,
            address=address,
        )


# One statement whether there is such a login or not, so that both take the same time.
_PERSON = """
    SELECT l.account_id, l.id, l.email, l.password_hash, l.disabled_at, l.totp_secret,
           l.totp_confirmed_at, s.id AS staff_id, s.role, c.id AS contact_id, c.customer_id,
           coalesce(s.language, c.language) AS language,
           coalesce(c.allowed_networks, '{}')::text[] AS networks,
           EXISTS (SELECT FROM sessions h WHERE h.account_id = l.account_id AND h.login_id = l.id
                   AND h.staff_id IS NULL AND h.address <<= $1) AS is_at_home
    FROM logins l
    LEFT JOIN staff s ON s.account_id = l.account_id AND s.login_id = l.id
    LEFT JOIN contacts c ON c.account_id = l.account_id AND c.login_id = l.id
"""
_OF_EMAIL = f"{_PERSON} WHERE l.email = $2 AND (s.id IS NOT NULL OR c.id IS NOT NULL)"
_OF_SESSION = f"""{_PERSON} JOIN sessions own ON own.account_id = l.account_id
    AND own.login_id = l.id WHERE own.account_id = $2 AND own.id = $3"""
_OF_ID = f"{_PERSON} WHERE l.account_id = $2 AND l.id = $3"


async def insert(account_id: int, email: str, password_hash: str | None, now: datetime) -> int:
    """The new login's id; without a password where it is to be invited.

    EMAIL_TAKEN where the installation has that e-mail already.
    """
    try:
        row = await Login.create(
            account_id=account_id, email=email.lower(), password_hash=password_hash, created_at=now
        )
    except IntegrityError as error:
        raise _email_taken() from error
    return int(row.id)


async def of_email(email: str) -> Login | None:
    return await Login.get_or_none(email=email.lower())


async def person_of_email(email: str, site: str | None) -> Person | None:
    """`site` is the network a request comes from, None where that is unknown."""
    return await _person(_OF_EMAIL, site, email.lower())


async def person_of_session(account_id: int, session_id: int) -> Person | None:
    """Whom a session is of, even one that has ended."""
    return await _person(_OF_SESSION, None, account_id, session_id)


async def person(account_id: int, login_id: int) -> Person | None:
    return await _person(_OF_ID, None, account_id, login_id)


async def _person(statement: str, *arguments: str | int | None) -> Person | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(statement, *arguments)
    return None if row is None else Person(**dict(row))


async def lock(account_id: int, login_id: int) -> None:
    """Until the open transaction ends nobody else changes it, nor what belongs to it."""
    async with db.connection() as conn:
        await conn.execute(
            "SELECT FROM logins WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE",
            account_id,
            login_id,
        )


async def hold(person: Person) -> bool:
    """`lock`; False where its password is no more the one read, or it is disabled by now."""
    async with db.connection() as conn:
        found = await conn.fetchval(
            "SELECT id FROM logins WHERE account_id = $1 AND id = $2 AND disabled_at IS NULL"
            " AND password_hash IS NOT DISTINCT FROM $3 FOR NO KEY UPDATE",
            person.account_id,
            person.id,
            person.password_hash,
        )
    return found is not None


async def set_password(account_id: int, login_id: int, password_hash: str) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET password_hash = $3 WHERE account_id = $1 AND id = $2",
            account_id,
            login_id,
            password_hash,
        )


async def rehash_password(account_id: int, login_id: int, old: str, new: str) -> None:
    """The same password hashed anew, unless another was set meanwhile."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET password_hash = $4"
            " WHERE account_id = $1 AND id = $2 AND password_hash = $3",
            account_id,
            login_id,
            old,
            new,
        )


async def get(account_id: int, login_id: int) -> Login:
    return await Login.get(account_id=account_id, id=login_id)


async def locked(account_id: int, login_id: int) -> Login:
    """As it is under its `lock`."""
    await lock(account_id, login_id)
    return await get(account_id, login_id)


async def many(account_id: int, login_ids: Collection[int]) -> dict[int, Login]:
    """The account's logins among these ids, by id."""
    found = await Login.filter(account_id=account_id, id__in=list(set(login_ids)))
    return {login.id: login for login in found}


async def change_email(account_id: int, login_id: int, email: str, now: datetime) -> None:
    """EMAIL_TAKEN. What was sent to the address before, to set a password, is good no more."""
    try:
        await Login.filter(account_id=account_id, id=login_id).update(email=email)
    except IntegrityError as error:
        raise _email_taken() from error
    async with db.connection() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, now)


async def set_disabled(account_id: int, login_id: int, disabled: bool, now: datetime) -> bool:
    """Whether it may sign in; its sessions end and its links are good no more. In the open
    transaction; False where it was so before."""
    if not disabled:
        changed = Login.filter(account_id=account_id, id=login_id, disabled_at__isnull=False)
        return await changed.update(disabled_at=None) > 0
    async with db.connection() as conn:
        done = await conn.fetchval(_DISABLE, account_id, login_id, now)
        await conn.execute(_END_SESSIONS, account_id, login_id, now)
        await conn.execute(_WITHDRAW, account_id, login_id, now)
    return done is not None


_DISABLE = """
UPDATE logins SET disabled_at = $3 WHERE account_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING id
"""
_END_SESSIONS = """
UPDATE sessions s SET ended_at = $3
FROM (SELECT id FROM sessions WHERE account_id = $1 AND login_id = $2 AND ended_at IS NULL
      ORDER BY id FOR NO KEY UPDATE) AS own
WHERE s.account_id = $1 AND s.id = own.id
"""
_WITHDRAW = """
UPDATE proofs SET used_at = $3 WHERE account_id = $1 AND login_id = $2 AND used_at IS NULL
"""


def _email_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "EMAIL_TAKEN", "This e-mail address has a login already; use another.", "email"
    )
