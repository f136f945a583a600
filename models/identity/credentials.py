"""API keys and sessions: the credentials that bearer tokens name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.identity import callers, tokens
from domain.messaging import texts
from models import db
from models.tables import ApiKey

NO_FINGERPRINT = 0  # no credential has it


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential in force, with the hash of its secret.

    `fingerprint` changes whenever another field changes.
    """

    secret_hash: bytes
    caller: callers.Caller
    fingerprint: int


async def find(token: tokens.Token, now: datetime) -> Credential | None:
    """The credential that a token names; the secret is not compared.

    None if it does not exist, is revoked, or has ended or expired.
    """
    return (await find_changed([(token, NO_FINGERPRINT)], now)).get(0)


async def find_changed(
    fingerprints: Sequence[tuple[tokens.Token, int]], now: datetime
) -> dict[int, Credential | None]:
    """By position, the credentials of the tokens whose fingerprint is no longer this one."""
    changed: dict[int, Credential | None] = {}
    async with db.connection() as conn:
        for of, sql, caller_of in (
            (tokens.TokenKind.KEY, _KEYS, _key_caller),
            (tokens.TokenKind.SESSION, _SESSIONS, _person_caller),
        ):
            places = [place for place, (token, _) in enumerate(fingerprints) if token.kind is of]
            if not places:
                continue
            accounts = [fingerprints[place][0].account_id for place in places]
            ids = [fingerprints[place][0].id for place in places]
            numbers = [fingerprints[place][1] for place in places]
            for row in await conn.fetch(sql, accounts, ids, numbers, now):
                changed[places[row["at"] - 1]] = _credential(row, caller_of)
    return changed


def _credential(
    row: Mapping[str, Any], caller_of: Callable[[Mapping[str, Any]], callers.Caller]
) -> Credential | None:
    if row["fingerprint"] is None:
        return None
    return Credential(row["secret_hash"], caller_of(row), row["fingerprint"])


# Tokens come as arrays; `at` is a token's position in them. Only the columns of `found` count: a
# connection is closed when one of them changes.
def _changed_sql(found_sql: str) -> str:
    return f"""
        SELECT given.at, hashtextextended(found::text, 0) AS fingerprint, found.*
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
            WITH ORDINALITY AS given (account_id, id, fingerprint, at)
        LEFT JOIN ({found_sql}) AS found USING (account_id, id)
        WHERE hashtextextended(found::text, 0) IS DISTINCT FROM given.fingerprint
    """


_KEYS = _changed_sql("""
    SELECT k.account_id, k.id, k.secret_hash, k.scopes, k.customer_id, a.hide_carriers,
           a.language
    FROM api_keys k
    JOIN accounts a ON a.id = k.account_id
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $4)
""")
_SESSIONS = _changed_sql("""
    SELECT s.account_id, s.id, s.secret_hash, staff.id AS staff_id, staff.role,
           c.id AS contact_id, c.customer_id,
           coalesce(staff.time_zone, c.time_zone) AS time_zone, a.hide_carriers,
           c.allowed_networks::text[] AS networks, s.staff_id AS acting,
           (SELECT t.role FROM staff t JOIN logins tl ON tl.id = t.login_id
            WHERE t.account_id = s.account_id AND t.id = s.staff_id AND tl.disabled_at IS NULL)
               AS acting_role,
           coalesce(staff.language, c.language) AS language
    FROM sessions s
    JOIN accounts a ON a.id = s.account_id
    JOIN logins l ON l.id = s.login_id AND l.disabled_at IS NULL
    LEFT JOIN staff ON staff.account_id = s.account_id AND staff.login_id = s.login_id
    LEFT JOIN contacts c ON c.account_id = s.account_id AND c.login_id = s.login_id
    WHERE s.ended_at IS NULL AND s.expires_at > $4
        AND (staff.id IS NOT NULL OR c.id IS NOT NULL)
""")


def _key_caller(row: Mapping[str, Any]) -> callers.Caller:
    return callers.Caller(
        row["account_id"],
        callers.Kind.KEY,
        row["id"],
        scopes=frozenset(map(callers.Scope, row["scopes"])),
        customer_id=row["customer_id"],
        sees_carriers=_sees_carriers(row),
        language=texts.supported_language(row["language"]),
    )


def _person_caller(row: Mapping[str, Any]) -> callers.Caller:
    if row["staff_id"] is not None:
        return callers.Caller(
            row["account_id"],
            callers.Kind.STAFF,
            row["staff_id"],
            role=callers.Role(row["role"]),
            session_id=row["id"],
            zone=row["time_zone"],
            language=texts.supported_language(row["language"]),
        )
    return callers.Caller(
        row["account_id"],
        callers.Kind.CONTACT,
        row["contact_id"],
        role=None if row["acting_role"] is None else callers.Role(row["acting_role"]),
        customer_id=row["customer_id"],
        session_id=row["id"],
        zone=row["time_zone"],
        sees_carriers=_sees_carriers(row),
        staff_id=row["acting"],
        networks=tuple(row["networks"]),
        language=texts.supported_language(row["language"]),
    )


def _sees_carriers(row: Mapping[str, Any]) -> bool:
    """An account may hide its carriers from callers that see only one customer."""
    return row["customer_id"] is None or not row["hide_carriers"]


@dataclass(frozen=True, slots=True)
class NewKey:
    """`prefix` is the start of the secret. Without `expires_at` the key is valid until revoked."""

    name: str
    scopes: Sequence[str]
    customer_id: int | None
    secret_hash: bytes
    prefix: str = ""
    expires_at: datetime | None = None


async def insert_key(account_id: int, key: NewKey, now: datetime) -> ApiKey:
    return await ApiKey.create(
        account_id=account_id,
        name=key.name,
        scopes=list(key.scopes),
        customer_id=key.customer_id,
        secret_hash=key.secret_hash,
        prefix=key.prefix,
        created_at=now,
        expires_at=key.expires_at,
    )


async def keys(account_id: int, *, after: int | None, limit: int) -> list[ApiKey]:
    """API keys after an id, oldest first, including those no longer in force."""
    following = ApiKey.filter(account_id=account_id, id__gt=after or 0)
    return await following.order_by("id").limit(limit)


async def record_last_use(uses: Mapping[tokens.Token, datetime]) -> None:
    """Records the last use of each key, to the minute."""
    async with db.connection() as conn:
        await conn.execute(
            _RECORD_LAST_USE,
            [token.account_id for token in uses],
            [token.id for token in uses],
            list(uses.values()),
        )


_RECORD_LAST_USE = """
    UPDATE api_keys k SET last_used_at = given.at
    FROM (SELECT account_id, id, date_trunc('minute', used_at) AS at
          FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[])
              AS given (account_id, id, used_at)) AS given
    WHERE k.account_id = given.account_id AND k.id = given.id
        AND (k.last_used_at IS NULL OR k.last_used_at < given.at)
"""


async def get_key(account_id: int, key_id: int) -> ApiKey | None:
    return await ApiKey.get_or_none(account_id=account_id, id=key_id)


async def lock_key(account_id: int, key_id: int) -> ApiKey | None:
    """Locks a key until the transaction ends; None if there is no such key."""
    keys = ApiKey.filter(account_id=account_id, id=key_id).select_for_update()
    return await keys.first()


async def expire_key(account_id: int, key_id: int, at: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE api_keys SET expires_at = $3 WHERE account_id = $1 AND id = $2",
            account_id,
            key_id,
            at,
        )


async def revoke_key(account_id: int, key_id: int, now: datetime) -> bool:
    """False if there is no such key. A key that is already revoked keeps its time."""
    async with db.connection() as conn:
        revoked = await conn.fetchval(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)"
            " WHERE account_id = $1 AND id = $2 RETURNING id",
            account_id,
            key_id,
            now,
        )
    return revoked is not None


@dataclass(frozen=True, slots=True)
class NewSession:
    """Use extends the session until `ends_at`, by default `expires_at`. `staff_id` is the staff who
    signed in as this contact."""

    login_id: int
    secret_hash: bytes
    expires_at: datetime
    ends_at: datetime | None = None
    client: callers.Client = field(default_factory=callers.Client)
    staff_id: int | None = None


async def insert_session(account_id: int, session: NewSession, now: datetime) -> int:
    """Inserts a session and returns its id."""
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            _INSERT_SESSION,
            account_id,
            session.login_id,
            session.secret_hash,
            now,
            session.expires_at,
            session.ends_at or session.expires_at,
            session.client.address,
            session.client.user_agent,
            session.staff_id,
        )
    return id


_INSERT_SESSION = """
    INSERT INTO sessions (account_id, login_id, secret_hash, created_at, expires_at, ends_at,
                          last_used_at, address, user_agent, staff_id)
    VALUES ($1, $2, $3, $4, $5, $6, $4, $7, $8, $9) RETURNING id
"""


async def end_session(account_id: int, session_id: int, now: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE sessions SET ended_at = coalesce(ended_at, $3)"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            session_id,
            now,
        )
