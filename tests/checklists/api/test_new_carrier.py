"""A new account, as a scripted client: the owner resolves each checklist item, then a contact its
own.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pyotp
import pytest

from runtime import clock
from runtime.settings import ROOT
from tests.support import message_servers
from tests.support.api.browsers import until_refused
from tests.support.api.callers import PASSWORD, Caller, sign_in
from tests.support.api.sockets import closed, hear, say, signed_in, subscribe
from tests.support.programs import Program

EMAIL, PERSON = "owner@new.example", "person@first.example"
OWNERS_MOBILE, MOBILE = "+441632960122", "+441632960123"
OF_ACCOUNT = "{ viewer { ... on Staff { account { checklist { items { code } } } } } }"
OF_CONTACT = """{ viewer { ... on Contact { id timeZone timeZoneNow { offsetMinutes abbreviation }
  customer { id checklist { items { code } } } } } }"""
BLOCK = """mutation M($c: ID!) {
  assignNumberBlock(customerId: $c) { ... on NumberBlock { first last } } }"""
FREE = """query Q($c: ID!) { customer(id: $c) {
  numberBlocks { first last } availableUsernames(first: 1) { edges { node } } } }"""
CHANGES = "subscription { checklistChanged { customerId outstanding } }"


@dataclass(frozen=True)
class Outbox:
    """Where letters and texts arrive."""

    mail: message_servers.MailServer
    texts: message_servers.TextServer


@pytest.fixture
async def outbox(api: Program) -> AsyncIterator[Outbox]:
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
                yield Outbox(mail, texts)


def _account(api: Program) -> None:
    command = ["account", "create", "New Voice", "--email", EMAIL, "--json"]
    process = subprocess.run(
        [sys.executable, "-m", "server.cli", *command],
        env=os.environ | api.environment | {"CALLBOARD_PASSWORD": PASSWORD},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(process.stdout)) == {"accountId", "staffId"}


class ChecklistStream:
    """A subscriber to every change of a checklist."""

    def __init__(self, socket: Any, asks: Caller, query: str, path: tuple[str, ...]) -> None:
        self.socket, self.asks, self.query, self.path = socket, asks, query, path
        self.left: set[str] = set()

    async def codes(self) -> set[str]:
        checklist: Any = (await self.asks.ask(self.query))["viewer"]
        for name in self.path:
            checklist = checklist[name]
        return {item["code"] for item in checklist["checklist"]["items"]}

    async def without(self, code: str) -> None:
        """Waits for a push; by then the item is closed, and no other."""
        async with asyncio.timeout(30):
            while True:
                message = await hear(self.socket)
                assert message["type"] == "next", message
                if code not in (codes := await self.codes()):
                    break
        assert codes == self.left - {code}
        self.left = codes


@asynccontextmanager
async def _told(url: str, asks: Caller, query: str, *path: str) -> AsyncIterator[ChecklistStream]:
    async with signed_in(url, asks.token) as socket:
        await say(socket, subscribe("1", CHANGES))
        stream = ChecklistStream(socket, asks, query, path)
        stream.left = await stream.codes()
        yield stream


async def _second_factor(caller: Caller) -> list[str]:
    setup = await caller.do("enableTwoFactor", "TwoFactorSetup", "secret", password=PASSWORD)
    code = pyotp.TOTP(setup["secret"]).at(clock.now())
    recovery_codes = await caller.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)
    codes: list[str] = recovery_codes["codes"]
    return codes


async def test_staff_resolve_the_checklist_of_a_new_account_and_a_contact_its_own(
    api: Program, outbox: Outbox
) -> None:
    _account(api)
    owner = await sign_in(api.url, EMAIL)
    customer = await _owner_puts_right(api, owner, outbox)
    person = await _contact_settles_in(api, owner, customer, outbox)
    await _is_told_in_german_at_lord_howe(person)
    await _picks_a_username(owner, person, customer)
    await _logs_out_everywhere(api, person)


async def _owner_puts_right(api: Program, owner: Caller, outbox: Outbox) -> str:
    async with _told(api.url, owner, OF_ACCOUNT, "account") as stream:
        assert stream.left == {
            "VERIFY_EMAIL",
            "VERIFY_MOBILE",
            "CREATE_CUSTOMER",
            "SET_UP_CARRIER",
            "SET_NUMBER_RANGE",
            "ENABLE_TWO_FACTOR",
        }
        await owner.ask("mutation { requestEmailVerification { __typename } }")
        token = message_servers.token_in(await outbox.mail.arrived(EMAIL))
        await Caller(api.url).do("verifyEmail", "Verified", "at", token=token)
        await stream.without("VERIFY_EMAIL")
        await owner.do("updateProfile", "Profile", "__typename", mobile=OWNERS_MOBILE)
        await _verify_mobile(owner, OWNERS_MOBILE, outbox)
        await stream.without("VERIFY_MOBILE")
        first = {"name": "First", "reference": "first", "currency": "EUR"}
        customer = await owner.do("createCustomer", "Customer", "id", **first)
        await stream.without("CREATE_CUSTOMER")
        carrier = {"name": "A", "reference": "carrier-a", "currency": "EUR"}
        await owner.do("createCarrier", "Carrier", "id", **carrier)
        await stream.without("SET_UP_CARRIER")
        numbers = {"start": 1_000, "end": 99_999, "blockSize": 1_000}
        await owner.do("setNumberRange", "NumberRange", "start", **numbers)
        await stream.without("SET_NUMBER_RANGE")
        await _second_factor(owner)
        await stream.without("ENABLE_TWO_FACTOR")
        assert stream.left == set()
    id: str = customer["id"]
    return id


async def _verify_mobile(who: Caller, mobile: str, outbox: Outbox) -> None:
    await who.ask("mutation { requestMobileVerification { __typename } }")
    code = await outbox.texts.code(mobile)
    await who.do("verifyMobile", "Verified", "address", code=code)


async def _contact_settles_in(api: Program, owner: Caller, customer: str, outbox: Outbox) -> Caller:
    """From the invitation to the second sign-in."""
    invited = {"customerId": customer, "name": "A person", "email": PERSON, "mobile": MOBILE}
    await owner.do("createContact", "Contact", "id", **invited)
    token = message_servers.token_in(await outbox.mail.arrived(PERSON))
    accepted = {"token": token, "password": PASSWORD}
    await Caller(api.url).do("acceptInvitation", "PasswordChanged", "at", **accepted)
    person = await sign_in(api.url, PERSON)
    async with _told(api.url, person, OF_CONTACT, "customer") as stream:
        assert stream.left == {"VERIFY_MOBILE"}  # the invitation proved the mail
        await _verify_mobile(person, MOBILE, outbox)
        await stream.without("VERIFY_MOBILE")
    recovery = await _second_factor(person)
    login = {"email": PERSON, "password": PASSWORD}
    answer = await Caller(api.url).do("login", "Session", "token", **login)
    assert answer["code"] == "OTP_REQUIRED"
    again = await Caller(api.url).do("login", "Session", "token", **login, otp=recovery[0])
    used = await Caller(api.url).do("login", "Session", "token", **login, otp=recovery[0])
    assert used["code"] == "WRONG_OTP"
    return Caller(api.url, again["token"])


async def _is_told_in_german_at_lord_howe(person: Caller) -> None:
    await person.do("setTimeZone", "Profile", "__typename", timeZone="Australia/Lord_Howe")
    await person.do("setLanguage", "Profile", "__typename", language="de")
    carrier = {"name": "B", "reference": "b", "currency": "EUR"}
    error = ""
    async with asyncio.timeout(30):  # until the cached token has expired
        while not error.startswith("Diesem Zugang oder Schlüssel fehlt"):
            error = (await person.do("createCarrier", "Carrier", "id", **carrier))["message"]
    viewer = (await person.ask(OF_CONTACT))["viewer"]
    assert viewer["timeZone"] == "Australia/Lord_Howe"
    zone = (viewer["timeZoneNow"]["offsetMinutes"], viewer["timeZoneNow"]["abbreviation"])
    assert zone in {(630, "+1030"), (660, "+11")}
    assert viewer["customer"]["checklist"]["items"] == []


async def _picks_a_username(owner: Caller, person: Caller, customer: str) -> None:
    block = {"first": 1_000, "last": 1_999}
    assert (await owner.ask(BLOCK, c=customer))["assignNumberBlock"] == block
    customer_data = (await person.ask(FREE, c=customer))["customer"]
    assert customer_data["numberBlocks"] == [block]
    [free] = customer_data["availableUsernames"]["edges"]
    username = free["node"]
    user = {"customerId": customer, "username": username}
    sip_user = await person.do("createSipUser", "SipUser", "username secret", **user)
    assert sip_user["username"] == username
    assert sip_user["secret"]
    customer_data = (await person.ask(FREE, c=customer))["customer"]
    assert customer_data["availableUsernames"]["edges"] != [free]


async def _logs_out_everywhere(api: Program, person: Caller) -> None:
    async with signed_in(api.url, person.token) as socket:
        await person.ask("mutation { logoutEverywhere { __typename } }")
        async with asyncio.timeout(30):
            assert await closed(socket) == 4403
    await until_refused(person)
