"""API keys: created, rotated, read and revoked, with the caller's permissions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain import refusals
from domain.identity import callers, personal_data, tokens
from models import db
from models.directory import audit_log
from models.identity import accounts, credentials
from models.records import reference_lookup
from models.tables import ApiKey
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers
from resolvers.identity import sign_in

DEFAULT_OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 30 * 24 * 3600
_SHOWN_CHARACTERS = 6  # of the secret (36 of its 256 bits), to recognize a key


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the complete bearer token, shown only once."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class Rights:
    """The name and permissions of a key. `customer_id` None: for the whole account."""

    name: str
    scopes: list[callers.Scope]
    customer_id: int | None = None


async def create(
    caller: callers.Caller,
    name: str,
    scopes: Iterable[callers.Scope],
    customer_id: int | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """Creates a key for the whole account or one customer. Refuses NOT_FOUND, INVALID."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    rights = Rights(personal_data.validate_name(name), sorted(set(scopes)), customer_id)
    _require_usable(rights)
    if customer_id is not None:
        await customers.existing(caller.account_id, customer_id)
    _require_future(expires_at, now)
    async with db.transaction():
        return await _insert(
            caller.account_id, audit_entries.actor(caller), rights, now, expires_at
        )


async def create_by_command(
    account_id: int,
    name: str,
    scopes: Iterable[callers.Scope],
    customer_reference: str | None,
    now: datetime,
) -> NewKey:
    """As `create`, by a command on the server. Refuses NOT_FOUND, INVALID."""
    if account_id not in await accounts.ids():
        raise refusals.not_found("Account", "account")
    customer_id = None
    if customer_reference is not None:
        by_reference = await reference_lookup.customers(account_id, [customer_reference])
        if customer_reference not in by_reference:
            raise refusals.not_found("Customer", "customer")
        customer_id = by_reference[customer_reference].id
    rights = Rights(personal_data.validate_name(name), sorted(set(scopes)), customer_id)
    _require_usable(rights)
    async with db.transaction():
        return await _insert(account_id, audit_log.COMMAND, rights, now, None)


async def rotate(
    caller: callers.Caller,
    key_id: int,
    overlap: timedelta,
    now: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """Creates a key with the rights of another, which expires after `overlap` at the latest.

    Refuses NOT_FOUND, KEY_NOT_ACTIVE, INVALID.
    """
    access.require_account(caller, Capability.MANAGE_STAFF)
    _require_overlap(overlap)
    _require_future(expires_at, now)
    async with db.transaction():
        old = await credentials.lock_key(caller.account_id, key_id)
        if old is None:
            raise refusals.not_found("ApiKey", "id")
        if not is_active(old, now):
            raise refusals.Refusal(
                "KEY_NOT_ACTIVE", "The key is revoked or has expired. Create a new key.", "id"
            )
        rights = Rights(old.name, [callers.Scope(scope) for scope in old.scopes], old.customer_id)
        end = expires_at or _same_lifetime(old, now)
        created = await _insert(caller.account_id, audit_entries.actor(caller), rights, now, end)
        await _expire(caller, old, now + overlap, created.key, now)
    return created


async def _expire(
    caller: callers.Caller, old: ApiKey, end: datetime, successor: ApiKey, now: datetime
) -> None:
    if old.expires_at is None or end < old.expires_at:
        await credentials.expire_key(caller.account_id, old.id, end)
    await audit_entries.write(
        caller,
        "key.rotate",
        f"key:{old.id}",
        now,
        customer_id=old.customer_id,
        after={"successor": f"key:{successor.id}", "expires_at": end.isoformat()},
    )


def is_active(key: ApiKey, now: datetime) -> bool:
    """False if the key is revoked or has expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _same_lifetime(old: ApiKey, now: datetime) -> datetime | None:
    return None if old.expires_at is None else now + (old.expires_at - old.created_at)


def _require_usable(rights: Rights) -> None:
    if not rights.scopes:
        raise refusals.Refusal("INVALID", "Set at least one scope.", "scopes")
    if rights.customer_id is not None and callers.Scope.INGEST in rights.scopes:
        raise refusals.Refusal(
            "INVALID",
            "A key with the scope INGEST is for the whole account. Leave out the customer.",
            "scopes",
        )


def _require_future(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise refusals.Refusal("INVALID", "Set a future time, or null.", "expiresAt")


def _require_overlap(overlap: timedelta) -> None:
    if not timedelta(0) <= overlap <= timedelta(seconds=MAX_OVERLAP_SECONDS):
        raise refusals.Refusal(
            "INVALID",
            "Set overlapSeconds to a number from 0 to {limit}.",
            "overlapSeconds",
            limit=MAX_OVERLAP_SECONDS,
        )


async def _insert(
    account_id: int,
    actor: audit_log.Actor,
    rights: Rights,
    now: datetime,
    expires_at: datetime | None,
) -> NewKey:
    """Inserts the key in the open transaction."""
    secret = sign_in.new_secret()
    key = await credentials.insert_key(
        account_id,
        credentials.NewKey(
            name=rights.name,
            scopes=rights.scopes,
            customer_id=rights.customer_id,
            secret_hash=tokens.digest(secret),
            prefix=secret[:_SHOWN_CHARACTERS],
            expires_at=expires_at,
        ),
        now,
    )
    await audit_log.insert(
        account_id,
        actor,
        audit_log.NewEntry(
            action="key.create",
            subject=f"key:{key.id}",
            customer_id=rights.customer_id,
            after={"name": key.name, "scopes": rights.scopes},
        ),
        now,
    )
    return NewKey(key, str(tokens.Token(account_id, tokens.TokenKind.KEY, key.id, secret)))


async def revoke(caller: callers.Caller, key_id: int, now: datetime) -> ApiKey:
    """Revokes a key; no effect if it is already revoked. Refuses NOT_FOUND."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    async with db.transaction():
        if not await credentials.revoke_key(caller.account_id, key_id, now):
            raise refusals.not_found("ApiKey", "id")
        key = await credentials.get_key(caller.account_id, key_id)
        assert key is not None
        await audit_entries.write(
            caller, "key.revoke", f"key:{key_id}", now, customer_id=key.customer_id
        )
    return key


async def page(caller: callers.Caller, *, after: int | None, limit: int) -> list[ApiKey]:
    """All keys, including revoked and expired ones, oldest first."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    return await credentials.keys(caller.account_id, after=after, limit=limit)


async def find(caller: callers.Caller, key_id: int) -> ApiKey | None:
    """A key, or None. A key can see itself, staff can see all."""
    own = caller.kind is callers.Kind.KEY and caller.id == key_id
    if not own and not access.may(caller, Capability.SEE_STAFF):
        return None
    return await credentials.get_key(caller.account_id, key_id)
