"""Wrong secrets of SIP users, as switches report them, and the phones that they block."""

from typing import Any

import httpx2
import pytest

from tests.support.api.callers import Caller, Carrier

KEYS = {"username", "realm", "ha1", "ha1b", "ha1Sha256", "customer", "channelLimit"}
HERE, ELSEWHERE = "203.0.113.9", "198.51.100.7"


@pytest.fixture
async def switch(carrier: Carrier) -> Caller:
    """Of an account that has SIP users 1000 and 1001."""
    customer = await carrier.customer()
    await carrier.owner.do(
        "setNumberRange", "NumberRange", "start", start=1000, end=1999, blockSize=10
    )
    for username in ("1000", "1001"):
        await carrier.owner.do(
            "createSipUser", "SipUser", "id", customerId=customer, username=username
        )
    return await carrier.key("INGEST")


async def _post(switch: Caller, **body: Any) -> tuple[int, Any]:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        url, headers = f"{switch.url}/ingest/sip-auth", switch.headers
        answer = await client.post(url, json=body, headers=headers)
    return answer.status_code, answer.json()


async def _asks(switch: Caller, username: str, source: str | None) -> int:
    status, answer = await _post(switch, username=username, source=source)
    assert (set(answer) == KEYS) is (status == 200)
    return status


async def _wrong(switch: Caller, username: str, source: str, times: int) -> list[int]:
    answers = [
        await _post(switch, username=username, source=source, wrong=True) for _ in range(times)
    ]
    assert all(answer == {} for status, answer in answers if status == 200)
    return [status for status, _ in answers]


async def test_ten_wrong_secrets_for_a_username_from_an_address_block_it_there(
    switch: Caller,
) -> None:
    assert await _wrong(switch, "1000", HERE, 12) == [200] * 10 + [429] * 2
    status, answer = await _post(switch, username="1000", source=HERE)
    assert (status, answer["code"]) == (429, "TOO_MANY_TRIES")
    assert any(f" {seconds} seconds" in answer["message"] for seconds in range(50, 61))


async def test_other_phones_and_other_addresses_are_not_blocked(
    switch: Caller, other: Carrier
) -> None:
    await _wrong(switch, "1000", HERE, 11)
    assert await _asks(switch, "1000", HERE) == 429
    assert await _asks(switch, "1000", ELSEWHERE) == 200
    assert await _asks(switch, "1001", HERE) == 200
    assert await _asks(switch, "1000", None) == 200  # of a switch that sends no address
    assert await _asks(await other.key("INGEST"), "1000", HERE) == 404


async def test_a_phone_with_the_right_secret_can_sign_in_any_number_of_times(
    switch: Caller,
) -> None:
    await _wrong(switch, "1000", HERE, 9)
    assert {await _asks(switch, "1000", HERE) for _ in range(30)} == {200}


async def test_addresses_of_one_ipv6_site_count_as_one(switch: Caller) -> None:
    for number in range(1, 12):
        await _wrong(switch, "1000", f"2001:db8::{number}", 1)
    assert await _asks(switch, "1000", "2001:db8::ffff") == 429
    assert await _asks(switch, "1000", "2001:db8:0:1::1") == 200


async def test_tries_with_invalid_usernames_or_addresses_are_not_counted(switch: Caller) -> None:
    for body in ({"username": "alice", "source": HERE}, {"username": "1000", "source": "nowhere"}):
        answers = [await _post(switch, **body, wrong=True) for _ in range(12)]
        assert answers == [(200, {})] * 12
