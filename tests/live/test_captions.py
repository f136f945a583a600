"""Limits and carriers' names beside the live picture: asked for once for all who watch."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest

from models import accounts, carriers, customers, db
from resolvers import captions
from runtime import clock

pytestmark = pytest.mark.usefixtures("database")
CUSTOMERS = 300


@pytest.fixture
async def account(database: str) -> int:
    made = await accounts.insert("Example Voice", clock.now())
    return int(made.id)


@pytest.fixture
async def ids(account: int) -> tuple[list[int], int]:
    """Customers, of which the first has a limit of 30, and a carrier."""
    now = clock.now()
    made = [
        await customers.insert(
            account,
            reference=f"c{number}",
            name="Acme",
            currency="EUR",
            channel_limit=None if number else 30,
            debit_limit=Decimal(0),
            tax_percent=Decimal(0),
            now=now,
        )
        for number in range(CUSTOMERS)
    ]
    carrier = await carriers.insert(
        account, reference="k", name="Carrier", currency="EUR", sip_uri=None, now=now
    )
    return [int(one.id) for one in made], int(carrier.id)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the database was asked, by what for, and for how many of it."""
    counts: Counter[str] = Counter()

    def counted(name: str, of: Callable[..., Any]) -> Callable[..., Any]:
        async def ask(account_id: int, ids: list[int]) -> Any:
            counts[name] += 1
            counts[f"{name} asked for"] += len(ids)
            return await of(account_id, ids)

        return ask

    monkeypatch.setattr(customers, "channel_limits", counted("limits", customers.channel_limits))
    monkeypatch.setattr(carriers, "many", counted("carriers", carriers.many))
    return counts


async def test_all_who_watch_an_account_ask_together(
    account: int, ids: tuple[list[int], int], asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account)

    async def look() -> None:
        async def of(customer: int) -> None:
            if not known.suffice(customer, [carrier, None]):
                await known.ask(customer, [carrier, None])

        await asyncio.gather(*map(of, everyone))

    await look()
    assert asked["limits"] <= 2  # the first, then all who came while it asked
    assert asked["carriers"] == 1
    assert known.limit(everyone[0]) == 30
    assert known.limit(everyone[1]) is None
    named = known.carrier(carrier)
    assert named is not None
    assert named.name == "Carrier"
    before = asked.copy()
    await look()
    assert asked == before
    monkeypatch.setattr(known, "_until", 0.0)
    await look()
    assert asked["limits"] == before["limits"] + 1
    assert asked["carriers"] == 2


async def test_a_change_is_shown_once_the_time_is_over_and_not_before(
    account: int, ids: tuple[list[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account)
    await known.ask(customer, [carrier])
    async with db.connection() as conn:
        await conn.execute("UPDATE customers SET channel_limit = 31 WHERE id = $1", customer)
    assert known.suffice(customer, [carrier])
    monkeypatch.setattr(captions, "_now", lambda: _later(captions.KNOWN_FOR))
    assert not known.suffice(customer, [carrier])
    assert known.limit(customer) == 30
    await known.ask(customer, [carrier])
    assert known.limit(customer) == 31


async def test_who_is_not_watched_any_more_is_not_asked_for_again(
    account: int, ids: tuple[list[int], int], asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone, carrier = ids
    known = captions.OfAccount(account)
    for customer in everyone[:20]:
        await known.ask(customer, [carrier])
    monkeypatch.setattr(known, "_until", 0.0)
    await known.ask(everyone[0], [carrier])  # all who were seen since the last time
    asked.clear()
    monkeypatch.setattr(known, "_until", 0.0)
    await known.ask(everyone[0], [carrier])
    assert asked["limits asked for"] == 1
    assert known.limit(everyone[0]) == 30
    assert not known.suffice(everyone[1], [carrier])
    await known.ask(everyone[1], [carrier])
    assert known.suffice(everyone[1], [carrier])


async def test_while_the_database_hangs_what_is_known_is_shown_and_who_gives_up_keeps_nobody(
    account: int, ids: tuple[list[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (customer, other, *_), carrier = ids
    known = captions.OfAccount(account)
    await known.ask(customer, [carrier])
    ask, back = customers.channel_limits, asyncio.Event()

    async def hang(account_id: int, ids: list[int]) -> dict[int, int | None]:
        await back.wait()
        return await ask(account_id, ids)

    monkeypatch.setattr(customers, "channel_limits", hang)
    monkeypatch.setattr(captions, "_ASKED_WITHIN", 0.1)
    monkeypatch.setattr(known, "_until", 0.0)
    unknown = [asyncio.create_task(known.ask(other, [])) for _ in range(2)]
    await asyncio.sleep(0)
    await known.ask(customer, [carrier])
    assert known.suffice(customer, [carrier])
    assert known.limit(customer) == 30
    unknown[0].cancel()
    await asyncio.sleep(0)
    back.set()
    await unknown[1]
    assert unknown[0].cancelled()
    assert known.suffice(other, [])
    assert known.suffice(customer, [carrier])


async def test_what_others_have_ceased_to_know_meanwhile_is_not_shown_as_none(
    account: int, ids: tuple[list[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, carrier = ids[0][0], ids[1]
    known = captions.OfAccount(account)
    await known.ask(customer, [carrier])
    monkeypatch.setattr(known, "_until", 0.0)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(account_id: int, ids: list[int]) -> dict[int, int | None]:
        asked.set()
        await answer.wait()
        return {}

    async def away(account_id: int, ids: list[int]) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(customers, "channel_limits", slow)
    monkeypatch.setattr(carriers, "many", away)
    async with asyncio.TaskGroup() as both:
        both.create_task(known.ask(customer, []))  # who has not seen the carrier since
        await asked.wait()
        waiting = both.create_task(_raised(known.ask(None, [carrier])))
        await asyncio.sleep(0)
        answer.set()
    assert isinstance(waiting.result(), ConnectionRefusedError)


async def _raised(of: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await of
    except Exception as error:
        return error
    return None


async def test_what_another_account_has_is_not_told(account: int, ids: Any) -> None:
    everyone, carrier = ids
    other = captions.OfAccount(account + 1)
    await other.ask(everyone[0], [carrier])
    assert other.limit(everyone[0]) is None
    assert other.carrier(carrier) is None


def _later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds
