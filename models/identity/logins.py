"""Logins of people; an e-mail address is unique in the installation.

The order of locks: the account (`staff.lock_owners`), the login (`lock`), its staff or contact, its
proofs, its sessions (by id), its recovery codes. A transaction that changes a person's password,
second factor, addresses, links or codes locks the login first and reads after that. So simultaneous
changes wait for each other and cannot deadlock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.exceptions import IntegrityError

from domain import refusals
from domain.identity import callers
from models import db
from models.tables import Login


@dataclass(frozen=True, slots=True)
class Person:
    """A login and its owner. `has_used_site`: the login has signed in from the network before."""

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
    has_used_site: bool

    @property
    def subject(self) -> str:
        """The person's name in the audit log, such as `contact:3`."""
        if self.staff_id is not None:
            return f"staff:{self.staff_id}"
        return f"contact:{self.contact_id}"

    def caller(self, address: str | None) -> callers.Caller:
        """The caller of actions without a session: signing in, setting a password by a link."""
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


# The same statement whether or not the login exists, so that both cases take the same time.
_PERSON = """
    SELECT l.account_id, l.id, l.email, l.password_hash, l.disabled_at, l.totp_secret,
           l.totp_confirmed_at, s.id AS staff_id, s.role, c.id AS contact_id, c.customer_id,
           coalesce(s.language, c.language) AS language,
           coalesce(c.allowed_networks, '{}')::text[] AS networks,
           EXISTS (SELECT 1 FROM sessions h WHERE h.account_id = l.account_id AND h.login_id = l.id
                   AND h.staff_id IS NULL AND h.address <<= $1) AS has_used_site
    FROM logins l
    LEFT JOIN staff s ON s.account_id = l.account_id AND s.login_id = l.id
    LEFT JOIN contacts c ON c.account_id = l.account_id AND c.login_id = l.id
"""
_OF_EMAIL = f"""{_PERSON} WHERE l.email = ANY($2::text[]) AND (s.id IS NOT NULL OR c.id IS NOT NULL)
    ORDER BY array_position($2::text[], l.email) LIMIT 1"""
_IN_TWO_FORMS = """
SELECT array_agg(email ORDER BY email) AS emails FROM logins
WHERE getdatabaseencoding() = 'UTF8'
GROUP BY normalize(email, NFC) HAVING count(*) > 1 ORDER BY 1
"""
_OF_SESSION = f"""{_PERSON} JOIN sessions own ON own.account_id = l.account_id
    AND own.login_id = l.id WHERE own.account_id = $2 AND own.id = $3"""
_OF_ID = f"{_PERSON} WHERE l.account_id = $2 AND l.id = $3"


async def insert(account_id: int, email: str, password_hash: str | None, now: datetime) -> int:
    """Inserts a login and returns its id. An invited person has no password yet.

    Refuses EMAIL_TAKEN if the installation already has the address.
    """
    try:
        row = await Login.create(
            account_id=account_id, email=email.lower(), password_hash=password_hash, created_at=now
        )
    except IntegrityError as error:
        raise _email_taken() from error
    return int(row.id)


async def of_email(email: str) -> Login | None:
    return await of_emails([email.lower()])


async def of_emails(emails: Sequence[str]) -> Login | None:
    """Of the first of these that a login has."""
    login_of = {login.email: login for login in await Login.filter(email__in=emails)}
    return next((login_of[email] for email in emails if email in login_of), None)


async def person_of_email(email: str, site: str | None) -> Person | None:
    """`site` is the network of the request; None if it is unknown."""
    return await person_of_emails([email.lower()], site)


async def person_of_emails(emails: Sequence[str], site: str | None) -> Person | None:
    """The person of the first of these addresses that has a login."""
    return await _person(_OF_EMAIL, site, list(emails))


async def person_of_session(account_id: int, session_id: int) -> Person | None:
    """The person of a session, even after it has ended."""
    return await _person(_OF_SESSION, None, account_id, session_id)


async def person(account_id: int, login_id: int) -> Person | None:
    return await _person(_OF_ID, None, account_id, login_id)


async def _person(statement: str, *arguments: str | int | list[str] | None) -> Person | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(statement, *arguments)
    return None if row is None else Person(**dict(row))


async def in_two_forms() -> list[list[str]]:
    """E-mail addresses of logins that differ only in their form (NFC and others), by address."""
    async with db.connection() as conn:
        return [row["emails"] for row in await conn.fetch(_IN_TWO_FORMS)]


async def lock(account_id: int, login_id: int) -> None:
    """Locks the login until the transaction ends: no other transaction changes it or its parts."""
    async with db.connection() as conn:
        await conn.execute(
            "SELECT 1 FROM logins WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE",
            account_id,
            login_id,
        )


async def lock_unchanged(person: Person) -> bool:
    """Locks the login. False if its password has changed since it was read, or it is disabled."""
    async with db.connection() as conn:
        id = await conn.fetchval(
            "SELECT id FROM logins WHERE account_id = $1 AND id = $2 AND disabled_at IS NULL"
            " AND password_hash IS NOT DISTINCT FROM $3 FOR NO KEY UPDATE",
            person.account_id,
            person.id,
            person.password_hash,
        )
    return id is not None


async def set_password(account_id: int, login_id: int, password_hash: str) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET password_hash = $3 WHERE account_id = $1 AND id = $2",
            account_id,
            login_id,
            password_hash,
        )


async def rehash_password(account_id: int, login_id: int, old: str, new: str) -> None:
    """Stores a new hash of the same password, unless the password was changed meanwhile."""
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


async def lock_and_get(account_id: int, login_id: int) -> Login:
    """Locks the login and reads it under the lock."""
    await lock(account_id, login_id)
    return await get(account_id, login_id)


async def by_ids(account_id: int, login_ids: Collection[int]) -> dict[int, Login]:
    """The account's logins among these ids, by id."""
    logins = await Login.filter(account_id=account_id, id__in=list(set(login_ids)))
    return {login.id: login for login in logins}


async def change_email(account_id: int, login_id: int, email: str, now: datetime) -> None:
    """Changes the address and invalidates links sent to the old one. Refuses EMAIL_TAKEN."""
    try:
        await Login.filter(account_id=account_id, id=login_id).update(email=email)
    except IntegrityError as error:
        raise _email_taken() from error
    async with db.connection() as conn:
        await conn.execute(_WITHDRAW_PROOFS, account_id, login_id, now)


async def set_disabled(account_id: int, login_id: int, disabled: bool, now: datetime) -> bool:
    """Disables or enables the login in the open transaction; False if that changes nothing.
    Disabling it ends its sessions and invalidates its links."""
    if not disabled:
        login = Login.filter(account_id=account_id, id=login_id, disabled_at__isnull=False)
        return await login.update(disabled_at=None) > 0
    async with db.connection() as conn:
        disabled_id = await conn.fetchval(_DISABLE, account_id, login_id, now)
        await conn.execute(_END_SESSIONS, account_id, login_id, now)
        await conn.execute(_WITHDRAW_PROOFS, account_id, login_id, now)
    return disabled_id is not None


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
_WITHDRAW_PROOFS = """
UPDATE proofs SET used_at = $3 WHERE account_id = $1 AND login_id = $2 AND used_at IS NULL
"""


def _email_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "EMAIL_TAKEN", "This e-mail address already has a login. Use another address.", "email"
    )
