"""The legs of a call arrive in any order and repeatedly, and give the same records."""

import asyncio
import random

import pytest
from redis.asyncio import Redis

from domain.directory import channel_variables
from domain.records import attempts, call_channels
from ingest.switches import freeswitch
from models.records import channel_reports
from tests.support.records import recorded_posts, sample_records
from tests.support.records.freeswitch_account import FreeSwitch, account_with_references
from tests.support.records.recorded_posts import Post

CALLS = ("a06", "b02", "c01", "c03", "c05", "d02", "d06", "f01", "f02")


def posts_of(*names: str) -> list[Post]:
    """The posts of some calls, with those of their offers and loopback channels."""
    ids = set[str]()
    for call in recorded_posts.calls(recorded_posts.PLAIN):
        if call.name in names:
            ids |= call.channel_ids
    posts = recorded_posts.posts(recorded_posts.PLAIN)
    return [
        post
        for post in posts
        if post.channel_id in ids or any(id.encode() in post.content for id in ids)
    ]


async def delivered(redis: Redis, posts: list[Post]) -> FreeSwitch:
    """A new account after the posts, one after another."""
    switch = FreeSwitch(redis, await account_with_references())
    await switch.send(*posts)
    await switch.pipeline.close()
    return switch


async def test_any_order_and_any_repetition_gives_the_same_records(
    database: str, redis: Redis
) -> None:
    posts = posts_of(*CALLS)
    expected = await (await delivered(redis, posts)).records()
    assert len(expected) > len(CALLS)
    for seed in range(6):
        rng = random.Random(seed)
        order = [post for post in posts for _ in range(rng.choice((1, 1, 2, 3)))]
        rng.shuffle(order)
        switch = await delivered(redis, order)
        assert await switch.records() == expected, f"seed {seed}"
        assert await switch.held() == 0
        assert len(await switch.quarantined()) <= 1  # the call without a customer, once


@pytest.mark.parametrize("is_first_leg_first", [False, True])
async def test_an_attempt_is_counted_once_before_and_after_its_offers_arrive(
    freeswitch_account: FreeSwitch, is_first_leg_first: bool
) -> None:
    posts = posts_of("c03")
    first_legs = [post for post in posts if b"originated_legs" in post.content]
    offers = [post for post in posts if post not in first_legs]
    assert (len(first_legs), len(offers)) == (1, 2)
    order = [*first_legs, *offers] if is_first_leg_first else [*offers, *first_legs]
    finals = []
    for post in order:
        await freeswitch_account.send(post)
        finals.append(sum(record["final"] for record in await freeswitch_account.records()))
    assert finals == ([1, 1, 1] if is_first_leg_first else [0, 0, 1])
    corrected = sum(answer["corrected"] for answer in freeswitch_account.answers)
    assert corrected == (2 if is_first_leg_first else 0)


async def test_legs_that_arrive_at_the_same_time_are_joined(database: str, redis: Redis) -> None:
    posts = posts_of(*CALLS)
    expected = await (await delivered(redis, posts)).records()
    switch = FreeSwitch(redis, await account_with_references())
    await asyncio.gather(*(switch.send(post) for post in posts for _ in range(2)))
    await switch.pipeline.close()
    assert await switch.records() == expected
    assert await switch.held() == 0


async def test_a_late_repetition_after_the_channels_were_removed_changes_nothing(
    freeswitch_account: FreeSwitch,
) -> None:
    posts = posts_of("c01", "a06")
    await freeswitch_account.send(*posts)
    expected = await freeswitch_account.records()
    account_id = freeswitch_account.account_id
    after = freeswitch_account.received_at + call_channels.RETENTION
    assert await channel_reports.remove_old(account_id, freeswitch_account.received_at, 9) == 0
    assert await channel_reports.remove_old(account_id, after, 2) == 2
    assert await channel_reports.remove_old(account_id, after, 9) == len(posts) - 2
    await freeswitch_account.send(*reversed(posts))
    await freeswitch_account.send(*posts)
    assert await freeswitch_account.records() == expected
    assert await freeswitch_account.held() == 0


async def test_the_digits_that_a_caller_dialed_are_stored_nowhere(
    freeswitch_account: FreeSwitch,
) -> None:
    posts = posts_of("d01", "d02")
    assert any(b'"4711"' in post.content for post in posts)
    await freeswitch_account.send(*posts)
    stored = await sample_records.rows(
        "SELECT content FROM channel_reports WHERE account_id = $1", freeswitch_account.account_id
    )
    assert len(stored) == len(posts)
    assert not [row for row in stored if "4711" in row[0]]


def test_the_record_of_an_offer_depends_on_no_other_offer() -> None:
    """So two revisions of it are enough: without its own channel and with it."""
    known = {
        channel.id: channel
        for channel in (
            freeswitch.decode(post.content).channel(channel_variables.DEFAULT)
            for post in recorded_posts.posts(recorded_posts.PLAIN)
        )
    }
    rng = random.Random(3)
    compared = 0
    for first in known.values():
        if not first.is_attempt:
            continue
        complete = {end.leg: end for end in attempts.ends("s", first, known)}
        for _ in range(4):
            some = {id: known[id] for id in known if rng.random() < 0.5}
            for end in attempts.ends("s", first, some):
                offered = first.offers[end.leg].channel_id if end.leg < len(first.offers) else ""
                if offered in some or offered not in known:
                    assert end == complete[end.leg]
                    compared += 1
                else:
                    assert (end.correction, complete[end.leg].correction) == (None, 1)
                    assert end.final == complete[end.leg].final
    assert compared > 50
