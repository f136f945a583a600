"""SIP users: picked, made, changed, removed and read, as the caller may."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import callers, numbers, people, refusals
from models import db
from models import numbers as stored_numbers
from models import sip_users as stored
from models.sip_users import SipUser
from resolvers import access, audit, customers
from resolvers.access import Capability


@dataclass(frozen=True, slots=True)
class Secret:
    """`secret` is what the phone signs in with, shown once."""

    user: SipUser
    secret: str


async def available(
    caller: callers.Caller,
    customer_id: int,
    after: int | None,
    prefix: str | None,
    limit: int,
) -> list[int]:
    """Numbers above `after` that the customer may pick, in order; none without a range."""
    access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    within = await stored_numbers.range_of(caller.account_id)
    spans = _above(numbers.starting_with(prefix), after)
    if within is None:
        return []
    return await stored.available(caller.account_id, customer_id, within.span, spans, limit)


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
    """With a secret made up where none is given.

    NOT_FOUND, NO_NUMBER_RANGE, NUMBER_NOT_YOURS, USERNAME_TAKEN, INVALID with the field.
    """
    access.require_customer(caller, Capability.USE_NUMBERS, customer_id)
    numbers.number_of(username)
    chosen = numbers.new_secret() if secret is None else numbers.secret(secret)
    digests = numbers.digests(username, realm, chosen)
    shown = _display_name(display_name)
    async with db.transaction() as conn:
        await customers.existing(caller.account_id, customer_id)
        within = await stored_numbers.lock_range(conn, caller.account_id)
        user = await stored.insert(
            conn, caller.account_id, customer_id, within, username, digests, shown, now
        )
        after = {"username": username, "displayName": shown}
        await _note(caller, "create", user, now, after=after)
    return Secret(user, chosen)


async def reset_secret(
    caller: callers.Caller, user_id: int, realm: str, secret: str | None, now: datetime
) -> Secret:
    """The old secret ends. NOT_FOUND, INVALID."""
    chosen = numbers.new_secret() if secret is None else numbers.secret(secret)
    async with db.transaction():
        found = await _own(caller, user_id)
        digests = numbers.digests(found.username, realm, chosen)
        user = _existing(await stored.set_digests(caller.account_id, user_id, digests))
        await _note(caller, "reset_secret", user, now)
    return Secret(user, chosen)


async def update(
    caller: callers.Caller,
    user_id: int,
    display_name: str | None,
    status: numbers.Status | None,
    now: datetime,
) -> SipUser:
    """None leaves as it is; a display name of "" is none. NOT_FOUND, INVALID."""
    shown = _display_name(display_name) if display_name else display_name
    async with db.transaction():
        before = await _own(caller, user_id)
        user = _existing(await stored.update(caller.account_id, user_id, shown, status))
        await _note(caller, "update", user, now, before=_state(before), after=_state(user))
    return user


async def remove(caller: callers.Caller, user_id: int, now: datetime) -> SipUser:
    """The user as it was; its number is free at once. NOT_FOUND."""
    async with db.transaction() as conn:
        await _own(caller, user_id)
        await stored_numbers.lock_range(conn, caller.account_id)
        user = _existing(await stored.delete(conn, caller.account_id, user_id))
        await _note(caller, "remove", user, now, before={"username": user.username})
    return user


async def one(caller: callers.Caller, user_id: int) -> SipUser | None:
    """None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_NUMBERS)
    return _visible(caller, await stored.get(caller.account_id, user_id))


async def page(
    caller: callers.Caller, after: int | None, prefix: str | None, limit: int
) -> list[SipUser]:
    """Of the account, in order of their numbers, those above `after`."""
    access.require_account(caller, Capability.SEE_NUMBERS)
    spans = _above(numbers.starting_with(prefix), after)
    return await stored.page(caller.account_id, spans, limit)


async def pages(
    caller: callers.Caller,
    customer_ids: Sequence[int],
    after: int | None,
    prefix: str | None,
    limit: int,
) -> dict[int, list[SipUser]]:
    """Of each of these customers, as `page`."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_NUMBERS, customer_id)
    spans = _above(numbers.starting_with(prefix), after)
    return await stored.pages(caller.account_id, customer_ids, spans, limit)


async def _own(caller: callers.Caller, user_id: int) -> SipUser:
    access.require(caller, Capability.USE_NUMBERS)
    return _existing(_visible(caller, await stored.get(caller.account_id, user_id)))


def _visible(caller: callers.Caller, user: SipUser | None) -> SipUser | None:
    if user is None or caller.customer_id not in (None, user.customer_id):
        return None
    return user


def _existing(user: SipUser | None) -> SipUser:
    if user is None:
        raise refusals.Refusal("NOT_FOUND", "There is no such SipUser; check its id.", "id")
    return user


def _above(spans: Sequence[numbers.Span], after: int | None) -> list[numbers.Span]:
    if after is None:
        return list(spans)
    left = (span.cut(numbers.Span(after + 1, numbers.LARGEST)) for span in spans)
    return [span for span in left if span is not None]


def _display_name(given: str | None) -> str | None:
    return None if given is None else people.name(given, "displayName")


def _state(user: SipUser) -> dict[str, str | None]:
    return {"displayName": user.display_name, "status": user.status}


async def _note(
    caller: callers.Caller,
    what: str,
    user: SipUser,
    now: datetime,
    *,
    before: dict[str, str | None] | None = None,
    after: dict[str, str | None] | None = None,
) -> None:
    await audit.write(
        caller,
        f"sip_user.{what}",
        f"sip_user:{user.id}",
        now,
        customer_id=user.customer_id,
        before=before,
        after=after,
    )
