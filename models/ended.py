"""Calls by their end: what the live window is filled from, and what alerts look at."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection
from datetime import datetime

from domain import alerts, calls, stats
from models import db

_SINCE = """
    SELECT switch, call_id, customer_id, setup_at, ringing_at, answer_at, end_at, talk_us
    FROM call_records WHERE account_id = $1 AND end_at >= $2 AND final
"""


async def since(
    account_id: int, start: datetime, chunk: int
) -> AsyncGenerator[list[calls.Ended], None]:
    """Those of one instant whose final leg ended at or after `start`, in lists of `chunk` at most.

    Close it (`contextlib.aclosing`): it holds a connection.
    """
    async with db.connection() as conn, conn.transaction(readonly=True):
        cursor = await conn.cursor(_SINCE, account_id, start)
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


# What ended in each of some periods before an instant ($2; $3: their minutes), by what it is about:
# attempts of the account or of customers, legs of carriers. The records are read once, whatever the
# number of periods and of what it is about.
_ABOUT = {
    alerts.Scope.ACCOUNT: ("0::bigint", "final", "setup_at"),
    alerts.Scope.CUSTOMER: ("customer_id", "final", "setup_at"),
    alerts.Scope.CARRIER: ("carrier_id", "true", "offered_at"),
}
_IN_PERIODS = """
    FROM call_records r JOIN unnest($3::int[]) p (minutes)
        ON r.end_at >= $2::timestamptz - make_interval(mins => p.minutes)
    WHERE r.account_id = $1 AND r.end_at < $2 AND {which} AND {about} = ANY($4::bigint[])
      AND r.end_at >= $2::timestamptz - make_interval(mins => (SELECT max(m) FROM unnest($3::int[]) m))
"""
_SUMS = f"""
    SELECT p.minutes, {{about}} AS about, coalesce(sip_code, 0) AS code, count(*) AS calls,
           count(answer_at) AS answered, sum(talk_us)::bigint AS talk_us,
           count(ringing_at) AS pdd_count,
           coalesce(extract(epoch FROM sum(ringing_at - {{since}})) * 1000000, 0)::bigint AS pdd_us
    {_IN_PERIODS} GROUP BY 1, 2, 3
"""
_FAILURES = f"""
    SELECT minutes, about,
           count(*) FILTER (WHERE good_at IS NULL OR end_at > good_at) AS failures
    FROM (
        SELECT p.minutes, {{about}} AS about, end_at,
               max(end_at) FILTER (WHERE answer_at IS NOT NULL OR sip_code = ANY($5::int[]))
                   OVER (PARTITION BY p.minutes, {{about}}) AS good_at
        {_IN_PERIODS}
    ) ended GROUP BY 1, 2
"""


async def in_periods(
    account_id: int,
    scope: alerts.Scope,
    ids: Collection[int],
    minutes: Collection[int],
    now: datetime,
    *,
    failures: bool,
) -> dict[tuple[int, int], alerts.Ended]:
    """By (minutes, id), what ended in the minutes before `now`; nothing of what had no calls.

    `ids` are customers or carriers, 0 of the account; without `failures` they are not counted.
    """
    about, which, since = _ABOUT[scope]
    words = {"about": about, "which": which, "since": since}
    given = (account_id, now, list(minutes), list(ids))
    async with db.connection() as conn:
        rows = await conn.fetch(_SUMS.format(**words), *given)
        failed = (
            await conn.fetch(_FAILURES.format(**words), *given, list(alerts.FAILS_NOT))
            if failures
            else ()
        )
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
