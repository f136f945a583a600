import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from redis.asyncio import Redis

from domain import refusals
from domain.identity import callers, tokens
from live import throttle
from models import db
from resolvers.identity import password_hashing, sign_in_services, try_limits
from resolvers.identity import sign_in as resolve
from runtime import clock
from tests.support.api.browsers import At, enter, new_contact, patient
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.own_redis import own_redis
from tests.support.programs import Program

VIEWER = "{ viewer { __typename } }"


async def test_a_sign_in_returns_a_token_that_names_its_account(carrier: Carrier) -> None:
    token = tokens.parse(carrier.owner.token or "")
    assert token is not None
    assert token.account_id == carrier.account_id
    assert await carrier.owner.ask(VIEWER) == {"viewer": {"__typename": "Staff"}}


async def test_the_email_is_matched_ignoring_case(carrier: Carrier) -> None:
    caller = await sign_in(carrier.url, carrier.email.upper())
    assert await caller.ask(VIEWER) == {"viewer": {"__typename": "Staff"}}


async def test_a_wrong_password_and_an_unknown_email_get_the_same_response(
    carrier: Carrier,
) -> None:
    anonymous = At(carrier.url)
    answers = [
        await anonymous.login(email, password)
        for email, password in [
            (carrier.email, "not the password"),
            ("nobody@voice.example", PASSWORD),
            ("not an address \x1f", PASSWORD),
            ("x" * 100_000, PASSWORD),
        ]
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["code"] == "WRONG_CREDENTIALS"
    assert answers[0]["__typename"] == "NotPermitted"


async def test_text_that_is_no_email_address_uses_only_its_own_tries(carrier: Carrier) -> None:
    """As an unknown e-mail does: the typing errors of one caller do not hold up another one."""
    anonymous = At(carrier.url)
    for number in range(12):
        answer = await anonymous.login(f"person {number} at acme.example", "not the password")
        assert answer["code"] == "WRONG_CREDENTIALS"
    for same in ("no address", " No Address "):
        codes = [(await anonymous.login(same, "not it"))["code"] for _ in range(6)]
        assert codes[:4] == ["WRONG_CREDENTIALS"] * 4
    assert codes[4:] == ["TOO_MANY_TRIES"] * 2


@pytest.mark.parametrize("_", ["one test", "the next"])
async def test_no_try_of_another_test_counts(carrier: Carrier, api_redis: Redis, _: str) -> None:
    anonymous = Caller(carrier.url)
    wrong: dict[str, Any] = {"email": "nobody@voice.example", "password": PASSWORD}
    assert (await anonymous.do("login", "Session", "token", **wrong))["code"] == "WRONG_CREDENTIALS"
    await enter(api_redis, try_limits.login(wrong["email"], "127.0.0.1/32", at_home=False), 9)
    assert (await anonymous.do("login", "Session", "token", **wrong))["code"] == "TOO_MANY_TRIES"


async def test_disabled_and_unknown_logins_receive_the_same_response(
    carrier: Carrier,
) -> None:
    """An e-mail without a password yet, and a disabled one with its correct password."""
    emails = [(await new_contact(carrier))[2] for _ in range(2)]
    async with db.connection() as conn:
        for email, change in zip(
            emails, ("password_hash = NULL", "disabled_at = now()"), strict=True
        ):
            await conn.execute(f"UPDATE logins SET {change} WHERE email = $1", email)
    answers = [
        await At(carrier.url).login(email, otp="123456")
        for email in (*emails, "nobody@voice.example")
    ]
    assert answers[0]["code"] == "WRONG_CREDENTIALS"
    assert all(answer == answers[0] for answer in answers)


async def test_a_known_and_an_unknown_email_cause_the_same_work(
    carrier: Carrier, api_redis: Redis
) -> None:
    """The same statements, the same calls of Redis and as much hashing: hence as much time."""
    emails = (carrier.email, "nobody@voice.example", "no address")
    (known_work, seconds), *others = [await _done_for(email, api_redis) for email in emails]
    assert known_work[0]
    for work, seconds_of_other in others:
        assert work == known_work
        assert 0.5 < seconds / seconds_of_other < 2


async def _done_for(email: str, redis: Redis) -> tuple[tuple[list[str], int], float]:
    """Statements, calls of scripts and seconds of this process's CPU for a wrong password."""
    services = sign_in_services.SignInServices(throttle=patient(redis))
    entry = (services, email, "not it", None, callers.Client("203.0.113.77"), clock.now())
    statements: list[str] = []

    def log(query: Any) -> None:
        statements.append(query.query)

    async with db.transaction() as conn:  # all statements use its connection
        with pytest.raises(refusals.Refusal, match="incorrect"):
            # Warms up: caches, the script, the hash for unknown e-mails
            await resolve.login(*entry)
        conn.add_query_logger(log)
        calls, began = await _scripts_run(redis), time.process_time()
        with pytest.raises(refusals.Refusal, match="incorrect"):
            await resolve.login(*entry)
        seconds, calls = time.process_time() - began, await _scripts_run(redis) - calls
        conn.remove_query_logger(log)
    return (statements, calls), seconds


async def _scripts_run(redis: Redis) -> int:
    stats: dict[str, Any] = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


async def test_during_an_attack_the_owner_signs_in_from_a_known_network_or_after_a_reset(
    carrier: Carrier, api_redis: Redis
) -> None:
    person, _, email = await new_contact(carrier)
    for number in range(10):  # as wrong passwords from ten addresses do
        await enter(api_redis, try_limits.login(email, f"192.0.2.{number}/32", at_home=False), 10)
    answer = await At(carrier.url).login(email)
    assert (answer["__typename"], answer["code"]) == ("NotPermitted", "TOO_MANY_TRIES")
    assert any(f" {seconds} seconds" in answer["message"] for seconds in range(150, 181))
    assert "token" in await person.there().login(email)
    elsewhere = At(carrier.url)
    await try_limits.trust(patient(api_redis), email, f"{elsewhere.address}/32")
    assert "token" in await elsewhere.login(email)


async def test_wrong_passwords_from_one_address_block_that_email_only_from_there(
    carrier: Carrier, api_redis: Redis
) -> None:
    person, _, email = await new_contact(carrier)
    _, _, colleague = await new_contact(carrier)
    await enter(api_redis, try_limits.login(email, f"{person.address}/32", at_home=True), 9)
    wrong = await person.there().login(email, "not the password")
    assert wrong["code"] == "WRONG_CREDENTIALS"
    assert (await person.there().login(email))["code"] == "TOO_MANY_TRIES"
    assert "token" in await person.there().login(colleague)
    assert "token" in await At(carrier.url).login(email)


async def test_without_redis_people_sign_in_and_tries_are_still_counted(carrier: Carrier) -> None:
    async with own_redis() as redis, Redis.from_url(redis.url) as client:
        services = sign_in_services.SignInServices(throttle=throttle.Throttle(client))
        redis.kill()
        sender = callers.Client("203.0.113.78")
        entry = (services, carrier.email, PASSWORD, None, sender, clock.now())
        began = time.monotonic()
        assert (await resolve.login(*entry)).token
        limit = try_limits.login(carrier.email, "203.0.113.78/32", at_home=True)
        for _ in range(10):
            await limit.enter(services.throttle)
        with pytest.raises(refusals.Refusal, match="Too many tries"):
            await resolve.login(*entry)
        assert time.monotonic() - began < 10  # no request waited for it


async def test_a_flood_from_one_address_leaves_capacity_for_others() -> None:
    """A limited number of requests wait; places are reserved for those from known networks."""
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await password_hashing.is_right(quick, PASSWORD, None)  # computes the hash for unknown e-mails

    async def let_in(by: str, count: int, *, reserved: bool = False) -> int:
        answers = await asyncio.gather(
            *(
                password_hashing.is_right(quick, PASSWORD, by, reserved=reserved)
                for _ in range(count)
            ),
            return_exceptions=True,
        )
        return answers.count(True)

    flood, others, home = await asyncio.gather(
        let_in("192.0.2.1", 100), let_in("192.0.2.2", 3), let_in("192.0.2.3", 3, reserved=True)
    )
    assert (flood, others, home) == (password_hashing.MAX_PER_HOLDER, 3, 3)
    many = await asyncio.gather(
        *(let_in(f"192.0.2.{number}", 8) for number in range(50)),
        let_in("203.0.113.1", 5, reserved=True),
    )
    assert (sum(many[:-1]), many[-1]) == (password_hashing.MAX_WAITING, 5)
    assert await let_in("192.0.2.1", 1) == 1


async def test_sign_ins_from_known_networks_leave_capacity_for_others(
    carrier: Carrier, api_redis: Redis
) -> None:
    """Eight people try ten passwords each concurrently, from known networks."""
    people = [await new_contact(carrier) for _ in range(8)]
    services = sign_in_services.SignInServices(throttle=patient(api_redis))

    async def enter(email: str, address: str, password: str) -> str:
        client = callers.Client(address)
        try:
            await resolve.login(services, email, password, None, client, clock.now())
        except refusals.Refusal as refusal:
            return refusal.code
        return "signed in"

    flood = [
        asyncio.create_task(enter(email, person.address, "not it"))
        for person, _, email in people
        for _ in range(10)
    ]
    finished, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
    while "BUSY" not in [task.result() for task in finished]:
        finished, _ = await asyncio.wait(set(flood) - finished, return_when=asyncio.FIRST_COMPLETED)
    assert await enter(carrier.email, "203.0.113.99", PASSWORD) == "signed in"
    answers = [await task for task in flood]
    assert set(answers) == {"WRONG_CREDENTIALS", "BUSY"}


async def test_after_logout_the_token_is_invalid(carrier: Carrier) -> None:
    other = await sign_in(carrier.url, carrier.email)
    await other.ask("mutation { logout { __typename } }")
    await _until_refused(other)
    assert await carrier.owner.ask(VIEWER)


async def test_a_revoked_key_is_invalid(carrier: Carrier) -> None:
    key = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    program = Caller(carrier.url, key["secret"])
    assert await program.ask(VIEWER) == {"viewer": {"__typename": "ApiKey"}}
    revoked = await carrier.owner.do("revokeApiKey", "ApiKey", "revokedAt", id=key["id"])
    assert revoked["revokedAt"]
    await _until_refused(program)


async def _until_refused(caller: Caller) -> None:
    """Within the second for which a caller is cached."""
    deadline = clock.now() + timedelta(seconds=2)
    while "errors" not in await caller.send(VIEWER):
        assert clock.now() < deadline
    assert await caller.code(VIEWER) == "UNAUTHENTICATED"


async def test_an_invalid_token_is_refused(api: Program, carrier: Carrier) -> None:
    good = carrier.owner.token or ""
    token = tokens.parse(good)
    assert token is not None
    secret = token.secret
    for bad in [
        "x",
        "cb_1_2_3",
        good[:-1],
        good + "A",
        good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:],
        good.replace("_s", "_k", 1),
        f"cb_{carrier.account_id + 1}_s1_{secret}",
        f"cb_{10**18}_s1_{secret}",
        f"cb_999999999999999999_s999999999999999999_{secret}",
        "cb_١_s1_" + secret,
    ]:
        caller = Caller(api.url, bad)
        if bad.isascii():
            assert await caller.code(VIEWER) == "UNAUTHENTICATED", bad
        else:
            assert tokens.parse(bad) is None


async def test_without_a_token_no_data_is_visible(api: Program) -> None:
    anonymous = Caller(api.url)
    for query in [
        "viewer { __typename }",
        "customers { edges { cursor } }",
        'node(id: "x") { id }',
    ]:
        assert await anonymous.code(f"{{ {query} }}") == "UNAUTHENTICATED"
