"""Three months of records of many customers, with the sums that they make, inserted by SQL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2

from domain import periods
from domain.identity import tokens
from models import db
from models.directory import carriers, customers
from models.identity import accounts, contacts, credentials, logins
from models.records import partitions
from resolvers.identity import sign_in

DAYS = 91
CALLS_PER_HOUR = 48  # of each customer, evenly spread; all are answered after 5 s and last 60 s
_PER_CUSTOMER = DAYS * 24 * CALLS_PER_HOUR
_EMAIL, _SECRET = "contact@bench.example", "c" * 43

# Parameters: $1 account, $2 customers, $3 carriers, $4 start, $5 end.
_RECORDS = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, ringing_at, answer_at, end_at, talk_us, sip_code, rated_by,
     billed_seconds, charge)
SELECT $1, c, s, 'edge-1', format('%s-%s', c, extract(epoch FROM s)::bigint), 0, 0,
       ($3::bigint[])[1 + extract(minute FROM s)::int % 2], true, '+441632960000', '+15550100', s,
       s + interval '1 s', s + interval '5 s', s + interval '65 s', 60000000, 200, 'SWITCH', 60,
       0.02
FROM generate_series($4::timestamptz, $5::timestamptz - interval '1 s', '75 s') s,
     unnest($2::bigint[]) c
"""
# The sums of one period of a table, with $4 calls in it. A rebuild replaces those of its hour.
_SUMS = """
INSERT INTO {table} (account_id, customer_id, {column}{keys}, attempts, answered, talk_us,
                     billed_seconds, charge, unrated{columns})
SELECT $1, c, p{values}, $6::bigint, $6::bigint, $6::bigint * 60000000, $6::bigint * 60,
       $6::bigint * 0.02, 0{sums}
FROM generate_series($4::timestamptz, $5::timestamptz - interval '1 s', $7::interval) p,
     unnest($2::bigint[]) c
WHERE cardinality($3::bigint[]) > 0
"""
_ROLLUPS = {
    "keys": ", carrier_id",
    "values": ", ($3::bigint[])[1 + extract(hour FROM p)::int % 2]",
    "columns": ", dtmf_answered, pdd_us, pdd_count, legs, legs_answered, legs_talk_us,"
    " legs_pdd_us, legs_pdd_count, cost, uncosted",
    "sums": ", 0, $6 * 1000000, $6, $6, $6, $6 * 60000000, $6 * 1000000, $6, 0, $6",
}
_HOURS = {
    "keys": ", version, rebuilt_at",
    "values": ", 1, p + interval '1 hour'",
    "columns": "",
    "sums": "",
}
_DAYS = {"keys": ", version", "values": ", 24", "columns": "", "sums": ""}

DASHBOARD = """query Dashboard($from: DateTime!, $to: DateTime!) {
  viewer { __typename ... on Contact {
    id name email language timeZone
    customer {
      id reference name currency status
      balance { amount currency } debitLimit { amount currency }
      checklist { outstanding items { code title detail } }
      channels { inUse limit complete sequence asOf byCarrier { carrier { id name } inUse } }
      stats(from: $from, to: $to, interval: HOUR) {
        timeZone
        total { at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps }
        byCarrier { carrier { id name } points {
          at attempts answered asr acdSeconds dtmfPercent channelsMax } }
      }
      summary(granularity: LIVE, first: 24) {
        asOf stale billable
        edges { cursor node { id periodStart periodEnd open version attempts answered asr
          acdSeconds talkSeconds billedSeconds charge { amount currency } invoice { id number }
          invoicing { state invoicedHours hours } } }
        pageInfo { hasNextPage endCursor }
      }
    }
  } }
}"""
PAGE = """query Page($after: String) { viewer { ... on Contact { customer {
  summary(granularity: DAILY, first: 24, after: $after) {
    edges { node { id attempts charge { amount } } } pageInfo { hasNextPage endCursor }
  } } } } }"""


@dataclass(frozen=True, slots=True)
class World:
    """An account with its customers. `end`: of the last closed hour. `token`: of a contact of
    the first customer."""

    account_id: int
    customers: list[int]
    end: datetime
    records: int
    token: str


async def fill(records: int, now: datetime) -> World:
    """At least `records` records, of as many customers as that takes."""
    account = await accounts.insert("Bench", now)
    count = -(-records // _PER_CUSTOMER)
    ids = [await _customer(account.id, number, now) for number in range(count)]
    carrier_ids = [await _carrier(account.id, number, now) for number in range(2)]
    end = periods.hour_of(now)
    start = end - timedelta(days=DAYS)
    await partitions.ensure_period(start.date(), now.date())
    for day in range(DAYS):
        first = start + timedelta(days=day)
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL synchronous_commit = off")
            await conn.execute(
                _RECORDS, account.id, ids, carrier_ids, first, first + timedelta(days=1)
            )
    await _insert_sums(account.id, ids, carrier_ids, start, end)
    async with db.connection() as conn:
        await conn.execute("VACUUM (ANALYZE)")
    return World(
        account.id, ids, end, count * _PER_CUSTOMER, await _contact(account.id, ids[0], now)
    )


async def _insert_sums(
    account_id: int, ids: list[int], carrier_ids: list[int], start: datetime, end: datetime
) -> None:
    day = start.replace(hour=0)
    for table, column, parts, first, calls, step in (
        ("hours", "hour", _HOURS, start, CALLS_PER_HOUR, timedelta(hours=1)),
        ("rollups", "slot", _ROLLUPS, start, CALLS_PER_HOUR // 4, timedelta(minutes=15)),
        ("day_sums", "day", _DAYS, day, CALLS_PER_HOUR * 24, timedelta(days=1)),
    ):
        statement = _SUMS.format(table=table, column=column, **parts)
        async with db.transaction() as conn:
            await conn.execute(statement, account_id, ids, carrier_ids, first, end, calls, step)


async def _customer(account_id: int, number: int, now: datetime) -> int:
    customer = await customers.insert(
        account_id,
        customers.NewCustomer(
            reference=f"customer-{number}",
            name=f"Customer {number}",
            currency="EUR",
            channel_limit=100,
            debit_limit=Decimal(0),
            tax_percent=Decimal(19),
        ),
        now,
    )
    return int(customer.id)


async def _carrier(account_id: int, number: int, now: datetime) -> int:
    carrier = await carriers.insert(
        account_id,
        reference=f"carrier-{number}",
        name=f"Carrier {number}",
        currency="EUR",
        sip_uri=None,
        now=now,
    )
    return int(carrier.id)


async def _contact(account_id: int, customer_id: int, now: datetime) -> str:
    """The token of a session of a new contact."""
    login_id = await logins.insert(
        account_id, _EMAIL, await sign_in.hash_password("correct horse battery"), now
    )
    await contacts.insert(
        account_id,
        contacts.NewContact(
            customer_id=customer_id,
            login_id=login_id,
            name="A contact",
            email=_EMAIL,
            mobile=None,
            language="en",
            time_zone="Europe/Berlin",
        ),
        now,
    )
    session = await credentials.insert_session(
        account_id,
        credentials.NewSession(
            login_id=login_id,
            secret_hash=tokens.digest(_SECRET),
            expires_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=1),
        ),
        now,
    )
    return str(tokens.Token(account_id, tokens.TokenKind.SESSION, session, _SECRET))


async def read_dashboard(client: httpx2.AsyncClient, world: World) -> dict[str, Any]:
    start = world.end - timedelta(hours=24)
    variables = {"from": start.isoformat(), "to": world.end.isoformat()}
    return await _read(client, world, DASHBOARD, variables)


async def read_page(client: httpx2.AsyncClient, world: World, after: str | None) -> dict[str, Any]:
    """The `pageInfo` of a page of the customer's days."""
    customer = await _read(client, world, PAGE, {"after": after})
    info: dict[str, Any] = customer["summary"]["pageInfo"]
    return info


async def _read(
    client: httpx2.AsyncClient, world: World, query: str, variables: dict[str, Any]
) -> dict[str, Any]:
    response = await client.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {world.token}"},
    )
    answer = response.json()
    assert "errors" not in answer, answer
    customer: dict[str, Any] = answer["data"]["viewer"]["customer"]
    return customer
