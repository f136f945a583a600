"""An account with full pages of everything on which the price of an operation depends."""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2

from domain.billing import rating
from domain.identity import callers, tokens
from models.billing import rate_cards
from models.checklists import checklist_state
from models.directory import carriers, customers
from models.identity import accounts, credentials, logins, staff
from models.summaries import hours
from resolvers.identity import sign_in
from schema.engine import base

CUSTOMERS, CARRIERS, DAYS = 100, 10, 31
PAGE = 100
CALLS_A_DAY = 1_000  # of the first customer; the others have one a day in the last BILLED_DAYS
BILLED_DAYS = 10
PASSWORD = "correct horse battery"
_SECRET = "b" * 43


@dataclass
class Asker:
    """A caller, over one connection to the web process."""

    client: httpx2.AsyncClient
    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def send(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        body = {"query": query, "variables": variables or {}}
        answer = await self.client.post(f"{self.url}/graphql", json=body, headers=self.headers)
        results: dict[str, Any] = answer.json()
        assert not results.get("errors"), (query, str(results)[:600])
        return results

    async def do(self, mutation: str, selection: str, /, **input: Any) -> dict[str, Any]:
        type = mutation[0].upper() + mutation[1:]
        answer = await self.send(
            f"mutation M($i: {type}Input!) {{ {mutation}(input: $i) {{ __typename {selection}"
            " ... on Refusal { code message } } }",
            {"i": input},
        )
        result: dict[str, Any] = answer["data"][mutation]
        assert "code" not in result, result
        return result


@dataclass
class World:
    account_id: int
    card_id: int
    now: datetime
    email: str
    customers: list[str] = field(default_factory=list)  # ids
    numbers: list[int] = field(default_factory=list)
    carriers: list[str] = field(default_factory=list)
    ingest_token: str = ""


async def prepare(
    now: datetime, *, customer_count: int = CUSTOMERS, carrier_count: int = CARRIERS
) -> World:
    """Inserts people and prices into the database."""
    account = await accounts.insert("Bench", now)
    email = "owner@bench.example"
    login_id = await logins.insert(account.id, email, await sign_in.hash_password(PASSWORD), now)
    await staff.insert(account.id, login_id, "The owner", callers.Role.OWNER, now)
    long_ago = now - timedelta(days=400)
    card = await rate_cards.create(account.id, name="Bench", currency="EUR", now=now)
    rate = rating.Rate("1", Decimal("0.012"), Decimal("0.001"), 30, 6)
    await rate_cards.add_rates(account.id, card, [rate], effective_from=long_ago, now=now)
    world = World(account.id, card, now, email)
    for n in range(customer_count):
        customer = await customers.insert(
            account.id,
            customers.NewCustomer(
                reference=f"customer-{n}",
                name=f"Customer {n}",
                currency="EUR",
                channel_limit=100,
                debit_limit=Decimal(0),
                tax_percent=Decimal(19),
            ),
            now,
        )
        await rate_cards.assign(account.id, customer.id, card, long_ago, now)
        world.numbers.append(int(customer.id))
        world.customers.append(base.encode_id("Customer", account.id, customer.id))
    for n in range(carrier_count):
        carrier = await carriers.insert(
            account.id,
            reference=f"carrier-{n}",
            name=f"Carrier {n}",
            currency="EUR",
            sip_uri=None,
            now=now,
        )
        world.carriers.append(base.encode_id("Carrier", account.id, carrier.id))
    world.ingest_token = await key(world, callers.Scope.INGEST)
    return world


async def key(world: World, *scopes: callers.Scope, customer_id: int | None = None) -> str:
    secret = secrets.token_urlsafe(tokens.SECRET_BYTES)
    inserted = await credentials.insert_key(
        world.account_id,
        credentials.NewKey(
            name="bench",
            scopes=list(scopes),
            customer_id=customer_id,
            secret_hash=tokens.digest(secret),
        ),
        world.now,
    )
    return str(tokens.Token(world.account_id, tokens.TokenKind.KEY, inserted.id, secret))


async def session(world: World, email: str) -> str:
    """A session of a login, without the time of checking its password."""
    login, secret = await logins.of_email(email), secrets.token_urlsafe(tokens.SECRET_BYTES)
    assert login is not None
    ends = world.now + timedelta(days=30)
    id = await credentials.insert_session(
        world.account_id,
        credentials.NewSession(
            login_id=login.id,
            secret_hash=tokens.digest(secret),
            expires_at=world.now + timedelta(days=1),
            ends_at=ends,
        ),
        world.now,
    )
    return str(tokens.Token(world.account_id, tokens.TokenKind.SESSION, id, secret))


def event(n: int, customer: int, setup: datetime, /, **fields: Any) -> dict[str, Any]:
    """The end of an answered call of one minute."""

    def at(seconds: float) -> str:
        return (setup + timedelta(seconds=seconds)).isoformat()

    return {
        "type": "end",
        "call_id": f"call-{customer}-{n}",
        "switch": "edge-1",
        "customer": f"customer-{customer}",
        "carrier": f"carrier-{n % CARRIERS}",
        "source": "+441632960000",
        "destination": f"+155501{n % 100:02d}",
        "setup_at": at(0),
        "answer_at": at(3),
        "end_at": at(63),
        "sip_code": 200,
        **fields,
    }


def events(world: World) -> list[dict[str, Any]]:
    """Calls in each hour of DAYS days for the first customer, some for the others, and PAGE each
    that are refused, held and without a rate."""
    midnight = world.now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=DAYS)
    step = timedelta(days=1) / CALLS_A_DAY
    events = [event(n, 0, start + n * step) for n in range(DAYS * CALLS_A_DAY)]
    for customer in range(1, CUSTOMERS):
        for day in range(BILLED_DAYS):
            setup = midnight - timedelta(days=day + 1, hours=-12)
            events.append(event(day, customer, setup))
    late = max(midnight, world.now - timedelta(hours=3))  # an hour that is not billed below
    for n in range(PAGE):
        events += [
            event(900_000 + n, 0, late, customer="nobody"),
            event(n, 0, start + n * step, sip_code=486, answer_at=None, revision=0),
            event(800_000 + n, 0, late, destination="+4930123456"),
        ]
    return events


async def post(world: World, asker: Asker) -> None:
    all_of_them = events(world)
    for at in range(0, len(all_of_them), 10_000):
        answer = await asker.client.post(
            f"{asker.url}/ingest/calls",
            content=json.dumps(all_of_them[at : at + 10_000]),
            headers={"Authorization": f"Bearer {world.ingest_token}"},
        )
        assert answer.status_code == 200, answer.text[:500]
    while marked := await hours.marked_hours(1_000):
        for hour in marked:
            await hours.rebuild(*hour, world.now)
    await checklist_state.settle(world.account_id, world.numbers, world.now)


async def fill(world: World, owner: Asker) -> None:
    """Adds data that only mutations create."""
    await post(world, owner)
    await owner.do("setNumberRange", "", start=100_000, end=999_999, blockSize=10)
    first = world.customers[0]
    block = (
        "mutation($c: ID!) { assignNumberBlock(customerId: $c) { ... on NumberBlock { first } } }"
    )
    blocks = [await owner.send(block, {"c": first}) for _ in range(PAGE)]
    numbers = [answer["data"]["assignNumberBlock"]["first"] for answer in blocks]
    for number in numbers:
        await owner.do("createSipUser", "", customerId=first, username=str(number))
    for n, customer in enumerate(world.customers):
        await owner.do(
            *("createContact", ""),
            customerId=customer,
            name=f"Person {n}",
            email=f"person-{n}@bench.example",
        )
        rule = {"title": f"Rule {n}", "metric": "ASR", "operator": "BELOW", "threshold": "1"}
        await owner.do("createAlertRule", "", **rule, sampleMinutes=5, customerId=customer)
        await invoice(owner, customer)


ROWS = """query($c: ID!, $n: Int!) { customer(id: $c) { summary(granularity: DAILY, first: $n) {
  edges { node { id open } } } } }"""


async def rows(owner: Asker, customer: str, count: int) -> list[str]:
    """Ids of closed days, the latest first."""
    answer = await owner.send(ROWS, {"c": customer, "n": count + 1})
    edges = answer["data"]["customer"]["summary"]["edges"]
    return [edge["node"]["id"] for edge in edges if not edge["node"]["open"]][:count]


async def invoice(owner: Asker, customer: str) -> None:
    billed = await rows(owner, customer, BILLED_DAYS)
    await owner.do(
        *("generateInvoice", ""),
        customerId=customer,
        rowIds=billed,
        idempotencyKey=secrets.token_hex(8),
    )
