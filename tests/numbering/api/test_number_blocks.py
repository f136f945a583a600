"""Number blocks and SIP users over the API."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from domain.numbering import number_ranges
from models.numbering import sip_users
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.programs import Program
from tests.support.queries import BLOCK, NUMBERS, SIP

ACCOUNT = """{ viewer { ... on Staff { account {
    numberRange { start end blockSize size assigned used free }
    numberBlocks(first: 2) { edges { cursor node { first used free customer { id } } }
                             pageInfo { hasNextPage endCursor } }
    sipUsers(first: 5, startingWith: "10") { edges { node { username secret customer { id } } } }
} } } }"""
RANGE = {"start": 1000, "end": 99999, "blockSize": 1000}
NODE = "query N($id: ID!) { node(id: $id) { __typename id } }"


@pytest.fixture
async def ranged(carrier: Carrier) -> Carrier:
    """A carrier whose account has a range."""
    number_range = await carrier.owner.do("setNumberRange", "NumberRange", "size", **RANGE)
    assert number_range == {"__typename": "NumberRange", "size": 99000}
    return carrier


async def sip_user(caller: Caller, customer_id: str, username: str, **more: Any) -> dict[str, Any]:
    selection = "id username displayName status realm secret"
    return await caller.do(
        "createSipUser", "SipUser", selection, customerId=customer_id, username=username, **more
    )


async def test_the_client_documents_work(ranged: Carrier) -> None:
    mine = await ranged.customer()
    contact = await ranged.contact(mine)
    block = (await ranged.owner.ask(BLOCK, c=mine))["assignNumberBlock"]
    assert {key: block[key] for key in ("first", "last", "size")} == {
        "first": 1000,
        "last": 1999,
        "size": 1000,
    }
    sip_user = (await contact.ask(SIP, i={"customerId": mine, "username": "1001"}))["createSipUser"]
    customer = (await contact.ask(NUMBERS, c=mine))["customer"]
    assert customer["numberBlocks"] == [
        {"id": block["id"], "first": 1000, "last": 1999, "size": 1000, "used": 1}
    ]
    free = [edge["node"] for edge in customer["availableUsernames"]["edges"]]
    assert free == ["1000", *map(str, range(1002, 1021))]
    assert customer["sipUsers"]["edges"] == [{"node": {"id": sip_user["id"], "username": "1001"}}]
    for id, kind in [(block["id"], "NumberBlock"), (sip_user["id"], "SipUser")]:
        assert (await contact.ask(NODE, id=id))["node"] == {"__typename": kind, "id": id}


async def test_staff_see_all_numbers_of_the_account(ranged: Carrier) -> None:
    acme, globex = await ranged.customer(), await ranged.customer()
    for customer in (acme, globex, acme):
        await ranged.owner.ask(BLOCK, c=customer)
    for customer, username in [(acme, "1000"), (acme, "1999"), (acme, "3000"), (globex, "2000")]:
        assert (await sip_user(ranged.owner, customer, username))["username"] == username
    account = (await ranged.owner.ask(ACCOUNT))["viewer"]["account"]
    assert account["numberRange"] == RANGE | {
        "size": 99000,
        "assigned": 3000,
        "used": 4,
        "free": 98996,
    }
    assert [edge["node"] for edge in account["numberBlocks"]["edges"]] == [
        {"first": 1000, "used": 2, "free": 998, "customer": {"id": acme}},
        {"first": 2000, "used": 1, "free": 999, "customer": {"id": globex}},
    ]
    assert account["numberBlocks"]["pageInfo"]["hasNextPage"]
    assert account["sipUsers"]["edges"] == [
        {"node": {"username": "1000", "secret": None, "customer": {"id": acme}}}
    ]


async def test_pages_are_consecutive(ranged: Carrier) -> None:
    mine = await ranged.customer()
    for _ in range(3):
        await ranged.owner.ask(BLOCK, c=mine)
    for username in ("1000", "1002", "2999", "3000"):
        await sip_user(ranged.owner, mine, username)
    query = """query P($c: ID!, $n: Int!, $u: String, $s: String, $b: Long) { customer(id: $c) {
        availableUsernames(first: $n, after: $u, startingWith: "299") {
            edges { node } pageInfo { hasNextPage endCursor } }
        sipUsers(first: 1, after: $s) {
            edges { node { username } } pageInfo { hasNextPage endCursor } }
        numberBlocks(first: 1, after: $b) { first last } } }"""
    free: list[str] = []
    users: list[str] = []
    blocks: list[int] = []
    cursor: dict[str, Any] = {}
    for _ in range(4):
        page = (await ranged.owner.ask(query, c=mine, n=3, **cursor))["customer"]
        free += [edge["node"] for edge in page["availableUsernames"]["edges"]]
        users += [edge["node"]["username"] for edge in page["sipUsers"]["edges"]]
        blocks += [block["first"] for block in page["numberBlocks"]]
        cursor = {
            "u": page["availableUsernames"]["pageInfo"]["endCursor"] or cursor["u"],
            "s": page["sipUsers"]["pageInfo"]["endCursor"],
            "b": page["numberBlocks"][-1]["last"] if page["numberBlocks"] else cursor["b"],
        }
    assert free == list(map(str, range(2990, 2999)))
    assert users == ["1000", "1002", "2999", "3000"]
    assert blocks == [1000, 2000, 3000]


async def test_a_secret_is_shown_once_and_matches_the_stored_digests(ranged: Carrier) -> None:
    mine = await ranged.customer()
    contact = await ranged.contact(mine)
    created_user = await sip_user(contact, mine, "1000", displayName="Front desk")
    credentials = await sip_users.credentials(ranged.account_id, "1000")
    assert credentials is not None
    assert credentials.digests == number_ranges.digests("1000", "127.0.0.1", created_user["secret"])
    own = await sip_user(contact, mine, "1001", password="chosen-by-somebody")
    assert own["secret"] == "chosen-by-somebody"
    again = await contact.do("resetSipUserSecret", "SipUser", "secret", id=created_user["id"])
    assert again["secret"] not in (None, created_user["secret"])
    renamed = await contact.do(
        "updateSipUser",
        "SipUser",
        "secret displayName status",
        id=created_user["id"],
        status="DISABLED",
    )
    assert renamed == {
        "__typename": "SipUser",
        "secret": None,
        "displayName": "Front desk",
        "status": "DISABLED",
    }
    query = "query N($id: ID!) { node(id: $id) { ... on SipUser { secret } } }"
    assert (await contact.ask(query, id=created_user["id"]))["node"] == {"secret": None}


async def test_a_refusal_states_the_remedy(ranged: Carrier) -> None:
    mine = await ranged.customer()
    await ranged.owner.ask(BLOCK, c=mine)
    query = """mutation B($c: ID!, $f: Long) { assignNumberBlock(customerId: $c, first: $f) {
        __typename ... on NumberBlock { first } ... on Refusal { code message field } } }"""
    answer = (await ranged.owner.ask(query, c=mine, f=1500))["assignNumberBlock"]
    assert answer == {
        "__typename": "Conflict",
        "code": "BLOCK_TAKEN",
        "field": "first",
        "message": "1500 to 2499 has numbers of another block or SIP users of another customer."
        " Set another first number, or leave it out for the lowest free block.",
    }
    free = (await ranged.owner.ask(query, c=mine, f=5000))["assignNumberBlock"]
    assert free == {"__typename": "NumberBlock", "first": 5000}
    small = await ranged.owner.do(
        "setNumberRange", "NumberRange", "size", start=1500, end=9999, blockSize=10
    )
    assert (small["code"], small["field"]) == ("RANGE_IN_USE", "start")


SEES = {"owner": True, "support": True, "finance": True, "contact": True, "LIVE_READ": False}
USES = {"owner", "support", "contact"}
ASSIGNS = {"owner", "support"}


@pytest.mark.parametrize("who", SEES)
async def test_each_caller_has_only_the_permitted_number_operations(
    ranged: Carrier, who: str
) -> None:
    mine = await ranged.customer()
    block = (await ranged.owner.ask(BLOCK, c=mine))["assignNumberBlock"]["id"]
    caller = {
        "owner": lambda: asyncio.sleep(0, ranged.owner),
        "contact": lambda: ranged.contact(mine),
        "LIVE_READ": lambda: ranged.key("LIVE_READ"),
    }.get(who, lambda: ranged.staff(who.upper()))
    asker = await caller()
    answer = await asker.send(NUMBERS, c=mine)
    assert ("errors" not in answer) == SEES[who]
    node = await sip_user(asker, mine, "1000")
    assert (node["__typename"] == "SipUser") == (who in USES)
    for mutation, type, input in [
        ("setNumberRange", "NumberRange", RANGE),
        ("freeNumberBlock", "NumberBlock", {"id": block}),
    ]:
        result = await asker.do(mutation, type, "__typename", **input)
        assert (result.get("code") != "FORBIDDEN") == (who in ASSIGNS), (mutation, result)
    result = (await asker.ask(BLOCK, c=mine))["assignNumberBlock"]
    assert (result.get("code") != "FORBIDDEN") == (who in ASSIGNS), result


async def test_a_contact_sees_only_the_numbers_of_its_customer(
    ranged: Carrier, api: Program
) -> None:
    mine, others = await ranged.customer(), await ranged.customer()
    block = (await ranged.owner.ask(BLOCK, c=others))["assignNumberBlock"]["id"]
    user = (await sip_user(ranged.owner, others, "1000"))["id"]
    other = await Carrier.create(api.url, clock.now())
    for caller in (await ranged.contact(mine), other.owner):
        for id in (block, user):
            assert await caller.ask(NODE, id=id) == {"node": None}
        created_user = await sip_user(caller, others, "1001")
        assert (created_user["__typename"], created_user["code"]) == ("NotFound", "NOT_FOUND")
        for mutation in ("removeSipUser", "resetSipUserSecret", "updateSipUser"):
            answer = await caller.do(mutation, "SipUser", "id", id=user)
            assert (answer["code"], answer["field"]) == ("NOT_FOUND", "id")
    freed = await other.owner.do("freeNumberBlock", "NumberBlock", "id", id=block)
    assert freed["code"] == "NOT_FOUND"


# The requests of switches -----------------------------------------------------------------------


async def ask(caller: Caller, body: bytes) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        return await client.post(
            f"{caller.url}/ingest/sip-auth", content=body, headers=caller.headers
        )


async def test_a_long_request_of_a_switch_is_refused_before_it_is_decoded(ranged: Carrier) -> None:
    """Decoding 16 MB would block the event loop for about 100 ms."""
    key = await ranged.key("INGEST")
    for characters, status in ((60_000, 404), (70_000, 400)):
        content = json.dumps({"username": "1000", "more": "x" * characters}).encode()
        assert (await ask(key, content)).status_code == status


async def test_a_switch_receives_the_digests_of_only_its_own_account(
    ranged: Carrier, api: Program
) -> None:
    mine = await ranged.customer(reference="acme-sip", channelLimit=7)
    created_user = await sip_user(ranged.owner, mine, "1000")
    key = await ranged.key("INGEST")
    answer = await ask(key, b'{"username": "1000"}')
    digests = number_ranges.digests("1000", "127.0.0.1", created_user["secret"])
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "username": "1000",
            "realm": "127.0.0.1",
            "ha1": digests.ha1,
            "ha1b": digests.ha1b,
            "ha1Sha256": digests.ha1_sha256,
            "customer": "acme-sip",
            "channelLimit": 7,
        },
    )
    other = await Carrier.create(api.url, clock.now())
    theirs = await other.key("INGEST")
    assert (await ask(theirs, b'{"username": "1000"}')).status_code == 404
    await ranged.owner.do("removeSipUser", "SipUser", "id", id=created_user["id"])
    missing = await ask(key, b'{"username": "1000"}')
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username": "1001"}', 404),
        (b'{"username": "01000"}', 404),
        (b'{"username": "alice"}', 404),
        (b'{"username": "\\u0661\\u0662"}', 404),
        (b'{"username": "1\\u0000"}', 404),
        (b'{"username": 1000}', 400),
        (b"{}", 400),
        (b"", 400),
        (b'{"username": "\xff"}', 400),
    ],
)
async def test_an_unused_username_is_not_found(ranged: Carrier, body: bytes, status: int) -> None:
    await sip_user(ranged.owner, await ranged.customer(), "1000")
    assert (await ask(await ranged.key("INGEST"), body)).status_code == status


async def test_only_a_switch_receives_digests(ranged: Carrier) -> None:
    for caller in (ranged.owner, await ranged.key("LIVE_READ", "BILLING_WRITE")):
        assert (await ask(caller, b'{"username": "1000"}')).status_code == 403
    assert (await ask(Caller(ranged.url), b'{"username": "1000"}')).status_code == 401
