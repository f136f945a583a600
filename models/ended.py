"""Calls by their end: what the live window is filled from, and what alerts look at."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from domain import alerts, calls, stats
from models import day_bounds, db

# Partitions are of setups: a call that took longer is not looked for by its end.
LONGEST_CALL = timedelta(hours=48)
_NOT_TOO_LONG = f"end_at - setup_at <= interval '{LONGEST_CALL.total_seconds():.0f} s'"
_AHEAD = timedelta(hours=1)  # that a switch's clock may be, and more
_SINCE = f"""
    SELECT switch, call_id, customer_id, setup_at, ringing_at, answer_at, end_at, talk_us
    FROM call_records
    WHERE account_id = $1 AND end_at >= $2 AND final AND {{days}} AND {_NOT_TOO_LONG}
"""


def _set_up(first_end: datetime, last_end: datetime) -> str:
    return day_bounds.Span(first_end - LONGEST_CALL, last_end).condition()


async def since(
    account_id: int, start: datetime, now: datetime, chunk: int
) -> AsyncGenerator[list[calls.Ended], None]:
    """Those of one instant whose final leg ended at or after `start`, in lists of `chunk` at most,
    without calls that took longer than `LONGEST_CALL`.

    Close it (`contextlib.aclosing`): it holds a connection.
    """
    statement = _SINCE.format(days=_set_up(start, now + _AHEAD))
    async with db.connection() as conn, conn.transaction(readonly=True):
        cursor = await conn.cursor(statement, account_id, start)
        while rows := await cursor.fetch(chunk):
            yield [
                calls.Ended(
                    row["switch"],
                    row["call_id"],
                    row["customer_id"],
                    row["setup_at"],
                    row["end_at"],
                    calls.Outcome.of(
                        row["setup_at"], row["ringing_at"], row["answer_at"], row["talk_us"]
                    ),
                )
                for row in rows
            ]


# What ended in each of some periods before an instant ($2; $3: their minutes, $4: the longest's
# start), by what it is about: attempts of the account or of customers, legs of carriers. The
# records are read once, whatever the number of periods and of what it is about ($5).
_ABOUT = {
    alerts.Scope.ACCOUNT: ("0::bigint", "final", "setup_at"),
    alerts.Scope.CUSTOMER: ("customer_id", "final", "setup_at"),
    alerts.Scope.CARRIER: ("carrier_id", "true", "offered_at"),
}
_IN_PERIODS = f"""
    FROM call_records r JOIN unnest($3::int[]) p (minutes)
        ON r.end_at >= $2::timestamptz - make_interval(mins => p.minutes)
    WHERE r.account_id = $1 AND r.end_at >= $4 AND r.end_at < $2 AND {{which}}
      AND {{about}} = ANY($5::bigint[]) AND {{days}} AND {_NOT_TOO_LONG}
"""
_SUMS = f"""
    SELECT p.minutes, {{about}} AS about, coalesce(sip_code, 0) AS code, count(*) AS calls,
           count(answer_at) AS answered, sum(talk_us)::bigint AS talk_us,
           count(ringing_at) AS pdd_count,
           coalesce(extract(epoch FROM sum(ringing_at - {{since}})) * 1000000, 0)::bigint AS pdd_us
    {_IN_PERIODS} GROUP BY 1, 2, 3
"""
_FAILURES = f"""
    WITH ended AS MATERIALIZED (
        SELECT p.minutes, {{about}} AS about, end_at,
               answer_at IS NOT NULL OR coalesce(sip_code = ANY($6::int[]), false) AS is_good
        {_IN_PERIODS}
    ), good AS (
        SELECT minutes, about, max(end_at) AS at FROM ended WHERE is_good GROUP BY 1, 2
    )
    SELECT minutes, about, count(*) AS failures
    FROM ended LEFT JOIN good USING (minutes, about)
    WHERE NOT is_good AND (good.at IS NULL OR ended.end_at > good.at) GROUP BY 1, 2
"""


async def in_periods(
    account_id: int,
    scope: alerts.Scope,
    ids: Collection[int],
    minutes: Collection[int],
    failures: Collection[int],
    now: datetime,
) -> dict[tuple[int, int], alerts.Ended]:
    """By (minutes, id), what ended in the minutes before `now`; nothing of what had no calls.

    `ids` are customers or carriers, 0 of the account; `failures` are those of the minutes in which
    failures are counted too. Calls that took longer than `LONGEST_CALL` are left out.
    """
    about, which, since = _ABOUT[scope]
    days = _set_up(now - timedelta(minutes=max(minutes)), now)
    words = {"about": about, "which": which, "since": since, "days": days}

    def given(minutes: Collection[int]) -> tuple[object, ...]:
        start = now - timedelta(minutes=max(minutes))
        return account_id, now, list(minutes), start, list(ids)

    async with db.connection() as conn:
        rows = await conn.fetch(_SUMS.format(**words), *given(minutes))
        failed: Sequence[Mapping[str, int]] = ()
        if failures:
            counted = (*given(failures), list(alerts.FAILS_NOT))
            failed = await conn.fetch(_FAILURES.format(**words), *counted)
    return _ended(rows, failed)


def _ended(
    rows: Sequence[Mapping[str, int]], failed: Sequence[Mapping[str, int]]
) -> dict[tuple[int, int], alerts.Ended]:
    sums: dict[tuple[int, int], stats.Sums] = defaultdict(stats.Sums)
    codes: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for row in rows:
        key = row["minutes"], row["about"]
        sums[key] += stats.Sums(
            attempts=row["calls"],
            answered=row["answered"],
            talk_us=row["talk_us"],
            pdd_us=row["pdd_us"],
            pdd_count=row["pdd_count"],
        )
        codes[key][row["code"]] = row["calls"]
    in_a_row = {(row["minutes"], row["about"]): row["failures"] for row in failed}
    return {key: alerts.Ended(sums[key], codes[key], in_a_row.get(key, 0)) for key in sums}
