"""FreeSWITCH over HTTP: authentication, retries and the name of the switch."""

import re

import pytest
from redis.asyncio import Redis

from domain.records import review
from ingest import pipeline
from live import channels, sliding_window
from models import db
from models.directory import switches
from runtime import clock
from tests.support.records import recorded_posts, sample_records
from tests.support.records.freeswitch_account import PATH, Client, basic
from tests.support.records.posting import issue_key
from tests.support.records.sample_posts import GARBAGE


def first_post() -> bytes:
    posts = recorded_posts.posts(recorded_posts.PLAIN)
    call = next(c for c in recorded_posts.calls(recorded_posts.PLAIN) if c.name == "a01")
    mine = [post for post in posts if post.channel_id == call.caller["switch_channel_id"]]
    return recorded_posts.moved(mine, clock.now())[0].content


async def stored(account_id: int) -> list[tuple[str, str]]:
    return [
        (row[0], row[1])
        for row in await sample_records.rows(
            "SELECT switch, call_id FROM call_records WHERE account_id = $1", account_id
        )
    ]


async def test_a_key_is_accepted_as_a_bearer_token_and_as_a_password(client: Client) -> None:
    opened, account_id, key = client
    content = first_post()
    for headers in ({"Authorization": f"Bearer {key}"}, basic("callboard", key), basic("", key)):
        answer = await opened.post(f"{PATH}?uuid=1", content=content, headers=headers)
        assert answer.status_code == 200, answer.text
    assert len(await stored(account_id)) == 1


async def test_a_wrong_key_or_scope_is_refused(client: Client) -> None:
    opened, account_id, key = client
    other = await issue_key(account_id, ["STATS_READ"])
    cases = [
        ({}, 401),
        (basic(key, "wrong"), 401),
        (basic("callboard", key + "x"), 401),
        ({"Authorization": "Basic !!"}, 401),
        (basic("callboard", other), 403),
    ]
    for headers, status in cases:
        answer = await opened.post(PATH, content=first_post(), headers=headers)
        assert answer.status_code == status
        if status == 401:
            assert "Basic" in answer.headers["www-authenticate"]
    answer = await opened.post(f"{PATH}?key={key}", content=first_post())
    assert answer.status_code == 401  # a key in a URL would be in the logs of proxies
    assert not await stored(account_id)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("?uuid=1", recorded_posts.SWITCH),
        ("?switch=edge-1&uuid=1", "edge-1"),
        ("?switch=edge-1?uuid=1", "edge-1"),  # as mod_json_cdr extends a URL with a query
    ],
)
async def test_the_query_or_the_post_names_the_switch(
    client: Client, query: str, name: str
) -> None:
    opened, account_id, key = client
    answer = await opened.post(PATH + query, content=first_post(), headers=basic("fs", key))
    assert answer.json()["accepted"] == 1
    assert [row[0] for row in await stored(account_id)] == [name]


async def test_the_variables_of_the_switch_are_used(client: Client) -> None:
    opened, account_id, key = client
    settings = switches.SwitchSettings(
        None, 14_400, variables=switches.channel_variables.ChannelVariables("tenant", "route")
    )
    await switches.configure(account_id, "edge-1", settings, clock.now())
    content = first_post().replace(b'"accountcode"', b'"tenant"').replace(b'"carrier"', b'"route"')
    answer = await opened.post(f"{PATH}?switch=edge-1", content=content, headers=basic("fs", key))
    assert answer.json()["accepted"] == 1
    carriers = await sample_records.rows(
        "SELECT x.reference FROM call_records r JOIN carriers x ON x.account_id = r.account_id"
        " AND x.id = r.carrier_id WHERE r.account_id = $1",
        account_id,
    )
    assert carriers == [("alpha",)]


async def test_a_post_that_will_never_be_valid_is_stored_and_acknowledged(client: Client) -> None:
    """mod_json_cdr sends a post again unless the status is 2xx."""
    opened, account_id, key = client
    for name, (content, code) in GARBAGE.items():
        answer = await opened.post(PATH, content=content, headers=basic("fs", key))
        assert answer.status_code == 200, name
        assert [item["code"] for item in answer.json()["refused"]] == [code], name
        repeated = await opened.post(PATH, content=content, headers=basic("fs", key))
        assert repeated.status_code == 200, name
    kept = await sample_records.rows(
        "SELECT code, times_received, switch FROM quarantine WHERE account_id = $1", account_id
    )
    assert sum(times for _, times, _ in kept) == 2 * len(GARBAGE)
    assert {code for code, _, _ in kept} == {code for _, code in GARBAGE.values()}


async def test_an_unknown_customer_is_refused_once_and_can_be_replayed(
    client: Client, redis: Redis
) -> None:
    opened, account_id, key = client
    content = first_post().replace(b'"ACME01"', b'"nobody"')
    for _ in range(2):
        answer = await opened.post(PATH, content=content, headers=basic("fs", key))
        assert answer.status_code == 200
        assert answer.json()["refused"][0]["code"] == "UNKNOWN_CUSTOMER"
    kept = await sample_records.rows(
        "SELECT payload, times_received FROM quarantine WHERE account_id = $1", account_id
    )
    assert [times for _, times in kept] == [2]
    await sample_records.customer(account_id, "nobody")
    now, ingest = clock.now(), pipeline.Pipeline(redis, records_days=None)
    [replayed] = await ingest.check(account_id, [kept[0][0].encode()], now, now)
    assert isinstance(replayed, review.ValidRecord)
    assert replayed.record.call_id
    await ingest.update_live(account_id, [replayed.live_event], now)
    await ingest.close()
    states = await switches.list_all(account_id)
    assert [state.snapshot_wanted_since for state in states] == [None]


async def test_posts_count_in_live_statistics_and_leave_the_live_state_complete(
    client: Client, redis: Redis
) -> None:
    """mod_json_cdr reports no active calls, so it cannot send a snapshot."""
    opened, account_id, key = client
    posts = recorded_posts.moved(recorded_posts.posts(recorded_posts.PLAIN), clock.now())
    current = await sliding_window.begin_fill(redis, account_id)
    assert current is not None
    assert await sliding_window.end_fill(redis, account_id, current)
    for post in posts:
        answer = await opened.post(PATH, content=post.content, headers=basic("fs", key))
        assert answer.json()["snapshotWanted"] == []
    states = await switches.list_all(account_id)
    assert [state.snapshot_wanted_since for state in states] == [None]
    state = await channels.read(redis, account_id, None)
    assert (state.complete, state.in_use) == (True, 0)
    window = await sliding_window.read(redis, account_id, None, sliding_window.MAX_SECONDS)
    assert window is not None
    assert window.sums.attempts == 43  # 42 calls, and that of a transferred party


async def test_posts_request_no_snapshot_after_redis_was_away(client: Client, redis: Redis) -> None:
    opened, account_id, key = client
    # Redis answers with an error to everything that writes.
    await redis.config_set("min-replicas-to-write", 1)
    try:
        answer = await opened.post(PATH, content=first_post(), headers=basic("fs", key))
        assert answer.json()["accepted"] == 1
    finally:
        await redis.config_set("min-replicas-to-write", 0)
    assert answer.json()["snapshotWanted"] == []
    states = await switches.list_all(account_id)
    assert [state.snapshot_wanted_since for state in states] == [None]


async def test_an_unavailable_database_is_a_temporary_failure(client: Client) -> None:
    opened, _, key = client
    await db.close_database()
    await db.open_database("postgres://postgres@127.0.0.1:1/none")
    for content in (first_post(), b"garbage"):
        answer = await opened.post(PATH, content=content, headers=basic("fs", key))
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")


async def test_a_full_quarantine_is_a_temporary_failure(client: Client) -> None:
    """FreeSWITCH then writes the post to its disk."""
    opened, account_id, key = client
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO quarantine_sizes (account_id, bytes) VALUES ($1, $2)"
            " ON CONFLICT (account_id) DO UPDATE SET bytes = $2",
            account_id,
            review.QUARANTINE_BYTES,
        )
    for content in (b"garbage", first_post().replace(b'"ACME01"', b'"nobody"')):
        answer = await opened.post(PATH, content=content, headers=basic("fs", key))
        assert (answer.status_code, answer.json()["code"]) == (503, "QUARANTINE_FULL")


@pytest.mark.parametrize("with_offer", [False, True])
async def test_another_call_with_the_id_of_a_call_is_held(client: Client, with_offer: bool) -> None:
    """With `inbound-use-callid-as-uuid`, the caller chooses the id."""
    opened, account_id, key = client
    call = next(c for c in recorded_posts.calls(recorded_posts.PLAIN) if c.name == "a01")
    posts = [
        post
        for post in recorded_posts.moved(recorded_posts.posts(recorded_posts.PLAIN), clock.now())
        if post.channel_id in call.channel_ids
    ]
    [first] = [post for post in posts if post.channel_id == call.caller["switch_channel_id"]]
    for post in posts if with_offer else [first]:
        answer = await opened.post(PATH, content=post.content, headers=basic("fs", key))
        assert answer.json()["held"] == []
    before = await stored(account_id)
    other = first.moved(-60_000_000).content
    for _ in range(2):
        answer = await opened.post(PATH, content=other, headers=basic("fs", key))
        assert answer.status_code == 200
    held = await sample_records.rows(
        "SELECT count(*) FROM record_revisions WHERE account_id = $1 AND state = 'HELD'",
        account_id,
    )
    assert held == [(1,)]
    assert await stored(account_id) == before


async def test_an_offer_that_is_listed_twice_is_one_leg(client: Client) -> None:
    opened, account_id, key = client
    listed = re.compile(rb'"originated_legs":\s*"([^"]+)"')
    content, count = listed.subn(rb'"originated_legs":"ARRAY::\1|:\1"', first_post())
    assert count == 1
    answer = await opened.post(PATH, content=content, headers=basic("fs", key))
    assert answer.json()["accepted"] == 1
    assert len(await stored(account_id)) == 1


async def test_a_call_without_a_caller_number_is_stored(client: Client) -> None:
    opened, account_id, key = client
    number = re.compile(rb'"(caller_id_number|ani|sip_from_user)":\s*"[^"]*"')
    content, count = number.subn(rb'"\1":""', first_post())
    assert count >= 3
    answer = await opened.post(PATH, content=content, headers=basic("fs", key))
    assert answer.json()["accepted"] == 1, answer.text
    sources = await sample_records.rows(
        "SELECT source FROM call_records WHERE account_id = $1", account_id
    )
    assert sources == [("",)]
