"""Concurrent changes to one person have the effect of a sequence. All changes wait for a lock on
the person's login, and then run together."""

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.identity import address_proofs, callers, tokens
from domain.refusals import Refusal
from live import throttle
from models import db
from models.identity import contacts as stored_contacts
from models.identity import logins, proofs
from models.identity import staff as stored_staff
from resolvers.identity import (
    contacts,
    invitations,
    passwords,
    sign_in_services,
    staff,
    verification,
)
from runtime import clock
from schema.engine import base
from tests.support import outside_connection
from tests.support.api.browsers import new_address
from tests.support.api.callers import PASSWORD, Carrier, new_session, password_hash

SECRET = "a key for tests alone, long enough to sign with"
NEW = "another horse battery"
Purpose = address_proofs.Purpose


@dataclass
class Person:
    """A person with a session, an open link of every purpose, and the caller who manages it."""

    owner: callers.Caller
    itself: callers.Caller
    id: int
    login_id: int
    email: str
    password_hash: str | None
    links: dict[Purpose, str]
    services: sign_in_services.SignInServices
    redis: Redis

    @property
    def _is_staff(self) -> bool:
        return self.itself.kind is callers.Kind.STAFF

    async def reset(self) -> None:
        await passwords.reset(
            self.services, self.links[Purpose.RESET_PASSWORD], NEW, _client(), _now()
        )

    async def accept(self) -> None:
        link = self.links[Purpose.INVITATION]
        await passwords.accept_invitation(self.services, link, NEW, _client(), _now())

    async def change(self) -> None:
        await passwords.change(self.services, self.itself, PASSWORD, "a horse of its own", _now())

    async def forget(self) -> None:
        await passwords.request_reset(self.services, self.email, _client(), _now())

    async def disable(self) -> None:
        of = staff if self._is_staff else contacts
        await of.set_disabled(self.owner, self.id, True, _now())

    async def move(self) -> None:
        of, values = staff if self._is_staff else contacts, {"email": f"new-{self.email}"}
        await of.update(self.services, self.owner, self.id, values, None, _now())

    async def verify(self) -> None:
        link = self.links[Purpose.VERIFY_EMAIL]
        await verification.verify_email(SECRET, link, _now())

    async def invite(self) -> None:
        await invitations.resend_to_contact(self.owner, self.id, _now())

    async def state(self) -> tuple[Any, ...]:
        """All effects that could be lost, without values that differ each time."""
        async with db.connection() as conn:
            row = await conn.fetchrow(_STATE, self.owner.account_id, self.login_id)
            messages = await conn.fetch(_TOLD, self.owner.account_id, f"%{self.email}")
        is_changed = row["password_hash"] != self.password_hash
        return (
            *tuple(row)[1:],
            is_changed,
            [(message["kind"], message["is_old"]) for message in messages],
        )


_STATE = """
SELECT l.password_hash, l.disabled_at IS NOT NULL, l.email LIKE 'new-%', l.email = c.email,
       coalesce(c.email_verified_at, s.email_verified_at) IS NOT NULL,
       (SELECT count(*) FROM sessions o WHERE o.account_id = $1 AND o.login_id = l.id
        AND o.ended_at IS NULL),
       (SELECT array_agg(p.purpose ORDER BY p.purpose) FROM proofs p
        WHERE p.account_id = $1 AND p.login_id = l.id AND p.used_at IS NULL)
FROM logins l
LEFT JOIN contacts c ON c.account_id = l.account_id AND c.login_id = l.id
LEFT JOIN staff s ON s.account_id = l.account_id AND s.login_id = l.id
WHERE l.account_id = $1 AND l.id = $2
"""
_TOLD = """
SELECT kind, recipient NOT LIKE 'new-%' AS is_old FROM messages
WHERE account_id = $1 AND recipient LIKE $2 ORDER BY 1, 2
"""
_now = clock.now
Deed = Callable[[Person], Awaitable[None]]


def _client() -> callers.Client:
    return callers.Client(new_address())


async def _code(doing: Awaitable[None]) -> str:
    """The code of the refusal; "" if the change is applied. Other errors fail."""
    try:
        await doing
    except Refusal as refusal:
        return refusal.code
    return ""


class People:
    """Creates people of an account, all alike, and locks them."""

    def __init__(self, carrier: Carrier, customer: str, redis: Redis, outside: Any) -> None:
        split = base.split_id(customer)
        assert split is not None
        self.account_id, self.customer_id = carrier.account_id, int(split[2][0])
        self.carrier, self.redis, self.outside = carrier, redis, outside

    async def person(self, kind: callers.Kind, *, invited: bool) -> Person:
        email, now = f"{self.carrier.unique('person')}@acme.example", _now()
        password = None if invited else await password_hash()
        login_id = await logins.insert(self.account_id, email, password, now)
        id, customer_id = await self._of(kind, login_id, email), None
        if kind is callers.Kind.CONTACT:
            customer_id = self.customer_id
        session = tokens.parse(await new_session(self.account_id, login_id))
        await new_session(self.account_id, login_id)
        assert session is not None
        return Person(
            callers.Caller(self.account_id, callers.Kind.STAFF, 1, role=callers.Role.OWNER),
            callers.Caller(
                self.account_id, kind, id, customer_id=customer_id, session_id=session.id
            ),
            id,
            login_id,
            email,
            password,
            {purpose: await self._link(login_id, email, purpose) for purpose in Purpose},
            sign_in_services.SignInServices(SECRET, throttle.Throttle()),
            self.redis,
        )

    async def _of(self, kind: callers.Kind, login_id: int, email: str) -> int:
        now = _now()
        if kind is callers.Kind.STAFF:
            role = callers.Role.SUPPORT
            row: Any = await stored_staff.insert(self.account_id, login_id, "A person", role, now)
        else:
            row = await stored_contacts.insert(
                self.account_id,
                stored_contacts.NewContact(
                    customer_id=self.customer_id,
                    login_id=login_id,
                    name="A person",
                    email=email,
                    mobile=None,
                    language="en",
                    time_zone="UTC",
                ),
                now,
            )
        id: int = row.id
        return id

    async def _link(self, login_id: int, email: str, purpose: Purpose) -> str:
        """Sent some minutes ago, so that another may be requested."""
        then = _now() - timedelta(minutes=5)
        id = await proofs.insert(self.account_id, login_id, purpose, email, then)
        link = address_proofs.Link(self.account_id, id)
        return address_proofs.sign(SECRET, purpose, link, then + address_proofs.LIFETIME[purpose])

    async def at_once(self, of: Person, deeds: Sequence[Deed]) -> list[str]:
        """Each starts when the previous one waits for the login; then the lock is released."""
        lock = f"SELECT FROM logins WHERE id = {of.login_id} FOR UPDATE"
        return await outside_connection.held_up(
            self.outside, lock, *(_code(deed(of)) for deed in deeds)
        )


@pytest.fixture
async def people(carrier: Carrier, api_database: str, api_redis: Redis) -> AsyncIterator[People]:
    async with outside_connection.connection(api_database) as outside:
        yield People(carrier, await carrier.customer(), api_redis, outside)


P = Person
INVITED = (P.accept, P.disable, P.move, P.verify, P.invite)
ACTIVE = (P.reset, P.change, P.forget, P.disable, P.move, P.verify)
OF_STAFF = (P.reset, P.disable, P.move, P.verify)


CASES: list[tuple[callers.Kind, bool, Sequence[Deed]]] = [
    (callers.Kind.CONTACT, True, INVITED),
    (callers.Kind.CONTACT, False, ACTIVE),
    (callers.Kind.STAFF, False, OF_STAFF),
]


@pytest.mark.parametrize(("kind", "invited", "deeds"), CASES)
async def test_two_concurrent_changes_to_a_person_have_the_effect_of_a_sequence(
    people: People, kind: callers.Kind, invited: bool, deeds: Sequence[Deed]
) -> None:
    """In any order: no change is lost, refused without need, or ends in a deadlock."""

    async def alone(*order: Deed) -> tuple[dict[str, str], Any]:
        person = await people.person(kind, invited=invited)
        codes = {deed.__name__: await _code(deed(person)) for deed in order}
        return codes, await person.state()

    for first, second in itertools.combinations(deeds, 2):
        possible = [await alone(first, second), await alone(second, first)]
        for order in ((first, second), (second, first)):
            person = await people.person(kind, invited=invited)
            codes = await people.at_once(person, order)
            names = (deed.__name__ for deed in order)
            outcome = dict(zip(names, codes, strict=True)), await person.state()
            assert outcome in possible, (first.__name__, second.__name__)


@pytest.mark.parametrize(("kind", "invited", "deeds"), [*CASES[:2], (*CASES[2][:2], ACTIVE)])
async def test_every_concurrent_change_to_a_person_is_applied_or_refused(
    people: People, kind: callers.Kind, invited: bool, deeds: Sequence[Deed]
) -> None:
    for turn in range(5):
        person = await people.person(kind, invited=invited)
        shuffled = random.Random(turn).sample(deeds, len(deeds))
        codes = await people.at_once(person, shuffled)
        applied_names = {
            deed.__name__ for deed, code in zip(shuffled, codes, strict=True) if not code
        }
        state = await person.state()
        assert {"disable", "move"} <= applied_names
        assert state[:2] == (True, True)
        assert state[4] == 0  # sessions
        assert len(applied_names & {"accept", "reset", "change"}) <= 1
