from datetime import datetime, timedelta

from callers import PASSWORD, Caller, Carrier, sign_in
from programs import Program

from domain import tokens
from runtime import clock

VIEWER = "{ viewer { __typename } }"


async def test_a_login_gives_a_token_that_names_its_account(carrier: Carrier) -> None:
    token = tokens.parse(carrier.owner.token or "")
    assert token is not None
    assert token.account_id == carrier.account_id
    assert await carrier.owner.ask(VIEWER) == {"viewer": {"__typename": "Staff"}}


async def test_the_email_is_found_in_any_case(carrier: Carrier) -> None:
    caller = await sign_in(carrier.url, carrier.email.upper())
    assert await caller.ask(VIEWER) == {"viewer": {"__typename": "Staff"}}


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(carrier: Carrier) -> None:
    nobody = Caller(carrier.url)
    answers = [
        await nobody.do("login", "Session", "token", email=email, password=password)
        for email, password in [
            (carrier.email, "not the password"),
            ("nobody@voice.example", PASSWORD),
            ("not an address \x00", PASSWORD),
            (carrier.email, "\ud800"),
        ]
    ]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["code"] == "WRONG_CREDENTIALS"
    assert answers[0]["__typename"] == "NotPermitted"


async def test_a_session_holds_for_thirty_days(carrier: Carrier) -> None:
    session = await Caller(carrier.url).do(
        "login", "Session", "expiresAt", email=carrier.email, password=PASSWORD
    )
    expires_at = datetime.fromisoformat(session["expiresAt"])
    assert abs(expires_at - clock.now() - timedelta(days=30)) < timedelta(minutes=1)


async def test_after_logout_the_token_is_in_force_no_more(carrier: Carrier) -> None:
    other = await sign_in(carrier.url, carrier.email)
    await other.ask("mutation { logout { __typename } }")
    await _until_refused(other)
    assert await carrier.owner.ask(VIEWER)


async def test_a_revoked_key_is_in_force_no_more(carrier: Carrier) -> None:
    made = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    program = Caller(carrier.url, made["secret"])
    assert await program.ask(VIEWER) == {"viewer": {"__typename": "ApiKey"}}
    revoked = await carrier.owner.do("revokeApiKey", "ApiKey", "revokedAt", id=made["id"])
    assert revoked["revokedAt"]
    await _until_refused(program)


async def _until_refused(caller: Caller) -> None:
    """Within the second that a caller is believed for."""
    deadline = clock.now() + timedelta(seconds=2)
    while "errors" not in await caller.send(VIEWER):
        assert clock.now() < deadline
    assert await caller.code(VIEWER) == "UNAUTHENTICATED"


async def test_garbage_for_a_token_is_refused(api: Program, carrier: Carrier) -> None:
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


async def test_nobody_sees_anything_without_a_token(api: Program) -> None:
    nobody = Caller(api.url)
    for query in [
        "viewer { __typename }",
        "customers { edges { cursor } }",
        'node(id: "x") { id }',
    ]:
        assert await nobody.code(f"{{ {query} }}") == "UNAUTHENTICATED"
