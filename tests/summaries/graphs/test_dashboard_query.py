"""The Dashboard query of the client documents, word for word."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from models.identity import accounts
from models.summaries import hours
from tests.support.queries import DASHBOARD
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)


@pytest.mark.usefixtures("database")
async def test_a_contact_sees_its_dashboard_in_one_query(redis: Redis) -> None:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    await days.put([Leg("a", talk_us=60_000_000), Leg("b", customer=2)])
    for which in await hours.marked_hours(10):
        await hours.rebuild(*which, NOW)
    asker = Asker(await reader.contact(ACCOUNT, 1, "Europe/Berlin", NOW), NOW, redis)
    times = {"from": (NOW - timedelta(hours=3)).isoformat(), "to": NOW.isoformat()}
    viewer = (await asker.ask(DASHBOARD, carriers=None, **times))["viewer"]
    customer = viewer["customer"]
    assert (viewer["__typename"], viewer["timeZone"]) == ("Contact", "Europe/Berlin")
    assert [point["attempts"] for point in customer["stats"]["total"]] == [0, 0, 0, 1]
    assert customer["stats"]["timeZone"] == "Europe/Berlin"
    rows = [edge["node"] for edge in customer["summary"]["edges"]]
    assert (len(rows), rows[0]["attempts"], rows[0]["talkSeconds"]) == (24, 1, 60)
    assert customer["summary"]["pageInfo"]["hasNextPage"] is False
