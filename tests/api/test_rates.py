from typing import Any

import pytest
from callers import Carrier

RATE = {"prefix": "44", "perMinute": "0.0123", "connectFee": "0.01", "minimum": 30, "increment": 6}


async def _card(carrier: Carrier, **changes: Any) -> Any:
    input = {"name": carrier.unique("card"), "currency": "EUR"} | changes
    return await carrier.owner.do("createRateCard", "RateCard", "id version", **input)


async def test_a_card_is_made_filled_and_put_in_force(carrier: Carrier) -> None:
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
    put = await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "customerId validFrom",
        customerId=customer,
        rateCardId=card["id"],
        validFrom="2026-11-01T00:00:00Z",
    )
    assert put["customerId"] == customer
    assert put["validFrom"] == "2026-11-01T00:00:00.000000Z"


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
        ([RATE | {"description": "\x00"}], "INVALID"),
    ],
)
async def test_rates_that_cannot_be_are_refused(
    carrier: Carrier, rates: list[dict[str, Any]], code: str
) -> None:
    card = await _card(carrier)
    added = await carrier.owner.do("addRates", "RateCard", "id", rateCardId=card["id"], rates=rates)
    assert added["code"] == code


async def test_a_card_fits_its_name_and_its_customers_currency(carrier: Carrier) -> None:
    card = await _card(carrier, name="A card", currency="USD")
    assert (await _card(carrier, name="A card"))["code"] == "NAME_TAKEN"
    assert (await _card(carrier, places=13))["code"] == "BAD_PLACES"
    put = await carrier.owner.do(
        "assignRateCard",
        "RateCardAssignment",
        "validFrom",
        customerId=await carrier.customer(),
        rateCardId=card["id"],
    )
    assert (put["__typename"], put["code"]) == ("Conflict", "OTHER_CURRENCY")
