"""Costs and parts of summary rows over GraphQL, compared with the independent calculation."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import phonenumbers
import pytest

from tests.support.scenarios import expectations, worlds
from tests.support.scenarios.board import Answer, Board
from tests.support.scenarios.call_messages import FROZEN
from tests.support.scenarios.truth import Truth

FIRST = 3  # parts; the others are in `rest`
_PAGE = 40
_SUMS = """attempts answered asr acdSeconds ner pddMs dtmfPercent talkTime billedSeconds
           unratedCalls charges { amount currency }"""
_COST = """cost { amounts { amount currency } uncostedLegs profit { amount currency }
                  marginPercent }"""
_BREAKDOWNS = f"""
    {_COST}
    byCarrier(first: {FIRST}) {{ hasMore rest {{ count {_SUMS} {_COST} }}
                                 parts {{ carrier {{ id }} {_SUMS} {_COST} }} }}
    byCountry(first: {FIRST}) {{ hasMore rest {{ count {_SUMS} {_COST} }}
                                 parts {{ country {_SUMS} {_COST} }} }}
    byPrefix(first: {FIRST}) {{ hasMore rest {{ count {_SUMS} }}
                                parts {{ prefix ratedBy {_SUMS} }} }}
"""
_OF_CUSTOMER = f"""
query($c: ID!, $g: Granularity!, $after: String) {{ customer(id: $c) {{
  summary(granularity: $g, first: {_PAGE}, after: $after) {{
    edges {{ node {{ periodStart attempts charge {{ amount currency }} {_BREAKDOWNS} }} }}
    pageInfo {{ hasNextPage endCursor }} }} }} }}
"""
_OF_ACCOUNT = f"""
query($g: Granularity!, $after: String) {{ viewer {{ ... on Staff {{ account {{
  summary(granularity: $g, first: {_PAGE}, after: $after) {{
    edges {{ node {{ periodStart {_SUMS} {_BREAKDOWNS} }} }}
    pageInfo {{ hasNextPage endCursor }} }} }} }} }} }}
"""
_CALLS = """
SELECT {start} AS start, {part} AS part, currency, count(*) AS legs,
       count(*) FILTER (final) AS attempts,
       count(*) FILTER (final AND answered) AS answered,
       coalesce(CAST(sum(talk_us) FILTER (final) AS BIGINT), 0) AS talk_us,
       coalesce(CAST(sum(billed) FILTER (final) AS BIGINT), 0) AS billed,
       coalesce(sum(charge) FILTER (final), 0) AS charge,
       count(*) FILTER (final AND answered AND dtmf > 0) AS dtmf,
       coalesce(CAST(sum(ringing_us - setup_us) FILTER (final) AS BIGINT), 0) AS pdd_us,
       count(ringing_us) FILTER (final) AS pdd_count,
       count(*) FILTER (final AND talk_us > 0 AND charge IS NULL) AS unrated,
       count(*) FILTER (final AND sip_code IN (200, 480, 486, 600, 603)) AS effective,
       count(*) FILTER (final AND sip_code // 100 = 3) AS redirected
FROM rated JOIN customers USING (customer) WHERE {whose} GROUP BY ALL
"""
_COSTS = """
SELECT {start} AS start, {part} AS part, carrier, coalesce(sum(cost), 0) AS cost,
       count(*) FILTER (answered AND (cost IS NULL OR carrier IS NULL)) AS uncosted
FROM rated WHERE {whose} GROUP BY ALL
"""
[_LATE_RATE] = worlds.missing_rate(datetime(2026, 1, 1, tzinfo=UTC)).rates
# What a leg counts for, by field of the API.
_PARTS = {
    "byCarrier": "carrier",
    "byCountry": "destination",
    # A rate that is added for calls without a rate does not rate those that cost 0 without it.
    "byPrefix": f"""CASE WHEN NOT final THEN NULL WHEN said_charge IS NOT NULL THEN 'SWITCH'
                         WHEN talk_us = 0 AND phase < {FROZEN}
                              AND rate.prefix = '{_LATE_RATE.prefix}' THEN 'CARD:'
                         WHEN rate IS NOT NULL THEN 'CARD:' || rate.prefix
                         WHEN talk_us = 0 THEN 'CARD:' ELSE 'UNRATED' END""",
}
Part = dict[str, Any]
Parts = dict[datetime, dict[str | None, Part]]


async def check(board: Board, truth: Truth, world: worlds.World) -> None:
    """Every row of every customer and of the account, of every granularity."""
    for granularity in ("LIVE", "DAILY", "WEEKLY", "MONTHLY"):
        for customer in (*(each.reference for each in world.customers), None):
            rows = await _rows(board, customer, granularity)
            await _check_rows(board, truth, world, (customer, granularity), rows)


async def _rows(board: Board, customer: str | None, granularity: str) -> list[Answer]:
    rows: list[Answer] = []
    after: str | None = None
    while True:
        if customer is None:
            data = await board.ask(_OF_ACCOUNT, g=granularity, after=after)
            page = data["viewer"]["account"]["summary"]
        else:
            of = board.customers[customer]
            data = await board.ask(_OF_CUSTOMER, c=of, g=granularity, after=after)
            page = data["customer"]["summary"]
        rows += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return [row for row in rows if row["attempts"]]
        after = page["pageInfo"]["endCursor"]


async def _check_rows(
    board: Board,
    truth: Truth,
    world: worlds.World,
    table: tuple[str | None, str],
    rows: Sequence[Answer],
) -> None:
    carriers = {id: reference for reference, id in board.carriers.items()}
    names: dict[str, Callable[[Answer], str | None]] = {
        "byCarrier": lambda part: part["carrier"] and carriers[part["carrier"]["id"]],
        "byCountry": lambda part: part["country"],
        "byPrefix": _prefix,
    }
    whole = expected(truth, world, *table, "NULL")
    starts = {datetime.fromisoformat(row["periodStart"]) for row in rows}
    if table[1] != "LIVE":
        assert starts == {start for start, parts in whole.items() if parts[None]["attempts"]}
    for field, part in _PARTS.items():
        wanted = expected(truth, world, *table, part)
        if field == "byCountry":
            wanted = {start: _by_country(parts) for start, parts in wanted.items()}
        for row in rows:
            parts = wanted[datetime.fromisoformat(row["periodStart"])]
            _check_parts(row[field], parts, names[field], has_costs=field != "byPrefix")
    for row in rows:
        sums = whole[datetime.fromisoformat(row["periodStart"])][None]
        check_cost(row["cost"], sums)
        if table[0] is None:
            check_sums(row, sums)


def _prefix(part: Answer) -> str:
    if part["ratedBy"] == "CARD":
        return f"CARD:{part['prefix'] or ''}"
    return part["ratedBy"] or "UNRATED"


def expected(
    truth: Truth, world: worlds.World, customer: str | None, granularity: str, part: str
) -> Parts:
    """Sums by the start of the period and by part; amounts by currency."""
    whose = "true" if customer is None else f"customer = '{customer}'"
    names = {"start": expectations.STARTS[granularity], "part": part, "whose": whose}
    parts: Parts = defaultdict(lambda: defaultdict(_empty))
    for row in truth.query(_CALLS.format(**names)):
        sums = parts[row["start"].replace(tzinfo=UTC)][row["part"]]
        for name in _NUMBERS:
            sums[name] += row[name]
        if row["attempts"]:
            sums["charges"][row["currency"]] += row["charge"]
    currencies = dict(world.carriers)
    for row in truth.query(_COSTS.format(**names)):
        sums = parts[row["start"].replace(tzinfo=UTC)][row["part"]]
        sums["uncosted"] += row["uncosted"]
        if row["carrier"] is not None:
            sums["costs"][currencies[row["carrier"]]] += row["cost"]
    return parts


_NUMBERS = (
    *("legs", "attempts", "answered", "talk_us", "billed", "dtmf", "pdd_us", "pdd_count"),
    *("unrated", "effective", "redirected"),
)


def _empty() -> Part:
    amounts = {"charges": defaultdict(Decimal), "costs": defaultdict(Decimal)}
    return {**dict.fromkeys((*_NUMBERS, "uncosted"), 0), **amounts}


def _together(parts: Iterable[Part]) -> Part:
    sums = _empty()
    for part in parts:
        for name in (*_NUMBERS, "uncosted"):
            sums[name] += part[name]
        for name in ("charges", "costs"):
            for currency, amount in part[name].items():
                sums[name][currency] += amount
    return sums


def _by_country(parts: Mapping[str | None, Part]) -> dict[str | None, Part]:
    countries = defaultdict(list)
    for destination, part in parts.items():
        countries[_country(destination or "")].append(part)
    return {country: _together(of_country) for country, of_country in countries.items()}


@cache
def _country(destination: str) -> str | None:
    """The main country of the calling code: no destination of the messages is in another one."""
    try:
        number = phonenumbers.parse(f"+{destination}")
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.region_code_for_country_code(number.country_code)


def _check_parts(
    found: Answer,
    wanted: Mapping[str | None, Part],
    name: Callable[[Answer], str | None],
    *,
    has_costs: bool,
) -> None:
    shown = {
        key: part
        for key, part in wanted.items()
        if part["attempts"] or (has_costs and part["legs"])
    }
    attempts = sorted((part["attempts"] for part in shown.values()), reverse=True)
    assert [part["attempts"] for part in found["parts"]] == attempts[:FIRST]
    for part in found["parts"]:
        sums = shown.pop(name(part))
        check_sums(part, sums)
        if has_costs:
            check_cost(part["cost"], sums)
    assert found["hasMore"] is bool(shown)
    if not shown:
        assert found["rest"] is None
        return
    rest = _together(shown.values())
    assert found["rest"]["count"] == len(shown)
    check_sums(found["rest"], rest)
    if has_costs:
        check_cost(found["rest"]["cost"], rest)


def check_sums(found: Answer, sums: Part) -> None:
    assert (found["attempts"], found["answered"]) == (sums["attempts"], sums["answered"])
    assert (found["billedSeconds"], found["unratedCalls"]) == (sums["billed"], sums["unrated"])
    assert Decimal(found["talkTime"]) * 1_000_000 == sums["talk_us"]
    assert _amounts(found["charges"]) == {c: a for c, a in sums["charges"].items() if a}
    answered, counted = sums["answered"], sums["attempts"] - sums["redirected"]
    check_ratio(found["asr"], 100 * answered, sums["attempts"])
    check_ratio(found["acdSeconds"], sums["talk_us"], 1_000_000 * answered)
    check_ratio(found["dtmfPercent"], 100 * sums["dtmf"], answered)
    check_ratio(found["pddMs"], sums["pdd_us"], 1_000 * sums["pdd_count"])
    check_ratio(found["ner"], 100 * sums["effective"], counted)


def check_cost(found: Answer, sums: Part) -> None:
    charges, costs = ({c: a for c, a in sums[name].items() if a} for name in ("charges", "costs"))
    assert _amounts(found["amounts"]) == costs
    assert found["uncostedLegs"] == sums["uncosted"]
    if sums["uncosted"] or len(charges.keys() | costs.keys()) > 1:
        assert (found["profit"], found["marginPercent"]) == (None, None)
        return
    charge, cost = sum(charges.values()), sum(costs.values())
    if found["profit"] is None:  # an account's, of charges of 0 in several currencies
        assert not charges
        assert not costs
        return
    assert Decimal(found["profit"]["amount"]) == charge - cost
    for currency in charges.keys() | costs.keys():
        assert found["profit"]["currency"] == currency
    check_ratio(found["marginPercent"], 100 * (charge - cost), charge)


def check_ratio(found: float | None, numerator: Decimal | int, denominator: Decimal | int) -> None:
    if not denominator:
        assert found is None
        return
    assert found == pytest.approx(float(Fraction(numerator) / Fraction(denominator)), rel=1e-12)


def _amounts(amounts: Sequence[Answer]) -> dict[str, Decimal]:
    """Other than 0."""
    pairs = {each["currency"]: Decimal(each["amount"]) for each in amounts}
    return {currency: amount for currency, amount in pairs.items() if amount}
