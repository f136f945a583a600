"""SIP users: created, changed, removed and read, with the caller's permissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import refusals
from domain.identity import callers, personal_data
from domain.numbering import number_ranges
from models import db
from models.numbering import account_ranges, free_numbers, sip_users
from models.numbering.sip_users import SipUser as SipUser
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.directory import customers


@dataclass(frozen=True, slots=True)
class Secret:
    """`secret` is that of the phone, shown only once."""

    user: SipUser
    secret: str


async def available(
    caller: callers.Caller,
    customer_id: int,
    after: int | None,
    prefix: str | None,
    limit: int,
) -> list[int]:
    """Numbers above `after` that the customer can pick, in order; empty without a range."""
    access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    within = await account_ranges.read(caller.account_id)
    spans = _above(number_ranges.spans_with_prefix(prefix), after)
    if within is None:
        return []
    return await free_numbers.available(caller.account_id, customer_id, within.span, spans, limit)


async def create(
    caller: callers.Caller,
    customer_id: int,
    username: str,
    *,
    realm: str,
    display_name: str | None,
    secret: str | None,
    now: datetime,
) -> Secret:
    """Creates a SIP user; generates a secret if none is given.

    Refuses NOT_FOUND, NO_NUMBER_RANGE, NUMBER_NOT_YOURS, USERNAME_TAKEN, INVALID with the
    field.
    """
    access.require_customer(caller, Capability.USE_NUMBERS, customer_id)
    number_ranges.parse_username(username)
    chosen = number_ranges.new_secret() if secret is None else number_ranges.validate_secret(secret)
    digests = number_ranges.digests(username, realm, chosen)
    name = _display_name(display_name)
    async with db.transaction() as conn:
        await customers.existing(caller.account_id, customer_id)
        within = await account_ranges.lock(conn, caller.account_id)
        user = await sip_users.insert(
            conn,
            caller.account_id,
            sip_users.NewSipUser(
                customer_id=customer_id, username=username, digests=digests, display_name=name
            ),
            within,
            now,
        )
        after = {"username": username, "displayName": name}
        await _note(caller, "create", user, now, after=after)
    return Secret(user, chosen)


async def reset_secret(
    caller: callers.Caller, user_id: int, realm: str, secret: str | None, now: datetime
) -> Secret:
    """Replaces the secret. Refuses NOT_FOUND, INVALID."""
    chosen = number_ranges.new_secret() if secret is None else number_ranges.validate_secret(secret)
    async with db.transaction():
        results = await _own(caller, user_id)
        digests = number_ranges.digests(results.username, realm, chosen)
        user = _existing(await sip_users.set_digests(caller.account_id, user_id, digests))
        await _note(caller, "reset_secret", user, now)
    return Secret(user, chosen)


async def update(
    caller: callers.Caller,
    user_id: int,
    display_name: str | None,
    status: number_ranges.Status | None,
    now: datetime,
) -> SipUser:
    """Changes the user. None keeps a value; a display name of "" removes it. Refuses NOT_FOUND,
    INVALID."""
    name = _display_name(display_name) if display_name else display_name
    async with db.transaction():
        before = await _own(caller, user_id)
        user = _existing(await sip_users.update(caller.account_id, user_id, name, status))
        await _note(caller, "update", user, now, before=_state(before), after=_state(user))
    return user


async def remove(caller: callers.Caller, user_id: int, now: datetime) -> SipUser:
    """Removes a user and returns it; its number is free at once. Refuses NOT_FOUND."""
    async with db.transaction() as conn:
        await _own(caller, user_id)
        await account_ranges.lock(conn, caller.account_id)
        user = _existing(await sip_users.delete(conn, caller.account_id, user_id))
        await _note(caller, "remove", user, now, before={"username": user.username})
    return user


async def find(caller: callers.Caller, user_id: int) -> SipUser | None:
    """A SIP user. None if it does not exist or the caller cannot access it."""
    access.require(caller, Capability.SEE_NUMBERS)
    return _visible(caller, await sip_users.get(caller.account_id, user_id))


async def page(
    caller: callers.Caller, after: int | None, prefix: str | None, limit: int
) -> list[SipUser]:
    """The account's SIP users above `after`, in order of their numbers."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    spans = _above(number_ranges.spans_with_prefix(prefix), after)
    return await sip_users.page(caller.account_id, spans, limit)


async def pages(
    caller: callers.Caller,
    customer_ids: Sequence[int],
    after: int | None,
    prefix: str | None,
    limit: int,
) -> dict[int, list[SipUser]]:
    """The SIP users of these customers, as `page`."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    spans = _above(number_ranges.spans_with_prefix(prefix), after)
    return await sip_users.pages(caller.account_id, customer_ids, spans, limit)


async def _own(caller: callers.Caller, user_id: int) -> SipUser:
    access.require(caller, Capability.USE_NUMBERS)
    return _existing(_visible(caller, await sip_users.get(caller.account_id, user_id)))


def _visible(caller: callers.Caller, user: SipUser | None) -> SipUser | None:
    if user is None or not access.sees_customer(caller, user.customer_id):
        return None
    return user


def _existing(user: SipUser | None) -> SipUser:
    if user is None:
        raise refusals.not_found("SipUser", "id")
    return user


def _above(spans: Sequence[number_ranges.Span], after: int | None) -> list[number_ranges.Span]:
    if after is None:
        return list(spans)
    left = (
        span.intersect(number_ranges.Span(after + 1, number_ranges.MAX_NUMBER)) for span in spans
    )
    return [span for span in left if span is not None]


def _display_name(text: str | None) -> str | None:
    return None if text is None else personal_data.validate_name(text, "displayName")


def _state(user: SipUser) -> dict[str, str | None]:
    return {"displayName": user.display_name, "status": user.status}


async def _note(
    caller: callers.Caller,
    action: str,
    user: SipUser,
    now: datetime,
    *,
    before: dict[str, str | None] | None = None,
    after: dict[str, str | None] | None = None,
) -> None:
    await audit_entries.write(
        caller,
        f"sip_user.{action}",
        f"sip_user:{user.id}",
        now,
        customer_id=user.customer_id,
        before=before,
        after=after,
    )
