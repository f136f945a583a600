"""Phones sign in to the real switch with their SIP users from Callboard."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.support.programs import Program
from tests.support.switch import sipp
from tests.support.switch.callboard import Callboard, until
from tests.support.switch.kamailio import Kamailio, Route, free_udp_port
from tests.support.switch.traffic import ANSWERED

pytestmark = pytest.mark.switch

_SECONDS = 20.0
_numbers = count(1)
_ANSWER = re.compile(r"^SIP/2\.0 (\d{3}) .*\n((?:.+\n)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Phone:
    username: str
    secret: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    board: Callboard
    switch: Kamailio
    folder: Path

    async def phone(self, username: str, customer: str = "acme") -> Phone:
        sip_user = await self.board.account.owner.do(
            "createSipUser",
            "SipUser",
            "id secret",
            customerId=self.board.customers[customer],
            username=username,
        )
        return Phone(username, sip_user["secret"], sip_user["id"])

    async def says(self, phone: Phone, scenario: str, to: str, times: int = 1) -> list[str]:
        """The last status that each of the phone's requests is answered with, in any order."""
        name = f"{scenario}-{next(_numbers)}"
        signing = ("-au", phone.username, "-ap", phone.secret)
        port = free_udp_port()
        caller = sipp.calls(
            self.folder, name, scenario, port, self.switch.port, to, times, 50, *signing
        )
        await asyncio.to_thread(caller.process.wait, _SECONDS)
        assert caller.failed == 0, caller.complaint()
        final: dict[str, str] = {}
        for status, rest in _ANSWER.findall(caller.trace.read_text().replace("\r", "")):
            if re.search(r"^CSeq: \d+ (REGISTER|INVITE)$", rest, re.MULTILINE):
                final[re.search(r"^Call-ID: (.*)$", rest, re.MULTILINE)[1]] = status
        return sorted(final.values())

    async def registers(self, phone: Phone, user: str | None = None) -> list[str]:
        return await self.says(phone, "register", user or phone.username)

    async def calls(self, phone: Phone, times: int = 1) -> list[str]:
        return await self.says(phone, "phone", ANSWERED, times)


@pytest.fixture
async def place(web: Program, worker: Program, tmp_path: Path) -> AsyncIterator[Place]:
    """A switch that registers phones, with a carrier that accepts their calls."""
    board = await Callboard.open(web.url, {"acme": None, "globex": 1, "closed": 0}, ["carrier-a"])
    await board.account.owner.do(
        "setNumberRange", "NumberRange", "size", start=1000, end=9999, blockSize=100
    )
    port = free_udp_port()
    settings = {
        "CALLBOARD_SIP_REALM": "127.0.0.1",
        "CALLBOARD_SIP_SECONDS": "1",
        "CALLBOARD_SIP_COUNT_UDP": "1",
    }
    routes = [Route(1, port, 10, "carrier-a")]
    switch = Kamailio(tmp_path / "switch", web.url, board.token, [], routes, **settings)
    carrier = sipp.carrier(tmp_path, "carrier-a", "carrier", port)
    try:
        sipp.wait_until_bound(port)
        with switch:
            yield Place(board, switch, tmp_path)
    finally:
        carrier.stop()


async def test_a_phone_signs_in_with_its_secret_and_its_calls_belong_to_its_customer(
    place: Place,
) -> None:
    phone, other = await place.phone("1000"), await place.phone("1001")
    shut = await place.phone("1003", "closed")
    limited = await place.phone("1002", "globex")
    assert await asyncio.gather(
        place.registers(phone),
        place.calls(phone),
        place.registers(Phone("1000", other.secret)),
        place.calls(Phone("1000", other.secret)),
        place.calls(Phone("1009", phone.secret)),
        place.registers(phone, user="1001"),
        place.registers(shut),
        place.calls(shut),
        place.calls(limited, times=2),
    ) == [
        *(["200"], ["200"]),
        *(["403"], ["403"], ["403"], ["403"]),
        *(["200"], ["503"]),
        ["200", "503"],
    ]
    await place.board.account.owner.do("removeSipUser", "SipUser", "id", id=phone.id)
    await until(lambda: place.registers(phone), ["403"], 10)
    assert await place.calls(phone) == ["403"]
    await until(place.board.attempts, 3, 30)
    counts = await place.board.answered_by_customer()
    assert {name: sums[:2] for name, sums in counts.items()} == {
        "acme": (1, 1),
        "globex": (2, 1),
        "closed": (0, 0),
    }


async def test_guesses_of_a_secret_end_after_ten_and_block_no_other_phone(place: Place) -> None:
    phone, other = await place.phone("1000"), await place.phone("1001")
    guess = Phone("1000", other.secret)
    assert await place.registers(phone) == ["200"]
    for _ in range(11):
        assert await place.registers(guess) == ["403"]
    assert await place.registers(phone) == ["403"]  # which sends from the guesser's address
    assert await place.registers(other) == ["200"]
