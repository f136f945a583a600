"""Verifying e-mail address and mobile number, with real messages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.facts import Kind
from domain.identity import address_proofs
from live import topics
from models import db, fact_log
from models.identity import contacts, logins, proofs, staff
from models.tables import Contact, Staff
from resolvers.identity import verification
from runtime import clock
from server import pages
from tests.support import message_servers
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.api.fact_subscriptions import following, listened_to, next_of
from tests.support.api.switches import number
from tests.support.programs import Program

SECRET = "a key for tests alone, long enough to sign with"
OWN = """{ viewer { ... on Contact { id email emailVerifiedAt mobile mobileVerifiedAt
  customer { checklist { outstanding items { code action where } } } } } }"""
CHANGES = "subscription { checklistChanged { customerId outstanding } }"
MOBILE = "+441632960{:03}"


@dataclass
class Post:
    mail: message_servers.MailServer
    texts: message_servers.TextServer


@pytest.fixture(scope="module")
async def post(services: Any, api: Program, api_database: str) -> AsyncIterator[Post]:
    """Both servers, and the worker that sends to them."""
    async with message_servers.mail_server() as mail:
        with message_servers.text_server() as texts:
            environment = {
                **api.environment,
                "CALLBOARD_PUBLIC_URL": api.url,
                "CALLBOARD_SMTP_URL": mail.url,
                "CALLBOARD_MAIL_FROM": "portal@voice.example",
                "CALLBOARD_SMS_URL": texts.url,
            }
            with Program.worker(environment):
                yield Post(mail, texts)


@dataclass
class Person:
    """A contact of a customer of its own."""

    carrier: Carrier
    caller: Caller
    customer: str
    email: str
    mobile: str

    async def own(self) -> dict[str, Any]:
        viewer: dict[str, Any] = (await self.caller.ask(OWN))["viewer"]
        return viewer

    async def codes(self) -> set[str]:
        return {item["code"] for item in (await self.own())["customer"]["checklist"]["items"]}

    async def request(self, mutation: str) -> dict[str, Any]:
        selection = "... on VerificationRequested { sentTo expiresAt againAt }"
        answer = await self.caller.ask(
            f"mutation {{ {mutation} {{ __typename {selection}"
            " ... on Refusal { code message } } }"
        )
        result: dict[str, Any] = answer[mutation]
        return result

    async def row(self) -> Contact:
        return await Contact.get(account_id=self.carrier.account_id, email=self.email)

    async def wait(self, minutes: float) -> None:
        """Moves the earlier requests into the past."""
        async with db.connection() as conn:
            await conn.execute(
                "UPDATE proofs SET created_at = created_at - $3::interval,"
                " expires_at = expires_at - $3::interval WHERE account_id = $1 AND login_id = $2",
                self.carrier.account_id,
                (await self.row()).login_id,
                timedelta(minutes=minutes),
            )


@pytest.fixture
async def person(carrier: Carrier) -> Person:
    customer = await carrier.customer()
    caller = await carrier.contact(customer)
    row = await Contact.filter(account_id=carrier.account_id).first()
    assert row is not None
    mobile = MOBILE.format(carrier.account_id % 1000)
    await contacts.change_mobile(carrier.account_id, row.id, mobile, clock.now())
    return Person(carrier, caller, customer, row.email, mobile)


def anonymous(person: Person) -> Caller:
    return Caller(person.caller.url)


async def verify_email(caller: Caller, token: str) -> dict[str, Any]:
    return await caller.do("verifyEmail", "Verified", "address at", token=token)


async def verify_mobile(person: Person, code: str) -> dict[str, Any]:
    return await person.caller.do("verifyMobile", "Verified", "address at", code=code)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_the_link_in_the_mail_verifies_the_address_and_closes_the_item(
    post: Post, person: Person, api_redis: Redis
) -> None:
    async with following(person.caller, CHANGES) as messages:
        telling = asyncio.create_task(next_of(messages))
        topic = topics.facts(
            person.carrier.account_id, number(person.customer), Kind.CHECKLIST_CHANGED
        )
        await listened_to(api_redis, topic)
        requested = await person.request("requestEmailVerification")
        assert (requested["__typename"], requested["sentTo"]) == (
            "VerificationRequested",
            person.email,
        )
        letter = await post.mail.arrived(person.email)
        link = message_servers.link_in(letter)
        assert link.startswith(f"{person.caller.url}/verify-email?token=")
        async with httpx2.AsyncClient(timeout=60) as scanner:
            for _ in range(2):
                assert (await scanner.get(link)).status_code == 200
        assert (await person.own())["emailVerifiedAt"] is None
        assert not telling.done()
        stream = (person.carrier.account_id, number(person.customer), Kind.CHECKLIST_CHANGED)
        last = await fact_log.last_number(*stream)
        answer = await verify_email(anonymous(person), message_servers.token_in(letter))
        assert await fact_log.last_number(*stream) == last + 1  # with the answer, by no sweep
        assert (answer["__typename"], answer["address"]) == ("Verified", person.email)
        async with asyncio.timeout(30):
            assert (await telling)["customerId"] == person.customer
    assert (await person.own())["emailVerifiedAt"] == answer["at"]
    assert "VERIFY_EMAIL" not in await person.codes()
    again = await verify_email(anonymous(person), message_servers.token_in(letter))
    assert (again["__typename"], again["code"]) == ("Conflict", "ALREADY_VERIFIED")
    assert (await person.request("requestEmailVerification"))["code"] == "ALREADY_VERIFIED"


async def test_the_button_of_the_page_runs_the_mutation_that_takes_the_link(
    post: Post, person: Person
) -> None:
    await person.request("requestEmailVerification")
    link = message_servers.link_in(await post.mail.arrived(person.email))
    page = pages.PAGES[pages.Kind.VERIFY_EMAIL]
    token = link.partition("token=")[2]
    answer = await anonymous(person).ask(page.document, input={"token": token})
    assert answer["verifyEmail"] == {"__typename": "Verified"}
    answer = await anonymous(person).ask(page.document, input={"token": "x"})
    assert answer["verifyEmail"]["code"] == "BAD_LINK"


async def test_another_mail_can_be_sent_after_a_minute_and_invalidates_the_earlier_link(
    post: Post, person: Person
) -> None:
    await person.request("requestEmailVerification")
    first = message_servers.token_in(await post.mail.arrived(person.email))
    answer = await person.request("requestEmailVerification")
    assert answer["code"] == "TOO_SOON"
    assert " s." in answer["message"]
    await person.wait(minutes=1)
    await person.request("requestEmailVerification")
    second = message_servers.token_in(await post.mail.arrived(person.email, count=2))
    assert (await verify_email(anonymous(person), first))["code"] == "BAD_LINK"
    assert (await verify_email(anonymous(person), second))["__typename"] == "Verified"


async def test_concurrent_requests_send_one_message(post: Post, person: Person) -> None:
    answers = await asyncio.gather(*(person.request("requestMobileVerification") for _ in range(8)))
    requests = [answer for answer in answers if answer["__typename"] == "VerificationRequested"]
    assert len(requests) == 1
    assert {answer["code"] for answer in answers if answer not in requests} == {"TOO_SOON"}
    await post.texts.code(person.mobile)
    assert len(post.texts.to(person.mobile)) == 1


async def test_at_most_five_messages_are_sent_per_hour(post: Post, person: Person) -> None:
    for _ in range(5):
        answer = await person.request("requestEmailVerification")
        assert answer["__typename"] == "VerificationRequested"
        await person.wait(minutes=5)
    assert (await person.request("requestEmailVerification"))["code"] == "TOO_SOON"
    await person.wait(minutes=36)
    answer = await person.request("requestEmailVerification")
    assert answer["__typename"] == "VerificationRequested"


async def test_a_link_to_an_address_that_has_changed_verifies_nothing(
    post: Post, person: Person
) -> None:
    await person.request("requestEmailVerification")
    token = message_servers.token_in(await post.mail.arrived(person.email))
    account_id, row = person.carrier.account_id, await person.row()
    with pytest.raises(refusals.Refusal) as error:
        await contacts.change_email(account_id, row.id, person.carrier.email, clock.now())
    assert error.value.code == "EMAIL_TAKEN"
    await contacts.change_email(account_id, row.id, f"new.{row.email}", clock.now())
    assert (await verify_email(anonymous(person), token))["code"] == "BAD_LINK"
    assert (await person.own())["emailVerifiedAt"] is None


async def test_a_link_requested_while_the_address_changed_verifies_nothing(
    person: Person, api_redis: Redis
) -> None:
    """The change withdraws earlier requests; this request comes an instant later."""
    now, purpose = clock.now(), address_proofs.Purpose.VERIFY_EMAIL
    row = await person.row()
    await contacts.change_email(row.account_id, row.id, f"new.{row.email}", now)
    id = await proofs.insert(row.account_id, row.login_id, purpose, row.email, now)
    link = address_proofs.Link(row.account_id, id)
    token = address_proofs.sign(SECRET, purpose, link, now + timedelta(days=1))
    with pytest.raises(refusals.Refusal) as error:
        await verification.verify_email(SECRET, token, now)
    assert error.value.code == "BAD_LINK"


async def test_a_verified_address_that_changes_has_to_be_verified_again(
    post: Post, person: Person
) -> None:
    await person.request("requestEmailVerification")
    token = message_servers.token_in(await post.mail.arrived(person.email))
    await verify_email(anonymous(person), token)
    row = await person.row()
    await contacts.change_email(row.account_id, row.id, row.email, clock.now())
    assert "VERIFY_EMAIL" not in await person.codes()
    person.email = f"new.{row.email}"
    await contacts.change_email(row.account_id, row.id, person.email, clock.now())
    assert "VERIFY_EMAIL" in await person.codes()
    assert (await verify_email(anonymous(person), token))["code"] == "BAD_LINK"
    await person.wait(minutes=1)
    await person.request("requestEmailVerification")
    token = message_servers.token_in(await post.mail.arrived(person.email))
    assert (await verify_email(anonymous(person), token))["address"] == person.email


async def test_a_link_is_valid_for_two_days_and_only_as_it_was_signed(
    post: Post, person: Person, api_redis: Redis
) -> None:
    await person.request("requestEmailVerification")
    token = message_servers.token_in(await post.mail.arrived(person.email))
    late = clock.now() + timedelta(days=2, minutes=1)
    for key, text, now in [
        (SECRET, token, late),
        ("another key, also long enough to sign", token, clock.now()),
        (SECRET, token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB"), clock.now()),
        (SECRET, "", clock.now()),
        (SECRET, "\ud800", clock.now()),
    ]:
        with pytest.raises(refusals.Refusal) as error:
            await verification.verify_email(key, text, now)
        assert error.value.code == "BAD_LINK"
    early = clock.now() + timedelta(days=1, hours=23)
    assert (await verification.verify_email(SECRET, token, early)).at == early


async def test_the_code_in_the_text_message_verifies_the_number(post: Post, person: Person) -> None:
    assert "VERIFY_MOBILE" in await person.codes()
    assert (await verify_mobile(person, "123456"))["code"] == "NO_CODE"
    requested = await person.request("requestMobileVerification")
    assert requested["sentTo"] == person.mobile
    code = await post.texts.code(person.mobile)
    wrong = await verify_mobile(person, other_than(code))
    assert (wrong["__typename"], wrong["code"], wrong["field"]) == (
        "InvalidInput",
        "WRONG_CODE",
        "code",
    )
    answer = await verify_mobile(person, f" {code[:3]} {code[3:]} ")
    assert (answer["__typename"], answer["address"]) == ("Verified", person.mobile)
    assert "VERIFY_MOBILE" not in await person.codes()
    assert (await verify_mobile(person, code))["code"] == "ALREADY_VERIFIED"
    assert (await person.request("requestMobileVerification"))["code"] == "ALREADY_VERIFIED"


async def test_a_code_can_be_tried_five_times_including_concurrent_tries(
    post: Post, person: Person
) -> None:
    await person.request("requestMobileVerification")
    code = await post.texts.code(person.mobile)
    wrong = other_than(code)
    answers = await asyncio.gather(*(verify_mobile(person, wrong) for _ in range(12)))
    assert sorted(answer["code"] for answer in answers) == (
        ["TOO_MANY_TRIES"] * 8 + ["WRONG_CODE"] * 4
    )
    assert (await verify_mobile(person, code))["code"] == "TOO_MANY_TRIES"
    await person.wait(minutes=1)
    await person.request("requestMobileVerification")
    fresh = await post.texts.code(person.mobile, count=2)
    assert (await verify_mobile(person, fresh))["__typename"] == "Verified"


async def test_a_code_is_valid_for_ten_minutes_and_for_the_number_it_was_sent_to(
    post: Post, person: Person
) -> None:
    await person.request("requestMobileVerification")
    code = await post.texts.code(person.mobile)
    await person.wait(minutes=10)
    assert (await verify_mobile(person, code))["code"] == "NO_CODE"
    await person.request("requestMobileVerification")
    code = await post.texts.code(person.mobile, count=2)
    row = await person.row()
    await contacts.change_mobile(row.account_id, row.id, "+441632961999", clock.now())
    assert (await verify_mobile(person, code))["code"] == "NO_CODE"
    await contacts.change_mobile(row.account_id, row.id, None, clock.now())
    assert (await person.request("requestMobileVerification"))["code"] == "NO_MOBILE"


async def test_neither_codes_nor_links_are_stored_in_plain_text(post: Post, person: Person) -> None:
    await person.request("requestEmailVerification")
    await person.request("requestMobileVerification")
    token = message_servers.token_in(await post.mail.arrived(person.email))
    code = await post.texts.code(person.mobile)
    async with db.connection() as conn:
        for table in ("messages", "proofs", "audit_log"):
            rows = await conn.fetch(
                f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE account_id = $1",
                person.carrier.account_id,
            )
            assert rows
            for row in rows:
                assert token not in row["row"]
                assert f'"{code}"' not in row["row"]


OF_STAFF = """{ viewer { ... on Staff { email emailVerifiedAt mobile mobileVerifiedAt version
  account { checklist { items { code } } } } } }"""


async def staff_codes(caller: Caller) -> set[str]:
    account = (await caller.ask(OF_STAFF))["viewer"]["account"]
    return {item["code"] for item in account["checklist"]["items"]}


async def request(caller: Caller, mutation: str) -> str:
    """The type of the answer, or the code of a refusal."""
    answer = await caller.ask(
        f"mutation {{ {mutation} {{ __typename ... on Refusal {{ code }} }} }}"
    )
    return str(answer[mutation].get("code", answer[mutation]["__typename"]))


async def test_staff_verify_their_address_and_number_and_again_after_a_change(
    post: Post, carrier: Carrier
) -> None:
    support = await carrier.staff("SUPPORT")
    email = (await support.ask(OF_STAFF))["viewer"]["email"]
    assert await request(support, "requestMobileVerification") == "NO_MOBILE"
    assert await request(support, "requestEmailVerification") == "VerificationRequested"
    token = message_servers.token_in(await post.mail.arrived(email))
    answer = await verify_email(Caller(carrier.url), token)
    assert (answer["__typename"], answer["address"]) == ("Verified", email)
    assert (await verify_email(Caller(carrier.url), token))["code"] == "ALREADY_VERIFIED"
    mobile = MOBILE.format(carrier.account_id % 1000)
    await support.do("updateProfile", "Profile", "__typename", mobile=mobile)
    assert await request(support, "requestMobileVerification") == "VerificationRequested"
    code = await post.texts.code(mobile)
    wrong = await support.do("verifyMobile", "Verified", "at", code=other_than(code))
    assert wrong["code"] == "WRONG_CODE"
    assert (await support.do("verifyMobile", "Verified", "address", code=code))["address"] == mobile
    viewer = (await support.ask(OF_STAFF))["viewer"]
    assert viewer["emailVerifiedAt"] == answer["at"]
    assert viewer["mobile"] == mobile
    assert viewer["mobileVerifiedAt"] is not None
    assert not {"VERIFY_EMAIL", "VERIFY_MOBILE"} & await staff_codes(support)
    assert {"VERIFY_EMAIL", "VERIFY_MOBILE"} <= await staff_codes(carrier.owner)
    new = {"email": f"new.{email}", "currentPassword": PASSWORD, "mobile": mobile}
    await support.do("updateProfile", "Profile", "__typename", **new)
    viewer_after = (await support.ask(OF_STAFF))["viewer"]
    assert (viewer_after["emailVerifiedAt"], viewer_after["mobileVerifiedAt"]) == (
        None,
        viewer["mobileVerifiedAt"],
    )
    assert viewer_after["version"] > viewer["version"]
    await support.do("updateProfile", "Profile", "__typename", mobile=None)
    assert (await support.ask(OF_STAFF))["viewer"]["mobileVerifiedAt"] is None


async def test_a_link_requested_while_the_address_of_staff_changed_verifies_nothing(
    carrier: Carrier, api_redis: Redis
) -> None:
    now, purpose = clock.now(), address_proofs.Purpose.VERIFY_EMAIL
    row = await Staff.get(account_id=carrier.account_id)
    async with db.transaction():
        new = f"new.{carrier.email}"
        await staff.change_email(row.account_id, row.id, row.login_id, new, now)
    id = await proofs.insert(row.account_id, row.login_id, purpose, carrier.email, now)
    token = address_proofs.sign(
        SECRET, purpose, address_proofs.Link(row.account_id, id), now + timedelta(days=1)
    )
    with pytest.raises(refusals.Refusal) as error:
        await verification.verify_email(SECRET, token, now)
    assert error.value.code == "BAD_LINK"
    assert (await Staff.get(id=row.id)).email_verified_at is None


async def test_an_invitation_that_staff_accept_verifies_their_address(
    post: Post, carrier: Carrier
) -> None:
    email = f"{carrier.unique('invited')}@voice.example"
    person = {"name": "A person", "email": email, "role": "FINANCE"}
    await carrier.owner.do("createStaff", "Staff", "id", **person)
    token = message_servers.token_in(await post.mail.arrived(email))
    accepted = {"token": token, "password": PASSWORD}
    await Caller(carrier.url).do("acceptInvitation", "PasswordChanged", "at", **accepted)
    assert "VERIFY_EMAIL" not in await staff_codes(await sign_in(carrier.url, email))


async def test_only_people_have_addresses_to_verify(post: Post, carrier: Carrier) -> None:
    key = await carrier.key("LIVE_READ")
    for mutation in ("requestEmailVerification", "requestMobileVerification"):
        assert await request(key, mutation) == "FORBIDDEN"
    answer = await key.do("verifyMobile", "Verified", "at", code="123456")
    assert answer["code"] == "FORBIDDEN"
    answer = await Caller(carrier.url).do("verifyMobile", "Verified", "at", code="123456")
    assert answer["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("kind", ["staff", "contact"])
async def test_a_link_used_while_the_address_changes_never_verifies_the_new_one(
    carrier: Carrier, api_redis: Redis, kind: str
) -> None:
    """In either order; and neither prevents the other."""
    purpose, old, account = address_proofs.Purpose.VERIFY_EMAIL, carrier.email, carrier.account_id
    table: Any = Staff
    if kind == "contact":
        await carrier.contact(await carrier.customer())
        table = Contact
        old = (await Contact.get(account_id=account)).email
    row = await table.get(account_id=account)

    async def change(email: str) -> None:
        async with db.transaction():
            await logins.lock(account, row.login_id)
            if kind == "staff":
                await staff.change_email(account, row.id, row.login_id, email, clock.now())
            else:
                await contacts.change_email(account, row.id, email, clock.now())

    async def use(token: str) -> None:
        with contextlib.suppress(refusals.Refusal):  # the change was quicker
            await verification.verify_email(SECRET, token, clock.now())

    for turn in range(20):
        now = clock.now()
        id = await proofs.insert(account, row.login_id, purpose, old, now)
        token = address_proofs.sign(
            SECRET, purpose, address_proofs.Link(account, id), now + timedelta(days=1)
        )
        new = f"{turn}.{carrier.email}"
        await asyncio.gather(use(token), change(new))
        assert (await table.get(account_id=account, id=row.id)).email_verified_at is None
        old = new
