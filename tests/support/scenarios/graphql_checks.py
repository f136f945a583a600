"""Rows, cells and graphs over GraphQL, compared with the independent calculation."""

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest

from domain.summaries import intervals
from runtime import clock
from tests.support.scenarios import expectations, worlds
from tests.support.scenarios.board import Answer, Board
from tests.support.scenarios.truth import Truth

_SEED = 1
RATIOS = ("ASR", "ACD_SECONDS", "NER", "PDD_MS", "DTMF_PERCENT")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def check_rows(board: Board, truth: Truth, world: worlds.World) -> None:
    for customer in world.customers:
        for granularity in ("DAILY", "WEEKLY", "MONTHLY", "LIVE"):
            expected = expectations.rows(truth, customer.reference, granularity)
            rows = await board.rows(customer.reference, granularity)
            if granularity == "LIVE":
                assert len(rows) == 24
                starts = {at(row["periodStart"]) for row in rows}
                expected = {start: sums for start, sums in expected.items() if start in starts}
            rows_by_start = {at(row["periodStart"]): row for row in rows if row["attempts"]}
            assert rows_by_start.keys() == expected.keys(), (customer.reference, granularity)
            for start, sums in expected.items():
                check_row(rows_by_start[start], sums, customer.currency)


def check_row(row: Answer, sums: expectations.Sums, currency: str) -> None:
    assert row["attempts"] == sums["attempts"]
    assert row["answered"] == sums["answered"]
    assert row["billedSeconds"] == sums["billed"]
    assert Decimal(row["talkTime"]) * 1_000_000 == sums["talk_us"]
    assert Decimal(row["charge"]["amount"]) == sums["charge"]
    assert row["charge"]["currency"] == currency
    assert row["unratedCalls"] == sums["unrated"]
    check_ratios(row, sums)
    check_dtmf_and_pdd(row, sums)
    attempts = sums["attempts"] - sums["redirected"]
    check_ratio(row["ner"], 100 * sums["effective"] / attempts if attempts else None)


def check_ratios(row: Answer, sums: expectations.Sums) -> None:
    assert row["asr"] == pytest.approx(100 * sums["answered"] / sums["attempts"], rel=1e-12)
    if not sums["answered"]:
        assert row["acdSeconds"] is None
        return
    acd = sums["talk_us"] / sums["answered"] / 1_000_000
    assert row["acdSeconds"] == pytest.approx(acd, rel=1e-12)


async def check_account(board: Board, truth: Truth) -> None:
    """The account's months: all customers together, their attempts and a charge a currency."""
    data = await board.ask(
        "{ viewer { ... on Staff { account { summary(granularity: MONTHLY) { edges { node"
        " { periodStart attempts charges { amount currency } } } } } } } }"
    )
    rows = {
        at(edge["node"]["periodStart"]): edge["node"]
        for edge in data["viewer"]["account"]["summary"]["edges"]
    }
    for row in truth.query(
        "SELECT epoch_ms(date_trunc('month', setup)) AS ms, currency, sum(charge) AS charge"
        " FROM rated JOIN customers USING (customer) WHERE final GROUP BY ALL"
    ):
        [node] = [node for start, node in rows.items() if start.timestamp() * 1000 == row["ms"]]
        charges = {each["currency"]: Decimal(each["amount"]) for each in node["charges"]}
        assert charges[row["currency"]] == row["charge"]
    attempts = truth.query(
        "SELECT epoch_ms(date_trunc('month', setup)) AS ms, count(*) AS attempts"
        " FROM rated WHERE final GROUP BY ALL"
    )
    assert {
        start.timestamp() * 1000: node["attempts"]
        for start, node in rows.items()
        if node["attempts"]
    } == {row["ms"]: row["attempts"] for row in attempts}


async def check_cells(board: Board, truth: Truth) -> None:
    random = Random(_SEED)
    values: dict[str, Any] = {
        "ATTEMPTS": lambda s: Fraction(s["attempts"]),
        "ANSWERED": lambda s: Fraction(s["answered"]),
        "TALK_SECONDS": lambda s: Fraction(s["talk_us"], 1_000_000),
        "BILLED_SECONDS": lambda s: Fraction(s["billed"]),
        "CHARGE": lambda s: Fraction(s["charge"]),
        "UNRATED_CALLS": lambda s: Fraction(s["unrated"]),
        "ASR": lambda s: quotient(100 * s["answered"], s["attempts"]),
        "ACD_SECONDS": lambda s: quotient(s["talk_us"], 1_000_000 * s["answered"]),
        "NER": lambda s: quotient(100 * s["effective"], s["attempts"] - s["redirected"]),
        "PDD_MS": lambda s: quotient(s["pdd_us"], 1_000 * s["pdd_count"]),
        "DTMF_PERCENT": lambda s: quotient(100 * s["dtmf"], s["answered"]),
    }
    for customer, granularity in product(worlds.BILLED, ("DAILY", "WEEKLY", "MONTHLY")):
        expected = expectations.rows(truth, customer, granularity)
        rows = [row for row in await board.rows(customer, granularity) if row["attempts"]]
        chosen = random.sample(rows, min(25, len(rows) - 1))
        sums = [expected[at(row["periodStart"])] for row in chosen]
        for column, value in values.items():
            data = await board.ask(
                "query($r: [ID!]!, $c: SummaryColumn!) { summaryCells(rowIds: $r, column: $c)"
                " { count sum cellAverage weightedAverage } }",
                r=[row["id"] for row in chosen],
                c=column,
            )
            check_selection(data["summaryCells"], column, sums, value)


def check_selection(answer: Answer, column: str, sums: list[expectations.Sums], value: Any) -> None:
    cells = [each for each in map(value, sums) if each is not None]
    assert answer["count"] == len(sums)
    assert Decimal(answer["cellAverage"]) == rounded(sum(cells) / len(cells))
    if column not in RATIOS:
        assert Fraction(Decimal(answer["sum"])) == sum(cells)
        assert answer["weightedAverage"] is None
        return
    assert answer["sum"] is None
    whole = {
        name: sum(each[name] for each in sums)
        for name in sums[0]
        if name not in ("start", "charge")
    }
    assert Decimal(answer["weightedAverage"]) == rounded(value(whole))


def quotient(numerator: int, denominator: int) -> Fraction | None:
    return Fraction(numerator, denominator) if denominator else None


def rounded(exact: Fraction) -> Decimal:
    """Half up to 20 places, of numbers that are not negative."""
    units = (exact * 10**20 + Fraction(1, 2)).__floor__()
    return Decimal((0, tuple(int(digit) for digit in str(units)), -20))


async def check_graphs(board: Board, truth: Truth) -> None:
    """Twenty days, or the whole weeks and months of them, at every interval. Finer intervals cover
    less, for the limit of cost. The wall clock of the owner is UTC."""
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=20)
    day = hour.replace(hour=0)
    starts = {
        "MINUTE": hour + timedelta(days=20, hours=-4),
        "FIVE_MINUTES": hour + timedelta(days=19),
        "QUARTER_HOUR": hour + timedelta(days=17),
        "HOUR": hour + timedelta(days=4),
        "DAY": day,
        "WEEK": day - timedelta(days=day.weekday()),
        "MONTH": day.replace(day=1),
    }
    assert starts.keys() == set(intervals.Interval)
    for customer in worlds.BILLED:
        for interval, start in starts.items():
            length = intervals.Interval(interval).typical_length
            end = now + timedelta(hours=1)
            await check_graph(board, truth, customer, interval, (start, end))
            latest = max(start, hour + timedelta(days=20) - 60 * length)
            since = start if length >= timedelta(days=1) else latest
            await check_costs_and_countries(board, truth, customer, interval, (since, end))


async def check_graph(
    board: Board, truth: Truth, customer: str, interval: str, span: tuple[datetime, datetime]
) -> None:
    query = """
    query($c: ID!, $from: DateTime!, $to: DateTime!, $i: StatsInterval!) { customer(id: $c) {
      stats(from: $from, to: $to, interval: $i) {
        total { at attempts answered asr acdSeconds dtmfPercent pddMs ner talkSeconds
                billedSeconds charge { amount } pddMedianMs pddP95Ms }
        ner codes { code attempts }
        byCarrier { carrier { id } points { at attempts answered
                                            legs { offered answered pddMs } } } } } }"""
    names = {id: reference for reference, id in board.carriers.items()}
    since, until = span
    values = {"from": since.isoformat(), "to": until.isoformat(), "i": interval}
    data = await board.ask(query, c=board.customers[customer], **values)
    stats = data["customer"]["stats"]
    expected = expectations.rows(truth, customer, interval)
    points = {at(point["at"]): point for point in stats["total"]}
    check_percentiles(points, expectations.percentiles(truth, customer, since, interval))
    for start, sums in expected.items():
        if start >= since:
            check_point(points.pop(start), sums)
    assert not any(point["attempts"] for point in points.values())
    point_at = {
        (
            None if graph["carrier"] is None else names[graph["carrier"]["id"]],
            round(at(point["at"]).timestamp() * 1_000_000),
        ): point
        for graph in stats["byCarrier"]
        for point in graph["points"]
    }
    carriers = expectations.by_carrier(truth, customer, since, interval)
    assert {
        key: (p["attempts"], p["answered"]) for key, p in point_at.items() if p["attempts"]
    } == {key: (s["attempts"], s["answered"]) for key, s in carriers.items()}
    check_legs(point_at, expectations.legs(truth, customer, since, interval))
    check_codes(stats, expectations.codes(truth, customer, since))


async def check_costs_and_countries(
    board: Board, truth: Truth, customer: str, interval: str, span: tuple[datetime, datetime]
) -> None:
    query = """
    query($c: ID!, $from: DateTime!, $to: DateTime!, $i: StatsInterval!) { customer(id: $c) {
      stats(from: $from, to: $to, interval: $i) {
        total { attempts } byCountry { points { attempts } }
        byCarrier { carrier { id } points { at cost { amount } } } } } }"""
    names = {id: reference for reference, id in board.carriers.items()}
    since, until = span
    values = {"from": since.isoformat(), "to": until.isoformat(), "i": interval}
    data = await board.ask(query, c=board.customers[customer], **values)
    stats = data["customer"]["stats"]
    check_countries(stats)
    first = at(stats["byCarrier"][0]["points"][0]["at"]) if stats["byCarrier"] else since
    costs = expectations.costs(truth, customer, first, interval)
    for graph in stats["byCarrier"]:
        if graph["carrier"] is not None:  # without a carrier, the currency of a cost is not known
            for point in graph["points"]:
                start = round(at(point["at"]).timestamp() * 1_000_000)
                cost = costs.get((names[graph["carrier"]["id"]], start), 0)
                assert Decimal(point["cost"]["amount"]) == cost


def check_countries(stats: Answer) -> None:
    """They add up to the total."""
    for number, point in enumerate(stats["total"]):
        parts = [country["points"][number]["attempts"] for country in stats["byCountry"]]
        assert sum(parts) == point["attempts"]


def check_percentiles(
    points: dict[datetime, Answer], expected: dict[datetime, tuple[float, float]]
) -> None:
    for start, point in points.items():
        percentiles = point["pddMedianMs"], point["pddP95Ms"]
        if start in expected:
            assert percentiles == pytest.approx(expected[start], rel=0.05, abs=1)
        else:
            assert percentiles == (None, None)


def check_legs(
    answers: dict[tuple[str | None, int], Answer],
    expected: dict[tuple[str | None, int], expectations.Sums],
) -> None:
    offered = {key: point["legs"] for key, point in answers.items() if point["legs"]["offered"]}
    assert offered.keys() == expected.keys()
    for key, sums in expected.items():
        legs = offered[key]
        assert (legs["offered"], legs["answered"]) == (sums["offered"], sums["answered"])
        check_ratio(legs["pddMs"], sums["pdd_ms"])


def check_codes(stats: Answer, expected: dict[int, int]) -> None:
    assert [(each["code"], each["attempts"]) for each in stats["codes"]] == sorted(expected.items())
    effective = sum(expected.get(code, 0) for code in (200, 480, 486, 600, 603))
    assert stats["ner"] == pytest.approx(100 * effective / sum(expected.values()), rel=1e-12)


def check_point(point: Answer, sums: expectations.Sums) -> None:
    assert (point["attempts"], point["answered"]) == (sums["attempts"], sums["answered"])
    check_ratios(point, sums)
    check_ratio(point["ner"], _float(quotient(100 * sums["effective"], _not_redirected(sums))))
    assert point["talkSeconds"] == (sums["talk_us"] + 500_000) // 1_000_000
    assert point["billedSeconds"] == sums["billed"]
    assert Decimal(point["charge"]["amount"]) == sums["charge"]
    check_dtmf_and_pdd(point, sums)


def _not_redirected(sums: expectations.Sums) -> int:
    return int(sums["attempts"] - sums["redirected"])


def _float(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


def check_dtmf_and_pdd(answer: Answer, sums: expectations.Sums) -> None:
    dtmf = 100 * sums["dtmf"] / sums["answered"] if sums["answered"] else None
    check_ratio(answer["dtmfPercent"], dtmf)
    pdd = sums["pdd_us"] / sums["pdd_count"] / 1000 if sums["pdd_count"] else None
    check_ratio(answer["pddMs"], pdd)


def check_ratio(ratio: float | None, expected: float | None) -> None:
    assert ratio == (None if expected is None else pytest.approx(expected, rel=1e-12))
