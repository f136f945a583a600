"""Calls by their end: the source of the sliding windows and of alert readings."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from domain.alerting import evaluation
from domain.records import calls
from domain.summaries import ratios
from models import db
from models.records import day_bounds

# Longer calls are not found by their end, because partitions are by setup.
MAX_CALL_LENGTH = timedelta(hours=48)
_WITHIN_MAX_LENGTH = f"end_at - setup_at <= interval '{MAX_CALL_LENGTH.total_seconds():.0f} s'"
_MAX_CLOCK_LEAD = timedelta(hours=1)  # of a switch's clock
_SINCE = f"""
    SELECT switch, call_id, customer_id, setup_at, ringing_at, answer_at, end_at, talk_us
    FROM call_records
    WHERE account_id = $1 AND end_at >= $2 AND final AND {{days}} AND {_WITHIN_MAX_LENGTH}
"""


def _setup_days(first_end: datetime, last_end: datetime) -> str:
    return day_bounds.Span(first_end - MAX_CALL_LENGTH, last_end).condition()


async def read_since(
    account_id: int, start: datetime, now: datetime, chunk: int
) -> AsyncGenerator[list[calls.EndedAttempt], None]:
    """Calls whose final leg ended at or after `start`, from one snapshot, in lists of up to
    `chunk`. Omits calls longer than `MAX_CALL_LENGTH`.

    Close the generator (`contextlib.aclosing`), because it holds a connection.
    """
    statement = _SINCE.format(days=_setup_days(start, now + _MAX_CLOCK_LEAD))
    async with db.connection() as conn, conn.transaction(readonly=True):
        cursor = await conn.cursor(statement, account_id, start)
        while rows := await cursor.fetch(chunk):
            yield [
                calls.EndedAttempt(
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


# Calls that ended in the periods before an instant ($2; $3: their minutes, $4: the start of the
# longest) by subject: attempts of the account or of customers, or legs of carriers. The records are
# read once, for any number of periods and subjects ($5).
_SUBJECTS = {
    evaluation.Scope.ACCOUNT: ("0::bigint", "final", "setup_at"),
    evaluation.Scope.CUSTOMER: ("customer_id", "final", "setup_at"),
    evaluation.Scope.CARRIER: ("carrier_id", "true", "offered_at"),
}
_IN_PERIODS = f"""
    FROM call_records r JOIN unnest($3::int[]) p (minutes)
        ON r.end_at >= $2::timestamptz - make_interval(mins => p.minutes)
    WHERE r.account_id = $1 AND r.end_at >= $4 AND r.end_at < $2 AND {{legs}}
      AND {{subject}} = ANY($5::bigint[]) AND {{days}} AND {_WITHIN_MAX_LENGTH}
"""
_SUMS = f"""
    SELECT p.minutes, {{subject}} AS subject, coalesce(sip_code, 0) AS code, count(*) AS calls,
           count(answer_at) AS answered, sum(talk_us)::bigint AS talk_us,
           count(ringing_at) AS pdd_count,
           coalesce(extract(epoch FROM sum(ringing_at - {{since}})) * 1000000, 0)::bigint AS pdd_us
    {_IN_PERIODS} GROUP BY 1, 2, 3
"""
_FAILURES = f"""
    WITH ended AS MATERIALIZED (
        SELECT p.minutes, {{subject}} AS subject, end_at,
               answer_at IS NOT NULL OR coalesce(sip_code = ANY($6::int[]), false) AS is_good
        {_IN_PERIODS}
    ), good AS (
        SELECT minutes, subject, max(end_at) AS at FROM ended WHERE is_good GROUP BY 1, 2
    )
    SELECT minutes, subject, count(*) AS failures
    FROM ended LEFT JOIN good USING (minutes, subject)
    WHERE NOT is_good AND (good.at IS NULL OR ended.end_at > good.at) GROUP BY 1, 2
"""


async def sum_periods(
    account_id: int,
    scope: evaluation.Scope,
    ids: Collection[int],
    minutes: Collection[int],
    failures: Collection[int],
    now: datetime,
) -> dict[tuple[int, int], evaluation.EndedCalls]:
    """Sums of the calls that ended in the minutes before `now`, by (minutes, id), if there are any.

    `ids` are customers or carriers; 0 is the account. Consecutive failures are counted only for
    the minutes in `failures`. Omits calls longer than `MAX_CALL_LENGTH`.
    """
    subject, legs, since = _SUBJECTS[scope]
    days = _setup_days(now - timedelta(minutes=max(minutes)), now)
    parts = {"subject": subject, "legs": legs, "since": since, "days": days}

    def parameters(minutes: Collection[int]) -> tuple[object, ...]:
        start = now - timedelta(minutes=max(minutes))
        return account_id, now, list(minutes), start, list(ids)

    async with db.connection() as conn:
        rows = await conn.fetch(_SUMS.format(**parts), *parameters(minutes))
        failed: Sequence[Mapping[str, int]] = ()
        if failures:
            arguments = (*parameters(failures), list(evaluation.NON_FAILURE_CODES))
            failed = await conn.fetch(_FAILURES.format(**parts), *arguments)
    return _ended_calls(rows, failed)


def _ended_calls(
    rows: Sequence[Mapping[str, int]], failed: Sequence[Mapping[str, int]]
) -> dict[tuple[int, int], evaluation.EndedCalls]:
    sums: dict[tuple[int, int], ratios.Sums] = defaultdict(ratios.Sums)
    codes: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for row in rows:
        key = row["minutes"], row["subject"]
        sums[key] += ratios.Sums(
            attempts=row["calls"],
            answered=row["answered"],
            talk_us=row["talk_us"],
            pdd_us=row["pdd_us"],
            pdd_count=row["pdd_count"],
        )
        codes[key][row["code"]] = row["calls"]
    consecutive = {(row["minutes"], row["subject"]): row["failures"] for row in failed}
    return {
        key: evaluation.EndedCalls(sums[key], codes[key], consecutive.get(key, 0)) for key in sums
    }
