"""The walk of a new carrier, as a scripted client: its owner's checklist put right item by item,
and a contact's first day. GraphQL alone, after `account create`; mail, texts, pushes are real."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import postal
import pyotp
import pytest
from browsers import until_refused
from callers import PASSWORD, Caller, sign_in
from programs import Program
from sockets import closed, hear, say, signed_in, subscribe

from runtime import clock
from runtime.settings import ROOT

EMAIL, PERSON, MOBILE = "owner@new.example", "person@first.example", "+441632960123"
OF_ACCOUNT = "{ viewer { ... on Staff { account { checklist { items { code } } } } } }"
OF_CONTACT = """{ viewer { ... on Contact { id timeZone timeZoneNow { offsetMinutes abbreviation }
  customer { id checklist { items { code title } } } } } }"""
BLOCK = """mutation M($c: ID!) {
  assignNumberBlock(customerId: $c) { ... on NumberBlock { first } } }"""
CHANGES = "subscription { checklistChanged { customerId outstanding } }"


@pytest.fixture
async def post(api: Program) -> AsyncIterator[tuple[postal.MailServer, postal.TextServer]]:
    async with postal.mail_server() as mail:
        with postal.text_server() as texts:
            environment = {
                **api.environment,
                "CALLBOARD_PUBLIC_URL": api.url,
                "CALLBOARD_SMTP_URL": mail.url,
                "CALLBOARD_MAIL_FROM": "portal@voice.example",
                "CALLBOARD_SMS_URL": texts.url,
            }
            with Program.worker(environment):
                yield mail, texts


def _account(api: Program) -> None:
    command = ["account", "create", "New Voice", "--email", EMAIL, "--json"]
    made = subprocess.run(
        [sys.executable, "-m", "server.cli", *command],
        env=os.environ | api.environment | {"CALLBOARD_PASSWORD": PASSWORD},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(made.stdout)) == {"accountId", "staffId"}


class Told:
    """Who hears of every change of a checklist."""

    def __init__(self, socket: Any, asks: Caller, query: str, path: tuple[str, ...]) -> None:
        self.socket, self.asks, self.query, self.path = socket, asks, query, path

    async def codes(self) -> set[str]:
        found: Any = (await self.asks.ask(self.query))["viewer"]
        for name in self.path:
            found = found[name]
        return {item["code"] for item in found["checklist"]["items"]}

    async def without(self, code: str) -> None:
        """A push comes, and by then the item is gone."""
        while True:
            told = await hear(self.socket)
            assert told["type"] == "next", told
            if code not in await self.codes():
                return


@asynccontextmanager
async def _told(url: str, asks: Caller, query: str, *path: str) -> AsyncIterator[Told]:
    async with signed_in(url, asks.token) as socket:
        await say(socket, subscribe("1", CHANGES))
        yield Told(socket, asks, query, path)


async def _second_factor(caller: Caller) -> list[str]:
    setup = await caller.do("enableTwoFactor", "TwoFactorSetup", "secret", password=PASSWORD)
    code = pyotp.TOTP(setup["secret"]).at(clock.now())
    made = await caller.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)
    codes: list[str] = made["codes"]
    return codes


async def test_a_new_carrier_puts_its_checklist_right_and_a_contact_settles_in(
    api: Program, post: tuple[postal.MailServer, postal.TextServer]
) -> None:
    _account(api)
    owner = await sign_in(api.url, EMAIL)
    customer = await _owner_puts_right(api, owner)
    await _contact_settles_in(api, owner, customer, *post)


async def _owner_puts_right(api: Program, owner: Caller) -> str:
    async with _told(api.url, owner, OF_ACCOUNT, "account") as told:
        wanted = {"CREATE_CUSTOMER", "SET_UP_CARRIER", "SET_NUMBER_RANGE", "ENABLE_TWO_FACTOR"}
        assert await told.codes() == wanted
        made = await owner.do(
            "createCustomer",
            "Customer",
            "id",
            name="First",
            reference="first",
            currency="EUR",
        )
        await told.without("CREATE_CUSTOMER")
        carrier = {"name": "A", "reference": "carrier-a", "currency": "EUR"}
        await owner.do("createCarrier", "Carrier", "id", **carrier)
        await told.without("SET_UP_CARRIER")
        numbers = {"start": 1_000, "end": 99_999, "blockSize": 1_000}
        await owner.do("setNumberRange", "NumberRange", "start", **numbers)
        await told.without("SET_NUMBER_RANGE")
        await _second_factor(owner)
        await told.without("ENABLE_TWO_FACTOR")
        assert await told.codes() == set()
    id: str = made["id"]
    return id


async def _contact_settles_in(
    api: Program,
    owner: Caller,
    customer: str,
    mail: postal.MailServer,
    texts: postal.TextServer,
) -> None:
    invited = {"customerId": customer, "name": "A person", "email": PERSON, "mobile": MOBILE}
    await owner.do("createContact", "Contact", "id", **invited)
    token = postal.token_in(await mail.arrived(PERSON))
    accepted = {"token": token, "password": PASSWORD}
    await Caller(api.url).do("acceptInvitation", "PasswordChanged", "at", **accepted)
    person = await sign_in(api.url, PERSON)
    async with _told(api.url, person, OF_CONTACT, "customer") as told:
        assert "VERIFY_EMAIL" not in await told.codes()  # the invitation proved it
        await person.ask("mutation { requestMobileVerification { __typename } }")
        code = await texts.code(MOBILE)
        await person.do("verifyMobile", "Verified", "address", code=code)
        await told.without("VERIFY_MOBILE")
    recovery = await _second_factor(person)
    refused = await Caller(api.url).do("login", "Session", "token", email=PERSON, password=PASSWORD)
    assert refused["code"] == "OTP_REQUIRED"
    again = await Caller(api.url).do(
        "login", "Session", "token", email=PERSON, password=PASSWORD, otp=recovery[0]
    )
    person = Caller(api.url, again["token"])
    await _is_told_in_german_at_lord_howe(person)
    block = (
        "mutation M($c: ID!) { assignNumberBlock(customerId: $c) { ... on NumberBlock { first } } }"
    )
    assert (await owner.ask(block, c=customer))["assignNumberBlock"] == {"first": 1_000}
    user = {"customerId": customer, "username": "1000"}
    assert (await person.do("createSipUser", "SipUser", "username secret", **user))["secret"]
    async with signed_in(api.url, person.token) as socket:
        await person.ask("mutation { logoutEverywhere { __typename } }")
        assert await closed(socket) == 4403
    await until_refused(person)


async def _is_told_in_german_at_lord_howe(person: Caller) -> None:
    await person.do("setTimeZone", "Profile", "__typename", timeZone="Australia/Lord_Howe")
    await person.do("setLanguage", "Profile", "__typename", language="de")
    seen = (await person.ask(OF_CONTACT))["viewer"]
    assert seen["timeZone"] == "Australia/Lord_Howe"
    assert seen["timeZoneNow"]["offsetMinutes"] in (630, 660)
    carrier = {"name": "B", "reference": "b", "currency": "EUR"}
    refused = ""
    async with asyncio.timeout(2):  # what a token is was looked up a moment ago
        while not refused.startswith("Ihnen fehlt die Berechtigung"):
            refused = (await person.do("createCarrier", "Carrier", "id", **carrier))["message"]
