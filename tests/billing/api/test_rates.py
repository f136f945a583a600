from typing import Any

import pytest

from tests.support.api.callers import Caller, Carrier
from tests.support.api.past_calls import days_ago, ended
from tests.support.api.record_review import SETUP, send

RATE = {"prefix": "44", "perMinute": "0.0123", "connectFee": "0.01", "minimum": 30, "increment": 6}


async def _card(carrier: Carrier, **changes: Any) -> Any:
    input = {"name": carrier.unique("card"), "currency": "EUR"} | changes
    return await carrier.owner.do("createRateCard", "RateCard", "id version", **input)


async def test_a_rate_card_is_created_imported_and_assigned(carrier: Carrier) -> None:
    card = await _card(carrier, rounding="HALF_EVEN", places=4)
    added = await carrier.owner.do(
        "addRates",
        "RateCard",
        "version",
        rateCardId=card["id"],
        rates=[RATE, RATE | {"prefix": ""}],
    )
    assert added["version"] > card["version"]
    customer = await carrier.customer()
    assignment = await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "customerId validFrom",
        customerId=customer,
        rateCardId=card["id"],
        validFrom="2026-11-01T00:00:00Z",
    )
    assert assignment["customerId"] == customer
    assert assignment["validFrom"] == "2026-11-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("rates", "code"),
    [
        ([], "INVALID"),
        ([RATE, RATE], "INVALID"),
        ([RATE | {"prefix": "+44"}], "BAD_PREFIX"),
        ([RATE | {"prefix": "4" * 21}], "BAD_PREFIX"),
        ([RATE | {"perMinute": "-1"}], "BAD_AMOUNT"),
        ([RATE | {"increment": 0}], "BAD_INCREMENT"),
        ([RATE | {"minimum": -1}], "BAD_INCREMENT"),
        ([RATE | {"description": "\x1f"}], "INVALID"),
    ],
)
async def test_invalid_rates_are_refused(
    carrier: Carrier, rates: list[dict[str, Any]], code: str
) -> None:
    card = await _card(carrier)
    added = await carrier.owner.do("addRates", "RateCard", "id", rateCardId=card["id"], rates=rates)
    assert added["code"] == code


async def test_a_rate_card_needs_a_unique_name_and_the_currency_of_its_customers(
    carrier: Carrier,
) -> None:
    card = await _card(carrier, name="A card", currency="USD")
    assert (await _card(carrier, name="A card"))["code"] == "NAME_TAKEN"
    assert (await _card(carrier, places=13))["code"] == "BAD_PLACES"
    assignment = await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "validFrom",
        customerId=await carrier.customer(),
        rateCardId=card["id"],
    )
    assert (assignment["__typename"], assignment["code"]) == ("Conflict", "OTHER_CURRENCY")


CARD = """query($id: ID!, $at: DateTime, $after: String) { rateCard(id: $id) { name version
  revisions(first: 2) { edges { node { number effectiveFrom rates } } pageInfo { hasNextPage } }
  rates(first: 1, after: $after, at: $at) {
    edges { node { prefix perMinute { amount currency } revision } }
    pageInfo { hasNextPage endCursor } } } }"""


async def test_the_revisions_of_a_card_and_its_rates_at_an_instant_can_be_read(
    carrier: Carrier, other: Carrier
) -> None:
    card, owner = await _card(carrier, name="Standard"), carrier.owner
    for day, price in (("01", "0.01"), ("02", "0.02")):
        rates = [RATE | {"prefix": prefix, "perMinute": price} for prefix in ("", "44")]
        since = f"2026-11-{day}T00:00:00Z"
        input = {"rateCardId": card["id"], "rates": rates, "effectiveFrom": since}
        await owner.do("addRates", "RateCard", "version", **input)
    ended = {"rateCardId": card["id"], "rates": [], "endedPrefixes": ["44"]}
    rate_card = await owner.do(
        "addRates", "RateCard", "version", **ended, effectiveFrom="2026-11-03T00:00:00Z"
    )
    assert rate_card["version"] == 4
    read = (await owner.ask(CARD, id=card["id"]))["rateCard"]
    assert (read["name"], read["version"]) == ("Standard", 4)
    revisions = [edge["node"] for edge in read["revisions"]["edges"]]
    assert [(revision["number"], revision["rates"]) for revision in revisions] == [(4, 1), (3, 2)]
    assert await _rates(carrier, card["id"], None) == [("", "0.02", 3)]
    assert await _rates(carrier, card["id"], "2026-11-02T12:00:00Z") == [
        ("", "0.02", 3),
        ("44", "0.02", 3),
    ]
    assert await _rates(carrier, card["id"], "2026-11-01T00:00:00Z") == [
        ("", "0.01", 2),
        ("44", "0.01", 2),
    ]
    assert await _rates(carrier, card["id"], "2026-10-01T00:00:00Z") == []
    for id in (card["id"], "garbage"):
        assert await other.owner.ask(CARD, id=id) == {"rateCard": None}


async def _rates(carrier: Carrier, card: str, at: str | None) -> list[tuple[str, str, int]]:
    rates, after = [], None
    while True:
        answer = await carrier.owner.ask(CARD, id=card, at=at, after=after)
        page = answer["rateCard"]["rates"]
        for edge in page["edges"]:
            node = edge["node"]
            rates.append((node["prefix"], node["perMinute"]["amount"], node["revision"]))
        if not page["pageInfo"]["hasNextPage"]:
            return rates
        after = page["pageInfo"]["endCursor"]


async def test_a_past_price_that_has_charged_calls_cannot_change(
    carrier: Carrier, switch: Caller, customer: str, reference: str
) -> None:
    card = await _card(carrier)
    since = days_ago(10).isoformat()
    revision = {"rateCardId": card["id"], "rates": [RATE], "effectiveFrom": since}
    assert (await carrier.owner.do("addRates", "RateCard", "id", **revision))["id"] == card["id"]
    assignment = {"customerId": customer, "rateCardId": card["id"], "validFrom": since}
    await carrier.owner.do("assignRateCard", "RateCardAssignment", "validFrom", **assignment)
    call = ended(reference, "a", SETUP, "0") | {"charge": None, "destination": "+441632960000"}
    await send(switch, call)
    again = await carrier.owner.do("addRates", "RateCard", "id", **revision)
    assert (again["__typename"], again["code"]) == ("Conflict", "EFFECTIVE_IN_PAST")
    moved = await carrier.owner.do(
        "assignRateCard", "RateCardAssignment", "validFrom", **assignment
    )
    assert moved["code"] == "EFFECTIVE_IN_PAST"
