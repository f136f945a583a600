"""A plain Strawberry schema of the `Dashboard` document, with one asyncpg statement for each part.

The statements are those of bench/node/dashboard.mjs. `python -m bench.support.dashboard_plain PORT
DATABASE_URL`.
"""

import asyncio
import base64
import json
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NewType

import asyncpg
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from bench.support import dashboard_sql as sql
from domain.identity import tokens
from models import db
from runtime import clock

HOUR = timedelta(hours=1)
Long = NewType("Long", int)
_LONG = strawberry.scalar(name="Long", serialize=int, parse_value=int)
_pools: list[Any] = []


async def fetch(statement: str, *values: object) -> list[Any]:
    rows: list[Any] = await _pools[0].fetch(statement, *values)
    return rows


def global_id(*parts: object) -> strawberry.ID:
    text = ":".join(map(str, parts))
    return strawberry.ID(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def ratio(part: Any, whole: Any, factor: float) -> float | None:
    return float(part) * factor / float(whole) if whole else None


@strawberry.type
class Money:
    amount: Decimal
    currency: str


@strawberry.type
class Account:
    id: strawberry.ID
    name: str


@strawberry.type
class Staff:
    id: strawberry.ID
    name: str
    role: str
    account: Account


@strawberry.type
class ApiKey:
    id: strawberry.ID
    name: str
    scopes: list[str]
    account: Account


@strawberry.type
class Carrier:
    id: strawberry.ID
    name: str | None


@strawberry.type
class CarrierChannels:
    carrier: Carrier | None
    in_use: Long


@strawberry.type
class Channels:
    in_use: Long
    limit: Long | None
    complete: bool
    sequence: Long
    as_of: datetime
    by_carrier: list[CarrierChannels]


@strawberry.type
class Item:
    code: str
    title: str
    detail: str | None


@strawberry.type
class Checklist:
    outstanding: Long
    items: list[Item]


@strawberry.type
class Point:
    at: datetime
    attempts: Long
    answered: Long
    asr: float | None
    acd_seconds: float | None
    dtmf_percent: float | None
    pdd_ms: float | None
    channels_max: Long | None
    cps: float

    @classmethod
    def of(
        cls, at: datetime, parts: list[Any], channels_max: Long | None, now: datetime
    ) -> "Point":
        sums = {name: sum(part[name] for part in parts) for name in sql.STATS_SUMS}
        passed = max(min(now, at + HOUR) - at, timedelta(seconds=1)).total_seconds()
        return cls(
            at=at,
            attempts=sums["attempts"],
            answered=sums["answered"],
            asr=ratio(sums["answered"], sums["attempts"], 100),
            acd_seconds=ratio(sums["talk_us"], sums["answered"], 1e-6),
            dtmf_percent=ratio(sums["dtmf"], sums["answered"], 100),
            pdd_ms=ratio(sums["pdd_us"], sums["pdd_count"], 1e-3),
            channels_max=channels_max,
            cps=sums["attempts"] / passed,
        )


@strawberry.type
class CarrierStats:
    carrier: Carrier | None
    points: list[Point]


@strawberry.type
class Stats:
    time_zone: str
    total: list[Point]
    by_carrier: list[CarrierStats] | None


@strawberry.type
class Invoice:
    id: strawberry.ID
    number: str | None


@strawberry.type
class Invoicing:
    state: str
    invoiced_hours: Long
    hours: Long


@strawberry.type
class Row:
    id: strawberry.ID
    period_start: datetime
    period_end: datetime
    open: bool
    version: Long
    attempts: Long
    answered: Long
    asr: float | None
    acd_seconds: float | None
    talk_seconds: Long
    billed_seconds: Long
    charge: Money
    invoice: Invoice | None
    invoicing: Invoicing | None


@strawberry.type
class Edge:
    cursor: str
    node: Row


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Summary:
    as_of: datetime
    stale: bool
    billable: bool
    edges: list[Edge]
    page_info: PageInfo


@strawberry.enum
class StatsInterval(Enum):
    HOUR = "HOUR"
    DAY = "DAY"


@strawberry.enum
class Granularity(Enum):
    LIVE = "LIVE"
    DAILY = "DAILY"


@strawberry.type
class Customer:
    row: strawberry.Private[Any]
    zone: strawberry.Private[str]
    id: strawberry.ID
    reference: str
    name: str
    currency: str
    status: str
    payment_url: str | None
    debit_limit: Money | None

    @property
    def key(self) -> tuple[int, int]:
        return self.row["account_id"], self.row["id"]

    @strawberry.field
    async def balance(self) -> Money | None:
        ((amount,),) = await fetch(sql.BALANCE, *self.key)
        return Money(amount=amount, currency=self.currency)

    @strawberry.field
    async def checklist(self) -> Checklist | None:
        rows = await fetch(sql.CHECKLIST, *self.key)
        codes = json.loads(rows[0]["open"]) if rows else {}
        items = [Item(code=code, title=code, detail=None) for code in codes]
        return Checklist(outstanding=Long(len(items)), items=items)

    @strawberry.field
    async def channels(self) -> Channels | None:
        rows = await fetch(sql.CHANNELS, *self.key)
        now = clock.now()
        return Channels(
            in_use=next((row["last"] for row in rows if row["carrier_id"] == -1), Long(0)),
            limit=self.row["channel_limit"],
            complete=True,
            sequence=Long(int(now.timestamp() * 1e6)),
            as_of=rows[0]["start"] if rows else now,
            by_carrier=[
                CarrierChannels(carrier=self._carrier(row), in_use=row["last"])
                for row in rows
                if row["id"] is not None
            ],
        )

    def _carrier(self, row: Any) -> Carrier:
        return Carrier(id=global_id("Carrier", self.key[0], row["id"]), name=row["name"])

    @strawberry.field
    async def stats(
        self,
        from_: Annotated[datetime, strawberry.argument(name="from")],
        to: datetime,
        interval: StatsInterval,
        carrier_ids: list[strawberry.ID] | None = None,
    ) -> Stats | None:
        sums, history = await asyncio.gather(
            fetch(sql.STATS, *self.key, from_, to), fetch(sql.HISTORY, *self.key, from_, to)
        )
        ids = sorted({row["carrier_id"] for row in sums})
        rows = await fetch(sql.CARRIERS, self.key[0], ids)
        parts = {(row["carrier_id"], row["at"]): row for row in sums}
        most = {(row["carrier_id"], row["at"]): row["maximum"] for row in history}
        starts, now = [from_ + n * HOUR for n in range((to - from_) // HOUR)], clock.now()

        def points(chosen: list[int], scope: int) -> list[Point]:
            return [
                Point.of(
                    at,
                    [parts[id, at] for id in chosen if (id, at) in parts],
                    most.get((scope, at)),
                    now,
                )
                for at in starts
            ]

        return Stats(
            time_zone=self.zone,
            total=points(ids, -1),
            by_carrier=[
                CarrierStats(carrier=self._carrier(row), points=points([row["id"]], row["id"]))
                for row in rows
            ],
        )

    @strawberry.field
    async def summary(self, granularity: Granularity, first: int = 24) -> Summary | None:
        now = clock.now()
        current = now.replace(minute=0, second=0, microsecond=0)
        marks, rows = await asyncio.gather(
            fetch(sql.OLDEST, *self.key), fetch(sql.ROWS, *self.key, current - 23 * HOUR)
        )
        by_hour = {row["hour"]: row for row in rows}
        edges = [
            Edge(
                cursor=global_id("cursor", int(at.timestamp())),
                node=self._row(at, by_hour.get(at), now),
            )
            for at in (current - n * HOUR for n in range(min(first, 24)))
        ]
        as_of = marks[0]["marked_at"] if marks else now
        return Summary(
            as_of=as_of,
            stale=now - as_of > timedelta(minutes=2),
            billable=False,
            edges=edges,
            page_info=PageInfo(has_next_page=first < 24, end_cursor=edges[-1].cursor),
        )

    def _row(self, at: datetime, stored: Any, now: datetime) -> Row:
        sums = stored or sql.EMPTY_ROW
        invoice = sums["invoice_id"]
        return Row(
            id=global_id("SummaryRow", *self.key, "LIVE", int(at.timestamp())),
            period_start=at,
            period_end=at + HOUR,
            open=now < at + HOUR,
            version=sums["version"],
            attempts=sums["attempts"],
            answered=sums["answered"],
            asr=ratio(sums["answered"], sums["attempts"], 100),
            acd_seconds=ratio(sums["talk_us"], sums["answered"], 1e-6),
            talk_seconds=Long((sums["talk_us"] + 500_000) // 1_000_000),
            billed_seconds=sums["billed_seconds"],
            charge=Money(amount=sums["charge"], currency=self.currency),
            invoice=None
            if invoice is None
            else Invoice(id=global_id("Invoice", self.key[0], invoice), number=sums["number"]),
            invoicing=Invoicing(
                state="NONE" if invoice is None else "FULLY",
                invoiced_hours=Long(invoice is not None),
                hours=Long(1),
            ),
        )


@strawberry.type
class Contact:
    row: strawberry.Private[Any]
    id: strawberry.ID
    name: str
    email: str
    email_verified_at: datetime | None
    mobile: str | None
    mobile_verified_at: datetime | None
    language: str
    time_zone: str

    @strawberry.field
    async def customer(self) -> Customer:
        account_id, id = self.row["account_id"], self.row["customer_id"]
        (row,) = await fetch(sql.CUSTOMER, account_id, id)
        return Customer(
            row=row,
            zone=self.time_zone,
            id=global_id("Customer", account_id, id),
            reference=row["reference"],
            name=row["name"],
            currency=row["currency"],
            status=row["status"],
            payment_url=None,
            debit_limit=Money(amount=row["debit_limit"], currency=row["currency"]),
        )


@strawberry.type
class Query:
    @strawberry.field
    async def viewer(
        self, info: strawberry.Info
    ) -> Annotated[Staff | ApiKey | Contact, strawberry.union("Viewer")]:
        request: Request = info.context["request"]
        token = tokens.parse(request.headers["authorization"].removeprefix("Bearer "))
        assert token is not None
        digest = tokens.digest(token.secret)
        (row,) = await fetch(sql.VIEWER, token.account_id, token.id, digest)
        fields = ("name", "email", "email_verified_at", "mobile", "mobile_verified_at")
        return Contact(
            row=row,
            id=global_id("Contact", row["account_id"], row["id"]),
            language=row["language"],
            time_zone=row["time_zone"],
            **{name: row[name] for name in fields},
        )


async def main(port: int, database_url: str) -> None:
    options = db.config(database_url)["connections"]["default"]["credentials"]
    names = ("host", "port", "user", "password", "database", "server_settings")
    _pools.append(await asyncpg.create_pool(**{name: options[name] for name in names}, max_size=10))
    config = StrawberryConfig(scalar_map={Long: _LONG})
    schema = strawberry.Schema(Query, types=[Staff, ApiKey, Contact], config=config)
    app = Starlette(routes=[Route("/graphql", GraphQL[Any, Any](schema))])
    server = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off")
    await uvicorn.Server(server).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
