"""The expected responses, from the independent calculation in `truth`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.support.scenarios.truth import Truth

# The start of the period that contains a setup, by granularity of a summary or interval of a graph.
STARTS = {
    "MINUTE": "date_trunc('minute', setup)",
    "FIVE_MINUTES": "time_bucket(INTERVAL 5 MINUTE, setup)",
    "QUARTER_HOUR": "time_bucket(INTERVAL 15 MINUTE, setup)",
    **dict.fromkeys(("LIVE", "HOUR"), "date_trunc('hour', setup)"),
    **dict.fromkeys(("DAILY", "DAY"), "date_trunc('day', setup)"),
    **dict.fromkeys(("WEEKLY", "WEEK"), "date_trunc('week', setup)"),
    **dict.fromkeys(("MONTHLY", "MONTH"), "date_trunc('month', setup)"),
}
_ROWS = """
SELECT {start} AS start,
       count(*) AS attempts,
       count(*) FILTER (answered) AS answered,
       CAST(sum(talk_us) AS BIGINT) AS talk_us,
       CAST(sum(billed) AS BIGINT) AS billed,
       coalesce(sum(charge), 0) AS charge,
       count(*) FILTER (answered AND dtmf > 0) AS dtmf,
       CAST(coalesce(sum(ringing_us - setup_us), 0) AS BIGINT) AS pdd_us,
       count(ringing_us) AS pdd_count,
       count(*) FILTER (talk_us > 0 AND charge IS NULL) AS unrated,  -- without talk, it costs 0
       count(*) FILTER (sip_code IN (200, 480, 486, 600, 603)) AS effective,
       count(*) FILTER (sip_code // 100 = 3) AS redirected
FROM rated WHERE customer = ? AND final {more} GROUP BY ALL
"""

Sums = dict[str, Any]


def rows(truth: Truth, customer: str, granularity: str, more: str = "") -> dict[datetime, Sums]:
    """Sums by the start of the period; periods without a call are not there."""
    sql = _ROWS.format(start=STARTS[granularity], more=more)
    return {row["start"].replace(tzinfo=UTC): row for row in truth.query(sql, customer)}


def by_carrier(
    truth: Truth, customer: str, since: datetime, interval: str
) -> dict[tuple[str | None, int], Sums]:
    """By carrier (None: none was chosen) and microsecond of the start of the interval."""
    rows = truth.query(
        f"SELECT carrier, epoch_us({STARTS[interval]}) AS start, count(*) AS attempts,"
        " count(*) FILTER (answered) AS answered"
        " FROM rated WHERE customer = ? AND final AND setup >= ? GROUP BY ALL",
        customer,
        since.replace(tzinfo=None),
    )
    return {(row["carrier"], row["start"]): row for row in rows}


def codes(truth: Truth, customer: str, since: datetime) -> dict[int, int]:
    """Attempts by the SIP code of their final leg, from `since` on."""
    rows = truth.query(
        "SELECT sip_code, count(*) AS attempts FROM rated"
        " WHERE customer = ? AND final AND setup >= ? GROUP BY ALL",
        customer,
        since.replace(tzinfo=None),
    )
    return {row["sip_code"]: row["attempts"] for row in rows}


def legs(
    truth: Truth, customer: str, since: datetime, interval: str
) -> dict[tuple[str | None, int], Sums]:
    """Of every leg, as `by_carrier` has those of final ones; PDD in ms, from the leg's offer."""
    rows = truth.query(
        f"SELECT carrier, epoch_us({STARTS[interval]}) AS start, count(*) AS offered,"
        " count(*) FILTER (answered) AS answered,"
        " CAST(sum(ringing_us - coalesce(offered_us, setup_us)) AS BIGINT)"
        " / count(ringing_us) / 1000 AS pdd_ms"
        " FROM rated WHERE customer = ? AND setup >= ? GROUP BY ALL",
        customer,
        since.replace(tzinfo=None),
    )
    return {(row["carrier"], row["start"]): row for row in rows}


def costs(truth: Truth, customer: str, since: datetime, interval: str) -> dict[Any, Decimal]:
    """Of every leg, by carrier and microsecond of the start of the interval."""
    rows = truth.query(
        f"SELECT carrier, epoch_us({STARTS[interval]}) AS start, coalesce(sum(cost), 0) AS cost"
        " FROM rated WHERE customer = ? AND setup >= ? GROUP BY ALL",
        customer,
        since.replace(tzinfo=None),
    )
    return {(row["carrier"], row["start"]): row["cost"] for row in rows}


def percentiles(
    truth: Truth, customer: str, since: datetime, interval: str
) -> dict[datetime, tuple[float, float]]:
    """The median and the 95th percentile of PDD in ms by the start of the interval."""
    rows = truth.query(
        f"SELECT {STARTS[interval]} AS start, quantile_disc(ringing_us - setup_us, 0.5) AS median,"
        " quantile_disc(ringing_us - setup_us, 0.95) AS p95 FROM rated"
        " WHERE customer = ? AND final AND setup >= ? AND ringing_us IS NOT NULL GROUP BY ALL",
        customer,
        since.replace(tzinfo=None),
    )
    return {
        row["start"].replace(tzinfo=UTC): (row["median"] / 1000, row["p95"] / 1000) for row in rows
    }


def invoice(
    truth: Truth, customer: str, periods: list[tuple[datetime, datetime]], adjusted: Decimal
) -> dict[str, Decimal]:
    """Subtotal, tax, rounding and total of usage in the periods and of adjustments."""
    spans = " OR ".join(
        f"(setup >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S}'"
        f" AND setup < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}')"
        for start, end in periods
    )
    [sums] = truth.query(
        f"""
        WITH sums AS (
            SELECT CAST(coalesce(sum(charge), 0) AS DECIMAL(24, 12)) + CAST(? AS DECIMAL(24, 12))
                   AS subtotal
            FROM rated WHERE customer = ? AND final AND ({spans})
        ), taxed AS (
            SELECT subtotal, minor,
                   CAST(subtotal AS DECIMAL(22, 12)) * CAST(tax AS DECIMAL(6, 2))
                   * CAST(0.01 AS DECIMAL(3, 2)) AS tax
            FROM sums, customers WHERE customer = ?
        )
        SELECT subtotal, tax, minor, subtotal + tax AS exact FROM taxed
        """,
        str(adjusted),
        customer,
        customer,
    )
    unit = Decimal(1).scaleb(-sums["minor"])
    # Half up, of amounts that are never negative here.
    total = (sums["exact"] / unit + Decimal("0.5")).to_integral_value("ROUND_FLOOR") * unit
    return {
        "subtotal": sums["subtotal"],
        "tax": sums["tax"],
        "total": total,
        "rounding": total - sums["exact"],
    }


def billed_hours(
    truth: Truth, customer: str, periods: list[tuple[datetime, datetime]]
) -> Mapping[datetime, tuple[int, int, Decimal]]:
    """Calls, billed seconds and charge of each hour of the periods."""
    return {
        start: (sums["attempts"], sums["billed"], sums["charge"])
        for start, sums in rows(truth, customer, "HOUR").items()
        if any(begin <= start < end for begin, end in periods)
    }
