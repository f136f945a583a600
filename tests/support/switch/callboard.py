"""The responses of Callboard about the account that the switch reports to."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from httpx2 import TimeoutException

from models import db
from runtime import clock
from tests.support.api.callers import Carrier

CARRIERS = ["carrier-a", "carrier-b", "carrier-c", "carrier-d"]
_CHANNELS = """
query Channels($c: ID!) {
  viewer { ... on Staff { account { channels { complete inUse byCarrier { inUse } } } } }
  customer(id: $c) { channels { complete inUse } }
}
"""
_STATS = """
query Stats($c: ID!, $from: DateTime!, $to: DateTime!) {
  customer(id: $c) {
    stats(from: $from, to: $to, interval: HOUR) { total { attempts answered acdSeconds } }
    summary(granularity: LIVE) { edges { node { attempts answered talkTime } } }
  }
}
"""
_CODES_AND_LEGS = """
query CodesAndLegs($from: DateTime!, $to: DateTime!) {
  viewer { ... on Staff { account {
    stats(from: $from, to: $to, interval: HOUR) {
      codes { code attempts }
      byCarrier { carrier { reference } points { legs { offered } } }
    }
  } } }
}
"""


@dataclass
class Callboard:
    """An account with its customers and carriers, by reference."""

    account: Carrier
    token: str  # of the key that the switch has
    customers: dict[str, str]  # reference -> id in the API
    numbers: dict[int, str]  # a carrier's number in the tables -> reference

    @classmethod
    async def open(cls, url: str, customers: dict[str, int | None], carriers: list[str]) -> Self:
        """`customers` gives channel limits."""
        account = await Carrier.create(url, clock.now())
        prices = {
            reference: await account.customer(reference=reference, channelLimit=limit)
            for reference, limit in customers.items()
        }
        for reference in carriers:
            names = {"name": reference, "reference": reference, "currency": "EUR"}
            await account.owner.do("createCarrier", "Carrier", "id", **names)
        async with db.connection() as conn:
            rows = await conn.fetch(
                "SELECT id, reference FROM carriers WHERE account_id = $1", account.account_id
            )
        key = await account.key("INGEST")
        assert key.token is not None
        return cls(account, key.token, prices, {row["id"]: row["reference"] for row in rows})

    async def in_use(self) -> int:
        """Channels up in the account."""
        account, _ = await self.channels(next(iter(self.customers)))
        return account

    async def channels(self, customer: str) -> tuple[int, int]:
        """Channels up in the account and, of these, the customer's. IncompleteError."""
        answer = await self.account.owner.send(_CHANNELS, c=self.customers[customer])
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        if codes == {"LIVE_INCOMPLETE"}:
            raise IncompleteError
        assert not codes, answer
        account = answer["data"]["viewer"]["account"]["channels"]
        of_customer = answer["data"]["customer"]["channels"]
        if not account["complete"] or not of_customer["complete"]:
            raise IncompleteError
        in_use: int = account["inUse"]
        assert in_use == sum(carrier["inUse"] for carrier in account["byCarrier"])
        return in_use, of_customer["inUse"]

    async def answered_by_customer(self) -> dict[str, tuple[int, int, float]]:
        """Attempts, answered calls and talk in seconds, from the summary, which must equal those
        of the graphs. Read once all marks are rebuilt: an hour may be rebuilt between reading
        rows and graphs."""
        counts = {}
        for reference in self.customers:
            rows, points = await self._rows_and_points(reference)
            attempts = sum(row["attempts"] for row in rows)
            calls = sum(row["answered"] for row in rows)
            assert attempts == sum(point["attempts"] for point in points)
            assert calls == sum(point["answered"] for point in points)
            counts[reference] = (attempts, calls, sum(float(row["talkTime"]) for row in rows))
        return counts

    async def attempts(self) -> int:
        """By rows or by graphs, the smaller of both."""
        both = [await self._rows_and_points(reference) for reference in self.customers]
        return min(
            sum(each["attempts"] for rows in kind for each in rows)
            for kind in zip(*both, strict=True)
        )

    async def _rows_and_points(self, reference: str) -> tuple[list[Any], list[Any]]:
        query = self.account.owner.ask(_STATS, c=self.customers[reference], **_today())
        customer = (await query)["customer"]
        rows = [edge["node"] for edge in customer["summary"]["edges"]]
        return rows, customer["stats"]["total"]

    async def codes(self) -> Counter[int]:
        """Attempts of the account by SIP code."""
        stats = await self._codes_and_legs()
        return Counter({each["code"]: each["attempts"] for each in stats["codes"]})

    async def legs(self) -> Counter[str]:
        """Legs of the account by carrier; those without one under `none`."""
        counts: Counter[str] = Counter()
        for line in (await self._codes_and_legs())["byCarrier"]:
            carrier = line["carrier"]["reference"] if line["carrier"] else "none"
            counts[carrier] += sum(point["legs"]["offered"] for point in line["points"])
        return +counts

    async def _codes_and_legs(self) -> dict[str, Any]:
        data = await self.account.owner.ask(_CODES_AND_LEGS, **_today())
        stats: dict[str, Any] = data["viewer"]["account"]["stats"]
        return stats

    async def records(self) -> list[dict[str, Any]]:
        """Stored legs, with the carrier's reference, in order."""
        rows = await self.rows(
            "SELECT * FROM call_records WHERE account_id = $1 ORDER BY call_id, leg"
        )
        return [row | {"carrier": self.numbers.get(row["carrier_id"])} for row in rows]

    async def finals(self) -> dict[str, dict[str, Any]]:
        """The final leg of each call."""
        return {row["call_id"]: row for row in await self.records() if row["final"]}

    async def count(self, table: str) -> int:
        [row] = await self.rows(f"SELECT count(*) AS n FROM {table} WHERE account_id = $1")
        n: int = row["n"]
        return n

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with db.connection() as conn:
            return [dict(row) for row in await conn.fetch(sql, self.account.account_id)]


def _today() -> dict[str, str]:
    """Hours that the calls of a test are in."""
    now = clock.now()
    return {
        "from": (now - timedelta(hours=3)).isoformat(),
        "to": (now + timedelta(hours=1)).isoformat(),
    }


class IncompleteError(Exception):
    """Fails if the live state is incomplete."""


async def until(
    read: Callable[[], Coroutine[Any, Any, Any]], expected: object, seconds: float
) -> None:
    """Waits until `read` returns `expected`; fails with its last value."""
    deadline = time.monotonic() + seconds
    value = None
    while True:
        with suppress(TimeoutException, IncompleteError):
            value = await read()
        if value == expected:
            return
        assert time.monotonic() < deadline, f"still {value}, not {expected}, after {seconds} s"
        await asyncio.sleep(0.1)
