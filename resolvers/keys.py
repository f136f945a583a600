"""API keys: made, read and revoked, as the caller may."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain import callers, people, refusals, tokens
from models import credentials as stored
from models import db
from models.tables import ApiKey
from resolvers import access, audit, customers, sign_in
from resolvers.access import Capability

_SHOWN = 6  # characters of the secret, 36 of its 256 bits, by which a key is known again


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the whole bearer token, shown once."""

    key: ApiKey
    secret: str


async def create(
    caller: callers.Caller,
    name: str,
    scopes: Iterable[callers.Scope],
    customer_id: int | None,
    now: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """A key of the whole account, or of one customer; NOT_FOUND, INVALID."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    chosen = sorted(set(scopes))
    if not chosen:
        raise refusals.Refusal("INVALID", "Give at least one scope.", "scopes")
    if customer_id is not None:
        await customers.existing(caller.account_id, customer_id)
        if callers.Scope.INGEST in chosen:
            raise refusals.Refusal(
                "INVALID", "INGEST is of the whole account; leave the customer out.", "scopes"
            )
    if expires_at is not None and expires_at <= now:
        raise refusals.Refusal("INVALID", "Give an instant to come, or null.", "expiresAt")
    secret = sign_in.new_secret()
    async with db.transaction():
        key = await stored.insert_key(
            caller.account_id,
            name=people.name(name),
            scopes=chosen,
            customer_id=customer_id,
            secret_hash=tokens.digest(secret),
            now=now,
            prefix=secret[:_SHOWN],
            expires_at=expires_at,
        )
        await audit.write(
            caller,
            "key.create",
            f"key:{key.id}",
            now,
            customer_id=customer_id,
            after={"name": key.name, "scopes": chosen},
        )
    return NewKey(key, str(tokens.Token(caller.account_id, tokens.Of.KEY, key.id, secret)))


async def revoke(caller: callers.Caller, key_id: int, now: datetime) -> ApiKey:
    """NOT_FOUND. A key revoked before stays as it is."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    async with db.transaction():
        if not await stored.revoke_key(caller.account_id, key_id, now):
            raise refusals.no_such("ApiKey", "id")
        key = await stored.key(caller.account_id, key_id)
        assert key is not None
        await audit.write(caller, "key.revoke", f"key:{key_id}", now, customer_id=key.customer_id)
    return key


async def page(caller: callers.Caller, *, after: int | None, limit: int) -> list[ApiKey]:
    """The oldest first, those no more in force too."""
    access.require_account(caller, Capability.MANAGE_STAFF)
    return await stored.keys(caller.account_id, after=after, limit=limit)


async def one(caller: callers.Caller, key_id: int) -> ApiKey | None:
    """None where there is none; a key sees itself, staff see all."""
    own = caller.kind is callers.Kind.KEY and caller.id == key_id
    if not own and caller.kind is not callers.Kind.STAFF:
        return None
    return await stored.key(caller.account_id, key_id)
