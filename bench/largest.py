"""Measures the longest time that one operation blocks the event loop, for the largest inputs.

The operations run in this process, one at a time, on the account of `bench cost`. It measures
the processor time of the loop's thread between two turns of a timer. Goal: at most 20 ms.

Run: `./callboard bench largest [ROUNDS]`.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from bench import cost, ingest
from bench.support import cost_cases as cases
from bench.support import cost_data as data
from bench.support import stall_meter
from domain.identity import callers
from live import bus as live_bus
from models import db
from resolvers.live import feeds
from runtime import clock, embedded, garbage
from runtime.settings import Settings
from schema import root
from schema.engine import base
from server import app
from server.graphql import shared

ADD_RATES = """mutation($i: AddRatesInput!) { addRates(input: $i) { __typename
  ... on RateCard { version } ... on Refusal { code message } } }"""
GRAPH = """query($c: ID!, $from: DateTime!, $to: DateTime!) { customer(id: $c) {
  stats(from: $from, to: $to, interval: HOUR) { total { at attempts answered asr }
    byCarrier { carrier { id } points { at attempts answered asr } } } } }"""
DISCARD = """mutation($i: DiscardHeldInput!) { discardHeld(input: $i) { __typename
  ... on DecidedRecords { records { code record { id state } } } ... on Refusal { code } } }"""


def largest(world: data.World, held_ids: list[str]) -> list[cases.Case]:
    """Operations of fields whose size depends on their input."""
    end = world.now.replace(minute=0, second=0, microsecond=0)
    first = world.customers[0]

    def since(days: int) -> dict[str, Any]:
        start = end - timedelta(days=days)
        return {"c": first, "from": start.isoformat(), "to": end.isoformat()}

    card = base.encode_id("RateCard", world.account_id, world.card_id)
    added = [{"prefix": f"49{n:05d}", "perMinute": "0.012"} for n in range(10_000)]
    return [
        cases.Case("stats, 62 days by carrier", "owner", ((GRAPH, since(62)),)),
        cases.Case("reconciliation, 366 days", "owner", ((cases.PROOF, since(366)),)),
        cases.Case("discardHeld, 100 ids", "owner", ((DISCARD, {"i": {"ids": held_ids}}),)),
        cases.Case(
            "addRates, 10,000 rates", "owner",
            ((ADD_RATES, {"i": {"rateCardId": card, "rates": added}}),),
        ),
    ]  # fmt: skip


async def measure(
    chosen: Iterable[cases.Case], context: shared.Context, callers_: dict[str, Any], rounds: int
) -> None:
    garbage.configure()  # as the web process does
    for case in chosen:
        await asyncio.sleep(0.01)
        async with stall_meter.watch() as stalls:
            for _ in range(rounds):
                await run(case, context, callers_[case.caller])
        print(f"| {case.name} | {max(stalls.worked):.1f} ms |", flush=True)


async def run(case: cases.Case, context: shared.Context, caller: callers.Caller | None) -> None:
    answers: dict[str, Any] = {}
    for query, variables in case.steps:
        values = dict(variables(answers) if callable(variables) else variables)
        result = await root.api.execute(
            query, variable_values=values, context_value=context(caller, None, "en")
        )
        assert not result.errors, (case.name, str(result.errors)[:500])
        answers = dict(result.data or {})
        await shared.encode_in_slices(result)
        await asyncio.sleep(0)


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        await db.open_database(urls.database_url)
        await db.migrate()
        world = await data.prepare(clock.now())
        async with (
            ingest.web_process(urls.database_url, urls.redis_url, cost.SETTINGS) as (port, _),
            httpx2.AsyncClient(timeout=60) as client,
        ):
            askers = await cost.sign_in(world, client, f"http://127.0.0.1:{port}")
            owner = askers["owner"]
            await data.fill(world, owner)
            rows = (await data.rows(owner, world.customers[0], 31))[data.BILLED_DAYS :]
            free = await cost.unused(owner, world.customers[0])
            contact_id = await own_id(askers["contact"], "Contact", world.account_id)
            owner_id = await own_id(owner, "Staff", world.account_id)
            answer = await owner.send("{ heldRecords(first: 100) { edges { node { id } } } }")
        held_ids = [edge["node"]["id"] for edge in answer["data"]["heldRecords"]["edges"]]
        async with Redis.from_url(urls.redis_url) as redis:
            bus = live_bus.Bus(redis)
            await bus.start()
            settings = Settings(
                database_url=urls.database_url, redis_url=urls.redis_url, secret_key="k" * 40
            )
            context = app.contexts(redis, bus, feeds.Feeds(redis, bus), settings)
            chosen = [
                *cases.documents(world, rows, free),
                *cases.fields(world),
                *largest(world, held_ids),
            ]
            await measure(chosen, context, people(world, owner_id, contact_id), rounds)
            await bus.close()
        await db.close_database()


async def own_id(asker: data.Asker, kind: str, account_id: int) -> int:
    answer = await asker.send(f"{{ viewer {{ ... on {kind} {{ id }} }} }}")
    return base.decode_id(answer["data"]["viewer"]["id"], kind, account_id)


def people(world: data.World, owner_id: int, contact_id: int) -> dict[str, callers.Caller | None]:
    account, scopes = world.account_id, frozenset({callers.Scope.BILLING_READ})
    return {
        "owner": callers.Caller(account, callers.Kind.STAFF, owner_id, callers.Role.OWNER),
        "contact": callers.Caller(
            account, callers.Kind.CONTACT, contact_id, customer_id=world.numbers[0]
        ),
        "billing": callers.Caller(account, callers.Kind.KEY, 1, scopes=scopes),
        "nobody": None,
    }


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
