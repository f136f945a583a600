"""Callboard from outside: GraphQL as the owner of the account, and switches that post."""

import asyncio
import gzip
import json
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import httpx2

from resolvers.identity import accounts
from tests.support.scenarios.call_messages import Message
from tests.support.scenarios.worlds import Card, Revision, World

PASSWORD = "a password for tests"
_REFUSAL = "... on Refusal { code message }"

Answer = dict[str, Any]


class Board:
    """The account at one URL. `customers` and `carriers`: reference to id, `cards`: name to id."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx2.AsyncClient(base_url=url, timeout=60)
        self.customers: dict[str, str] = {}
        self.carriers: dict[str, str] = {}
        self.cards: dict[str, str] = {}

    async def close(self) -> None:
        await self.client.aclose()

    async def ask(self, query: str, **variables: object) -> Answer:
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables})
        body: Answer = answer.json()
        assert "errors" not in body, body["errors"]
        data: Answer = body["data"]
        return data

    async def do(self, mutation: str, selection: str, **values: object) -> Answer:
        """The mutation's result; a refusal has a `code`."""
        kind = mutation[0].upper() + mutation[1:]
        query = (
            f"mutation($i: {kind}Input!)"
            f" {{ {mutation}(input: $i) {{ __typename {selection} {_REFUSAL} }} }}"
        )
        result: Answer = (await self.ask(query, i=values))[mutation]
        return result

    async def made(self, mutation: str, selection: str, **values: object) -> Answer:
        result = await self.do(mutation, selection, **values)
        assert "code" not in result, result
        return result

    async def open_account(self, now: datetime) -> None:
        """A new account in the opened database, with this as its owner."""
        email = f"owner-{secrets.token_hex(6)}@voice.example"
        await accounts.create("Example Voice", email, PASSWORD, now)
        await self.sign_in(email)

    async def sign_in(self, email: str) -> None:
        session = await self.made(
            "login", "... on Session { token }", email=email, password=PASSWORD
        )
        self.client.headers["Authorization"] = f"Bearer {session['token']}"

    async def key(self, *scopes: str) -> str:
        answer = await self.made(
            "createApiKey", "... on CreatedApiKey { secret }", name="key", scopes=scopes
        )
        secret: str = answer["secret"]
        return secret

    async def settle(self, world: World) -> None:
        """Creates the world's carriers, cards and customers."""
        for reference, currency in world.carriers:
            answer = await self.made(
                "createCarrier",
                "... on Carrier { id }",
                reference=reference,
                name=reference,
                currency=currency,
            )
            self.carriers[reference] = answer["id"]
        self.cards = {card.name: await self._card(card) for card in world.cards}
        for customer in world.customers:
            answer = await self.made(
                "createCustomer",
                "... on Customer { id }",
                reference=customer.reference,
                name=customer.reference,
                currency=customer.currency,
                taxPercent=str(customer.tax_percent),
            )
            self.customers[customer.reference] = answer["id"]
            for since, card in customer.cards:
                await self.made(
                    "assignRateCard",
                    "... on RateCardAssignment { validFrom }",
                    customerId=answer["id"],
                    rateCardId=self.cards[card],
                    validFrom=since.isoformat(),
                )

    async def _card(self, card: Card) -> str:
        answer = await self.made(
            "createRateCard",
            "... on RateCard { id }",
            name=card.name,
            currency=card.currency,
            rounding=card.rounding,
            places=card.places,
        )
        card_id: str = answer["id"]
        for revision in card.revisions:
            await self.revise(card_id, revision, revision.effective_from)
        return card_id

    async def revise(
        self, card_id: str, revision: Revision, effective_from: datetime | None
    ) -> Answer:
        """The newest revision of the card: this one, from the instant on (None: from now)."""
        rates = [
            {
                "prefix": rate.prefix,
                "perMinute": str(rate.per_minute),
                "connectFee": str(rate.connect_fee),
                "minimum": rate.minimum,
                "increment": rate.increment,
                "roundUpSeconds": rate.round_up,
            }
            for rate in revision.rates
        ]
        card = await self.do(
            "addRates",
            "... on RateCard { revisions(first: 1) { edges { node { number effectiveFrom } } } }",
            rateCardId=card_id,
            rates=rates,
            endedPrefixes=list(revision.ended),
            effectiveFrom=effective_from and effective_from.isoformat(),
        )
        newest: Answer = card if "code" in card else card["revisions"]["edges"][0]["node"]
        return newest

    async def balance(self, customer: str) -> Decimal:
        data = await self.ask(
            "query($c: ID!) { customer(id: $c) { balance { amount } } }",
            c=self.customers[customer],
        )
        return Decimal(data["customer"]["balance"]["amount"])

    async def rows(self, customer: str, granularity: str) -> list[Answer]:
        """All rows of a customer's summary, the newest first."""
        query = """
        query($c: ID!, $g: Granularity!, $after: String) { customer(id: $c) {
          summary(granularity: $g, first: 100, after: $after) {
            edges { node { id periodStart periodEnd open version attempts answered asr acdSeconds
                           ner pddMs dtmfPercent talkTime billedSeconds unratedCalls
                           charge { amount currency } } }
            pageInfo { hasNextPage endCursor } } } }"""
        nodes: list[Answer] = []
        after: str | None = None
        while True:
            data = await self.ask(query, c=self.customers[customer], g=granularity, after=after)
            page = data["customer"]["summary"]
            nodes += [edge["node"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return nodes
            after = page["pageInfo"]["endCursor"]

    async def held(self) -> list[Answer]:
        """Every held record, with when it and what counts were set up."""
        query = """
        query($after: String) { heldRecords(first: 100, after: $after) {
          edges { node { id held { setupAt } counts { setupAt } } }
          pageInfo { hasNextPage endCursor } } }"""
        records: list[Answer] = []
        after: str | None = None
        while True:
            page = (await self.ask(query, after=after))["heldRecords"]
            records += [edge["node"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return records
            after = page["pageInfo"]["endCursor"]

    async def feed(self) -> list[Answer]:
        """Every issued document, in order of issue, with all its lines."""
        query = """
        query($after: String) { invoices(first: 50, after: $after) {
          pageInfo { hasNextPage endCursor }
          edges { node { id kind number status issuedAt periodStart periodEnd currency
            customer { reference } subtotal { amount } tax { amount } rounding { amount }
            total { amount } contentHash
            lines { kind description periodStart periodEnd calls billedSeconds
                    amount { amount } } } } } }"""
        documents: list[Answer] = []
        after: str | None = None
        while True:
            page = (await self.ask(query, after=after))["invoices"]
            documents += [edge["node"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return documents
            after = page["pageInfo"]["endCursor"]

    async def proof(self, customer: str, start: datetime, end: datetime) -> Answer:
        query = """
        query($c: ID!, $from: DateTime!, $to: DateTime!) {
          reconciliation(customerId: $c, from: $from, to: $to) { balanced frozenHours
            records { calls charge { amount } } rows { calls charge { amount } }
            ledger { charge { amount } } invoiced { charge { amount } }
            pending { hour reason } differences { hour detail } } }"""
        data = await self.ask(
            query,
            **{"c": self.customers[customer], "from": start.isoformat(), "to": end.isoformat()},
        )
        proof: Answer = data["reconciliation"]
        return proof


async def post(
    url: str, key: str, messages: Sequence[Message], *, clients: int, seed: int
) -> Counter[str]:
    """Posts the messages by several clients concurrently, in batches of all sizes and in both
    forms. Refused messages are counted by their code."""
    shares = [messages[number::clients] for number in range(clients)]
    counts: Counter[str] = Counter()
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {key}"

        async def share(mine: Sequence[Message], random: Random) -> None:
            position = 0
            while position < len(mine):
                size = random.choice((1, 300, 1000, 2500))
                batch = [message.event for message in mine[position : position + size]]
                answer = await _post(client, batch, ndjson=random.random() < 0.5)
                counts.update(
                    {name: answer[name] for name in ("accepted", "duplicates", "corrected")},
                    held=len(answer["held"]),
                )
                counts.update(error["code"] for error in answer["refused"])
                position += size

        async with asyncio.TaskGroup() as tasks:
            for number, mine in enumerate(shares):
                tasks.create_task(share(mine, Random(seed + number)))
    return counts


async def _post(client: httpx2.AsyncClient, batch: list[Answer], *, ndjson: bool) -> Answer:
    if ndjson:
        body = "\n".join(json.dumps(event) for event in batch).encode()
        headers = {"Content-Type": "application/x-ndjson"}
    else:
        body = gzip.compress(json.dumps(batch).encode(), compresslevel=1)
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await client.post("/ingest/calls", content=body, headers=headers)
    assert answer.status_code == 200, answer.text[:500]
    counts: Answer = answer.json()
    return counts
