"""SIP users: extensions in use.

A transaction that changes SIP users holds the lock of the account's range (`account_ranges.lock`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.numbering import number_ranges
from domain.refusals import Refusal
from models import db
from models.numbering import free_numbers, number_gaps
from models.numbering.number_gaps import Kind


@dataclass(frozen=True, slots=True)
class SipUser:
    account_id: int
    id: int
    customer_id: int
    username: str
    realm: str
    display_name: str | None
    status: number_ranges.Status
    created_at: datetime

    @property
    def number(self) -> int:
        return int(self.username)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The digests with which a switch checks a password, and the customer of the calls.

    `channel_limit` is the customer's; None: no limit.
    """

    username: str
    digests: number_ranges.Digests
    customer: str
    channel_limit: int | None


_COLUMNS = "account_id, id, customer_id, username, realm, display_name, status, created_at"
# Whether the customer may pick number $3: from its blocks, if it has any.
_MAY_PICK = f"""
SELECT CASE WHEN {free_numbers.HAS_BLOCKS} THEN EXISTS (
    SELECT 1 FROM number_blocks
    WHERE account_id = $1 AND customer_id = $2 AND $3 BETWEEN first_number AND last_number
) ELSE EXISTS (
    SELECT 1 FROM number_gaps
    WHERE account_id = $1 AND kind = 'BLOCK' AND last_number >= $3 AND first_number = (
        SELECT max(first_number) FROM number_gaps
        WHERE account_id = $1 AND kind = 'BLOCK' AND first_number <= $3
    )
) END
"""
_INSERT = f"""
INSERT INTO sip_users (account_id, customer_id, number, realm, ha1, ha1b, ha1_sha256, display_name,
                       created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
RETURNING {_COLUMNS}
"""
_SET_DIGESTS = f"""
UPDATE sip_users SET realm = $3, ha1 = $4, ha1b = $5, ha1_sha256 = $6
WHERE account_id = $1 AND id = $2
RETURNING {_COLUMNS}
"""
_SET = f"""
UPDATE sip_users
SET display_name = nullif(coalesce($3, display_name), ''), status = coalesce($4, status)
WHERE account_id = $1 AND id = $2
RETURNING {_COLUMNS}
"""
_DELETE = f"DELETE FROM sip_users WHERE account_id = $1 AND id = $2 RETURNING {_COLUMNS}"
_GET = f"SELECT {_COLUMNS} FROM sip_users WHERE account_id = $1 AND id = $2"
_PAGE = f"""
SELECT {_COLUMNS} FROM sip_users
WHERE account_id = $1 AND number BETWEEN $2 AND $3 ORDER BY number LIMIT $4
"""
_PAGES = f"""
SELECT page.* FROM unnest($5::bigint[]) AS c (id) CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM sip_users
    WHERE account_id = $1 AND customer_id = c.id AND number BETWEEN $2 AND $3
    ORDER BY number LIMIT $4
) page
"""
_CREDENTIALS = """
SELECT u.username, u.realm, u.ha1, u.ha1b, u.ha1_sha256, c.reference, c.channel_limit
FROM sip_users u JOIN customers c ON c.account_id = $1 AND c.id = u.customer_id
WHERE u.account_id = $1 AND u.username = $2 AND u.status = 'ACTIVE' AND c.status = 'ACTIVE'
"""


@dataclass(frozen=True, slots=True)
class NewSipUser:
    customer_id: int
    username: str
    digests: number_ranges.Digests
    display_name: str | None


async def insert(
    conn: db.Connection,
    account_id: int,
    user: NewSipUser,
    within: number_ranges.Range,
    now: datetime,
) -> SipUser:
    """Inserts a SIP user under the lock of the range `within`. Refuses NUMBER_NOT_YOURS and
    USERNAME_TAKEN."""
    number = int(user.username)
    span = number_ranges.Span(number, number)
    allowed = span in within.span
    if not allowed or not await conn.fetchval(_MAY_PICK, account_id, user.customer_id, number):
        raise Refusal(
            "NUMBER_NOT_YOURS",
            "The customer cannot use {username}. Select one of its availableUsernames.",
            "username",
            username=user.username,
        )
    digests = user.digests
    row = await conn.fetchrow(
        _INSERT,
        account_id,
        user.customer_id,
        number,
        digests.realm,
        digests.ha1,
        digests.ha1b,
        digests.ha1_sha256,
        user.display_name,
        now,
    )
    if row is None:
        raise Refusal(
            "USERNAME_TAKEN",
            "{username} is already in use. Select one of the customer's availableUsernames.",
            "username",
            username=user.username,
        )
    await number_gaps.take(conn, account_id, Kind.USER, span)
    return _user(row)


async def delete(conn: db.Connection, account_id: int, user_id: int) -> SipUser | None:
    """Removes a SIP user under the lock of the range; None if there is none."""
    row = await conn.fetchrow(_DELETE, account_id, user_id)
    if row is None:
        return None
    user = _user(row)
    span = number_ranges.Span(user.number, user.number)
    await number_gaps.release(conn, account_id, Kind.USER, span)
    return user


async def set_digests(
    account_id: int, user_id: int, digests: number_ranges.Digests
) -> SipUser | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(
            _SET_DIGESTS,
            account_id,
            user_id,
            digests.realm,
            digests.ha1,
            digests.ha1b,
            digests.ha1_sha256,
        )
    return None if row is None else _user(row)


async def update(
    account_id: int, user_id: int, display_name: str | None, status: number_ranges.Status | None
) -> SipUser | None:
    """None leaves a value unchanged; '' removes the display name."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_SET, account_id, user_id, display_name, status)
    return None if row is None else _user(row)


async def get(account_id: int, user_id: int) -> SipUser | None:
    async with db.connection() as conn:
        row = await conn.fetchrow(_GET, account_id, user_id)
    return None if row is None else _user(row)


async def page(account_id: int, spans: Sequence[number_ranges.Span], limit: int) -> list[SipUser]:
    """SIP users of all customers with numbers in the ascending spans."""
    rows: list[Any] = []
    async with db.connection() as conn:
        for span in spans:
            if len(rows) < limit:
                left = limit - len(rows)
                rows += await conn.fetch(_PAGE, account_id, span.first, span.last, left)
    return [_user(row) for row in rows]


async def pages(
    account_id: int, customer_ids: Sequence[int], spans: Sequence[number_ranges.Span], limit: int
) -> dict[int, list[SipUser]]:
    """`page` of each of these customers, up to `limit` each, in one statement per span."""
    results: dict[int, list[SipUser]] = {customer_id: [] for customer_id in customer_ids}
    async with db.connection() as conn:
        for span in spans:
            short = [id for id, users in results.items() if len(users) < limit]
            of = (account_id, span.first, span.last, limit, short)
            for row in await conn.fetch(_PAGES, *of) if short else ():
                results[row["customer_id"]].append(_user(row))
    return {id: users[:limit] for id, users in results.items()}


async def credentials(account_id: int, username: str) -> Credentials | None:
    """None if there is no such user, or it or its customer is not active."""
    async with db.connection() as conn:
        row = await conn.fetchrow(_CREDENTIALS, account_id, username)
    if row is None:
        return None
    digests = number_ranges.Digests(row["realm"], row["ha1"], row["ha1b"], row["ha1_sha256"])
    return Credentials(row["username"], digests, row["reference"], row["channel_limit"])


def _user(row: Any) -> SipUser:
    return SipUser(
        row["account_id"],
        row["id"],
        row["customer_id"],
        row["username"],
        row["realm"],
        row["display_name"],
        number_ranges.Status(row["status"]),
        row["created_at"],
    )
