"""API keys and sessions: what a bearer token is looked up in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import callers, texts, tokens
from models import db
from models.tables import ApiKey

NEVER_SEEN = 0  # no credential has this print


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that is in force, with the hash its secret has to have.

    `print` is another number whenever anything of these is another.
    """

    secret_hash: bytes
    caller: callers.Caller
    print: int


async def known(token: tokens.Token, now: datetime) -> Known | None:
    """What a token names if that is in force; its secret is not compared.

    None: it does not exist, is revoked, has ended or expired.
    """
    return (await changed([(token, NEVER_SEEN)], now)).get(0)


async def changed(
    given: Sequence[tuple[tokens.Token, int]], now: datetime
) -> dict[int, Known | None]:
    """Which of the tokens name another than that of the print, by their places; `known` of each."""
    found: dict[int, Known | None] = {}
    async with db.connection() as conn:
        for of, sql, caller_of in (
            (tokens.Of.KEY, _KEYS, _program),
            (tokens.Of.SESSION, _SESSIONS, _person),
        ):
            places = [place for place, (token, _) in enumerate(given) if token.of is of]
            if not places:
                continue
            accounts = [given[place][0].account_id for place in places]
            ids = [given[place][0].id for place in places]
            prints = [given[place][1] for place in places]
            for row in await conn.fetch(sql, accounts, ids, prints, now):
                found[places[row["at"] - 1]] = _known(row, caller_of)
    return found


def _known(
    row: Mapping[str, Any], caller_of: Callable[[Mapping[str, Any]], callers.Caller]
) -> Known | None:
    if row["print"] is None:
        return None
    return Known(row["secret_hash"], caller_of(row), row["print"])


# Tokens come as arrays; `at` is a token's place in them. `found` is what decides, and nothing else:
# whoever listens is sent away when any column of it changes.
def _asked(found: str) -> str:
    return f"""
        SELECT given.at, hashtextextended(found::text, 0) AS print, found.*
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
            WITH ORDINALITY AS given (account_id, id, print, at)
        LEFT JOIN ({found}) AS found USING (account_id, id)
        WHERE hashtextextended(found::text, 0) IS DISTINCT FROM given.print
    """


_KEYS = _asked("""
    SELECT k.account_id, k.id, k.secret_hash, k.scopes, k.customer_id, a.hide_carriers,
           a.language
    FROM api_keys k
    JOIN accounts a ON a.id = k.account_id
    WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $4)
""")
_SESSIONS = _asked("""
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


def _program(row: Mapping[str, Any]) -> callers.Caller:
    return callers.Caller(
        row["account_id"],
        callers.Kind.KEY,
        row["id"],
        scopes=frozenset(map(callers.Scope, row["scopes"])),
        customer_id=row["customer_id"],
        sees_carriers=_sees_carriers(row),
        language=texts.supported(row["language"]),
    )


def _person(row: Mapping[str, Any]) -> callers.Caller:
    if row["staff_id"] is not None:
        return callers.Caller(
            row["account_id"],
            callers.Kind.STAFF,
            row["staff_id"],
            role=callers.Role(row["role"]),
            session_id=row["id"],
            zone=row["time_zone"],
            language=texts.supported(row["language"]),
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
        language=texts.supported(row["language"]),
    )


def _sees_carriers(row: Mapping[str, Any]) -> bool:
    """An account may hide its carriers from whoever sees one customer."""
    return row["customer_id"] is None or not row["hide_carriers"]


async def insert_key(
    account_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    customer_id: int | None,
    secret_hash: bytes,
    now: datetime,
    prefix: str = "",
    expires_at: datetime | None = None,
) -> ApiKey:
    """`prefix` is how the secret begins; without `expires_at` the key is good until revoked."""
    return await ApiKey.create(
        account_id=account_id,
        name=name,
        scopes=list(scopes),
        customer_id=customer_id,
        secret_hash=secret_hash,
        prefix=prefix,
        created_at=now,
        expires_at=expires_at,
    )


async def keys(account_id: int, *, after: int | None, limit: int) -> list[ApiKey]:
    """The oldest first, those no more in force too."""
    found = ApiKey.filter(account_id=account_id, id__gt=after or 0)
    return await found.order_by("id").limit(limit)


async def tell_used(used: Mapping[tokens.Token, datetime]) -> None:
    """Tells of uses of keys, kept to the minute."""
    async with db.connection() as conn:
        await conn.execute(
            _USED,
            [token.account_id for token in used],
            [token.id for token in used],
            list(used.values()),
        )


_USED = """
    UPDATE api_keys k SET last_used_at = given.at
    FROM (SELECT account_id, id, date_trunc('minute', used_at) AS at
          FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[])
              AS given (account_id, id, used_at)) AS given
    WHERE k.account_id = given.account_id AND k.id = given.id
        AND (k.last_used_at IS NULL OR k.last_used_at < given.at)
"""


async def key(account_id: int, key_id: int) -> ApiKey | None:
    return await ApiKey.get_or_none(account_id=account_id, id=key_id)


async def revoke_key(account_id: int, key_id: int, now: datetime) -> bool:
    """False where there is no such key. A key revoked before keeps its instant."""
    async with db.connection() as conn:
        done = await conn.fetchval(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $3)"
            " WHERE account_id = $1 AND id = $2 RETURNING id",
            account_id,
            key_id,
            now,
        )
    return done is not None


async def insert_session(
    account_id: int,
    login_id: int,
    secret_hash: bytes,
    now: datetime,
    expires_at: datetime,
    *,
    ends_at: datetime | None = None,
    client: callers.Client | None = None,
    staff_id: int | None = None,
) -> int:
    """The session's id. `ends_at` is where use lengthens it no more, by default `expires_at`;
    `staff_id` is who signed in as this contact."""
    client = client or callers.Client()
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            "INSERT INTO sessions (account_id, login_id, secret_hash, created_at, expires_at,"
            " ends_at, last_used_at, address, user_agent, staff_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, $4, $7, $8, $9) RETURNING id",
            account_id,
            login_id,
            secret_hash,
            now,
            expires_at,
            ends_at or expires_at,
            client.address,
            client.user_agent,
            staff_id,
        )
    return id


async def end_session(account_id: int, session_id: int, now: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE sessions SET ended_at = coalesce(ended_at, $3)"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            session_id,
            now,
        )
